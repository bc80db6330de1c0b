from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from fergi.datasets.fergi_study import read_study
from fergi.errors import ScoresError
from fergi.files import write_table
from fergi.records.study import IMAGE_KEY, Study
from fergi.scorers.table import known_scores

FORMATS = pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two images of a participant whose name looks like a number; no scores of its own."""
    folder = tmp_path / "study" / "007" / "session_1"
    folder.mkdir(parents=True)
    (folder / "data.json").write_text('{"prompt": "a fox"}', encoding="utf-8")
    for image in (1, 2):
        (folder / f"image{image}.png").touch()
        (folder / f"reaction_clip_{image}_features.csv").touch()
    return read_study(tmp_path / "study")


def _table(**columns: list[object]) -> pl.DataFrame:
    key = {"participant": ["007", "007"], "session": [1, 1], "image": [1, 2]}
    return pl.DataFrame(key | {"pickscore": [20.5, 21.0]} | columns)


@FORMATS
def test_scores_at_the_root_of_a_study_are_found(study: Study, ending: str) -> None:
    write_table(_table(), study.root / f"scores.{ending}")
    scores = known_scores(study)
    assert scores.columns == [*IMAGE_KEY, "pickscore"]
    assert scores["pickscore"].to_list() == [20.5, 21.0]


@FORMATS
def test_a_participant_named_007_stays_text(study: Study, tmp_path: Path, ending: str) -> None:
    write_table(_table(), tmp_path / f"mine.{ending}")
    scores = known_scores(study, tmp_path / f"mine.{ending}")
    assert scores["participant"].to_list() == ["007", "007"]
    assert scores["pickscore"].null_count() == 0


def test_without_a_table_there_are_the_scores_that_the_study_brings(study: Study) -> None:
    assert known_scores(study).equals(study.scores)


def test_images_without_a_row_or_a_number_have_no_score(study: Study) -> None:
    write_table(_table(image=[2, 3], pickscore=[None, 7.0]), study.root / "scores.csv")
    assert known_scores(study)["pickscore"].to_list() == [None, None]


def test_a_score_that_is_nan_is_missing(study: Study) -> None:
    write_table(_table(pickscore=[float("nan"), 1.0]), study.root / "scores.parquet")
    assert known_scores(study)["pickscore"].to_list() == [None, 1.0]


@pytest.mark.parametrize("infinite", [float("inf"), float("-inf")])
def test_an_infinite_score_is_refused_or_missing(study: Study, infinite: float) -> None:
    write_table(_table(pickscore=[infinite, 1.0]), study.root / "scores.parquet")
    try:
        assert known_scores(study)["pickscore"].to_list() == [None, 1.0]
    except ScoresError as error:
        assert "pickscore" in str(error)  # noqa: PT017 (either way is right)


def test_whole_numbers_become_floats(study: Study) -> None:
    write_table(_table(pickscore=[20, 21]), study.root / "scores.csv")
    assert known_scores(study).schema["pickscore"] == pl.Float64


def test_prompt_and_path_are_no_scores(study: Study) -> None:
    write_table(_table(prompt=["a", "b"], path=["c", "d"]), study.root / "scores.csv")
    assert known_scores(study).columns == [*IMAGE_KEY, "pickscore"]


def test_rows_keep_the_order_of_the_study(study: Study) -> None:
    write_table(_table(image=[2, 1]), study.root / "scores.csv")
    scores = known_scores(study)
    assert scores["image"].to_list() == [1, 2]
    assert scores["pickscore"].to_list() == [21.0, 20.5]


def test_a_missing_key_column_is_refused(study: Study, tmp_path: Path) -> None:
    write_table(_table().drop("session", "image"), tmp_path / "s.csv")
    with pytest.raises(ScoresError, match="lacks the columns session, image"):
        known_scores(study, tmp_path / "s.csv")


def test_an_image_named_twice_is_refused(study: Study, tmp_path: Path) -> None:
    write_table(_table(image=[2, 2]), tmp_path / "s.csv")
    with pytest.raises(ScoresError, match=r"names the image \('007', 1, 2\) twice"):
        known_scores(study, tmp_path / "s.csv")


def test_a_score_in_words_is_refused(study: Study, tmp_path: Path) -> None:
    write_table(_table(pickscore=["good", "bad"]), tmp_path / "s.csv")
    with pytest.raises(ScoresError, match=r"the pickscore of \('007', 1, 1\) is 'good', no finite"):
        known_scores(study, tmp_path / "s.csv")


def _write(study: Study, *rows: str) -> Path:
    path = study.root / "scores.csv"
    path.write_text("\n".join(("participant,session,image,pickscore", *rows)), encoding="utf-8")
    return path


@pytest.mark.parametrize("absent", ["nan", "NaN", "", "  "])
def test_blanks_and_spaces_among_numbers_are_understood(study: Study, absent: str) -> None:
    _write(study, f"007,1,1,{absent}", "007, 1,2, 20.5")
    assert known_scores(study)["pickscore"].to_list() == [None, 20.5]


@pytest.mark.parametrize("other", ["None", "N/A", "inf", "20,5", "true"])
def test_another_word_among_numbers_is_refused_by_its_row(study: Study, other: str) -> None:
    _write(study, "007,1,1,20.5", f'007,1,2,"{other}"')
    with pytest.raises(
        ScoresError, match=r"the pickscore of \('007', 1, 2\) is .*no finite number"
    ):
        known_scores(study)


@FORMATS
def test_an_empty_column_disables_no_other(study: Study, ending: str) -> None:
    """As `fergi score` writes it where every image failed."""
    nothing = pl.Series([None, None], dtype=pl.Float64)
    write_table(_table().with_columns(hue=nothing), study.root / f"scores.{ending}")
    scores = known_scores(study)
    assert scores["pickscore"].to_list() == [20.5, 21.0]
    assert scores["hue"].to_list() == [None, None]


def test_blank_last_lines_are_passed_over(study: Study) -> None:
    _write(study, "007,1,1,20.5", "", ",,,", "", "")
    assert known_scores(study)["pickscore"].to_list() == [20.5, None]


@pytest.mark.parametrize("row", ["007,session_1,2", "007,1,image2.png", "007,1.5,2", "007,,2"])
def test_a_session_or_image_that_is_no_whole_number_is_refused(study: Study, row: str) -> None:
    _write(study, f"{row},20", "007,1,1,20")
    with pytest.raises(ScoresError, match="session and image are whole numbers") as caught:
        known_scores(study)
    assert "twice" not in str(caught.value)


def test_rows_that_match_no_image_are_a_problem(study: Study) -> None:
    _write(study, " 007,1,1,20", "P007,1,1,20", "007,1,1,20")
    (problem,) = read_study(study.root).problems
    assert str(problem).startswith(
        "scores.csv: 2 of 3 rows match no image of the study, such as (' 007', 1, 1)"
    )


def test_a_named_table_of_another_study_is_refused(study: Study, tmp_path: Path) -> None:
    write_table(_table(participant=["7", "8"]), tmp_path / "s.csv")
    with pytest.raises(
        ScoresError, match=r"none of its 2 rows match .* the study has \('007', 1, 1"
    ):
        known_scores(study, tmp_path / "s.csv")


def test_a_table_that_another_hides_is_a_problem(study: Study) -> None:
    write_table(_table(), study.root / "scores.parquet")
    _write(study, "007,1,1,5")
    (problem,) = read_study(study.root).problems
    assert str(problem).startswith("scores.csv: is not read, since scores.parquet is there")
    assert known_scores(study)["pickscore"].to_list() == [20.5, 21.0]


def test_a_score_that_is_given_replaces_one_that_the_study_brings(
    study: Study, tmp_path: Path
) -> None:
    brought = study.scores.with_columns(clip=pl.Series([0.1, 0.2]), pickscore=pl.Series([1.0, 2.0]))
    table = _table(hpsv2=[0.3, None]).with_columns(pickscore=pl.Series([None, 21.0]))
    write_table(table, tmp_path / "s.csv")
    scores = known_scores(replace(study, scores=brought), tmp_path / "s.csv")
    assert scores.drop(IMAGE_KEY).to_dict(as_series=False) == {
        "clip": [0.1, 0.2],
        "pickscore": [1.0, 21.0],
        "hpsv2": [0.3, None],
    }


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe" * 100])
@FORMATS
def test_what_is_no_table_is_refused(
    study: Study, tmp_path: Path, content: bytes, ending: str
) -> None:
    path = tmp_path / f"s.{ending}"
    path.write_bytes(content)
    with pytest.raises(ScoresError, match=f"s.{ending}"):
        known_scores(study, path)


def test_an_absent_table_is_refused(study: Study, tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match="is no table of scores"):
        known_scores(study, tmp_path / "nothing.csv")


def test_another_ending_is_refused(study: Study, tmp_path: Path) -> None:
    with pytest.raises(ScoresError, match="ending"):
        known_scores(study, tmp_path / "scores.xlsx")


@FORMATS
def test_a_folder_with_brackets_in_its_name_is_no_pattern(
    study: Study, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / "tables [1] *?" / f"s.{ending}"
    write_table(_table(), path)
    assert known_scores(study, path)["pickscore"].to_list() == [20.5, 21.0]
