import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from PIL import Image

from fergi.errors import AnnotationFileError, OutputError, UsageError
from fergi.exports import FORMATS, check, export
from fergi.files import read_table, write_table
from fergi.records.clip import Problem

EACH_FORMAT = pytest.mark.parametrize("format_name", list(FORMATS))
PAIR_FORMATS = pytest.mark.parametrize("format_name", [name for name in FORMATS if name != "kto"])


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@EACH_FORMAT
def test_an_export_passes_its_own_check(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, format_name: str
) -> None:
    summary = export(annotations, study, tmp_path / "out", format_name)
    assert summary.rows == 4
    assert summary.problems == ()
    assert check(tmp_path / "out", format_name) == []


@EACH_FORMAT
def test_the_check_of_a_format_refuses_a_folder_of_another(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, format_name: str
) -> None:
    export(annotations, study, tmp_path / "out", format_name)
    assert all(check(tmp_path / "out", other) for other in FORMATS if other != format_name)


@EACH_FORMAT
def test_the_same_input_gives_the_same_bytes(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, format_name: str
) -> None:
    for name in ("one", "two"):
        export(annotations, study, tmp_path / name, format_name)
    assert _contents(tmp_path / "one") == _contents(tmp_path / "two")


@EACH_FORMAT
def test_no_file_carries_a_participant_a_session_or_a_path(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, format_name: str
) -> None:
    (study / "p 01/session_2/image2.jpg").unlink()  # a problem names it, to us alone
    summary = export(
        annotations, study, tmp_path / "out", format_name, dead_zone=0.0, min_confidence=0.5
    )
    assert summary.problems[0].place == "p 01/session_2/image2.jpg"
    for name, content in _contents(tmp_path / "out").items():
        for secret in ("p 01", "Zoë", "参加者", "session_", str(study)):
            assert secret not in name
            assert secret.encode() not in content, f"{secret} in {name}"


@PAIR_FORMATS
def test_undecided_pairs_and_those_near_one_half_are_dropped_and_counted(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, format_name: str
) -> None:
    summary = export(annotations, study, tmp_path / "out", format_name, min_confidence=0.75)
    assert summary.rows == 2
    assert summary.considered == 6
    assert summary.dropped == {"undecided": 1, "of a confidence below 0.75": 3}


@PAIR_FORMATS
def test_an_even_pair_is_never_exported(
    study: Path, tmp_path: Path, make_pair: Any, table_of: Any, format_name: str
) -> None:
    table = table_of(make_pair(0, 1, 0.5), make_pair(0, 2, 0.9))
    summary = export(table, study, tmp_path / "out", format_name, min_confidence=0.5)
    assert summary.dropped == {"undecided": 1}


@PAIR_FORMATS
def test_two_copies_of_one_image_make_no_pair(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, format_name: str
) -> None:
    shutil.copyfile(study / "p 01/session_2/image1.png", study / "p 01/session_2/image2.jpg")
    summary = export(annotations, study, tmp_path / "out", format_name)
    assert summary.dropped["of two equal images"] == 1
    assert check(tmp_path / "out", format_name) == []


@EACH_FORMAT
def test_rows_without_a_prompt_are_left_out_and_counted(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, format_name: str
) -> None:
    blank = pl.when(pl.col("participant") == "p 01").then(pl.lit(" ")).otherwise("prompt")
    summary = export(annotations.with_columns(prompt=blank), study, tmp_path / "out", format_name)
    assert summary.dropped["without a prompt"] == 2
    assert summary.rows == 2


@EACH_FORMAT
def test_the_public_release_without_prompts_says_so(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, format_name: str
) -> None:
    bare = annotations.with_columns(prompt=pl.lit(None, pl.String))
    with pytest.raises(AnnotationFileError, match=r"nothing is left .* without a prompt"):
        export(bare, study, tmp_path / "out", format_name)
    assert not (tmp_path / "out").exists()


@EACH_FORMAT
def test_missing_and_broken_images_are_left_out_and_named(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, format_name: str
) -> None:
    (study / "p 01/session_2/image3.webp").unlink()
    broken = study / "Zoë.参加者/session_1/image1.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    summary = export(annotations, study, tmp_path / "out", format_name)
    assert [problem.place for problem in summary.problems] == [
        "Zoë.参加者/session_1/image1.png",
        "p 01/session_2/image3.webp",
    ]
    assert "does not decode" in summary.problems[0].reason
    assert "No such file" in summary.problems[1].reason
    assert check(tmp_path / "out", format_name) == []
    assert summary.rows + sum(summary.dropped.values()) == summary.considered


@EACH_FORMAT
def test_without_any_image_nothing_is_left_and_the_first_one_is_named(
    annotations: pl.DataFrame, tmp_path: Path, format_name: str
) -> None:
    (tmp_path / "empty study").mkdir()
    with pytest.raises(AnnotationFileError, match=r"the first image: Zoë.*cannot be read"):
        export(annotations, tmp_path / "empty study", tmp_path / "out", format_name)


@pytest.mark.parametrize("path", ["../outside.png", "a/../../outside.png", "{root}/outside.png"])
def test_an_image_outside_the_study_is_not_exported(
    study: Path, tmp_path: Path, make_pair: Any, table_of: Any, path: str
) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "outside.png")
    path = path.format(root=tmp_path)
    table = table_of(make_pair(0, 1, 0.8), make_pair(0, 2, 0.8, image_1=path))
    summary = export(table, study, tmp_path / "out", "hpdv3")
    assert summary.problems == (
        Problem(path, "lies outside the study; give paths relative to its folder"),
    )


def test_an_image_of_a_format_that_trainers_may_not_read_is_a_problem(
    annotations: pl.DataFrame, study: Path, tmp_path: Path
) -> None:
    path = study / "p 01/session_2/image1.png"
    Image.open(path).save(path, format="BMP")
    summary = export(annotations, study, tmp_path / "out", "hpdv3")
    assert "does not decode as PNG, JPEG or WebP" in summary.problems[0].reason


def test_missing_columns_are_named(annotations: pl.DataFrame, study: Path, tmp_path: Path) -> None:
    with pytest.raises(AnnotationFileError, match="lack the columns p_0, preferred;"):
        export(annotations.drop("p_0", "preferred"), study, tmp_path / "out", "hpdv3")


def test_columns_that_no_export_needs_may_be_missing(
    annotations: pl.DataFrame, study: Path, tmp_path: Path
) -> None:
    few = annotations.drop("weight", "margin", "face_quality_0", "face_quality_1", "session")
    assert export(few, study, tmp_path / "out", "hpdv3").rows == 4


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (pl.lit("much").alias("p_0"), "column of another type"),
        (pl.lit(1.2).alias("p_0"), "p_0 lies between 0 and 1"),
        (pl.lit(0.5).alias("preferred"), "preferred is 0, 1 or null"),
        (pl.lit(2).alias("preferred"), "preferred is 0, 1 or null"),
        ((1 - pl.col("preferred")).alias("preferred"), "image of the higher probability"),
        (pl.lit(0.9).alias("confidence"), "confidence is max"),
        (pl.lit("same").alias("pair_id"), "pair_id is given, and once"),
        (pl.lit(None, pl.String).alias("participant"), "participant, images and source are given"),
        (pl.lit(None, pl.String).alias("source"), "participant, images and source are given"),
        (pl.lit(float("inf")).alias("valence_0"), "valence is a number or null"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, change: pl.Expr, complaint: str
) -> None:
    with pytest.raises(AnnotationFileError, match=complaint):
        export(annotations.with_columns(change), study, tmp_path / "out", "pick-a-pic")
    assert sorted(path.name for path in tmp_path.iterdir()) == [study.name]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_table_that_went_through_a_file_gives_the_same_export(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, ending: str
) -> None:
    from fergi.files import read_table, write_table

    write_table(annotations, tmp_path / f"annotations.{ending}")
    read = read_table(tmp_path / f"annotations.{ending}", text_columns=("participant",))
    export(annotations, study, tmp_path / "one", "hf-binarized")
    export(read, study, tmp_path / "two", "hf-binarized")
    assert _contents(tmp_path / "one") == _contents(tmp_path / "two")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"min_confidence": 0.3}, "least confidence of 0.3"),
        ({"min_confidence": 1.5}, "least confidence of 1.5"),
        ({"min_confidence": float("nan")}, "least confidence of nan"),
        ({"dead_zone": -1.0}, "dead zone of -1.0"),
        ({"dead_zone": float("nan")}, "dead zone of nan"),
    ],
)
def test_impossible_settings_are_refused(
    annotations: pl.DataFrame,
    study: Path,
    tmp_path: Path,
    options: dict[str, float],
    complaint: str,
) -> None:
    with pytest.raises(UsageError, match=complaint):
        export(annotations, study, tmp_path / "out", "kto", **options)


def test_an_unknown_format_is_refused_with_the_known_ones(
    annotations: pl.DataFrame, study: Path, tmp_path: Path
) -> None:
    for attempt in (
        lambda: export(annotations, study, tmp_path / "out", "csv"),
        lambda: check(study, "csv"),
    ):
        with pytest.raises(UsageError, match="choose one of pick-a-pic, hf-binarized, kto, hpdv3"):
            attempt()


def test_folders_that_are_not_there_are_refused(annotations: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder; give the study"):
        export(annotations, tmp_path / "absent", tmp_path / "out", "kto")
    with pytest.raises(UsageError, match="is no folder; give one that"):
        check(tmp_path / "absent", "kto")


@EACH_FORMAT
def test_an_empty_folder_fails_every_check(tmp_path: Path, format_name: str) -> None:
    assert check(tmp_path, format_name)


def test_a_folder_that_holds_something_and_a_file_are_never_overwritten(
    annotations: pl.DataFrame, study: Path, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        export(annotations, study, tmp_path / "full", "kto")
    with pytest.raises(UsageError, match="is a file"):
        export(annotations, study, tmp_path / "file", "kto")
    assert _contents(tmp_path / "full") == {"mine.txt": b"mine"}


def test_an_empty_folder_and_absent_parents_are_welcome(
    annotations: pl.DataFrame, study: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "empty", tmp_path / "new" / "deep"):
        export(annotations, study, out, "hpdv3")
        assert check(out, "hpdv3") == []


@EACH_FORMAT
@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError(28, "No space left")])
def test_an_interrupted_export_leaves_nothing(
    annotations: pl.DataFrame,
    study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    format_name: str,
    interruption: Any,
) -> None:
    def stop(*_: Any) -> None:
        raise interruption

    before = sorted(tmp_path.iterdir())
    monkeypatch.setattr("fergi.exports.write_card", stop)  # the last step: all else is written
    expected = OutputError if isinstance(interruption, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        export(annotations, study, tmp_path / "out", format_name)
    assert sorted(tmp_path.iterdir()) == before


def test_a_full_disk_gives_one_line_that_names_the_folder(
    annotations: pl.DataFrame,
    study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(source: Path, destination: Path) -> None:
        raise OSError(28, "No space left on device", str(destination))

    monkeypatch.setattr(shutil, "copyfile", refuse)
    with pytest.raises(OutputError, match="out: No space left on device") as caught:
        export(annotations, study, tmp_path / "out", "hpdv3")
    assert "\n" not in str(caught.value)


def test_a_place_that_cannot_hold_a_folder_gives_one_clear_line(
    annotations: pl.DataFrame, study: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file is a file, no folder"):
        export(annotations, study, tmp_path / "file" / "out", "hpdv3")


@EACH_FORMAT
def test_the_record_and_the_card_tell_settings_counts_and_that_a_machine_labelled(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, format_name: str
) -> None:
    export(annotations, study, tmp_path / "out", format_name, min_confidence=0.6)
    record = json.loads((tmp_path / "out" / "fergi.json").read_text("utf-8"))
    assert record["settings"] == {
        "format": format_name,
        "min_confidence": 0.6,
        "dead_zone": 0.5,
    }
    assert record["summary"]["annotators"] == ["fergi 0.1.0"]
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "A machine made these labels" in card
    for reason, count in record["summary"]["dropped"].items():
        assert f"| {reason} | {count} |" in card


def test_the_four_formats_describe_themselves() -> None:
    assert list(FORMATS) == ["pick-a-pic", "hf-binarized", "kto", "hpdv3"]
    assert all(name == known.name and known.description for name, known in FORMATS.items())


def test_a_summary_counts_every_row(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, make_pair: Callable[..., Any]
) -> None:
    summary = export(annotations, study, tmp_path / "out", "hpdv3", min_confidence=0.9)
    assert summary.rows + sum(summary.dropped.values()) == summary.considered
    assert summary.kept_share == pytest.approx(1 / 6)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_annotations_without_rows_leave_nothing_to_export(
    annotations: pl.DataFrame, study: Path, tmp_path: Path, ending: str
) -> None:
    write_table(annotations.clear(), tmp_path / f"a.{ending}")
    with pytest.raises(AnnotationFileError, match="nothing is left to export of 0 rows"):
        export(read_table(tmp_path / f"a.{ending}"), study, tmp_path / "out", "kto")
