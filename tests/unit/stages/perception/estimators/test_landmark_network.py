from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from fergi.errors import WeightsError
from fergi.records.face import Face, VideoFrame
from fergi.records.landmarks import head_ratios
from fergi.stages.perception.alignment import crop_origin
from fergi.stages.perception.estimators.landmark_network import LandmarkNetwork, load
from fergi.stages.perception.estimators.networks.layout import (
    Layout,
    iresnet_layout,
    mobilefacenet_layout,
)
from fergi.stages.perception.landmarks import face_landmarks

Draw = Callable[[Layout], dict[str, np.ndarray]]
Reference = Callable[[str], np.ndarray]


class _Recorded:
    """The landmarks that were recorded, whatever is asked; what was asked is kept."""

    def __init__(self, shares: np.ndarray) -> None:
        self.shares = shares
        self.given = np.zeros(0)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        self.given = pictures
        return np.tile(self.shares.ravel(), (len(pictures), 1))


def _face(box: np.ndarray) -> Face:
    return Face(box.astype(np.float64), 0.95, np.zeros((478, 3)), np.zeros(52), np.eye(3))


def test_landmarks_lie_where_the_authors_lie_and_give_their_ratios(
    reference: Reference, reference_landmarks: np.ndarray
) -> None:
    network = _Recorded(reference("landmarks68"))
    face = _face(reference("box"))
    (found,) = LandmarkNetwork(network, "0" * 64).landmarked(
        [VideoFrame(0.0, reference("frame"))], [face]
    )
    assert network.given.shape == (1, 3, 112, 112)
    # The crop at a glance: its mean light survives the resizing.
    assert network.given[0].mean() == pytest.approx(reference("crop").mean() / 255, abs=0.01)
    # Exact but for rounding in double precision.
    wanted = reference_landmarks + crop_origin(face.box)
    np.testing.assert_allclose(face_landmarks(found), wanted, atol=1e-9)
    assert head_ratios(face_landmarks(found)) == pytest.approx(reference("ratios"), abs=1e-6)


def test_no_faces_have_no_landmarks() -> None:
    assert LandmarkNetwork(_Recorded(np.zeros(136)), "0" * 64).landmarked([], []) == []


def test_weights_of_another_network_are_refused(draw_weights: Draw, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(safetensors.numpy.save(draw_weights(mobilefacenet_layout())))
    assert len(load(path).sha256) == 64
    path.write_bytes(safetensors.numpy.save(draw_weights(iresnet_layout(18, 512))))
    with pytest.raises(WeightsError, match="Give the public MobileFaceNet"):
        load(path)
