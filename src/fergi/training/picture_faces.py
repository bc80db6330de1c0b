"""What the face networks see in pictures of invented people, remembered beside the pictures."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float, UInt8

from fergi.errors import TrainingError
from fergi.execution.processes import Processes
from fergi.execution.protocol import Failure, Perform, Tell
from fergi.execution.serial import Serial
from fergi.files import read_table, replacing
from fergi.progress import Progress, unreported
from fergi.records.action_units import UNIT_NAMES
from fergi.records.face import BLENDSHAPES, MESH_POINTS, VideoFrame
from fergi.stages.perception.estimators.mesh import (
    RIGID_POINTS,
    aligned_meshes,
    mesh_observations,
    upright,
)
from fergi.stages.perception.faces import FaceLandmarker
from fergi.synthesis.camera import opened
from fergi.synthesis.picture_set import TRUTH_FILE
from fergi.training.mesh_estimator import PictureObservations

_FACES_FILE = "faces.npz"
_ALIGNMENTS, _EYE_CORNERS = 5, (33, 263)
_FRONTAL_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class SightTask:
    """The pictures of one person."""

    folder: Path

    @property
    def name(self) -> str:
        """The person's."""
        return self.folder.name


@dataclass(frozen=True, slots=True, eq=False)
class _Sight:
    """What the networks saw in the pictures of one person; NaN where no face was found.

    The second axis holds the picture as it is, and in the mirror, for those of a good camera.
    """

    meshes: Float[np.ndarray, "pictures 2 478 3"]
    blendshapes: Float[np.ndarray, "pictures 2 52"]
    rotations: Float[np.ndarray, "pictures 2 3 3"]


def seen_pictures(
    folder: Path, task: bytes, *, workers: int = 1, progress: Progress = unreported
) -> tuple[PictureObservations, list[Failure]]:
    """Look at all pictures of a set; what was looked at before is read from beside them.

    Args:
        folder: What `fergi.synthesis.picture_set.synthesize` filled.
        task: The bytes of `face_landmarker.task`.
        workers: How many processes look.
        progress: Told after each person.

    Returns:
        What was seen in the pictures in which a face was found, mirrored ones among them, and
        the people who could not be looked at.

    Raises:
        TrainingError: If the folder holds no pictures.
    """
    people = sorted(path.parent for path in folder.glob(f"*/{TRUTH_FILE}"))
    if not people:
        raise TrainingError(f"{folder} holds no pictures; draw some with: fergi au synthesize")
    failures = _look(people, task, workers, progress)
    failed = {failure.name for failure in failures}
    people = [person for person in people if person.name not in failed]
    return _joined(people), failures


def _look(people: list[Path], task: bytes, workers: int, progress: Progress) -> list[Failure]:
    digest = hashlib.sha256(task).hexdigest()
    tasks = [SightTask(person) for person in people if not _is_seen(person, digest)]
    failures, done = [], len(people) - len(tasks)
    progress(done, len(people))
    prepare = partial(_prepared, task, digest)
    with Serial(prepare) if workers == 1 else Processes(prepare, workers) as executor:
        for found in executor.outcomes(tasks):
            done += 1
            progress(done, len(people))
            if isinstance(found, Failure):
                failures.append(found)
    return failures


def _is_seen(person: Path, digest: str) -> bool:
    file = person / _FACES_FILE
    if not file.exists():
        return False
    with np.load(file, allow_pickle=False) as arrays:
        return str(arrays["task_sha256"]) == digest


def _prepared(task: bytes, digest: str) -> Perform:
    landmarker = FaceLandmarker(task)

    def perform(sight: SightTask, _tell: Tell) -> None:
        truth = read_table(sight.folder / TRUTH_FILE)
        seen = [
            _both(landmarker, opened((sight.folder / picture).read_bytes()), is_poor)
            for picture, is_poor in truth.select("picture", "is_poor").iter_rows()
        ]
        with replacing(sight.folder / _FACES_FILE) as file:
            np.savez(
                file,
                meshes=np.stack([meshes for meshes, _, _ in seen]),
                blendshapes=np.stack([blendshapes for _, blendshapes, _ in seen]),
                rotations=np.stack([rotations for _, _, rotations in seen]),
                task_sha256=digest,
            )

    return perform


def _both(
    landmarker: FaceLandmarker, image: UInt8[np.ndarray, "height width 3"], is_poor: bool
) -> list[np.ndarray]:
    """Look at a picture, and, unless it is poor, at its mirror image."""
    mirrored = None if is_poor else np.ascontiguousarray(image[:, ::-1])
    views = [_sight(landmarker, image), _sight(landmarker, mirrored)]
    return [np.stack(parts) for parts in zip(*views, strict=True)]


def _sight(
    landmarker: FaceLandmarker, image: UInt8[np.ndarray, "height width 3"] | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    face = None if image is None else landmarker.seen(VideoFrame(0.0, image)).face
    if face is None:
        nothing = ((MESH_POINTS, 3), (BLENDSHAPES,), (3, 3))
        mesh, blendshapes, rotation = (np.full(shape, np.nan, np.float32) for shape in nothing)
        return mesh, blendshapes, rotation
    parts = (face.mesh, face.blendshapes, face.rotation)
    mesh, blendshapes, rotation = (part.astype(np.float32) for part in parts)
    return mesh, blendshapes, rotation


def _read(person: Path) -> _Sight:
    with np.load(person / _FACES_FILE, allow_pickle=False) as arrays:
        return _Sight(arrays["meshes"], arrays["blendshapes"], arrays["rotations"])


def _joined(people: Sequence[Path]) -> PictureObservations:
    """Put the pictures of all people into rows, mirrored ones with their sides exchanged."""
    sights = [_read(person) for person in people]
    truths = [read_table(person / TRUTH_FILE) for person in people]
    truth = pl.concat(truths, how="vertical_relaxed")
    numbers = np.repeat(np.arange(len(people)), [len(table) for table in truths])
    meshes = np.concatenate([sight.meshes for sight in sights])
    is_found = ~np.isnan(meshes[:, :, 0, 0])
    picture, mirror = np.nonzero(is_found)
    meshes = meshes[picture, mirror]
    rigid = mean_rigid_points(meshes)
    return PictureObservations(
        observations=mesh_observations(
            meshes,
            np.concatenate([sight.blendshapes for sight in sights])[picture, mirror],
            np.concatenate([sight.rotations for sight in sights])[picture, mirror],
            rigid,
        ),
        truths=_sided_truths(truth)[picture, mirror],
        people=numbers[picture],
        cameras=2 * mirror + truth["is_poor"].to_numpy()[picture],
        is_neutral=truth["is_neutral"].to_numpy()[picture],
        shots=truth["shot"].to_numpy()[picture].astype(str),
        rigid=rigid,
    )


def _sided_truths(truth: pl.DataFrame) -> Float[np.ndarray, "pictures 2 2 units"]:
    """Give left and right units, as they are and as the mirror shows them."""
    left, right = (
        truth.select([f"{unit}_{side}" for unit in UNIT_NAMES]).to_numpy()
        for side in ("left", "right")
    )
    plain = np.stack([left, right], axis=1)
    return np.stack([plain, plain[:, ::-1]], axis=1)


def mean_rigid_points(
    meshes: Float[np.ndarray, "faces 478 3"],
) -> Float[np.ndarray, "rigid 3"]:
    """Average the rigid points of the faces that look straight ahead, aligned to each other.

    Args:
        meshes: In pixels, as the network gives them.

    Returns:
        y up, z out of the face, the outer eye corners 1 apart.
    """
    meshes = upright(meshes)
    first, second = _EYE_CORNERS
    gaps = meshes[:, second] - meshes[:, first]
    turned = np.abs(gaps[:, 2]) / np.linalg.norm(gaps, axis=1)
    meshes = meshes[turned <= np.quantile(turned, _FRONTAL_SHARE)]
    mean = meshes[0] / np.linalg.norm(meshes[0, second] - meshes[0, first])
    for _ in range(_ALIGNMENTS):
        mean = aligned_meshes(meshes, mean[list(RIGID_POINTS)]).mean(axis=0)
        mean = mean / np.linalg.norm(mean[second] - mean[first])
    return mean[list(RIGID_POINTS)].astype(np.float32)
