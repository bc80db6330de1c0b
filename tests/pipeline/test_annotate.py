import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal
from typer.testing import Result

import fergi as package
from fergi.files import read_table
from fergi.provenance import settings_hash
from fergi.records.preference import ANNOTATION_SCHEMA
from fergi.settings import annotation_settings

Run = Callable[..., Result]
REACTION = "p02/session_1/reaction_clip_3_features.csv"


def _one_line(result: Result) -> str:
    """The only line of standard error."""
    assert result.stderr.startswith("fergi: ")
    assert result.stderr.count("\n") == 1, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_every_format_holds_what_the_python_api_gives(
    fergi: Run, pristine_study: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"annotations.{ending}"
    assert fergi("annotate", pristine_study, "--out", out).exit_code == 0
    table = read_table(out, text_columns=["participant"])
    assert table.columns == ANNOTATION_SCHEMA.names()
    assert_frame_equal(
        table.cast(ANNOTATION_SCHEMA), package.annotate(pristine_study), check_exact=True
    )


@pytest.mark.parametrize("valence", ["au4", "au4-au12", "fau-net"])
def test_each_valence_can_be_chosen(
    fergi: Run, pristine_study: Path, tmp_path: Path, valence: str
) -> None:
    out = tmp_path / "a.parquet"
    assert fergi("annotate", pristine_study, "-o", out, "--valence", valence).exit_code == 0
    assert pl.read_parquet(out).equals(package.annotate(pristine_study, valence=valence))


@pytest.mark.parametrize("scores", ["none", "auto", "pickscore", "hpsv2,imagereward"])
def test_scores_can_be_chosen(
    fergi: Run, pristine_study: Path, tmp_path: Path, scores: str
) -> None:
    out = tmp_path / "a.parquet"
    assert fergi("annotate", pristine_study, "-o", out, "--scores", scores).exit_code == 0
    assert pl.read_parquet(out).equals(package.annotate(pristine_study, scores=scores))


def test_scores_may_lie_elsewhere(fergi: Run, invented_study: Path, tmp_path: Path) -> None:
    expected = package.annotate(invented_study)
    table = (invented_study / "scores.csv").rename(tmp_path / "my scores.csv")
    out = tmp_path / "a.parquet"
    assert fergi("annotate", invented_study, "-o", out, "--scores-table", table).exit_code == 0
    assert pl.read_parquet(out).equals(expected)


def test_min_confidence_leaves_pairs_undecided(
    fergi: Run, pristine_study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.parquet"
    fergi("annotate", pristine_study, "-o", out, "--min-confidence", "0.8")
    table = pl.read_parquet(out)
    assert table.filter(pl.col("confidence") < 0.8)["preferred"].drop_nulls().is_empty()
    assert table.filter(pl.col("confidence") >= 0.8)["preferred"].null_count() == 0


def test_the_summary_counts_what_was_found(
    fergi: Run, pristine_study: Path, tmp_path: Path
) -> None:
    result = fergi("annotate", pristine_study, "-o", tmp_path / "a.csv")
    lines = dict(line.split("  ", 1) for line in result.stdout.splitlines())
    facts = {label.strip(): value.strip() for label, value in lines.items()}
    assert facts["participants"] == "3"
    assert facts["sessions"] == "6"
    assert facts["pairs"] == "60"
    assert facts["problems found"] == "0"
    assert result.stderr == ""


def test_the_summary_as_json_is_one_object_with_every_problem(
    fergi: Run, invented_study: Path, tmp_path: Path
) -> None:
    (invented_study / REACTION).unlink()
    result = fergi("annotate", invented_study, "-o", tmp_path / "a.csv", "--json")
    record = json.loads(result.stdout)
    assert record["pairs"] == 60
    assert sum(record["judged_by"].values()) == 60
    assert [problem["place"] for problem in record["problems"]] == [REACTION]
    assert result.exit_code == 1
    assert result.stderr == ""


def test_quiet_is_silent(fergi: Run, pristine_study: Path, tmp_path: Path) -> None:
    result = fergi("annotate", pristine_study, "-o", tmp_path / "a.csv", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


def test_quiet_still_names_problems(fergi: Run, invented_study: Path, tmp_path: Path) -> None:
    (invented_study / REACTION).unlink()
    result = fergi("annotate", invented_study, "-o", tmp_path / "a.csv", "--quiet")
    assert result.stdout == ""
    assert REACTION in _one_line(result)


def test_a_record_beside_the_annotations_tells_how_they_came_about(
    fergi: Run, pristine_study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.csv"
    fergi("annotate", pristine_study, "-o", out, "--valence", "au4")
    record = json.loads((tmp_path / "a.csv.json").read_text(encoding="utf-8"))
    settings = annotation_settings(valence="au4").as_json()
    assert record["settings"] == settings
    assert record["settings_sha256"] == settings_hash(settings)
    assert set(record["models"]) == {"fusion"}
    assert record["summary"]["pairs"] == 60
    assert Path(record["summary"]["study"]) == pristine_study.resolve()


def test_the_same_study_gives_the_same_bytes(
    fergi: Run, pristine_study: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fergi("annotate", pristine_study, "-o", tmp_path / name / "a.parquet")
    for name in ("a.parquet", "a.parquet.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


SPOILED = {
    "missing": lambda _: None,
    "empty": lambda _: b"",
    "only a header": lambda content: content.split(b"\n")[0] + b"\n",
    "cut": lambda content: content[: len(content) // 2],
    "text": lambda content: content.replace(b"0.", b"zero.", 1),
    "an endless line": lambda _: bytes(200_000) + b"\n",
    "infinite": lambda content: content.replace(content.split(b",")[-2], b"inf", 1),
    "a field too many": lambda content: content.replace(b"\n2,", b"\n2,2,", 1),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_one_spoiled_clip_is_named_and_all_else_is_annotated(
    fergi: Run, invented_study: Path, pristine_study: Path, tmp_path: Path, kind: str
) -> None:
    path = invented_study / REACTION
    content = SPOILED[kind](path.read_bytes())
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    out = tmp_path / "a.parquet"
    result = fergi("annotate", invented_study, "-o", out)
    assert result.exit_code == 1
    assert REACTION in _one_line(result)
    sound, spoiled = package.annotate(pristine_study), pl.read_parquet(out)
    hit = spoiled["pair_id"].str.contains(r"^p02/session_1/(3-\d|\d-3)$")
    assert hit.sum() == 4
    # A matrix product over one clip less may add in another order: the last bit may change.
    assert_frame_equal(spoiled.filter(~hit), sound.filter(~hit), rel_tol=0, abs_tol=1e-14)
    assert set(spoiled.filter(hit)["source"]) == {"scores"}


def test_more_than_ten_problems_are_counted(
    fergi: Run, invented_study: Path, tmp_path: Path
) -> None:
    for clip in invented_study.rglob("reaction*"):
        clip.unlink()
    result = fergi("annotate", invented_study, "-o", tmp_path / "a.csv")
    lines = result.stderr.splitlines()
    assert len(lines) == 11
    assert "and 20 more problems" in lines[-1]
    record = json.loads((tmp_path / "a.csv.json").read_text(encoding="utf-8"))
    assert len(record["summary"]["problems"]) == 30


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (["{study}", "-o", "{tmp}/a.xlsx"], 2, "the ending says the format"),
        (["{study}", "-o", "{tmp}/a"], 2, "the ending says the format"),
        (["{study}", "-o", "{tmp}/a.csv", "--min-confidence", "0.3"], 2, "min_confidence"),
        (["{study}", "-o", "{tmp}/a.csv", "--min-confidence", "nan"], 2, "min_confidence"),
        (["{study}", "-o", "{tmp}/a.csv", "--scores", "clip"], 1, "does not know 'clip'"),
        (["{study}", "-o", "{tmp}/a.csv", "--scores-table", "{tmp}/x.csv"], 1, "x.csv"),
        (["{study}", "-o", "{tmp}/a.csv", "--fusion", "{tmp}/x"], 1, "cannot be read"),
        (["{study}", "-o", "{tmp}/a.csv", "--fau-net", "{study}/scores.csv"], 1, "safetensors"),
        (["{tmp}/nothing", "-o", "{tmp}/a.csv"], 1, "does not exist"),
        (["{study}/scores.csv", "-o", "{tmp}/a.csv"], 1, "is a file"),
        (["{tmp}", "-o", "{tmp}/a.csv"], 1, "is no study"),
        (["{study}", "-o", "{study}/scores.csv/a.csv"], 1, "cannot write"),
        (["{study}", "-o", "{tmp}/folder.csv"], 2, "folder.csv: is a folder; name a file"),
    ],
)
def test_what_cannot_be_done_ends_with_one_line(
    fergi: Run,
    pristine_study: Path,
    tmp_path: Path,
    arguments: list[str],
    status: int,
    reason: str,
) -> None:
    (tmp_path / "folder.csv").mkdir()
    filled = [one.format(study=pristine_study, tmp=tmp_path) for one in arguments]
    result = fergi("annotate", *filled)
    assert result.exit_code == status
    assert reason in _one_line(result)
    assert result.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["folder.csv"]


@pytest.mark.parametrize(
    "arguments", [[], ["{study}"], ["{study}", "-o", "a.csv", "--valence", "joy"], ["--colour"]]
)
def test_wrong_usage_ends_with_status_2(
    fergi: Run, pristine_study: Path, arguments: list[str]
) -> None:
    result = fergi("annotate", *(one.format(study=pristine_study) for one in arguments))
    assert result.exit_code == 2
    assert "Usage: fergi annotate" in result.stderr


def test_scores_that_the_study_lacks_are_asked_for_in_words(
    fergi: Run, invented_study: Path, tmp_path: Path
) -> None:
    (invented_study / "scores.csv").unlink()
    result = fergi("annotate", invented_study, "-o", tmp_path / "a.csv", "--scores", "pickscore")
    assert result.exit_code == 1
    line = _one_line(result)
    assert "weights are missing: pickscore" in line
    assert "fergi fetch pickscore" in line


def test_an_earlier_result_is_replaced(fergi: Run, pristine_study: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    out.write_text("earlier", encoding="utf-8")
    assert fergi("annotate", pristine_study, "-o", out).exit_code == 0
    assert len(pl.read_csv(out)) == 60


def test_folders_on_the_way_to_the_result_are_made(
    fergi: Run, pristine_study: Path, tmp_path: Path
) -> None:
    out = tmp_path / "new" / "folder [1]" / "a.parquet"
    assert fergi("annotate", pristine_study, "-o", out).exit_code == 0
    assert out.is_file()
