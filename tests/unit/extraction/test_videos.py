from pathlib import Path

import pytest

from fergi.errors import StudyError, UsageError
from fergi.extraction.videos import by_person, find_videos


def _touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_clips_of_a_study_belong_to_their_participants(tmp_path: Path) -> None:
    _touch(
        tmp_path,
        *(
            f"{p}/session_{s}/{k}_clip_1.webm"
            for p in ("anna", "ben")
            for s in (1, 2)
            for k in ("baseline", "reaction")
        ),
    )
    found = find_videos(tmp_path)
    clips = found.clips
    assert (found.doubles, found.left_out) == ([], [])
    assert [clip.person for clip in clips] == ["anna"] * 4 + ["ben"] * 4
    assert [clip.is_baseline for clip in clips] == [True, False] * 4
    assert clips[1].name == "anna/session_1/reaction_clip_1.webm"
    assert clips[1].features == tmp_path / "anna/session_1/reaction_clip_1_features.csv"
    assert [[clip.person for clip in group] for group in by_person(clips)] == [
        ["anna"] * 4,
        ["ben"] * 4,
    ]


@pytest.mark.parametrize("start", ["anna", "anna/session_1", "anna/session_1/reaction_clip_1.mp4"])
def test_a_part_of_a_study_still_belongs_to_its_participant(tmp_path: Path, start: str) -> None:
    _touch(tmp_path, "anna/session_1/reaction_clip_1.mp4")
    (clip,) = find_videos(tmp_path / start).clips
    assert clip.person == "anna"
    assert clip.features == tmp_path / "anna/session_1/reaction_clip_1_features.csv"


def test_any_other_video_is_of_a_person_of_its_own(tmp_path: Path) -> None:
    _touch(tmp_path, "a.mp4", "deep/er/b.MOV", "notes.txt", ".hidden/c.mp4", ".d.mp4")
    clips = find_videos(tmp_path).clips
    assert [(clip.name, clip.person) for clip in clips] == [
        ("a.mp4", "a.mp4"),
        ("deep/er/b.MOV", "deep/er/b.MOV"),
    ]
    assert not any(clip.is_baseline for clip in clips)


def test_numbers_in_names_are_sorted_as_numbers(tmp_path: Path) -> None:
    _touch(tmp_path, "clip10.mp4", "clip9.mp4", "clip1.mp4", "7.mp4", "z.mp4")
    clips = find_videos(tmp_path).clips
    assert [clip.name for clip in clips] == [
        "7.mp4",
        "clip1.mp4",
        "clip9.mp4",
        "clip10.mp4",
        "z.mp4",
    ]


def test_features_elsewhere_are_laid_out_as_the_videos(tmp_path: Path) -> None:
    _touch(tmp_path, "in/p/session_3/reaction_clip_2.avi")
    (clip,) = find_videos(tmp_path / "in", tmp_path / "out").clips
    assert clip.features == tmp_path / "out/p/session_3/reaction_clip_2_features.csv"


def test_of_two_videos_that_differ_in_their_ending_one_is_left_out_and_named(
    tmp_path: Path,
) -> None:
    _touch(tmp_path, "a.webm", "a.mp4", "a.avi")
    found = find_videos(tmp_path)
    assert [clip.name for clip in found.clips] == ["a.mp4"]
    assert [problem.place for problem in found.doubles] == ["a.webm", "a.avi"]
    assert "a.mp4 has the same name but for its ending" in found.doubles[0].reason


def test_where_there_is_no_video_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"holds no video \(.mp4.*; give a video"):
        find_videos(tmp_path)
    with pytest.raises(StudyError, match="does not exist"):
        find_videos(tmp_path / "nowhere")


@pytest.mark.parametrize("inside", [".", "deeper"])
def test_features_cannot_go_into_a_file(tmp_path: Path, inside: str) -> None:
    _touch(tmp_path, "a.mp4", "notes")
    with pytest.raises(UsageError, match="notes is a file, where a folder is needed"):
        find_videos(tmp_path, tmp_path / "notes" / inside)


def test_of_a_study_the_clips_of_sessions_are_taken_and_what_is_left_out_is_named(
    tmp_path: Path,
) -> None:
    wanted = ["p1/session_1/baseline_clip_1.webm", "p1/session_1/reaction_clip_1.webm"]
    for name in [*wanted, "stimuli/waves.mp4", "p1/neutral_clip.webm"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = find_videos(tmp_path)
    assert [clip.name for clip in found.clips] == wanted
    assert found.doubles == []
    assert found.left_out == ["p1/neutral_clip.webm", "stimuli/waves.mp4"]


def test_linked_folders_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    _touch(tmp_path, "elsewhere/session_1/a.mp4", "study/anna/session_1/a.mp4")
    (tmp_path / "study/ben").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "study/anna/session_1/above").symlink_to(tmp_path / "study")
    names = [clip.name for clip in find_videos(tmp_path / "study").clips]
    assert names == ["anna/session_1/a.mp4", "ben/session_1/a.mp4"]
