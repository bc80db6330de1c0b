import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from fergi.datasets.fergi_study import read_study
from fergi.datasets.release import SCORE_COLUMNS
from fergi.errors import StudyError
from fergi.records.study import ISSUES, RATINGS, REACTIONS, Layout, Study


def _write_release(root: Path, participants: dict[str, list[int]]) -> Path:
    """A release without clips' contents: reading a study opens none."""
    preparation = root / "preparation"
    (preparation / "preprocessed_image_data").mkdir(parents=True)
    for participant, sessions in participants.items():
        # Session 9 is not valid, so its rows must not be read.
        rows = [_row(session, image) for session in (*sessions, 9) for image in range(1, 6)]
        table = pl.DataFrame(rows)
        table.write_csv(preparation / "preprocessed_image_data" / f"{participant}.csv")
        for session in sessions:
            folder = root / "data" / participant / f"session_{session}"
            folder.mkdir(parents=True)
            for image in range(1, 6):
                for kind in ("baseline", "reaction"):
                    (folder / f"{kind}_clip_{image}_features.csv").touch()
    (preparation / "valid_sessions.json").write_text(json.dumps(participants), encoding="utf-8")
    return root


def _row(session: int, image: int) -> dict[str, object]:
    return {
        "session_index": session,
        "image_index": image,
        **dict.fromkeys(RATINGS, image - 1),
        **dict.fromkeys(ISSUES, "" if session == 2 else "True"),
        **dict.fromkeys(REACTIONS, "False"),
        "rank_score": image,
        **dict.fromkeys(SCORE_COLUMNS, image / 10),
    }


@pytest.fixture
def small_release(tmp_path: Path) -> Path:
    return _write_release(tmp_path / "release", {"001": [1, 2], "002": [1]})


def test_valid_sessions_are_read(small_release: Path) -> None:
    study = read_study(small_release)
    assert study.layout is Layout.RELEASE
    assert study.problems == ()
    assert study.participants == ["001", "002"]
    assert len(study.images) == 15
    assert len(study.clips) == 30
    assert study.images["prompt"].null_count() == 15


def test_a_rank_score_of_5_is_the_first_rank(small_release: Path) -> None:
    images = read_study(small_release).images
    assert images.filter(participant="001", session=1)["rank"].to_list() == [5, 4, 3, 2, 1]


def test_zeros_and_empty_flags_are_unknown(small_release: Path) -> None:
    images = read_study(small_release).images.filter(participant="001")
    ratings = images.filter(session=1)["overall_rating"].to_list()
    assert ratings == [None, 1, 2, 3, 4]
    assert images.filter(session=1)["blurry"].to_list() == [True] * 5
    assert images.filter(session=2)["blurry"].to_list() == [None] * 5
    assert images["amused"].to_list() == [False] * 10


def test_published_scores_get_our_names(small_release: Path) -> None:
    scores = read_study(small_release).scores
    assert scores.columns[3:] == list(SCORE_COLUMNS.values())
    assert scores.filter(participant="002")["pickscore"].to_list() == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_clips_of_images_that_are_not_listed_are_found_too(small_release: Path) -> None:
    source = small_release / "preparation" / "preprocessed_image_data" / "002.csv"
    table = pl.read_csv(source)
    table.filter(pl.col("image_index") != 3).write_csv(source)
    study = read_study(small_release)
    assert len(study.images) == 14
    assert len(study.clips) == 30


def test_a_participant_without_a_table_is_a_problem(small_release: Path) -> None:
    (small_release / "preparation" / "preprocessed_image_data" / "002.csv").unlink()
    study = read_study(small_release)
    assert study.participants == ["001"]
    assert [problem.place for problem in study.problems] == ["participant 002"]


def test_a_participant_without_clips_is_a_problem(small_release: Path) -> None:
    (small_release / "data" / "002").rename(small_release / "data" / "elsewhere")
    study = read_study(small_release)
    assert study.participants == ["001"]
    assert [problem.place for problem in study.problems] == ["participant 002"]


@pytest.mark.parametrize("content", ["", "session_index,image_index\n1,1\n", "\x00\x01"])
def test_a_broken_table_is_a_problem(small_release: Path, content: str) -> None:
    source = small_release / "preparation" / "preprocessed_image_data" / "002.csv"
    source.write_text(content, encoding="utf-8")
    study = read_study(small_release)
    assert study.participants == ["001"]
    assert [problem.place for problem in study.problems] == ["participant 002"]


def test_a_table_with_a_word_for_a_number_is_a_problem(small_release: Path) -> None:
    source = small_release / "preparation" / "preprocessed_image_data" / "002.csv"
    table = pl.read_csv(source).with_columns(rank_score=pl.lit("best"))
    table.write_csv(source)
    assert [problem.place for problem in read_study(small_release).problems] == ["participant 002"]


@pytest.fixture
def spoil(small_release: Path) -> Callable[..., Study]:
    """Changes the table of participant 002, whose only session is 1, and reads the study."""

    def change_and_read(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Study:
        source = small_release / "preparation" / "preprocessed_image_data" / "002.csv"
        change(pl.read_csv(source)).write_csv(source)
        return read_study(small_release)

    return change_and_read


@pytest.mark.parametrize("infinite", ["inf", "-inf"])
def test_an_infinite_score_is_a_problem_and_unknown(
    spoil: Callable[..., Study], infinite: str
) -> None:
    third = pl.col("image_index") == 3
    changed = pl.when(third).then(pl.lit(float(infinite))).otherwise("PickScore")
    study = spoil(lambda table: table.with_columns(changed.alias("PickScore")))
    scores = study.scores.filter(participant="002")
    assert scores["pickscore"].to_list() == [0.1, 0.2, None, 0.4, 0.5]
    (problem,) = study.problems
    assert problem.place == "preparation/preprocessed_image_data/002.csv"
    assert problem.reason.startswith("session 1, image 3: PickScore is infinite, so it counts as")


def test_a_row_given_twice_is_a_problem_and_counts_once(spoil: Callable[..., Study]) -> None:
    study = spoil(lambda table: pl.concat([table, table.head(2)]))
    assert len(study.images) == 15
    (problem,) = study.problems
    assert "session 1, image 1 and 1 more: a row above names the same image" in str(problem)


@pytest.mark.parametrize("rank_score", [0, 6, None])
def test_a_rank_score_that_is_none_is_a_problem_and_unknown(
    spoil: Callable[..., Study], rank_score: int | None
) -> None:
    changed = pl.when(pl.col("image_index") > 1).then("rank_score").otherwise(rank_score)
    study = spoil(lambda table: table.with_columns(changed.alias("rank_score")))
    assert study.images.filter(participant="002")["rank"].to_list() == [None, 4, 3, 2, 1]
    (problem,) = study.problems
    assert "session 1, image 1: rank_score is none of 1 to 5" in str(problem)


def test_a_table_that_was_cut_off_is_a_problem(small_release: Path) -> None:
    source = small_release / "preparation" / "preprocessed_image_data" / "001.csv"
    lines = source.read_text(encoding="utf-8").splitlines(keepends=True)
    source.write_text("".join(lines[:5]) + "1,", encoding="utf-8")
    study = read_study(small_release)
    assert study.images.filter(participant="001")["image"].to_list() == [1, 2, 3, 4]
    reasons = "\n".join(problem.reason for problem in study.problems)
    assert "has no row of the sessions 2, which valid_sessions.json lists" in reasons
    assert "the row names no image" in reasons


def test_the_order_of_the_list_of_sessions_changes_nothing(small_release: Path) -> None:
    before = read_study(small_release)
    source = small_release / "preparation" / "valid_sessions.json"
    source.write_text('{"002": [1], "001": [2, 1, 2]}', encoding="utf-8")
    after = read_study(small_release)
    assert after.clips == before.clips
    assert after.images.equals(before.images)


def test_a_missing_session_folder_is_a_problem_and_its_images_stay(small_release: Path) -> None:
    (small_release / "data" / "001" / "session_2").rename(small_release / "data" / "001" / "x")
    study = read_study(small_release)
    assert [str(problem) for problem in study.problems] == ["001/session_2: the folder is missing"]
    assert len(study.images) == 15
    assert len(study.clips) == 20


def test_a_missing_reaction_clip_is_a_problem(small_release: Path) -> None:
    folder = small_release / "data" / "001" / "session_1"
    (folder / "reaction_clip_4_features.csv").unlink()
    study = read_study(small_release)
    assert [problem.place for problem in study.problems] == [
        "001/session_1/reaction_clip_4_features.csv"
    ]


@pytest.mark.parametrize("content", [None, "", "{", "[1, 2]", "3", '"001"', "{}", '{"001": 3}'])
def test_a_release_without_a_list_of_sessions_is_refused(
    small_release: Path, content: str | None
) -> None:
    source = small_release / "preparation" / "valid_sessions.json"
    source.unlink()
    if content is not None:
        source.write_text(content, encoding="utf-8")
    with pytest.raises(StudyError):
        read_study(small_release)


def test_a_release_without_any_readable_participant_is_refused(small_release: Path) -> None:
    for table in (small_release / "preparation" / "preprocessed_image_data").iterdir():
        table.unlink()
    with pytest.raises(StudyError, match="no participant can be read; the first: participant 001"):
        read_study(small_release)


def test_a_folder_named_with_brackets_is_read(tmp_path: Path) -> None:
    root = _write_release(tmp_path / "release [1] *?", {"001": [1]})
    assert read_study(root).problems == ()
