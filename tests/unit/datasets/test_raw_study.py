import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from fergi.datasets.fergi_study import read_study
from fergi.errors import StudyError
from fergi.records.clip import ClipKind
from fergi.records.study import ISSUES, REACTIONS, Layout, Study

NAMES = ["plain", "with space", "with.dot", "参加者 一", "Zoë", "007", "a'b", "[x]*?"]


def _answers(rating: int = 4, **changes: Any) -> dict[str, Any]:
    return {
        "overallRating": rating,
        "alignmentRating": rating,
        "fidelityRating": rating,
        "issuesList": {},
        "reactionList": {},
        **changes,
    }


def _record(images: int, **changes: Any) -> dict[str, Any]:
    return {
        "prompt": "a fox",
        "survey": [_answers(1 + number % 7) for number in range(images)],
        "ranking": [{"id": number} for number in reversed(range(images))],
        **changes,
    }


def _write_session(
    root: Path,
    images: int = 3,
    content: str | bytes | None = None,
    name: str = "p1/session_1",
    **changes: Any,
) -> Path:
    """A session whose pictures and clips are empty files: reading a study opens neither."""
    folder = root / name
    folder.mkdir(parents=True)
    for number in range(1, images + 1):
        for file in (
            f"image{number}.png",
            f"baseline_clip_{number}_features.csv",
            f"reaction_clip_{number}_features.csv",
        ):
            (folder / file).touch()
    if content is None:
        content = json.dumps(_record(images, **changes), ensure_ascii=False)
    data = content.encode() if isinstance(content, str) else content
    (folder / "data.json").write_bytes(data)
    return folder


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Study]:
    """Writes one session and reads the study."""

    def write_and_read(*args: Any, **changes: Any) -> Study:
        _write_session(tmp_path, *args, **changes)
        return read_study(tmp_path)

    return write_and_read


def _problems(study: Study) -> str:
    return "\n".join(map(str, study.problems))


def test_a_sound_session_is_read_in_full(read: Callable[..., Study]) -> None:
    study = read(3, survey=[_answers(7), _answers(2), _answers(0)])
    assert study.layout is Layout.RAW
    assert study.problems == ()
    assert study.images["image"].to_list() == [1, 2, 3]
    assert study.images["rank"].to_list() == [3, 2, 1]
    assert study.images["overall_rating"].to_list() == [7, 2, None]
    assert study.images["prompt"].to_list() == ["a fox"] * 3
    assert study.images["path"].to_list() == [f"p1/session_1/image{n}.png" for n in (1, 2, 3)]
    assert [(clip.image, clip.kind) for clip in study.clips] == [
        (image, kind) for image in (1, 2, 3) for kind in ClipKind
    ]
    assert study.scores.columns == ["participant", "session", "image"]


def test_the_invented_study_is_read_without_problems(pristine_study: Path) -> None:
    study = read_study(pristine_study)
    assert study.problems == ()
    assert study.participants == ["p01", "p02", "p03"]
    assert len(study.images) == 30
    assert len(study.clips) == 60


@pytest.mark.parametrize("name", NAMES)
def test_participants_may_have_any_name(tmp_path: Path, name: str) -> None:
    _write_session(tmp_path, name=f"{name}/session_3")
    study = read_study(tmp_path)
    assert study.problems == ()
    assert study.participants == [name]
    assert study.images["path"][0] == f"{name}/session_3/image1.png"
    assert study.images["session"].to_list() == [3, 3, 3]


def test_sessions_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9, 2):
        _write_session(tmp_path, 2, name=f"p/session_{number}")
    assert read_study(tmp_path).images["session"].to_list() == [2, 2, 9, 9, 10, 10]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"prompt": "a', "is no JSON"),
        ("", "is no JSON"),
        (b"\xff\xfe\x00", "is no JSON"),
        ("[]", "has no prompt"),
        ('"a fox"', "has no prompt"),
        ("null", "has no prompt"),
        ("{}", "has no prompt"),
        ('{"prompt": 3}', "has no prompt"),
        ('{"prompt": null}', "has no prompt"),
        (r'{"prompt": "bad \ud800 x"}', r"the prompt holds half a character, '\ud800'"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
def test_a_broken_record_is_a_problem_and_the_faces_stay(
    read: Callable[..., Study], content: str | bytes, reason: str
) -> None:
    study = read(3, content=content)
    assert [problem.place for problem in study.problems] == ["p1/session_1/data.json"]
    assert reason in _problems(study)
    assert len(study.images) == 3
    assert len(study.clips) == 6
    assert study.images["prompt"].null_count() == 3


def test_a_missing_record_is_a_problem_and_the_faces_stay(tmp_path: Path) -> None:
    (_write_session(tmp_path) / "data.json").unlink()
    study = read_study(tmp_path)
    assert "is missing, so the prompt is unknown" in _problems(study)
    assert len(study.clips) == 6


def test_a_record_that_is_a_folder_is_a_problem(tmp_path: Path) -> None:
    folder = _write_session(tmp_path)
    (folder / "data.json").unlink()
    (folder / "data.json").mkdir()
    (problem,) = read_study(tmp_path).problems
    assert problem.reason.startswith("cannot be read (Is a directory), so the prompt is unknown")


def test_a_ranking_is_read_though_the_prompt_is_missing(read: Callable[..., Study]) -> None:
    content = _record(3)
    del content["prompt"]
    study = read(3, content=json.dumps(content))
    assert "has no prompt" in _problems(study)
    assert study.images["rank"].to_list() == [3, 2, 1]
    assert study.images["overall_rating"].to_list() == [1, 2, 3]


@pytest.mark.parametrize("absent", ["survey", "ranking"])
@pytest.mark.parametrize("value", [None, []])
def test_survey_and_ranking_are_optional(
    read: Callable[..., Study], absent: str, value: object
) -> None:
    study = read(3, **{absent: value})
    assert study.problems == ()
    column = "rank" if absent == "ranking" else "overall_rating"
    assert study.images[column].null_count() == 3


@pytest.mark.parametrize(
    ("survey", "reason"),
    [
        ([_answers(), _answers()], "has 2 survey entries for 3 images"),
        ([_answers(8)] * 3, "less than or equal to 7"),
        ([_answers(-1)] * 3, "greater than or equal to 0"),
        ([_answers(overallRating="good")] * 3, "integer"),
        ([_answers(overallRating=3.5)] * 3, "integer"),
        ([_answers(reactionList={"amused": "perhaps"})] * 3, "boolean"),
        ({"1": _answers()}, "list"),
        ("good", "list"),
        ([3, 4, 5], "dictionary"),
    ],
)
def test_a_broken_survey_is_a_problem_and_the_ranks_stay(
    read: Callable[..., Study], survey: object, reason: str
) -> None:
    study = read(3, survey=survey)
    assert len(study.problems) == 1
    assert reason in _problems(study)
    assert study.images["overall_rating"].null_count() == 3
    assert study.images["rank"].to_list() == [3, 2, 1]


@pytest.mark.parametrize(
    ("ranking", "reason"),
    [
        ([{"id": 0}, {"id": 0}, {"id": 1}], "the ranking names images 1, 1, 2"),
        ([{"id": 0}, {"id": 1}], "the ranking names images 1, 2, but"),
        ([{"id": 0}, {"id": 1}, {"id": 3}], "the ranking names images 1, 2, 4"),
        ([{"id": 0}, {"id": 1}, {"id": 2}, {"id": 3}], "but the session has 1, 2, 3"),
        ([{"id": -1}, {"id": 0}, {"id": 1}], "the ranking names images 0, 1, 2"),
        ([{"id": "x"}, {"id": 0}, {"id": 1}], "ranking: 0.id: input should be a valid integer"),
        ([0, 1, 2], "ranking: 0"),
        ({"0": 1}, "list"),
    ],
)
def test_a_broken_ranking_is_a_problem_and_the_ratings_stay(
    read: Callable[..., Study], ranking: object, reason: str
) -> None:
    study = read(3, ranking=ranking)
    assert len(study.problems) == 1
    assert reason in _problems(study)
    assert study.images["rank"].null_count() == 3
    assert study.images["overall_rating"].to_list() == [1, 2, 3]


@pytest.mark.parametrize("count", [0, 1])
def test_a_session_without_a_pair_is_a_problem(tmp_path: Path, count: int) -> None:
    _write_session(tmp_path)
    _write_session(tmp_path, count, name="p1/session_2")
    study = read_study(tmp_path)
    assert [str(problem) for problem in study.problems] == [
        f"p1/session_2: has {count} images, so no pair; it needs at least 2"
    ]
    assert len(study.images) == 3 + count


def test_a_session_of_40_images_is_read(read: Callable[..., Study]) -> None:
    study = read(40)
    assert study.problems == ()
    assert sorted(study.images["rank"]) == list(range(1, 41))
    assert study.images["image"].to_list() == list(range(1, 41))


def test_flags_are_known_by_camel_case_and_by_snake_case(read: Callable[..., Study]) -> None:
    issues = {"unmentionedContent": True, "repeated_generation": True, "Blurry": False}
    reactions = {"disappointed": True, "Amused": True}
    study = read(2, survey=[_answers(issuesList=issues, reactionList=reactions), _answers()])
    first = study.images.row(0, named=True)
    given = {
        "unmentioned_content": True,
        "repeated_generation": True,
        "blurry": False,
        "disappointed": True,
        "amused": True,
    }
    assert {name: first[name] for name in (*ISSUES, *REACTIONS)} == {
        name: given.get(name) for name in (*ISSUES, *REACTIONS)
    }


def test_a_missing_reaction_clip_is_a_problem_and_a_missing_baseline_is_none(
    tmp_path: Path,
) -> None:
    folder = _write_session(tmp_path)
    (folder / "reaction_clip_2_features.csv").unlink()
    (folder / "baseline_clip_3_features.csv").unlink()
    study = read_study(tmp_path)
    assert [problem.place for problem in study.problems] == [
        "p1/session_1/reaction_clip_2_features.csv"
    ]
    assert len(study.clips) == 4


def test_an_image_without_a_file_is_known_by_its_clip(tmp_path: Path) -> None:
    folder = _write_session(tmp_path)
    (folder / "image2.png").unlink()
    study = read_study(tmp_path)
    assert study.problems == ()
    assert study.images["path"][1] == "p1/session_1/image2.png"


@pytest.mark.parametrize("ending", ["jpg", "JPEG", "webp", "PNG"])
def test_pictures_may_have_other_formats(tmp_path: Path, ending: str) -> None:
    folder = _write_session(tmp_path)
    (folder / "image2.png").rename(folder / f"image2.{ending}")
    assert read_study(tmp_path).images["path"][1] == f"p1/session_1/image2.{ending}"


def test_two_pictures_of_one_number_are_told_and_the_choice_is_always_the_same(
    tmp_path: Path,
) -> None:
    folder = _write_session(tmp_path)
    for ending in ("jpg", "jpeg", "webp"):
        (folder / f"image2.{ending}").touch()
    study = read_study(tmp_path)
    assert study.images["path"][1] == "p1/session_1/image2.png" or study.problems


def test_two_folders_of_one_session_number_are_told(tmp_path: Path) -> None:
    _write_session(tmp_path, name="p1/session_1")
    _write_session(tmp_path, name="p1/session_01")
    study = read_study(tmp_path)
    keys = study.images.select("participant", "session", "image")
    assert not keys.is_duplicated().any()
    assert study.problems


def test_other_files_and_hidden_folders_are_passed_over(tmp_path: Path) -> None:
    folder = _write_session(tmp_path)
    (folder / "notes.txt").touch()
    (folder / "image.png").touch()
    (tmp_path / "README.md").touch()
    (tmp_path / "p1" / "session_x").mkdir()
    (tmp_path / "p1" / "session_2").touch()
    _write_session(tmp_path, name=".hidden/session_1")
    study = read_study(tmp_path)
    assert study.problems == ()
    assert study.participants == ["p1"]


@pytest.mark.parametrize(
    "name", ["Session_2", "session2", "session-2", "session_99999999999999999999"]
)
def test_a_misnamed_session_is_a_problem_and_the_rest_is_read(tmp_path: Path, name: str) -> None:
    _write_session(tmp_path)
    _write_session(tmp_path, name=f"p2/{name}")
    study = read_study(tmp_path)
    assert study.participants == ["p1"]
    assert _problems(study).startswith(f"p2/{name}: is left out, for a session's name is session_1")


@pytest.mark.parametrize(
    "name",
    [
        "image0.png",
        "image_4.png",
        "image99999999999999999999.png",
        "reaction_clip_0_features.csv",
        "Reaction_clip_4.mp4",
        "baseline_clip_04.MP4",
    ],
)
def test_a_misnamed_file_is_a_problem_and_the_rest_is_read(tmp_path: Path, name: str) -> None:
    (_write_session(tmp_path) / name).touch()
    study = read_study(tmp_path)
    assert study.images["image"].to_list() == [1, 2, 3]
    assert _problems(study).startswith(f"p1/session_1/{name}: is left out, for its name is none")


def test_only_videos_and_feature_files_make_an_image(tmp_path: Path) -> None:
    folder = _write_session(tmp_path)
    for name in (
        "reaction_clip_9.txt",
        "baseline_clip_8.json",
        "reaction_clip_1_features.csv.json",
    ):
        (folder / name).touch()
    study = read_study(tmp_path)
    assert study.problems == ()
    assert study.images["image"].to_list() == [1, 2, 3]
    assert study.images["rank"].to_list() == [3, 2, 1]


def test_a_video_may_end_in_capital_letters(tmp_path: Path) -> None:
    folder = _write_session(tmp_path)
    (folder / "reaction_clip_1_features.csv").rename(folder / "reaction_clip_1.MP4")
    for name in ("reaction_clip_2.MP4", "reaction_clip_2.mp4", "reaction_clip_3.MOV"):
        (folder / name).touch()
    study = read_study(tmp_path)
    assert study.problems == ()
    assert [clip.video_name for clip in study.clips if clip.kind is ClipKind.REACTION] == [
        "reaction_clip_1.MP4",
        "reaction_clip_2.mp4",
        "reaction_clip_3.MOV",
    ]


def test_sessions_without_any_image_are_no_study(tmp_path: Path) -> None:
    (tmp_path / "p1" / "session_1").mkdir(parents=True)
    with pytest.raises(StudyError, match="no session has an image"):
        read_study(tmp_path)


def test_an_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="does not exist"):
        read_study(tmp_path / "nothing")


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.zip").touch()
    with pytest.raises(StudyError, match="is a file"):
        read_study(tmp_path / "study.zip")


def test_a_folder_of_something_else_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="but nothing at all"):
        read_study(tmp_path)
    for name in "abcde":
        (tmp_path / name).mkdir()
    with pytest.raises(StudyError, match="but 5 entries: a, b, c, d …"):
        read_study(tmp_path)


def test_images_are_sorted_by_their_key(tmp_path: Path) -> None:
    for name in ("p2/session_1", "p1/session_2", "p1/session_1"):
        _write_session(tmp_path, 11, name=name)
    keys = read_study(tmp_path).images.select("participant", "session", "image")
    assert keys.equals(keys.sort(pl.all()))


def test_a_clip_knows_its_video_with_or_without_features(tmp_path: Path) -> None:
    folder = _write_session(tmp_path / "study", images=3)
    (folder / "reaction_clip_1_features.csv").unlink()
    (folder / "reaction_clip_3_features.csv").unlink()
    for name in ("reaction_clip_1.webm", "reaction_clip_2.avi", "reaction_clip_2.mp4"):
        (folder / name).touch()
    study = read_study(tmp_path / "study")
    reactions = [clip for clip in study.clips if clip.kind is ClipKind.REACTION]
    assert [(clip.image, clip.video_name, clip.features.exists()) for clip in reactions] == [
        (1, "reaction_clip_1.webm", False),
        (2, "reaction_clip_2.mp4", True),
    ]
    assert reactions[0].video == folder / "reaction_clip_1.webm"
    (problem,) = study.problems
    assert problem.place == "p1/session_1/reaction_clip_3_features.csv"
    assert problem.reason.startswith("is missing, and so is the video")
