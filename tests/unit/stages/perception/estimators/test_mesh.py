"""The mesh estimator, with made-up weights, with the shipped ones, and on a real face."""

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from fergi.errors import WeightsError
from fergi.records.action_units import ACTION_UNITS
from fergi.records.face import BLENDSHAPES, Face, VideoFrame
from fergi.stages.perception.estimators.mesh import (
    MESH_NUMBERS,
    OBSERVED,
    RIGID_POINTS,
    MeshEstimator,
    MeshWeights,
    aligned_meshes,
    mesh_observations,
)
from fergi.stages.perception.estimators.protocol import ActionUnitEstimator, Scale
from fergi.stages.perception.faces import FaceLandmarker
from fergi.weights.store import shipped_model

SMILE, LIPS, BROW = (ACTION_UNITS.index(unit) for unit in (12, 25, 4))


@pytest.fixture
def stream() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture
def meshes(stream: np.random.Generator) -> np.ndarray:
    """Three meshes that are no faces, but have a shape."""
    return stream.normal(0, 60, (1, 478, 3)) + stream.normal(0, 3, (3, 478, 3)) + 200


@pytest.fixture
def rigid(meshes: np.ndarray) -> np.ndarray:
    return (meshes[0, RIGID_POINTS] * [1, -1, -1] / 100).astype(np.float32)


@pytest.fixture
def shipped() -> MeshEstimator:
    return MeshEstimator(shipped_model("mesh"))


def _faces(meshes: np.ndarray) -> list[Face]:
    return [Face(np.ones(4), 0.9, mesh, np.full(52, 0.1), np.eye(3)) for mesh in meshes]


def _turned(meshes: np.ndarray) -> np.ndarray:
    """The same meshes elsewhere, larger, and turned about two axes."""
    a, b = 0.4, -0.3
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    return 1.7 * meshes @ (about_y @ about_z) + [30, -20, 8]


def test_size_place_and_pose_of_the_head_leave_no_trace_in_the_mesh(
    meshes: np.ndarray, rigid: np.ndarray
) -> None:
    same = [
        mesh_observations(each, np.zeros((3, 52)), np.zeros((3, 3, 3)), rigid)
        for each in (meshes, _turned(meshes))
    ]
    # Single precision of numbers up to 10.
    assert same[0] == pytest.approx(same[1], abs=2e-5)


def test_aligned_rigid_points_fit_the_given_ones(meshes: np.ndarray, rigid: np.ndarray) -> None:
    aligned = aligned_meshes(_turned(meshes) * [1, -1, -1], rigid)
    assert aligned[0, RIGID_POINTS] == pytest.approx(rigid, abs=1e-5)


def test_a_mirrored_mesh_is_not_turned_inside_out(meshes: np.ndarray, rigid: np.ndarray) -> None:
    mirrored = aligned_meshes(meshes * [-1, -1, -1], rigid)
    assert np.abs(mirrored[0, RIGID_POINTS] - rigid).max() > 0.1


def test_it_keeps_the_promises_of_an_estimator(shipped: MeshEstimator) -> None:
    assert isinstance(shipped, ActionUnitEstimator)
    assert (shipped.name, shipped.scale, shipped.licence) == ("mesh", Scale.PROXY, "MIT")
    assert shipped.needs_neutral
    assert len(shipped.sha256) == 64


def test_observations_have_the_size_that_is_declared(
    shipped: MeshEstimator, meshes: np.ndarray
) -> None:
    faces = _faces(meshes)
    frames = [VideoFrame(0.0, np.zeros((2, 2, 3), dtype=np.uint8))] * 3
    observations = shipped.observations(frames, faces)
    assert observations.shape == (3, shipped.observed) == (3, OBSERVED)
    assert observations.dtype == np.float32


def test_no_input_drives_a_unit_out_of_0_to_5(
    shipped: MeshEstimator, stream: np.random.Generator
) -> None:
    wild = (stream.normal(size=(50, OBSERVED)) * 10.0 ** stream.integers(-2, 9, (50, 1))).astype(
        np.float32
    )
    units = shipped.intensities(wild, wild[0])
    assert units.min() >= 0
    assert units.max() <= 5


def test_beyond_what_was_seen_in_training_nothing_changes(shipped: MeshEstimator) -> None:
    neutral, direction = np.zeros(OBSERVED, dtype=np.float32), np.zeros(OBSERVED, dtype=np.float32)
    direction[MESH_NUMBERS : MESH_NUMBERS + BLENDSHAPES] = 1
    far = np.stack([neutral + 1e3 * direction, neutral + 1e6 * direction])
    units = shipped.intensities(far, neutral)
    assert units[0] == pytest.approx(units[1])


def test_without_a_neutral_face_nothing_is_estimated(shipped: MeshEstimator) -> None:
    with pytest.raises(ValueError, match="neutral face"):
        shipped.intensities(np.zeros((1, OBSERVED), dtype=np.float32), None)


def test_frames_do_not_depend_on_their_neighbours(
    shipped: MeshEstimator, meshes: np.ndarray
) -> None:
    frames = [VideoFrame(0.0, np.zeros((2, 2, 3), dtype=np.uint8))] * 3
    observed = shipped.observations(frames, _faces(meshes))
    together = shipped.intensities(observed, observed[0])
    alone = np.concatenate([shipped.intensities(row[None], observed[0]) for row in observed])
    # Products of matrices of another height round otherwise.
    assert together == pytest.approx(alone, abs=1e-4)


def test_weights_survive_being_written(shipped: MeshEstimator) -> None:
    weights = MeshWeights.from_tensors(shipped_model("mesh").tensors)
    again = MeshWeights.from_tensors(weights.tensors())
    assert (again.moved == weights.moved).all()
    assert (again.layers[-1][0][0] == weights.layers[-1][0][0]).all()


def test_weights_of_something_else_are_refused() -> None:
    model = shipped_model("fau-net")
    with pytest.raises(WeightsError, match="not the weights of the mesh estimator"):
        MeshEstimator(replace(model))


@pytest.fixture(scope="module")
def real_faces(media: Path, face_task: bytes) -> list[Face]:
    """Every third frame of a real face that rests, and then grins."""
    landmarker = FaceLandmarker(face_task)
    with av.open(media / "single_face.mp4") as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)][::3]
    seen = [landmarker.seen(VideoFrame(0.0, frame)).face for frame in frames]
    return [face for face in seen if face is not None]


def test_a_real_grin_raises_the_lip_corners_and_parts_the_lips(
    shipped: MeshEstimator, real_faces: list[Face]
) -> None:
    frames = [VideoFrame(0.0, np.zeros((2, 2, 3), dtype=np.uint8))] * len(real_faces)
    observed = shipped.observations(frames, real_faces)
    units = shipped.intensities(observed, observed[:4].mean(axis=0))
    assert units.min() >= 0
    assert units.max() <= 5
    assert units[:, BROW].max() < 1
    assert units[10:, SMILE].min() > 2
    assert units[10:, LIPS].min() > 2
    assert units[:4].max() < 1
