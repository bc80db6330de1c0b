"""The models that a worker needs, loaded once in each."""

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from fergi.errors import UsageError
from fergi.records.face import Face, SeenFrame, VideoFrame
from fergi.settings import EstimatorName, ExtractionSettings
from fergi.stages.perception.estimators.protocol import ActionUnitEstimator
from fergi.weights.store import named_model

_FACE_MODEL = "face-landmarker"
_CPU = "cpu"


@runtime_checkable
class FaceFinder(Protocol):
    """Finds the widest face of a frame."""

    def seen(self, frame: VideoFrame) -> SeenFrame:
        """Look at one frame."""


Landmarked = Callable[[Sequence[VideoFrame], Sequence[Face]], Sequence[Face]]
"""Gives faces in frames landmarks of their own, or leaves them as they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """What a worker sees with.

    Attributes:
        faces: Finds the face of each frame; several threads may ask, each for a clip of its own.
        landmarked: Gives each face the landmarks of a network, where one is asked for.
        head_ratios: Pitch and yaw ratio of each face.
        estimator: Estimates its action units.
        hashes: Name of each model → SHA-256 of its file.
        device: Of the estimator: cpu, cuda or cuda:N.
    """

    faces: FaceFinder
    landmarked: Landmarked
    head_ratios: Callable[[Sequence[Face]], Float[np.ndarray, "faces 2"]]
    estimator: ActionUnitEstimator
    hashes: Mapping[str, str]
    device: str = _CPU


LoadModels = Callable[[ExtractionSettings, str], Models]
"""Loads what the settings ask for, onto a device. Can be pickled."""


def load_models(settings: ExtractionSettings, device: str) -> Models:
    """Load the official face networks, and the estimator that is asked for.

    Args:
        settings: What the result is to be like.
        device: Of the estimator, where it is a large network: cpu, cuda, cuda:N, or auto.

    Raises:
        WeightsError: If a model is missing or altered.
        UsageError: If the estimator needs weights that are not named.
    """
    from fergi.records.landmarks import head_ratios
    from fergi.stages.perception.faces import FaceLandmarker
    from fergi.stages.perception.landmarks import face_landmarks
    from fergi.weights.fetched import fetched_model

    require_weights(settings)
    task = fetched_model(_FACE_MODEL)
    estimator = _estimator(settings, device)
    landmarked, landmark_hashes = _landmarks(settings, device)
    return Models(
        faces=_FindersOfThreads(lambda: FaceLandmarker(task, is_tracking=settings.is_tracking)),
        landmarked=landmarked,
        head_ratios=lambda faces: head_ratios(np.stack([face_landmarks(face) for face in faces])),
        estimator=estimator,
        hashes={
            _FACE_MODEL: hashlib.sha256(task).hexdigest(),
            estimator.name: estimator.sha256,
            **landmark_hashes,
        },
        device=_device(device) if settings.estimator is EstimatorName.FERGI_IR50 else _CPU,
    )


class _FindersOfThreads:
    """Finds faces with networks that each thread has for itself: they hold what they work at."""

    def __init__(self, make: Callable[[], FaceFinder]) -> None:
        self._make = make
        self._own = threading.local()
        self._own.finder = make()  # at once, so that a broken file is told before any work

    def seen(self, frame: VideoFrame) -> SeenFrame:
        if not hasattr(self._own, "finder"):
            self._own.finder = self._make()
        found: SeenFrame = self._own.finder.seen(frame)
        return found


def is_on_gpu(settings: ExtractionSettings, device: str) -> bool:
    """Tell whether an estimator works on a GPU of this machine."""
    return settings.estimator is EstimatorName.FERGI_IR50 and _device(device) != _CPU


def require_weights(settings: ExtractionSettings) -> None:
    """Check that weights are named where the user must bring them.

    Raises:
        UsageError: If they are not, or if they are for another estimator.
    """
    if settings.estimator is EstimatorName.MESH and settings.landmark_weights is not None:
        raise UsageError("--landmark-weights are for fergi-ir50; mesh needs none: leave them out")
    if settings.estimator is EstimatorName.FERGI_IR50 and settings.weights is None:
        raise UsageError(
            "fergi-ir50 needs the authors' weights, which have a research licence: name the file "
            "with --weights, or take --estimator mesh, which needs none"
        )


def _estimator(settings: ExtractionSettings, device: str) -> ActionUnitEstimator:
    if settings.estimator is EstimatorName.MESH or settings.weights is None:
        from fergi.stages.perception.estimators.mesh import MeshEstimator

        return MeshEstimator(named_model(EstimatorName.MESH.value, settings.weights))
    from fergi.stages.perception.estimators import fergi_ir50
    from fergi.stages.perception.estimators.runtime import Placement

    return fergi_ir50.load(settings.weights, Placement(_device(device)))


def _landmarks(settings: ExtractionSettings, device: str) -> tuple[Landmarked, dict[str, str]]:
    """Load a landmark network, if one is asked for; beside it the hash of its file."""
    if settings.landmark_weights is None:
        return lambda _frames, faces: faces, {}
    from fergi.stages.perception.estimators import landmark_network
    from fergi.stages.perception.estimators.runtime import Placement

    network = landmark_network.load(settings.landmark_weights, Placement(_device(device)))
    return network.landmarked, {"landmarks": network.sha256}


def _device(asked: str) -> str:
    """Take a GPU, if there is one, where the choice is left open."""
    if asked != "auto":
        return asked
    try:
        import torch
    except ImportError:
        return _CPU
    return "cuda" if torch.cuda.is_available() else _CPU
