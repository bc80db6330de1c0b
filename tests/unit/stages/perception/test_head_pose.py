"""The pose of a face that was turned by a known rotation."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fergi.errors import WeightsError
from fergi.stages.perception.head_pose import HeadPose

ANGLES = st.floats(-1.2, 1.2)


def _geometry(vertices: np.ndarray, weights: dict[int, float]) -> bytes:
    """Write a canonical face as the protocol buffer of the task file does."""
    numbers = np.hstack([vertices, np.zeros((len(vertices), 2))]).astype("<f4")
    mesh = b"".join(b"\x1d" + number.tobytes() for number in numbers.ravel())
    basis = [
        b"\x08" + _integer(point) + b"\x15" + np.float32(weight).tobytes()
        for point, weight in weights.items()
    ]
    messages = [(b"\x0a", mesh), *((b"\x12", entry) for entry in basis)]
    return b"".join(tag + _integer(len(body)) + body for tag, body in messages)


def _integer(value: int) -> bytes:
    """Write an integer in pieces of seven bits."""
    pieces = []
    while value > 127:
        pieces.append(value & 127 | 128)
        value >>= 7
    return bytes([*pieces, value])


def _turned(x: float, y: float, z: float) -> np.ndarray:
    def plane(angle: float, first: int, second: int) -> np.ndarray:
        matrix = np.eye(3)
        matrix[[first, second], [first, second]] = np.cos(angle)
        matrix[second, first], matrix[first, second] = np.sin(angle), -np.sin(angle)
        return matrix

    return plane(z, 0, 1) @ plane(y, 2, 0) @ plane(x, 1, 2)


FACE = np.random.default_rng(0).normal(size=(468, 3))
WEIGHTS = {4: 0.1, 33: 0.3, 263: 0.3, 152: 0.05, 10: 0.2, 400: 0.1}
POSE = HeadPose(_geometry(FACE, WEIGHTS))


def _mesh_of(rotation: np.ndarray) -> np.ndarray:
    """See the face under a rotation: y down, z smaller towards the camera, in pixels."""
    points = np.vstack([FACE, np.zeros((10, 3))]) @ rotation.T
    return points * [80, -80, -80] + [320, 180, 5]


@given(ANGLES, ANGLES, ANGLES)
def test_a_planted_rotation_is_found(x: float, y: float, z: float) -> None:
    rotation = _turned(x, y, z)
    # The canonical face is kept in single precision.
    np.testing.assert_allclose(POSE.rotation(_mesh_of(rotation)), rotation, atol=1e-5)


def test_a_face_that_looks_straight_ahead_is_not_turned() -> None:
    np.testing.assert_allclose(POSE.rotation(_mesh_of(np.eye(3))), np.eye(3), atol=1e-5)


@given(st.integers(0, 2**32 - 1))
def test_whatever_the_mesh_the_pose_is_a_rotation(seed: int) -> None:
    rotation = POSE.rotation(np.random.default_rng(seed).normal(size=(478, 3)))
    # Double precision, a few operations.
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize(
    "geometry",
    [b"", b"\x0a", b"\x0a\x02\x1d", b"\xff" * 30, b"\x0b\x00", _geometry(FACE[:5], WEIGHTS)],
    ids=["empty", "no size", "cut off", "endless", "unknown", "too few points"],
)
def test_another_protocol_buffer_is_refused(geometry: bytes) -> None:
    with pytest.raises(WeightsError, match="canonical face cannot be read"):
        HeadPose(geometry)


def test_the_official_canonical_face_is_fitted_at_33_points(face_task: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(face_task)) as archive:
        pose = HeadPose(archive.read("geometry_pipeline_metadata_landmarks.binarypb"))
    assert len(pose._points) == 33
    assert {33, 263} < set(pose._points)  # the outer corners of the eyes
    assert pose._weights.sum() == pytest.approx(1)
