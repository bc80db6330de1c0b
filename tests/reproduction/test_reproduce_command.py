"""`fergi reproduce` as a person runs it."""

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from fergi.cli import app
from fergi.evaluation import reproduction
from fergi.evaluation.comparison import published_values

pytestmark = pytest.mark.release


def _reproduce(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fergi", "reproduce", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def spoiled_release(release: Path, tmp_path: Path) -> Path:
    """The release without one participant, and with one rating changed."""
    spoiled = tmp_path / "spoiled"
    shutil.copytree(release / "preparation", spoiled / "preparation")
    (spoiled / "data").mkdir()
    for participant in (release / "data").iterdir():
        if participant.name != "005":
            (spoiled / "data" / participant.name).symlink_to(participant)
    altered = spoiled / "preparation" / "preprocessed_image_data" / "009.csv"
    altered.chmod(0o644)
    altered.write_text(altered.read_text().replace("1,1,4,3,4", "1,1,5,3,4", 1))
    return spoiled


def test_the_release_gives_tables_figures_and_a_page(release: Path, tmp_path: Path) -> None:
    ended = _reproduce(release, "--out", tmp_path / "out")
    assert ended.returncode == 0
    assert ended.stderr == ""
    assert "188 match" in ended.stdout
    tables = {path.stem for path in (tmp_path / "out" / "tables").iterdir()}
    assert {
        "pairwise_accuracy_v1",
        "pairwise_accuracy_v2",
        "pairwise_accuracy_v3",
        "parameters_v1",
        "parameters_v2",
        "parameters_v3",
        "selection_v3",
        "rating_correlations",
        "reaction_ranksums",
        "aspects_v1",
        "comparison",
        "nested_measures",
        "nested_weights",
    } <= tables
    without = dict(
        pl.read_csv(tmp_path / "out" / "tables" / "oddities.csv")
        .select("oddity", "without")
        .iter_rows()
    )
    # Single precision, summed in another order: a pair or two of 3,734.
    assert without["One seed for all folds"] == pytest.approx(59.27, abs=0.06)
    assert without["Leak into the weight of the face"] == pytest.approx(68.34, abs=0.06)
    accuracy = pl.read_csv(
        tmp_path / "out" / "tables" / "pairwise_accuracy_v1.csv",
        schema_overrides={"participant": pl.String},
    )
    assert accuracy.columns == ["participant", "score", "n_correct", "n_incorrect"]
    assert accuracy["participant"].n_unique() == 30
    face = accuracy.filter(score="AU4_valence_score")
    assert (face["n_correct"].sum(), face["n_incorrect"].sum()) == (2001, 1533)
    figures = {path.suffix for path in (tmp_path / "out" / "figures").iterdir()}
    assert figures == {".pdf", ".png"}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_a_cell_that_differs_ends_the_command_with_status_1(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = copy.deepcopy(published_values())
    printed["spearman_sequential"]["AU9"] = "-.095"
    monkeypatch.setattr(reproduction, "published_values", lambda: printed)
    command = ["reproduce", str(release), "-o", str(tmp_path / "out"), "--only", "statistics"]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 1
    assert "published -.095, ours -.094" in ended.stderr


def test_a_spoiled_release_is_named_and_not_compared(spoiled_release: Path, tmp_path: Path) -> None:
    ended = _reproduce(spoiled_release, "-o", tmp_path / "out", "--only", "statistics", "--json")
    assert ended.returncode == 1
    summary = json.loads(ended.stdout)
    assert set(summary["printed_figures"]) == {"not comparable"}
    places = {problem["place"] for problem in summary["problems"]}
    assert "preparation/preprocessed_image_data/009.csv" in places
    assert "data/005/session_1/reaction_clip_1_features.csv" in places
    assert any("participant 005" in place for place in places)


def test_another_study_is_refused(pristine_study: Path, tmp_path: Path) -> None:
    ended = _reproduce(pristine_study, "--out", tmp_path / "out")
    assert ended.returncode == 2
    assert "not the authors' release" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_part_is_refused(release: Path, tmp_path: Path) -> None:
    ended = _reproduce(release, "--out", tmp_path / "out", "--only", "v4")
    assert ended.returncode == 2
    assert "v4 is no part" in ended.stderr
