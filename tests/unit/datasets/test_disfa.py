from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fergi.datasets.disfa import LabelledFaces, read_disfa, read_disfa_plus
from fergi.errors import DatasetError
from fergi.records.action_units import ACTION_UNITS
from fergi.records.labelled_faces import FaceSequence, OddityKind, listed

FRAMES = range(1, 6)
TRIAL = "A1_AU1_TrailNo_1"


@pytest.fixture
def disfa(tmp_path: Path) -> Path:
    """Two people, both cameras, five frames; unit k of frame f has intensity (k + f) mod 6."""
    for person in ("SN001", "SN002"):
        _write_disfa_labels(tmp_path / "ActionUnit_Labels" / person, FRAMES)
        for camera in ("Left", "Right"):
            _write_pictures(tmp_path / f"Images_{camera}Camera" / person, FRAMES, "{}.png")
    return tmp_path


@pytest.fixture
def disfa_plus(tmp_path: Path) -> Path:
    """One person, two trials."""
    for trial in (TRIAL, "Z_Happy_TrailNo_2"):
        folder = tmp_path / "Labels" / "SN001" / trial
        folder.mkdir(parents=True)
        for unit in ACTION_UNITS:
            lines = [f"{frame:03d}.jpg     {(unit + frame) % 6}" for frame in FRAMES]
            (folder / f"AU{unit}.txt").write_text(
                "\n".join(["Intensity of the action unit", "Name     Intensity", *lines]) + "\n"
            )
        _write_pictures(tmp_path / "Images" / "SN001" / trial, FRAMES, "{:03d}.jpg")
    return tmp_path


def _write_disfa_labels(folder: Path, frames: range) -> None:
    folder.mkdir(parents=True)
    for unit in ACTION_UNITS:
        lines = [f"{frame},{(unit + frame) % 6}\n" for frame in frames]
        (folder / f"{folder.name}_au{unit}.txt").write_text("".join(lines))


def _write_pictures(folder: Path, frames: range, pattern: str) -> None:
    folder.mkdir(parents=True)
    for frame in frames:
        (folder / pattern.format(frame)).touch()


def _planted(frames: range = FRAMES) -> np.ndarray:
    return np.array([[(unit + frame) % 6 for unit in ACTION_UNITS] for frame in frames], float)


def _names(faces: LabelledFaces) -> list[tuple[str, str]]:
    return [(sequence.person, sequence.name) for sequence in faces.sequences]


def _only_oddity(faces: LabelledFaces) -> tuple[OddityKind, str, int]:
    (oddity,) = faces.oddities
    return oddity.kind, oddity.place, oddity.count


def test_both_cameras_of_disfa_are_read_with_their_labels(disfa: Path) -> None:
    faces = read_disfa(disfa)
    people = [(person, camera) for person in ("SN001", "SN002") for camera in ("left", "right")]
    assert _names(faces) == people
    assert faces.oddities == ()
    for sequence in faces.sequences:
        np.testing.assert_array_equal(sequence.labels, _planted())
        assert sequence.files == tuple(f"{frame}.png" for frame in FRAMES)
        assert sequence.source.name == sequence.person


def test_frames_are_in_the_order_of_their_numbers(disfa: Path) -> None:
    _write_more(disfa, range(6, 13))
    sequence = read_disfa(disfa).sequences[0]
    assert list(sequence.frames) == list(range(1, 13))
    np.testing.assert_array_equal(sequence.labels, _planted(range(1, 13)))


def _write_more(disfa: Path, frames: range) -> None:
    for unit in ACTION_UNITS:
        with (disfa / "ActionUnit_Labels" / "SN001" / f"SN001_au{unit}.txt").open("a") as file:
            file.writelines(f"{frame},{(unit + frame) % 6}\n" for frame in frames)
    for camera in ("Left", "Right"):
        for frame in frames:
            (disfa / f"Images_{camera}Camera" / "SN001" / f"{frame}.png").touch()


def test_trials_of_disfa_plus_are_read_with_their_labels(disfa_plus: Path) -> None:
    faces = read_disfa_plus(disfa_plus)
    assert _names(faces) == [("SN001", TRIAL), ("SN001", "Z_Happy_TrailNo_2")]
    assert faces.oddities == ()
    for sequence in faces.sequences:
        np.testing.assert_array_equal(sequence.labels, _planted())
        assert sequence.files[0] == "001.jpg"


def test_the_distributed_videos_serve_where_there_are_no_pictures(disfa: Path) -> None:
    videos = disfa / "Videos_RightCamera"
    videos.mkdir()
    (videos / "RightVideoSN001_comp.avi").touch()
    (videos / "RightVideoSN002_comp.avi").touch()
    _remove(disfa / "Images_RightCamera" / "SN001")
    by_name = {(one.person, one.name): one for one in read_disfa(disfa).sequences}
    assert by_name["SN001", "right"].source == videos / "RightVideoSN001_comp.avi"
    assert by_name["SN001", "right"].files == ()
    assert by_name["SN002", "right"].source.is_dir()


def test_names_of_folders_and_videos_differ_between_copies_of_the_data_set(disfa: Path) -> None:
    _remove(disfa / "Images_RightCamera" / "SN001")
    videos = disfa / "Video_RightCamera"
    videos.mkdir()
    (videos / "RightVideoSN001_Comp.avi").touch()
    by_name = {(one.person, one.name): one for one in read_disfa(disfa).sequences}
    assert by_name["SN001", "right"].source == videos / "RightVideoSN001_Comp.avi"


def _remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def _without_label(disfa: Path) -> None:
    (disfa / "Images_LeftCamera" / "SN001" / "9.png").touch()


def _without_picture(disfa: Path) -> None:
    (disfa / "Images_LeftCamera" / "SN001" / "3.png").unlink()


def _with_extra_file(disfa: Path) -> None:
    (disfa / "Images_LeftCamera" / "SN001" / "Thumbs.db").touch()


def _with_extra_label_file(disfa: Path) -> None:
    (disfa / "ActionUnit_Labels" / "SN001" / "SN001_au3.txt").touch()


def _with_label_out_of_range(disfa: Path) -> None:
    _replace_line(disfa, "4,0", "4,9")


def _with_unreadable_line(disfa: Path) -> None:
    _replace_line(disfa, "4,0", "4;0")


def _with_repeated_frame(disfa: Path) -> None:
    _replace_line(disfa, "4,0", "4,0\n4,5")


def _without_camera(disfa: Path) -> None:
    _remove(disfa / "Images_LeftCamera" / "SN001")


def _without_unit_file(disfa: Path) -> None:
    (disfa / "ActionUnit_Labels" / "SN001" / "SN001_au2.txt").unlink()


def _with_truncated_unit_file(disfa: Path) -> None:
    path = disfa / "ActionUnit_Labels" / "SN001" / "SN001_au2.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def _replace_line(disfa: Path, old: str, new: str) -> None:
    path = disfa / "ActionUnit_Labels" / "SN001" / "SN001_au2.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


LEFT = "disfa/SN001/left"
LABELS = "disfa/ActionUnit_Labels/SN001"


@pytest.mark.parametrize(
    ("spoil", "kind", "place"),
    [
        (_without_label, OddityKind.NO_LABEL, LEFT),
        (_without_picture, OddityKind.NO_PICTURE, LEFT),
        (_with_extra_file, OddityKind.EXTRA_FILE, LEFT),
        (_with_extra_label_file, OddityKind.EXTRA_FILE, LABELS),
        (_with_label_out_of_range, OddityKind.OUT_OF_RANGE, f"{LABELS}/SN001_au2.txt"),
        (_with_unreadable_line, OddityKind.UNREADABLE_LINE, f"{LABELS}/SN001_au2.txt"),
        (_with_repeated_frame, OddityKind.REPEATED_FRAME, f"{LABELS}/SN001_au2.txt"),
        (_with_truncated_unit_file, OddityKind.MISSING_LINE, f"{LABELS}/SN001_au2.txt"),
        (_without_camera, OddityKind.NO_SEQUENCE, LEFT),
        (_without_unit_file, OddityKind.NO_UNIT_FILE, LABELS),
    ],
)
def test_what_is_odd_is_counted_and_named(
    disfa: Path, spoil: Callable[[Path], None], kind: OddityKind, place: str
) -> None:
    spoil(disfa)
    faces = read_disfa(disfa)
    assert _only_oddity(faces) == (kind, place, 1)
    assert len(faces.sequences) == (3 if kind is OddityKind.NO_SEQUENCE else 4)
    assert str(faces.oddities[0].problem()).startswith(f"{place}: 1 {kind.value}: ")


@pytest.mark.parametrize("spoil", [_with_label_out_of_range, _with_unreadable_line])
def test_a_label_that_is_no_intensity_is_missing_and_the_rest_is_kept(
    disfa: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(disfa)
    expected = _planted()
    expected[3, ACTION_UNITS.index(2)] = np.nan
    np.testing.assert_array_equal(read_disfa(disfa).sequences[0].labels, expected)


def test_frames_that_one_unit_lacks_are_named_and_not_labelled(disfa: Path) -> None:
    path = disfa / "ActionUnit_Labels" / "SN001" / "SN001_au2.txt"
    path.write_text("")
    faces = read_disfa(disfa)
    assert _only_oddity(faces) == (OddityKind.MISSING_LINE, f"{LABELS}/SN001_au2.txt", 5)
    assert "frames 1–5; counted as not labelled" in faces.oddities[0].detail
    expected = _planted()
    expected[:, ACTION_UNITS.index(2)] = np.nan
    np.testing.assert_array_equal(faces.sequences[0].labels, expected)


def test_of_a_frame_that_is_labelled_twice_the_first_line_counts(disfa: Path) -> None:
    _with_repeated_frame(disfa)
    np.testing.assert_array_equal(read_disfa(disfa).sequences[0].labels, _planted())


def test_pictures_that_were_counted_from_0_are_told_to_be(disfa: Path) -> None:
    (disfa / "Images_LeftCamera" / "SN001" / "0.png").touch()
    (oddity,) = read_disfa(disfa).oddities
    assert oddity.kind is OddityKind.NO_LABEL
    assert "frames 0; left out. Labels count frames from 1" in oddity.detail


def test_a_person_without_labels_is_named_for_each_camera(disfa: Path) -> None:
    _remove(disfa / "ActionUnit_Labels" / "SN002")
    faces = read_disfa(disfa)
    assert [one.person for one in faces.sequences] == ["SN001", "SN001"]
    assert [(one.kind, one.place) for one in faces.oddities] == [
        (OddityKind.NO_LABELS, "disfa/SN002/left"),
        (OddityKind.NO_LABELS, "disfa/SN002/right"),
    ]


@pytest.mark.parametrize(
    ("extra", "place"),
    [
        ("Images_MiddleCamera/", "disfa"),
        ("readme.txt", "disfa"),
        ("ActionUnit_Labels/notes.txt", "disfa/ActionUnit_Labels"),
        ("Images_LeftCamera/list.txt", "disfa/Images_LeftCamera"),
        ("Images_LeftCamera/LeftVideoSN001_comp.wmv", "disfa/Images_LeftCamera"),
        ("Images_LeftCamera/RightVideoSN001_comp.avi", "disfa/Images_LeftCamera"),
        ("Images_LeftCamera/SN001/more/", LEFT),
    ],
)
def test_whatever_does_not_belong_into_disfa_is_named(disfa: Path, extra: str, place: str) -> None:
    _add(disfa / extra, is_folder=extra.endswith("/"))
    faces = read_disfa(disfa)
    assert _only_oddity(faces) == (OddityKind.EXTRA_FILE, place, 1)
    name = extra.removesuffix("/").rpartition("/")[2]
    assert faces.oddities[0].detail.startswith(name)
    assert len(faces.sequences) == 4


@pytest.mark.parametrize(
    ("extra", "place"),
    [
        ("Emotions/", "disfa+"),
        ("Labels/list.xls", "disfa+/Labels"),
        ("Images/SN001/foo.txt", "disfa+/Images/SN001"),
        (f"Images/SN001/{TRIAL}/foo.txt", f"disfa+/SN001/{TRIAL}"),
        (f"Labels/SN001/{TRIAL}/AU3.txt", f"disfa+/SN001/{TRIAL}/Labels"),
    ],
)
def test_whatever_does_not_belong_into_disfa_plus_is_named(
    disfa_plus: Path, extra: str, place: str
) -> None:
    _add(disfa_plus / extra, is_folder=extra.endswith("/"))
    faces = read_disfa_plus(disfa_plus)
    assert _only_oddity(faces) == (OddityKind.EXTRA_FILE, place, 1)
    assert len(faces.sequences) == 2


def test_the_landmarks_of_disfa_are_nothing_odd(disfa: Path) -> None:
    (disfa / "Landmark_Points").mkdir()
    assert not read_disfa(disfa).oddities


def test_the_landmarks_of_disfa_plus_are_nothing_odd(disfa_plus: Path) -> None:
    (disfa_plus / "FaceLandmarks").mkdir()
    assert not read_disfa_plus(disfa_plus).oddities


def _add(path: Path, *, is_folder: bool) -> None:
    if is_folder:
        path.mkdir()
    else:
        path.touch()


def test_of_two_videos_of_a_person_the_one_that_is_not_taken_is_named(disfa: Path) -> None:
    _remove(disfa / "Images_LeftCamera" / "SN001")
    for ending in ("", "_comp"):
        (disfa / "Images_LeftCamera" / f"LeftVideoSN001{ending}.avi").touch()
    faces = read_disfa(disfa)
    assert faces.sequences[0].source.name == "LeftVideoSN001_comp.avi"
    assert _only_oddity(faces) == (OddityKind.EXTRA_FILE, "disfa/Images_LeftCamera", 1)
    assert faces.oddities[0].detail == "LeftVideoSN001.avi; not read"


def test_a_trial_without_pictures_or_labels_is_named(disfa_plus: Path) -> None:
    _remove(disfa_plus / "Images" / "SN001" / TRIAL)
    _write_pictures(disfa_plus / "Images" / "SN001" / "B", FRAMES, "{:03d}.jpg")
    faces = read_disfa_plus(disfa_plus)
    assert _names(faces) == [("SN001", "Z_Happy_TrailNo_2")]
    assert [(one.kind, one.place) for one in faces.oddities] == [
        (OddityKind.NO_SEQUENCE, f"disfa+/SN001/{TRIAL}"),
        (OddityKind.NO_LABELS, "disfa+/SN001/B"),
    ]


@pytest.mark.parametrize("read", [read_disfa, read_disfa_plus])
def test_a_folder_of_something_else_is_refused(
    tmp_path: Path, read: Callable[[Path], LabelledFaces]
) -> None:
    with pytest.raises(DatasetError, match=r"as it is distributed; it needs .*, and has no folder"):
        read(tmp_path)
    (tmp_path / "DISFA").mkdir()
    with pytest.raises(DatasetError, match="and has DISFA; name the folder that holds them"):
        read(tmp_path)


def test_frames_are_listed_as_ranges() -> None:
    assert listed([5, 1, 2, 3, 9]) == "1–3, 5, 9"
    assert listed(list(range(0, 20, 2)), shown=2) == "0, 2 …"


def test_a_sequence_names_its_place() -> None:
    sequence = FaceSequence(
        "disfa", "SN001", "left", Path(), (), np.array([1]), np.zeros((1, len(ACTION_UNITS)))
    )
    assert sequence.place == LEFT
