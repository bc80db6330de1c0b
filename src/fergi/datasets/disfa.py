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

from fergi.datasets.unit_labels import Oddities, unit_labels
from fergi.errors import DatasetError
from fergi.records.action_units import ACTION_UNITS
from fergi.records.labelled_faces import FaceSequence, Oddity, OddityKind, listed

DISFA = "disfa"
DISFA_PLUS = "disfa+"
CAMERAS = ("left", "right")

_PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp"})
_CAMERA_FOLDER = re.compile(
    r"(images|videos?)[ _-]?(left|right)[ _-]?(?:camera|cam)?", re.IGNORECASE
)
_VIDEO = re.compile(r"(?:left|right)video(\w+?)(?:_comp)?\.(?:avi|mp4|mov|mkv)", re.IGNORECASE)

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
    label_folders = _folders(root / "ActionUnit_Labels")
    sources = {camera: _camera_sources(root, camera) for camera in CAMERAS}
    if not label_folders or not any(sources.values()):
        raise DatasetError(
            f"{root}: is not DISFA as it is distributed; it needs ActionUnit_Labels/SN001/… and "
            "Images_LeftCamera/SN001/1.png … or Videos_LeftCamera/LeftVideoSN001_comp.avi, and has "
            f"{_named(root)}; name the folder that holds them"
        )
    oddities = Oddities()
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
    label_trials, picture_trials = _trials(root / "Labels"), _trials(root / "Images")
    if not label_trials or not picture_trials:
        raise DatasetError(
            f"{root}: is not DISFA+ as it is distributed; it needs Labels/SN001/<trial>/AU1.txt … "
            f"and Images/SN001/<trial>/000.jpg …, and has {_named(root)}; name the folder that "
            "holds them"
        )
    oddities = Oddities()
    sequences: list[FaceSequence] = []
    for person, trial in sorted(label_trials.keys() | picture_trials.keys()):
        name = _Name(DISFA_PLUS, person, trial)
        folder = label_trials.get((person, trial))
        labels = _disfa_plus_labels(folder, name.place, oddities) if folder else {}
        source = picture_trials.get((person, trial))
        sequences += _sequence(name, source, labels, oddities)
    return LabelledFaces(tuple(sequences), tuple(oddities.found))


def _disfa_labels(folder: Path, oddities: Oddities) -> Labels:
    """Read `SN001_au1.txt` …: lines such as `17,3`."""
    person = folder.name
    files = {unit: folder / f"{person}_au{unit}.txt" for unit in ACTION_UNITS}
    place = f"{DISFA}/ActionUnit_Labels/{person}"
    _note_extra_files(folder, {file.name for file in files.values()}, place, oddities)
    return unit_labels(files, place, _split_at_comma, 0, oddities)


def _disfa_plus_labels(folder: Path, place: str, oddities: Oddities) -> Labels:
    """Read `AU1.txt` …: two lines of header, then lines such as `017.jpg     3`."""
    files = {unit: folder / f"AU{unit}.txt" for unit in ACTION_UNITS}
    place = f"{place}/Labels"
    _note_extra_files(folder, {file.name for file in files.values()}, place, oddities)
    return unit_labels(files, place, _split_at_blanks, 2, oddities)


def _split_at_comma(line: str) -> tuple[int, str]:
    frame, intensity = line.split(",")
    return int(frame), intensity


def _split_at_blanks(line: str) -> tuple[int, str]:
    name, intensity = line.split()
    return int(Path(name).stem), intensity


def _camera_sources(root: Path, camera: str) -> dict[str, Path]:
    """Find the folder of pictures of each person, or the video where there is none."""
    videos: dict[str, Path] = {}
    pictures: dict[str, Path] = {}
    for folder in _folders(root):
        match = _CAMERA_FOLDER.fullmatch(folder.name)
        if match is None or match[2].lower() != camera:
            continue
        pictures |= {person.name: person for person in _folders(folder)}
        for file in sorted(folder.iterdir()):
            if video := _VIDEO.fullmatch(file.name):
                videos[video[1]] = file
    return videos | pictures


def _trials(root: Path) -> dict[tuple[str, str], Path]:
    return {
        (person.name, trial.name): trial for person in _folders(root) for trial in _folders(person)
    }


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return sorted(
        path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")
    )


def _named(root: Path) -> str:
    """Name the folders in a folder, the first few of them."""
    names = [folder.name for folder in _folders(root)]
    return ", ".join(names[:5]) + (" …" if len(names) > 5 else "") if names else "no folder"


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
    files = _numbered_pictures(source, name.place, oddities)
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


def _numbered_pictures(folder: Path, place: str, oddities: Oddities) -> dict[int, str]:
    """Find the pictures of a folder by their numbers; whatever else is there is an oddity."""
    pictures: dict[int, str] = {}
    others = []
    for path in sorted(folder.iterdir()):
        is_numbered = path.suffix.lower() in _PICTURE_ENDINGS and path.stem.isdecimal()
        if is_numbered and int(path.stem) not in pictures and path.is_file():
            pictures[int(path.stem)] = path.name
        else:
            others.append(path.name)
    _note_others(others, place, oddities)
    return dict(sorted(pictures.items()))


def _note_extra_files(folder: Path, known: set[str], place: str, oddities: Oddities) -> None:
    _note_others(sorted({path.name for path in folder.iterdir()} - known), place, oddities)


def _note_others(names: list[str], place: str, oddities: Oddities) -> None:
    shown = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
    oddities.add(OddityKind.EXTRA_FILE, place, len(names), f"{shown}; not read")
