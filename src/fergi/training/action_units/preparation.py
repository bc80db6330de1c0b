"""The paper's preprocessing of every picture of a data set, into a store of prepared faces."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fergi.datasets.prepared_faces import (
    FACE_SIZE,
    MEASURES,
    PICTURES_IN_SHARD,
    FaceStore,
    Shard,
    described_oddities,
    shard_description,
)
from fergi.errors import VideoError
from fergi.execution.choice import Workplace, executor
from fergi.execution.protocol import Failure, Perform, Tell
from fergi.progress import Progress, unreported
from fergi.records.action_units import ACTION_UNITS
from fergi.records.face import Face, VideoFrame
from fergi.records.labelled_faces import FaceSequence, Oddity, OddityKind, listed
from fergi.records.landmarks import head_ratios
from fergi.stages.perception.alignment import aligned_face, crop_origin, face_crop
from fergi.stages.perception.equalisation import equalised, padded
from fergi.stages.perception.faces import FaceLandmarker
from fergi.stages.perception.landmarks import mesh_landmarks68
from fergi.stages.perception.video import video_frames

_STEPS = 1
"""Counts changes of the steps below that change pictures."""

Image = UInt8[np.ndarray, "height width 3"]


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


@dataclass(frozen=True, slots=True)
class Preparation:
    """What came of a whole data set.

    Attributes:
        pictures: How many pictures the store holds.
        new: How many of them were not there before.
        oddities: All that was odd.
        failures: Sequences that could not be prepared at all.
    """

    pictures: int
    new: int
    oddities: tuple[Oddity, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Consecutive pictures of a sequence, which become one shard."""

    path: Path
    digest: str
    positions: range
    known: dict[str, Any] | None


def prepare_faces(
    sequences: Sequence[FaceSequence],
    oddities: Sequence[Oddity],
    out: Path,
    face_model: bytes,
    *,
    workers: int | None = 1,
    progress: Progress = unreported,
) -> Preparation:
    """Prepare every picture of a data set; what is there already is kept.

    Stopped at any moment, a second run does the rest. A picture without a face is left out,
    and counted.

    Args:
        sequences: What to prepare.
        oddities: What was odd about the data when they were read.
        out: The folder of the store.
        face_model: The bytes of `face_landmarker.task`.
        workers: How many processes; None for one on each processor.
        progress: Told after each part of a sequence, in pictures.

    Raises:
        UsageError: If `out` holds faces that were prepared in another way.
        WeightsError: If `face_model` is no such file.
        DatasetError: If no picture shows a face.
        OutputError: If the disk refuses.
    """
    store = FaceStore(out)
    recipe = store.begin(preparation_recipe(face_model))
    tasks = [PrepareSequence(sequence, store, recipe) for sequence in sequences]
    done, total = 0, sum(len(sequence.frames) for sequence in sequences)

    def hear(_task: Any, news: Any) -> None:
        nonlocal done
        if isinstance(news, int):
            done += news
            progress(done, total)

    progress(0, total)
    prepare = partial(_preparer, face_model)
    with executor(prepare, Workplace(workers)) as workplace:
        outcomes = list(workplace.outcomes(tasks, hear))
    results = [
        (sequence, found)
        for sequence, found in zip(sequences, outcomes, strict=True)
        if isinstance(found, PreparedSequence)
    ]
    all_oddities = (*oddities, *(odd for _, found in results for odd in found.oddities))
    store.finish(
        [(sequence, shard) for sequence, found in results for shard in found.shards], all_oddities
    )
    return Preparation(
        pictures=sum(found.pictures for _, found in results),
        new=sum(found.new for _, found in results),
        oddities=all_oddities,
        failures=tuple(found for found in outcomes if isinstance(found, Failure)),
    )


def preparation_recipe(face_model: bytes) -> dict[str, Any]:
    """Say how pictures are prepared: all that their pixels depend on."""
    return {
        "steps": ["detect", "crop", "align", "equalise", "pad"],
        "steps_version": _STEPS,
        "face_model_sha256": hashlib.sha256(face_model).hexdigest(),
        "landmarks": "68 of the face mesh",
        "size": FACE_SIZE,
    }


def prepared_picture(image: Image, face: Face) -> UInt8[np.ndarray, "112 112 3"]:
    """Crop, align, equalise and pad a face, as the estimator does.

    Args:
        image: RGB.
        face: Where the face is in there.
    """
    landmarks = mesh_landmarks68(face.mesh) - crop_origin(face.box)
    return padded(equalised(aligned_face(face_crop(image, face.box), landmarks)))


def _preparer(face_model: bytes) -> Perform:
    """Load the face networks, once in each worker."""
    landmarker = FaceLandmarker(face_model)

    def perform(task: PrepareSequence, tell: Tell) -> PreparedSequence:
        return _prepared(task, landmarker, tell)

    return perform


def _prepared(task: PrepareSequence, landmarker: FaceLandmarker, tell: Tell) -> PreparedSequence:
    parts = _parts(task)
    images = _images(task.sequence, parts)
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


def _parts(task: PrepareSequence) -> list[_Part]:
    """Split a sequence, and see which parts were prepared before from equal inputs."""
    parts = []
    count = len(task.sequence.frames)
    for number, start in enumerate(range(0, count, PICTURES_IN_SHARD)):
        positions = range(start, min(start + PICTURES_IN_SHARD, count))
        digest = _digest(task, positions)
        path = task.store.shard_path(task.sequence, number)
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
        status = path.stat()
        digest.update(f"{path.name}|{status.st_size}|{status.st_mtime_ns};".encode())
    digest.update(np.ascontiguousarray(sequence.frames[chosen]).tobytes())
    digest.update(np.ascontiguousarray(sequence.labels[chosen]).tobytes())
    return digest.hexdigest()


def _images(sequence: FaceSequence, parts: Sequence[_Part]) -> Iterator[tuple[int, Image | None]]:
    """Open the pictures that are still to be prepared: position, and the picture if it opens."""
    missing = [position for part in parts if part.known is None for position in part.positions]
    if not missing:
        return
    if sequence.files:
        for position in missing:
            yield position, _picture(sequence.source / sequence.files[position])
        return
    yield from _video_pictures(sequence, missing)


def _picture(path: Path) -> Image | None:
    content = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    return None if image is None else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _video_pictures(
    sequence: FaceSequence, missing: Sequence[int]
) -> Iterator[tuple[int, Image | None]]:
    """Take the labelled frames out of a video, whose first frame has number 1."""
    position_of = {int(sequence.frames[position]): position for position in missing}
    last = max(position_of)
    try:
        for number, frame in enumerate(video_frames(sequence.source), start=1):
            if number in position_of:
                yield position_of.pop(number), frame.image
            if number >= last:
                return
    except VideoError:
        pass  # what lies behind a break is missing, and counted below
    for position in position_of.values():
        yield position, None


def _write_part(
    task: PrepareSequence,
    part: _Part,
    images: Iterator[tuple[int, Image | None]],
    landmarker: FaceLandmarker,
) -> dict[str, Any]:
    """Prepare the pictures of a part, and write them; tell what came of it."""
    sequence = task.sequence
    pictures, positions, measures = [], [], []
    broken: list[int] = []
    faceless: list[int] = []
    for _, (position, image) in zip(part.positions, images, strict=False):
        if image is None:
            broken.append(int(sequence.frames[position]))
            continue
        face = landmarker.seen(VideoFrame(0.0, image)).face
        if face is None:
            faceless.append(int(sequence.frames[position]))
            continue
        pictures.append(prepared_picture(image, face))
        positions.append(position)
        measures.append(_measures(face))
    oddities = [
        Oddity(kind, sequence.place, len(frames), f"frames {listed(frames)}; left out")
        for kind, frames in (
            (OddityKind.BROKEN_PICTURE, broken),
            (OddityKind.NO_FACE, faceless),
        )
        if frames
    ]
    shard = Shard(
        pictures=np.stack(pictures)
        if pictures
        else np.empty((0, FACE_SIZE, FACE_SIZE, 3), np.uint8),
        frames=sequence.frames[positions].astype(np.int64),
        labels=sequence.labels[positions].reshape(-1, len(ACTION_UNITS)),
        measures=np.array(measures, dtype=np.float64).reshape(-1, len(MEASURES)),
    )
    description = {
        "inputs": part.digest,
        "pictures": len(pictures),
        "oddities": [asdict(oddity) for oddity in oddities],
    }
    task.store.write_shard(part.path, shard, description)
    return description


def _measures(face: Face) -> Float[np.ndarray, "3"]:
    ratios = head_ratios(mesh_landmarks68(face.mesh))
    return np.concatenate([[face.score], ratios])
