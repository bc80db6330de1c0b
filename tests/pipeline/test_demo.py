import json
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import Result

Run = Callable[..., Result]
SMALL = ["--from-units", "--participants", "2", "--sessions", "2"]


def test_a_demo_invents_annotates_and_reports(fergi: Run, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    result = fergi("demo", "--out", out, *SMALL)
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {
        "study",
        "annotations.parquet",
        "annotations.parquet.json",
        "report.html",
    }
    assert len(pl.read_parquet(out / "annotations.parquet")) == 40
    assert "</html>" in (out / "report.html").read_text(encoding="utf-8")
    share = re.search(r"right by planted truth +(\d+) of (\d+)", result.stdout)
    assert share is not None
    assert int(share[1]) > int(share[2]) / 2


def test_the_next_step_that_a_demo_names_works(fergi: Run, tmp_path: Path) -> None:
    out = tmp_path / "demo"
    facts = json.loads(fergi("demo", "--out", out, *SMALL, "--json").stdout)
    command = facts["next"].split()
    assert command[0] == "fergi"
    assert fergi(*command[1:]).exit_code == 0


def test_the_same_seed_gives_the_same_demo(fergi: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        fergi("demo", "--out", tmp_path / name, *SMALL, "--seed", "3", "--quiet")
    pages = [(tmp_path / name / "report.html").read_bytes() for name in ("one", "two")]
    assert pages[0] == pages[1]


def test_a_folder_that_holds_something_is_left_alone(fergi: Run, tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    result = fergi("demo", "--out", tmp_path)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("option", ["--participants", "--sessions", "--seed"])
def test_an_impossible_number_is_wrong_usage(fergi: Run, tmp_path: Path, option: str) -> None:
    result = fergi("demo", "--from-units", "--out", tmp_path / "demo", option, "-1")
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--participants", "--sessions", "--seed"])
def test_numbers_without_something_to_invent_are_wrong_usage(
    fergi: Run, tmp_path: Path, option: str
) -> None:
    result = fergi("demo", "--out", tmp_path / "demo", option, "3")
    assert result.exit_code == 2
    assert "goes with --render or --from-units" in result.stderr
    assert fergi("demo", "--out", tmp_path / "demo", "--render", "--from-units").exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_without_the_face_networks_the_demo_says_how_to_get_them(
    fergi: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERGI_MODELS_DIR", str(tmp_path / "none"))
    result = fergi("demo", "--out", tmp_path / "demo")
    assert result.exit_code == 1
    assert "fergi fetch face-landmarker" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_films_go_the_whole_way_from_pixels_to_preferences(
    fergi: Run, tmp_path: Path, face_task: bytes
) -> None:
    out = tmp_path / "demo"
    ended = fergi("demo", "--out", out, "--json", "--workers", "1")
    assert ended.exit_code == 0, ended.output
    facts = json.loads(ended.stdout)
    assert facts["began_with"] == "the films that come with fergi"
    table = pl.read_parquet(out / "annotations.parquet")
    assert len(table) == 36
    right, of = map(int, re.findall(r"\d+", facts["right_where_both_faces_were_seen"])[:2])
    assert of >= 20
    assert right / of >= 0.75
    page = (out / "report.html").read_text(encoding="utf-8")
    # Three frames of each reaction, beside its curves; a verdict on every pair, and once more
    # on those of the sessions that are shown in full.
    assert page.count("data:image/jpeg") == 3 * 12
    assert page.count("✓ right") + page.count("✗ wrong") == 36 + 3 * 6
    assert page.count('<polyline class="AU12"') == 12
