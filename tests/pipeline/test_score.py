"""`fergi score`, and the commands that use its scores, with small random weights."""

import importlib.util
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from typer.testing import Result

import fergi as package
from fergi.files import read_table

Run = Callable[..., Result]
SIX = "clip,laion_aesthetic,blip,imagereward,pickscore,hpsv2"


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small random weights that the unit tests of scorers use."""
    path = Path(__file__).parents[1] / "unit" / "scorers" / "conftest.py"
    spec = importlib.util.spec_from_file_location("small_weights", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Path = module.weights_folder._get_wrapped_function()(tmp_path_factory)
    return made


@pytest.fixture
def unscored_study(invented_study: Path) -> Path:
    (invented_study / "scores.csv").unlink()
    return invented_study


@pytest.fixture(autouse=True)
def _no_weights_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FERGI_WEIGHTS_DIR", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FERGI_MODELS_DIR", str(tmp_path / "models"))


def test_a_study_is_scored_by_all_six_and_its_scores_are_used(
    fergi: Run, unscored_study: Path, weights: Path, tmp_path: Path
) -> None:
    out = unscored_study / "scores.parquet"
    result = fergi("score", unscored_study, "--scorers", SIX, "-o", out, "--weights", weights)
    assert result.exit_code == 0
    assert result.stderr == ""
    facts = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    assert facts["scores"].strip() == ", ".join(f"30 {name}" for name in SIX.split(","))
    table = pl.read_parquet(out)
    assert table.columns[:5] == ["participant", "session", "image", "prompt", "path"]
    annotations = package.annotate(unscored_study)
    assert (annotations["source"] != "face").all()
    fusion = tmp_path / "fusion.safetensors"
    chosen = "laion_aesthetic,blip"
    assert fergi("train", "fusion", unscored_study, "--scores", chosen, "-o", fusion).exit_code == 0
    judged = package.annotate(unscored_study, fusion=fusion, scores=chosen)
    assert set(judged["source"]) <= {"face+scores", "scores"}


def test_a_table_is_scored_and_lacks_are_told(
    fergi: Run, unscored_study: Path, weights: Path, tmp_path: Path
) -> None:
    table = unscored_study / "table.csv"
    rows = [("a fox", "p01/session_1/image1.png"), ("", "p01/session_1/image1.png")]
    rows += [("fox " * 2000, "p01/session_1/image2.png"), ("x", "truth.csv"), ("y", "nothing.png")]
    pl.DataFrame(rows, schema=["prompt", "image"], orient="row").write_csv(table)
    out = tmp_path / "scores.jsonl"
    result = fergi("score", table, "--scorers", "clip,blip", "-o", out, "--weights", weights)
    assert result.exit_code == 1
    scores = read_table(out)
    assert scores["clip"].is_not_null().to_list() == [True, True, True, False, False]
    assert scores["reason"].is_null().to_list() == [True, True, True, False, False]
    assert "too long: 1 by clip, 1 by blip" in result.stderr
    assert "truth.csv: is no PNG, JPEG or WebP image" in result.stderr
    assert "prompts truncated  1 clip, 1 blip" in result.stdout


def test_a_scorer_that_breaks_costs_only_its_own_scores(
    fergi: Run,
    unscored_study: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> list[float]:
        raise KeyError("patch_embed")

    monkeypatch.setattr("fergi.scorers.blip_scores.BlipScore.scores", broken)
    out = tmp_path / "scores.parquet"
    words = ["score", unscored_study, "--scorers", "blip,clip", "-o", out, "--weights", weights]
    result = fergi(*words)
    assert result.exit_code == 1
    assert "image1.png: blip: KeyError: 'patch_embed'" in result.stderr
    assert "0 blip, 30 clip" in result.stdout
    monkeypatch.undo()
    monkeypatch.setenv("FERGI_MODELS_DIR", str(tmp_path / "models"))
    again = fergi(*words, "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["taken_over"] == 30


@pytest.mark.parametrize(("version", "column"), [("2.0", "hpsv2"), ("2.1", "hpsv2_1")])
def test_versions_of_hps_have_different_columns(
    fergi: Run, unscored_study: Path, weights: Path, tmp_path: Path, version: str, column: str
) -> None:
    out = tmp_path / "scores.csv"
    options = ["--scorers", "hpsv2", "--hps-version", version, "--weights", weights]
    assert fergi("score", unscored_study, "-o", out, *options).exit_code == 0
    assert [name for name in read_table(out).columns if name.startswith("hps")] == [column]


def test_how_the_work_runs_changes_no_score(
    fergi: Run, unscored_study: Path, weights: Path, tmp_path: Path
) -> None:
    tables = []
    for number, way in enumerate(([], ["--batch-size", "3"], ["--keep-loaded"])):
        out = tmp_path / f"{number}.parquet"
        options = ["--scorers", "clip,imagereward", "--weights", weights]
        assert fergi("score", unscored_study, "-o", out, *options, *way, "-q").exit_code == 0
        tables.append(pl.read_parquet(out))
    assert tables[2].equals(tables[0])
    for name in ("clip", "imagereward"):
        # float32 sums in another order
        assert (tables[1][name] - tables[0][name]).abs().max() < 1e-5  # type: ignore[operator]


def test_weights_may_be_named_one_by_one(
    fergi: Run, unscored_study: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "s.csv"
    named = ["--weights", f"hpsv2={weights / 'hpsv2'}"]
    named += ["--weights", f"imagereward={weights / 'imagereward' / 'ImageReward.pt'}"]
    assert (
        fergi(
            "score", unscored_study, "--scorers", "hpsv2,imagereward", "-o", out, *named
        ).exit_code
        == 0
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scorers", "beauty"], "there is no scorer 'beauty'"),
        (["--scorers", "clip", "--weights", "nowhere"], "give one folder that is there"),
        (["--scorers", "clip", "--weights", "=x"], "give NAME=PATH"),
        (["--scorers", "clip", "--weights", "clap=."], "names 'clap', which is no scorer"),
        (["--scorers", ","], "no scorer"),
    ],
)
def test_wrong_usage_has_one_line_and_status_2(
    fergi: Run, unscored_study: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    result = fergi("score", unscored_study, "-o", tmp_path / "s.csv", *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "s.csv").exists()


def test_a_user_without_weights_is_told_what_to_do(
    fergi: Run, unscored_study: Path, tmp_path: Path
) -> None:
    result = fergi("score", unscored_study, "--scorers", "pickscore", "-o", tmp_path / "s.csv")
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    for hint in ("about 3.94 GB", "fergi fetch pickscore", "scorers/pickscore", "--weights"):
        assert hint in result.stderr


def test_a_study_without_images_is_refused(fergi: Run, unscored_study: Path, weights: Path) -> None:
    for image in unscored_study.rglob("*.png"):
        image.unlink()
    out = unscored_study / "scores.csv"
    result = fergi("score", unscored_study, "--scorers", "clip", "-o", out, "--weights", weights)
    assert result.exit_code == 1
    assert "has none of its 30 image files" in result.stderr


def test_annotate_computes_the_scores_that_are_named_and_missing(
    fergi: Run,
    unscored_study: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "a.parquet"
    wanted = ["--scores", "pickscore,imagereward"]
    refused = fergi("annotate", unscored_study, "-o", out, *wanted)
    assert refused.exit_code == 1
    assert "fergi fetch pickscore && fergi fetch imagereward" in refused.stderr
    monkeypatch.setenv("FERGI_WEIGHTS_DIR", str(weights))
    assert fergi("annotate", unscored_study, "-o", out, *wanted).exit_code == 0
    kept = pl.read_parquet(unscored_study / "scores.parquet")
    assert kept["pickscore"].null_count() == 0
    (unscored_study / "p01" / "session_1" / "image1.png").unlink()
    monkeypatch.delenv("FERGI_WEIGHTS_DIR")
    assert fergi("annotate", unscored_study, "-o", out, *wanted).exit_code == 0
    assert set(pl.read_parquet(out)["source"]) <= {"scores", "face+scores"}


def test_annotate_leaves_a_user_s_own_table_alone_and_names_the_command(
    fergi: Run, invented_study: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERGI_WEIGHTS_DIR", str(weights))
    own = invented_study / "scores.csv"
    read_table(own).drop("pickscore").write_csv(own)
    before = own.read_bytes()
    result = fergi("annotate", invented_study, "-o", tmp_path / "a.csv", "--scores", "pickscore")
    assert result.exit_code == 1
    assert f"fergi score {invented_study} --scorers pickscore --out {own}" in result.stderr
    assert own.read_bytes() == before
    words = ["score", invented_study, "--scorers", "pickscore", "--out", own]
    assert fergi(*words).exit_code == 0
    assert {"pickscore", "imagereward", "hpsv2"} <= set(read_table(own).columns)
    again = fergi("annotate", invented_study, "-o", tmp_path / "a.csv", "--scores", "pickscore")
    assert again.exit_code == 0


def test_the_fusion_takes_all_scores_or_none(
    fergi: Run, invented_study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "fusion.safetensors"
    for scores, sources in (("auto", "face,imagereward,pickscore,hpsv2"), ("none", "face")):
        result = fergi("train", "fusion", invented_study, "--scores", scores, "-o", out, "--json")
        assert json.loads(result.stdout)["sources"] == sources


def test_scoring_opens_no_connection_and_needs_no_torchvision(
    fergi_process: Callable[..., subprocess.CompletedProcess[str]],
    unscored_study: Path,
    weights: Path,
    tmp_path: Path,
) -> None:
    prelude = (
        "import socket, sys; sys.modules['torchvision'] = None; "
        "socket.socket.connect = lambda *a: sys.exit('a connection was opened')"
    )
    ended = fergi_process(
        *("score", unscored_study, "--scorers", SIX, "-o", tmp_path / "s.csv", "-q"),
        *("--weights", weights),
        prelude=prelude,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
