"""The models that a worker needs, loaded once in each."""

import hashlib
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


@runtime_checkable
class FaceFinder(Protocol):
    """Finds the widest face of a frame."""

    def seen(self, frame: VideoFrame) -> SeenFrame:
        """Look at one frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Models:
    """What a worker sees with.

    Attributes:
        faces: Finds the face of each frame.
        head_ratios: Pitch and yaw ratio of each face.
        estimator: Estimates its action units.
        hashes: Name of each model → SHA-256 of its file.
    """

    faces: FaceFinder
    head_ratios: Callable[[Sequence[Face]], Float[np.ndarray, "faces 2"]]
    estimator: ActionUnitEstimator
    hashes: Mapping[str, str]


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
    from fergi.stages.perception.landmarks import mesh_landmarks68
    from fergi.weights.fetched import fetched_model

    estimator, hashes = _estimator(settings, device)
    task = fetched_model(_FACE_MODEL)
    return Models(
        faces=FaceLandmarker(task, is_tracking=settings.is_tracking),
        head_ratios=lambda faces: head_ratios(np.stack([mesh_landmarks68(f.mesh) for f in faces])),
        estimator=estimator,
        hashes={_FACE_MODEL: hashlib.sha256(task).hexdigest(), **hashes},
    )


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


def _estimator(
    settings: ExtractionSettings, device: str
) -> tuple[ActionUnitEstimator, dict[str, str]]:
    """Load an estimator; beside it the hashes of all its files."""
    require_weights(settings)
    if settings.estimator is EstimatorName.MESH or settings.weights is None:
        from fergi.stages.perception.estimators.mesh import MeshEstimator

        mesh = MeshEstimator(named_model(EstimatorName.MESH.value, settings.weights))
        return mesh, {mesh.name: mesh.sha256}
    from fergi.stages.perception.estimators import fergi_ir50
    from fergi.stages.perception.estimators.runtime import Placement

    network = fergi_ir50.load(
        settings.weights,
        landmark_weights=settings.landmark_weights,
        placement=Placement(_device(device)),
    )
    hashes = {network.name: network.sha256}
    if network.landmark_sha256 is not None:
        hashes["landmarks"] = network.landmark_sha256
    return network, hashes


def _device(asked: str) -> str:
    """Take a GPU, if there is one, where the choice is left open."""
    if asked != "auto":
        return asked
    try:
        import torch
    except ImportError:
        return "cpu"
    return "cuda" if torch.cuda.is_available() else "cpu"
