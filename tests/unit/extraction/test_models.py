from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from fergi.extraction.models import Models, load_models
from fergi.extraction.sightings import see
from fergi.records.face import VideoFrame
from fergi.settings import EstimatorName, ExtractionSettings
from fergi.stages.perception.estimators.networks.layout import (
    iresnet_layout,
    mobilefacenet_layout,
)
from fergi.stages.perception.video import video_frames

Load = Callable[..., Models]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads fergi-ir50 with small invented weights, with a landmark network or without."""
    stream = np.random.default_rng(0)

    def written(name: str, layout: dict[str, tuple[int, ...]]) -> Path:
        tensors = {key: np.abs(stream.normal(0, 0.1, size)) for key, size in layout.items()}
        file = tmp_path / f"{name}.safetensors"
        file.write_bytes(
            safetensors.numpy.save({key: array.astype("f4") for key, array in tensors.items()})
        )
        return file

    def loaded(*, has_landmark_network: bool) -> Models:
        landmarks = written("landmarks", mobilefacenet_layout()) if has_landmark_network else None
        settings = ExtractionSettings(
            estimator=EstimatorName.FERGI_IR50,
            weights=written("ir18", iresnet_layout(18, 384, 4)),
            landmark_weights=landmarks,
        )
        return load_models(settings, "cpu")

    return loaded


@pytest.fixture
def frames(media: Path, face_task: bytes) -> list[VideoFrame]:
    """Three frames of a real face."""
    found: Iterator[VideoFrame] = video_frames(media / "single_face.mp4")
    return [next(found) for _ in range(3)]


def _ratios(models: Models, frames: list[VideoFrame], path: Path) -> Any:
    seen = see(frames, models, path, lambda _frames, _last: None)
    return np.column_stack([seen.column("pitch"), seen.column("yaw")])


def test_with_a_landmark_network_the_head_ratios_are_those_of_its_landmarks(
    load: Load, frames: list[VideoFrame], tmp_path: Path
) -> None:
    models = load(has_landmark_network=True)
    assert set(models.hashes) == {"face-landmarker", "fergi-ir50", "landmarks"}
    faces = [models.faces.seen(frame).face for frame in frames]
    placed = models.landmarked(frames, [face for face in faces if face is not None])
    found = _ratios(models, frames, tmp_path / "s")
    np.testing.assert_array_equal(found, models.head_ratios(placed))
    by_mesh = _ratios(load(has_landmark_network=False), frames, tmp_path / "m")
    # Without training, the network puts its landmarks anywhere.
    assert np.abs(found - by_mesh).max() > 0.01


def test_without_one_they_are_those_of_the_mesh(
    load: Load, frames: list[VideoFrame], tmp_path: Path
) -> None:
    models = load(has_landmark_network=False)
    assert set(models.hashes) == {"face-landmarker", "fergi-ir50"}
    found = _ratios(models, frames, tmp_path / "s")
    # A face that looks into the camera, by the published limits.
    assert ((found > [0.55, 0.3]) & (found < [0.85, 0.7])).all()


def test_threads_that_share_models_see_what_each_sees_alone(
    load: Load, frames: list[VideoFrame], tmp_path: Path
) -> None:
    models = load(has_landmark_network=True)
    alone = see(frames, models, tmp_path / "s", lambda _frames, _last: None)
    with ThreadPoolExecutor(3) as pool:
        together = list(
            pool.map(
                lambda name: see(frames, models, tmp_path / name, lambda _frames, _last: None),
                "abc",
            )
        )
    for seen in together:
        assert seen.path.read_bytes() == alone.path.read_bytes()
