"""DISFA and DISFA+, as their makers distribute them.

See `descriptions/disfa.md`. Whatever is not as described there is an `Oddity`: counted, named,
and left out, while the rest is used.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from fergi.datasets.face_folders import (
    folder_names,
    is_plain_folder,
    note_extras,
    note_unread,
    numbered_pictures,
    plain_folders,
)
from fergi.datasets.unit_labels import Oddities, unit_labels
from fergi.errors import DatasetError
from fergi.records.action_units import ACTION_UNITS
from fergi.records.labelled_faces import FaceSequence, Oddity, OddityKind, listed

DISFA = "disfa"
DISFA_PLUS = "disfa+"
CAMERAS = ("left", "right")

_LABELS = "ActionUnit_Labels"
_TRIAL_FOLDERS = ("Labels", "Images")
_CAMERA_FOLDER = re.compile(
    r"(images|videos?)[ _-]?(left|right)[ _-]?(?:camera|cam)?", re.IGNORECASE
)
_VIDEO = re.compile(r"(left|right)video(\w+?)(?:_comp)?\.(?:avi|mp4|mov|mkv)", re.IGNORECASE)

_NUMBERED_FROM_0 = (
    ". Labels count frames from 1: if these pictures were counted from 0, each now has the label "
    "of the frame before it, so number them from 1"
)

Labels = Mapping[int, Float[np.ndarray, " units"]]


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFaces:
    """A data set of faces with labels.

    Attributes:
        sequences: In the order of person and name.
        oddities: What was found that is not as described.
    """

    sequences: tuple[FaceSequence, ...]
    oddities: tuple[Oddity, ...]


def read_disfa(root: Path) -> LabelledFaces:
    """Read DISFA: a sequence for each person and camera.

    Args:
        root: The folder that holds `ActionUnit_Labels`, and for each camera a folder of
            pictures (`Images_LeftCamera/SN001/1.png`) or the distributed videos
            (`Videos_LeftCamera/LeftVideoSN001_comp.avi`).

    Raises:
        DatasetError: If labels or pictures are missing altogether.
    """
    oddities = Oddities()
    label_folders = plain_folders(root / _LABELS)
    cameras = {camera: _camera_folders(root, camera) for camera in CAMERAS}
    sources = {camera: _camera_sources(cameras[camera], camera, oddities) for camera in CAMERAS}
    if not label_folders or not any(sources.values()):
        raise DatasetError(
            f"{root}: is not DISFA as it is distributed; it needs ActionUnit_Labels/SN001/… and "
            "Images_LeftCamera/SN001/1.png … or Videos_LeftCamera/LeftVideoSN001_comp.avi, and has "
            f"{folder_names(root)}; name the folder that holds them"
        )
    known = {_LABELS, *(folder.name for camera in CAMERAS for folder in cameras[camera])}
    note_extras(root, known | _landmarks(root), DISFA, oddities)
    _note_files(root / _LABELS, f"{DISFA}/{_LABELS}", oddities)
    labels = {folder.name: _disfa_labels(folder, oddities) for folder in label_folders}
    sequences: list[FaceSequence] = []
    for person in sorted(labels.keys() | sources["left"].keys() | sources["right"].keys()):
        for camera in CAMERAS:
            source = sources[camera].get(person)
            name = _Name(DISFA, person, camera)
            sequences += _sequence(name, source, labels.get(person, {}), oddities)
    return LabelledFaces(tuple(sequences), tuple(oddities.found))


def read_disfa_plus(root: Path) -> LabelledFaces:
    """Read DISFA+: a sequence for each person and trial.

    Args:
        root: The folder that holds `Labels/SN001/<trial>/AU1.txt` … and
            `Images/SN001/<trial>/000.jpg` ….

    Raises:
        DatasetError: If labels or pictures are missing altogether.
    """
    oddities = Oddities()
    label_trials, picture_trials = (_trials(root / name, oddities) for name in _TRIAL_FOLDERS)
    if not label_trials or not picture_trials:
        raise DatasetError(
            f"{root}: is not DISFA+ as it is distributed; it needs Labels/SN001/<trial>/AU1.txt … "
            f"and Images/SN001/<trial>/000.jpg …, and has {folder_names(root)}; name the folder "
            "that holds them"
        )
    note_extras(root, {*_TRIAL_FOLDERS} | _landmarks(root), DISFA_PLUS, oddities)
    sequences: list[FaceSequence] = []
    for person, trial in sorted(label_trials.keys() | picture_trials.keys()):
        name = _Name(DISFA_PLUS, person, trial)
        folder = label_trials.get((person, trial))
        labels = _disfa_plus_labels(folder, name.place, oddities) if folder else {}
        source = picture_trials.get((person, trial))
        sequences += _sequence(name, source, labels, oddities)
    return LabelledFaces(tuple(sequences), tuple(oddities.found))


def _landmarks(root: Path) -> set[str]:
    """Name the folders of landmarks: they are distributed too, and nothing here needs them."""
    return {folder.name for folder in plain_folders(root) if "landmark" in folder.name.lower()}


def _disfa_labels(folder: Path, oddities: Oddities) -> Labels:
    """Read `SN001_au1.txt` …: lines such as `17,3`."""
    person = folder.name
    files = {unit: folder / f"{person}_au{unit}.txt" for unit in ACTION_UNITS}
    place = f"{DISFA}/{_LABELS}/{person}"
    note_extras(folder, {file.name for file in files.values()}, place, oddities)
    return unit_labels(files, place, _split_at_comma, 0, oddities)


def _disfa_plus_labels(folder: Path, place: str, oddities: Oddities) -> Labels:
    """Read `AU1.txt` …: two lines of header, then lines such as `017.jpg     3`."""
    files = {unit: folder / f"AU{unit}.txt" for unit in ACTION_UNITS}
    place = f"{place}/Labels"
    note_extras(folder, {file.name for file in files.values()}, place, oddities)
    return unit_labels(files, place, _split_at_blanks, 2, oddities)


def _split_at_comma(line: str) -> tuple[int, str]:
    frame, intensity = line.split(",")
    return int(frame), intensity


def _split_at_blanks(line: str) -> tuple[int, str]:
    name, intensity = line.split()
    return int(Path(name).stem), intensity


def _camera_folders(root: Path, camera: str) -> list[Path]:
    matches = {folder: _CAMERA_FOLDER.fullmatch(folder.name) for folder in plain_folders(root)}
    return [folder for folder, match in matches.items() if match and match[2].lower() == camera]


def _camera_sources(folders: list[Path], camera: str, oddities: Oddities) -> dict[str, Path]:
    """Find the folder of pictures of each person, or the video where there is none."""
    videos: dict[str, Path] = {}
    pictures: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.iterdir()):
            if is_plain_folder(path):
                pictures[path.name] = path
            elif path.is_file() and (person := _filmed_person(path.name, camera)):
                videos[person] = path
    for folder in folders:
        unread = set(folder.iterdir()) - {*videos.values(), *pictures.values()}
        note_unread(unread, f"{DISFA}/{folder.name}", oddities)
    return videos | pictures


def _filmed_person(video: str, camera: str) -> str | None:
    match = _VIDEO.fullmatch(video)
    return match[2] if match and match[1].lower() == camera else None


def _trials(root: Path, oddities: Oddities) -> dict[tuple[str, str], Path]:
    """Find the folder of each person and trial."""
    trials: dict[tuple[str, str], Path] = {}
    _note_files(root, f"{DISFA_PLUS}/{root.name}", oddities)
    for person in plain_folders(root):
        _note_files(person, f"{DISFA_PLUS}/{root.name}/{person.name}", oddities)
        trials |= {(person.name, trial.name): trial for trial in plain_folders(person)}
    return trials


def _note_files(folder: Path, place: str, oddities: Oddities) -> None:
    """Note whatever there is in a folder of folders beside those."""
    if folder.is_dir():
        note_extras(folder, [one.name for one in plain_folders(folder)], place, oddities)


@dataclass(frozen=True, slots=True)
class _Name:
    """Which sequence is meant."""

    dataset: str
    person: str
    name: str

    @property
    def place(self) -> str:
        return f"{self.dataset}/{self.person}/{self.name}"


def _sequence(
    name: _Name, source: Path | None, labels: Labels, oddities: Oddities
) -> Iterator[FaceSequence]:
    """Join pictures and labels; nothing where either is missing."""
    if source is None:
        detail = f"{len(labels):,} labelled frames are left out: add the pictures, or go on without"
        oddities.add(OddityKind.NO_SEQUENCE, name.place, 1, detail)
        return
    if not labels:
        detail = "its pictures are left out: get the data set's labels again"
        oddities.add(OddityKind.NO_LABELS, name.place, 1, detail)
        return
    if source.is_file():
        yield _joined(name, source, {}, list(labels), labels)
        return
    files = numbered_pictures(source, name.place, oddities)
    unlabelled = files.keys() - labels.keys()
    advice = _NUMBERED_FROM_0 if name.dataset == DISFA and 0 in unlabelled else ""
    _note_frames(OddityKind.NO_LABEL, unlabelled, name.place, oddities, advice)
    _note_frames(OddityKind.NO_PICTURE, labels.keys() - files.keys(), name.place, oddities)
    frames = [frame for frame in files if frame in labels]
    if frames:
        yield _joined(name, source, files, frames, labels)


def _joined(
    name: _Name, source: Path, files: Mapping[int, str], frames: list[int], labels: Labels
) -> FaceSequence:
    return FaceSequence(
        dataset=name.dataset,
        person=name.person,
        name=name.name,
        source=source,
        files=tuple(files[frame] for frame in frames) if files else (),
        frames=np.array(frames, dtype=np.int64),
        labels=np.stack([labels[frame] for frame in frames]),
    )


def _note_frames(
    kind: OddityKind, frames: set[int], place: str, oddities: Oddities, advice: str = ""
) -> None:
    oddities.add(kind, place, len(frames), f"frames {listed(list(frames))}; left out{advice}")
