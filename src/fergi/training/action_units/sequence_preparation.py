"""The paper's preprocessing of the pictures of one sequence, into shards of a store."""

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from fergi.datasets.face_shards import (
    FACE_SIZE,
    MEASURES,
    PICTURES_IN_SHARD,
    Shard,
    described_oddities,
    shard_description,
    write_shard,
)
from fergi.datasets.prepared_faces import FaceStore
from fergi.errors import brief
from fergi.execution.protocol import Tell
from fergi.records.action_units import ACTION_UNITS
from fergi.records.face import Face, VideoFrame
from fergi.records.labelled_faces import FaceSequence, Oddity, OddityKind, listed
from fergi.records.landmarks import head_ratios
from fergi.stages.perception.alignment import aligned_face, crop_origin, face_crop
from fergi.stages.perception.equalisation import equalised, padded
from fergi.stages.perception.faces import FaceLandmarker
from fergi.stages.perception.landmarks import mesh_landmarks68
from fergi.training.action_units.sequence_pictures import Image, NoPicture, sequence_pictures

PreparedPicture = UInt8[np.ndarray, "112 112 3"]


@dataclass(frozen=True, slots=True, eq=False)
class PrepareSequence:
    """The task to prepare the pictures of one sequence.

    Attributes:
        sequence: Where they are.
        store: Where they go.
        recipe: SHA-256 of the recipe.
    """

    sequence: FaceSequence
    store: FaceStore
    recipe: str

    @property
    def name(self) -> str:
        """That of the sequence."""
        return self.sequence.place


@dataclass(frozen=True, slots=True)
class PreparedSequence:
    """What came of a sequence.

    Attributes:
        shards: Its files.
        oddities: What could not be prepared.
        pictures: How many pictures there are in the files.
        new: How many of them were not there before.
    """

    shards: tuple[Path, ...]
    oddities: tuple[Oddity, ...]
    pictures: int
    new: int


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Consecutive pictures of a sequence, which become one shard."""

    path: Path
    digest: str
    positions: range
    known: dict[str, Any] | None


@dataclass(slots=True, eq=False)
class _Faces:
    """What was found so far in the pictures of a part.

    Attributes:
        pictures: The faces.
        positions: Where each stands in the sequence.
        measures: Of each.
        left_out: Positions without a face, by what is odd about them.
        is_final: Whether another attempt would find the same, since every file could be read.
    """

    pictures: list[PreparedPicture] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    measures: list[Float[np.ndarray, "3"]] = field(default_factory=list)
    left_out: dict[tuple[OddityKind, str], list[int]] = field(default_factory=dict)
    is_final: bool = True

    def add(self, position: int, image: Image | NoPicture, landmarker: FaceLandmarker) -> None:
        """Prepare a picture, or note why it cannot be."""
        if isinstance(image, OSError):
            self.is_final = False
            image = brief(image)
        if isinstance(image, str):
            self._leave_out(position, OddityKind.BROKEN_PICTURE, image)
            return
        face = landmarker.seen(VideoFrame(0.0, image)).face
        if face is None:
            self._leave_out(position, OddityKind.NO_FACE)
            return
        self.pictures.append(prepared_picture(image, face))
        self.positions.append(position)
        self.measures.append(_measures(face))

    def shard(self, sequence: FaceSequence) -> Shard:
        """Put the prepared pictures beside their labels."""
        pictures = np.array(self.pictures, dtype=np.uint8)
        return Shard(
            pictures=pictures.reshape(-1, FACE_SIZE, FACE_SIZE, 3),
            frames=sequence.frames[self.positions].astype(np.int64),
            labels=sequence.labels[self.positions].reshape(-1, len(ACTION_UNITS)),
            measures=np.array(self.measures, dtype=np.float64).reshape(-1, len(MEASURES)),
        )

    def oddities(self, sequence: FaceSequence) -> list[Oddity]:
        """Name the frames that could not be prepared."""
        return [
            Oddity(
                kind,
                sequence.place,
                len(positions),
                f"frames {listed(sequence.frames[positions].tolist())}; left out{reason}",
            )
            for (kind, reason), positions in self.left_out.items()
        ]

    def _leave_out(self, position: int, kind: OddityKind, reason: str = "") -> None:
        key = (kind, f": {reason}" if reason else "")
        self.left_out.setdefault(key, []).append(position)


def prepared_sequence(
    task: PrepareSequence, landmarker: FaceLandmarker, tell: Tell
) -> PreparedSequence:
    """Prepare the parts of a sequence that are not there yet.

    Args:
        task: Which sequence, and where to.
        landmarker: Finds the faces.
        tell: Told after each part, how many pictures it has.

    Raises:
        OutputError: If the disk refuses.
    """
    parts = _parts(task)
    missing = [position for part in parts if part.known is None for position in part.positions]
    images = sequence_pictures(task.sequence, missing)
    pictures = new = 0
    oddities: list[Oddity] = []
    for part in parts:
        description = part.known
        if description is None:
            description = _write_part(task, part, images, landmarker)
            new += description["pictures"]
        pictures += description["pictures"]
        oddities += described_oddities(description)
        tell(len(part.positions))
    return PreparedSequence(tuple(part.path for part in parts), tuple(oddities), pictures, new)


def prepared_picture(image: Image, face: Face) -> PreparedPicture:
    """Crop, align, equalise and pad a face, as the estimator does.

    Args:
        image: RGB.
        face: Where the face is in there.
    """
    landmarks = mesh_landmarks68(face.mesh) - crop_origin(face.box)
    return padded(equalised(aligned_face(face_crop(image, face.box), landmarks)))


def _parts(task: PrepareSequence) -> list[_Part]:
    """Split a sequence, and see which parts were prepared before from equal inputs."""
    parts = []
    count = len(task.sequence.frames)
    for number, path in enumerate(task.store.shard_paths(task.sequence)):
        start = number * PICTURES_IN_SHARD
        positions = range(start, min(start + PICTURES_IN_SHARD, count))
        digest = _digest(task, positions)
        description = shard_description(path)
        is_known = description is not None and description.get("inputs") == digest
        parts.append(_Part(path, digest, positions, description if is_known else None))
    return parts


def _digest(task: PrepareSequence, positions: range) -> str:
    """Reduce all that a shard depends on to a SHA-256; of files, their names, sizes and times."""
    sequence, chosen = task.sequence, slice(positions.start, positions.stop)
    paths = [sequence.source / file for file in sequence.files[chosen]] or [sequence.source]
    digest = hashlib.sha256(task.recipe.encode())
    for path in paths:
        digest.update(f"{path.name}|{_size_and_time(path)};".encode())
    digest.update(np.ascontiguousarray(sequence.frames[chosen]).tobytes())
    digest.update(np.ascontiguousarray(sequence.labels[chosen]).tobytes())
    return digest.hexdigest()


def _size_and_time(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "unknown"
    return f"{status.st_size}|{status.st_mtime_ns}"


def _write_part(
    task: PrepareSequence,
    part: _Part,
    images: Iterator[tuple[int, Image | NoPicture]],
    landmarker: FaceLandmarker,
) -> dict[str, Any]:
    """Prepare the pictures of a part, and write them; tell what came of it."""
    found = _Faces()
    for _, (position, image) in zip(part.positions, images, strict=False):
        found.add(position, image, landmarker)
    description = {
        "inputs": part.digest if found.is_final else None,
        "pictures": len(found.pictures),
        "oddities": [asdict(oddity) for oddity in found.oddities(task.sequence)],
    }
    task.store.withdraw_table()
    write_shard(part.path, found.shard(task.sequence), description)
    return description


def _measures(face: Face) -> Float[np.ndarray, "3"]:
    ratios = head_ratios(mesh_landmarks68(face.mesh))
    return np.concatenate([[face.score], ratios])
