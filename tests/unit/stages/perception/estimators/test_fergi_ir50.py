from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from fergi.errors import WeightsError
from fergi.records.action_units import ACTION_UNITS
from fergi.records.face import Face, VideoFrame
from fergi.stages.perception.alignment import crop_origin
from fergi.stages.perception.estimators.fergi_ir50 import FergiIr50, load
from fergi.stages.perception.estimators.ir50_files import (
    DEPTH,
    OUTPUTS,
    UNKNOWN_LICENCE,
    IntensityNetwork,
)
from fergi.stages.perception.estimators.networks.layout import Layout, iresnet_layout
from fergi.stages.perception.estimators.protocol import ActionUnitEstimator, Scale

Draw = Callable[[Layout], dict[str, np.ndarray]]
Reference = Callable[[str], np.ndarray]


class _Recorder:
    """A network that keeps what it is given, and answers with fixed numbers."""

    def __init__(self, outputs: np.ndarray) -> None:
        self.outputs = outputs
        self.given: list[np.ndarray] = []

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        self.given.append(pictures)
        return np.tile(self.outputs, (len(pictures), 1))


@pytest.fixture
def units() -> _Recorder:
    return _Recorder(np.arange(len(ACTION_UNITS), dtype=np.float32))


def _estimator(units: _Recorder) -> FergiIr50:
    return FergiIr50(IntensityNetwork("0" * 64, UNKNOWN_LICENCE, Scale.INTENSITY, units))


def _face(box: np.ndarray, mesh: np.ndarray | None = None) -> Face:
    return Face(
        box=box.astype(np.float64),
        score=0.95,
        mesh=np.zeros((478, 3)) if mesh is None else np.column_stack([mesh, np.zeros(478)]),
        blendshapes=np.zeros(52),
        rotation=np.eye(3),
    )


@pytest.fixture(scope="module")
def weights(draw_weights: Draw, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the network, with weights of the rule, not trained."""
    path = tmp_path_factory.mktemp("weights") / "ir50.safetensors"
    path.write_bytes(safetensors.numpy.save(draw_weights(iresnet_layout(DEPTH, OUTPUTS))))
    return path


def test_it_says_what_its_numbers_mean(units: _Recorder) -> None:
    estimator: ActionUnitEstimator = _estimator(units)
    assert estimator.scale is Scale.INTENSITY
    assert estimator.licence == "research (user-supplied)"
    assert not estimator.needs_neutral


def test_the_network_sees_what_the_authors_network_saw(
    units: _Recorder, reference: Reference
) -> None:
    frame = VideoFrame(0.0, reference("frame"))
    face = _face(reference("box"), reference("mesh"))
    _estimator(units).observations([frame], [face])
    wanted = reference("padded").transpose(2, 0, 1) / 255
    # A grey level on nearly every pixel, as for the aligned image; equal on Pillow 13.
    assert np.mean(np.abs(units.given[0][0] - wanted) <= 1.01 / 255) >= 0.99


def test_landmarks_of_a_network_take_the_place_of_the_meshs(
    units: _Recorder, reference: Reference, reference_landmarks: np.ndarray
) -> None:
    frame = VideoFrame(0.0, reference("frame"))
    face = _face(reference("box"))
    landmarks = reference_landmarks + crop_origin(face.box)
    _estimator(units).observations([frame], [replace(face, landmarks=landmarks)])
    wanted = reference("padded").transpose(2, 0, 1) / 255
    assert np.mean(np.abs(units.given[0][0] - wanted) <= 1.01 / 255) >= 0.99


def test_an_observation_is_the_intensities(units: _Recorder) -> None:
    observations = np.random.default_rng(0).random((3, 12)).astype(np.float32)
    assert np.array_equal(_estimator(units).intensities(observations, None), observations)


def test_no_faces_give_no_observations(units: _Recorder) -> None:
    assert _estimator(units).observations([], []).shape == (0, 12)


def _frames_and_faces(count: int) -> tuple[Sequence[VideoFrame], Sequence[Face]]:
    stream = np.random.default_rng(0)
    frames = [
        VideoFrame(index / 30, stream.integers(0, 256, (90, 120, 3), dtype=np.uint8))
        for index in range(count)
    ]
    faces = [
        _face(np.array([20.0 + index, 15.0, 60.0, 60.0]), 20 + 60 * stream.random((478, 2)))
        for index in range(count)
    ]
    return frames, faces


def test_loaded_weights_give_the_intensities_of_the_units(
    weights: Path, units: _Recorder, draw_weights: Draw
) -> None:
    from fergi.stages.perception.estimators.networks.iresnet import IResNet
    from fergi.stages.perception.estimators.runtime import Placement, torch_network

    frames, faces = _frames_and_faces(2)
    found = load(weights).observations(frames, faces)
    _estimator(units).observations(frames, faces)
    whole = torch_network(
        IResNet(DEPTH, OUTPUTS), draw_weights(iresnet_layout(DEPTH, OUTPUTS)), Placement()
    )
    wanted = whole(units.given[0])[:, [unit - 1 for unit in ACTION_UNITS]]
    # Single precision, in another order, on outputs of this size.
    assert found == pytest.approx(wanted, abs=1e-4 * float(np.abs(wanted).max()))


def test_frames_of_other_sizes_go_through_together(weights: Path) -> None:
    frames, faces = _frames_and_faces(2)
    larger = VideoFrame(1.0, np.zeros((200, 300, 3), dtype=np.uint8))
    assert load(weights).observations([*frames, larger], [*faces, faces[0]]).shape == (3, 12)


def test_a_recognition_network_in_its_place_is_refused(draw_weights: Draw, tmp_path: Path) -> None:
    path = tmp_path / "glint360k_r18.safetensors"
    path.write_bytes(safetensors.numpy.save(draw_weights(iresnet_layout(18, 512))))
    with pytest.raises(
        WeightsError, match=r"glint360k_r18.*another network: fc.weight is 512 .* 384"
    ):
        load(path)
