import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import Result

from fergi.datasets.synthetic import write_synthetic_study
from fergi.stages.valence import FauNet
from fergi.weights.store import model_file

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def ranked_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Large enough that every fold has pairs with faces on both sides."""
    root = tmp_path_factory.mktemp("ranked") / "study"
    write_synthetic_study(root, participants=4, sessions=3, with_pictures=False)
    return root


@pytest.fixture
def unranked_study(invented_study: Path) -> Path:
    for path in invented_study.rglob("data.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        del record["ranking"]
        path.write_text(json.dumps(record), encoding="utf-8")
    return invented_study


def test_a_valence_network_is_learned_and_can_annotate(
    fergi: Run, ranked_study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "my.safetensors"
    result = fergi("train", "valence", ranked_study, "--out", out)
    assert result.exit_code == 0, result.output
    FauNet.from_tensors(model_file(out).tensors)
    record = json.loads((tmp_path / "my.safetensors.json").read_text(encoding="utf-8"))
    assert record["models"] == {"my.safetensors": model_file(out).sha256}
    table = tmp_path / "a.parquet"
    assert fergi("annotate", ranked_study, "-o", table, "--fau-net", out).exit_code == 0
    assert model_file(out).sha256[:12] in pl.read_parquet(table)["annotator"][0]


def test_training_twice_gives_the_same_bytes(
    fergi: Run, ranked_study: Path, tmp_path: Path
) -> None:
    files = [tmp_path / f"{name}.safetensors" for name in ("one", "two")]
    for file in files:
        assert fergi("train", "valence", ranked_study, "--out", file, "--quiet").exit_code == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_fusion_is_learned_and_can_annotate(
    fergi: Run, ranked_study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "fusion.safetensors"
    scores = ["--scores", "pickscore,hpsv2"]
    assert fergi("train", "fusion", ranked_study, "--out", out, *scores).exit_code == 0
    model = model_file(out)
    assert model.metadata["sources"] == "face,pickscore,hpsv2"
    record = json.loads((tmp_path / "fusion.safetensors.json").read_text(encoding="utf-8"))
    assert record["settings"] == {"scores": "pickscore,hpsv2", "scores_table": None}
    assert set(model.tensors) == {"au4", "au4-au12", "fau-net"}
    assert all(np.isfinite(weights).all() for weights in model.tensors.values())
    for valence in model.tensors:
        table = tmp_path / "a.parquet"
        options = ["--fusion", out, "--valence", valence]
        assert fergi("annotate", ranked_study, "-o", table, *options).exit_code == 0
        assert set(pl.read_parquet(table)["source"]) == {"face+scores", "scores"}


def test_an_evaluation_writes_tables_and_figures(
    fergi: Run, ranked_study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "evaluation"
    result = fergi("evaluate", ranked_study, "--out", out)
    assert result.exit_code == 0, result.output
    names = {path.name for path in out.iterdir()}
    assert {"predictions.parquet", "reliability.svg", "reliability.png"} <= names
    predictions = pl.read_parquet(out / "predictions.parquet")
    assert predictions["p_0"].is_between(0, 1).all()
    assert len(predictions.filter(valence="fau-net", evidence="all")) == 4 * 3 * 10
    assert "pairs right" in result.stdout


@pytest.mark.parametrize("scores", ["none", "auto"])
def test_a_study_without_scores_can_be_evaluated(
    fergi: Run, ranked_study: Path, tmp_path: Path, scores: str
) -> None:
    study = shutil.copytree(ranked_study, tmp_path / "study")
    (study / "scores.csv").unlink()
    out = tmp_path / "evaluation"
    result = fergi("evaluate", study, "--out", out, "--scores", scores)
    assert result.exit_code == 0, result.output
    assert set(pl.read_parquet(out / "predictions.parquet")["evidence"]) == {"face"}


def test_pairs_of_which_nothing_is_known_are_said_to_be_left_out(
    fergi: Run, ranked_study: Path, tmp_path: Path
) -> None:
    study = shutil.copytree(ranked_study, tmp_path / "study")
    scores = pl.read_csv(study / "scores.csv")
    is_unknown = (pl.col("participant") == "p03") & (pl.col("session", "image") == 1)
    scores.filter(~pl.all_horizontal(is_unknown)).write_csv(study / "scores.csv")
    (study / "p03" / "session_1" / "reaction_clip_1_features.csv").unlink()
    out, table = tmp_path / "evaluation", study / "scores.csv"
    options = ["--out", out, "--scores", "auto", "--scores-table", table]
    result = fergi("evaluate", study, *options)
    assert "4 pairs of which nothing is known" in result.stdout
    assert " of 116 pairs right" in result.stdout
    record = json.loads((out / "predictions.parquet.json").read_text(encoding="utf-8"))
    assert record["summary"]["left_out"] == "4 pairs of which nothing is known"
    assert record["settings"] == {"scores": "auto", "scores_table": str(table)}


@pytest.mark.parametrize("name", ["hps, v2", " hpsv2"])
@pytest.mark.parametrize("command", [["train", "fusion"], ["evaluate"]])
def test_a_score_whose_name_cannot_be_listed_is_refused(
    fergi: Run, ranked_study: Path, tmp_path: Path, command: list[str], name: str
) -> None:
    table = tmp_path / "scores.csv"
    pl.read_csv(ranked_study / "scores.csv").rename({"hpsv2": name}).write_csv(table)
    options = ["--scores", "auto", "--scores-table", table, "--out", tmp_path / "m.safetensors"]
    result = fergi(*command, ranked_study, *options)
    assert result.exit_code == 1
    assert f"{name!r}; rename the column" in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [table]


@pytest.mark.parametrize("command", [["train", "valence"], ["train", "fusion"], ["evaluate"]])
def test_a_study_without_rankings_is_refused_in_one_line(
    fergi: Run, unranked_study: Path, tmp_path: Path, command: list[str]
) -> None:
    result = fergi(*command, unranked_study, "--out", tmp_path / "out.safetensors")
    assert result.exit_code == 1
    assert "0 are ranked" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("command", [["train", "fusion"], ["evaluate"]])
@pytest.mark.parametrize("scores", ["clip", "pickscore,clip"])
def test_scores_that_the_study_lacks_are_refused_in_one_line(
    fergi: Run, ranked_study: Path, tmp_path: Path, command: list[str], scores: str
) -> None:
    result = fergi(
        *command, ranked_study, "--out", tmp_path / "out.safetensors", "--scores", scores
    )
    assert result.exit_code == 1
    assert "no scores of clip" in result.stderr
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["train", "fusion"], ["evaluate"]])
def test_a_score_named_twice_does_not_crash(
    fergi: Run, ranked_study: Path, tmp_path: Path, command: list[str]
) -> None:
    scores = ["--scores", "pickscore,pickscore"]
    result = fergi(*command, ranked_study, "--out", tmp_path / "out.safetensors", *scores)
    assert result.exit_code in {0, 2}


@pytest.mark.parametrize("people", [1, 2])
def test_too_few_people_to_hold_one_out_are_refused_in_one_line(
    fergi: Run, ranked_study: Path, tmp_path: Path, people: int
) -> None:
    study = shutil.copytree(ranked_study, tmp_path / "study")
    for number in range(people + 1, 5):
        shutil.rmtree(study / f"p{number:02d}")
    result = fergi("evaluate", study, "--out", tmp_path / "out.safetensors")
    assert result.exit_code == 1
    assert f"{people} participants have ranked pairs with two usable faces" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_spoiled_clip_is_named_and_the_rest_is_learned_from(
    fergi: Run, ranked_study: Path, tmp_path: Path
) -> None:
    study = shutil.copytree(ranked_study, tmp_path / "study")
    (study / "p01" / "session_1" / "reaction_clip_1_features.csv").write_bytes(b"")
    result = fergi("train", "valence", study, "--out", tmp_path / "m.safetensors")
    assert result.exit_code == 1
    assert "p01/session_1/reaction_clip_1_features.csv: is empty" in result.stderr
    FauNet.from_tensors(model_file(tmp_path / "m.safetensors").tensors)


@pytest.mark.parametrize("command", ["valence", "fusion"])
def test_a_model_of_another_ending_is_wrong_usage(
    fergi: Run, ranked_study: Path, tmp_path: Path, command: str
) -> None:
    result = fergi("train", command, ranked_study, "--out", tmp_path / "model.pt")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["train", "valence"], ["train", "fusion"], ["evaluate"]], ids=" ".join
)
def test_a_file_in_place_of_a_folder_is_said_before_any_work_is_done(
    fergi: Run, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "notes").touch()
    out = tmp_path / "notes" / "m.safetensors"
    result = fergi(*words, tmp_path / "a study that nobody has looked for yet", "--out", out)
    assert result.exit_code == 2
    assert result.stderr.endswith(
        "notes is a file, where a folder is needed; choose another place\n"
    )
    assert result.stderr.count("\n") == 1
