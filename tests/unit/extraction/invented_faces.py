"""Films of invented faces, and models that see them: fast, and their truth is known.

A frame of one grey is a face, and the brighter it is the more it smiles. Black is no face, red is
a face that is turned away, green is two faces. Workers import this module by name.
"""

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from fergi.errors import ExecutionError
from fergi.extraction.models import Models
from fergi.records.action_units import ACTION_UNITS
from fergi.records.face import BLENDSHAPES, MESH_POINTS, Face, SeenFrame, VideoFrame
from fergi.settings import ExtractionSettings
from fergi.stages.perception.estimators.protocol import Scale

FRAME_RATE = 30
BLACK, RED, GREEN = (0, 0, 0), (200, 40, 40), (40, 200, 40)
GREY_OF_A_UNIT = 40.0
"""How much brighter a face gets that smiles by 1."""

TURNED_AWAY = 1.0
"""Left edge of the box of a face that looks to the side."""

Colour = tuple[int, int, int]


def grey(level: float) -> Colour:
    return (round(level),) * 3


def write_film(path: Path, colours: Sequence[Colour], side: int = 64) -> Path:
    """Write a video without loss, a frame for each colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", FRAME_RATE, options={"qp": "0"})
        stream.width = stream.height = side
        stream.pix_fmt = "rgb24"
        for colour in colours:
            image = np.full((side, side, 3), colour, dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


class InventedFaces:
    """Finds invented faces."""

    def seen(self, frame: VideoFrame) -> SeenFrame:
        red, green, blue = frame.image[0, 0].astype(float)
        if (red, green, blue) == (0, 0, 0):
            return SeenFrame(frame, None, 0)
        is_turned = red > green
        box = np.array([TURNED_AWAY if is_turned else 8.0, 8.0, 32.0, 32.0])
        face = Face(box, 0.97, np.zeros((MESH_POINTS, 3)), np.zeros(BLENDSHAPES), np.eye(3))
        return SeenFrame(frame, face, 2 if green > red else 1)


class InventedEstimator:
    """Reads a smile off the brightness of a frame, compared with the neutral one."""

    name = "mesh"
    scale = Scale.PROXY
    licence = "MIT"
    sha256 = "e" * 64
    observed = 2
    needs_neutral = True

    def observations(self, frames: Sequence[VideoFrame], faces: Sequence[Face]) -> np.ndarray:
        assert len(frames) == len(faces)
        level = [frame.image[0, 0, 2] / GREY_OF_A_UNIT for frame in frames]
        return np.column_stack([level, np.ones(len(level))]).astype(np.float32)

    def intensities(self, observations: np.ndarray, neutral: np.ndarray | None) -> np.ndarray:
        assert neutral is not None
        units = np.zeros((len(observations), len(ACTION_UNITS)))
        units[:, ACTION_UNITS.index(12)] = observations[:, 0] - neutral[0]
        return units


class AbsoluteEstimator(InventedEstimator):
    """The same, without a neutral face to compare with."""

    needs_neutral = False
    sha256 = "a" * 64

    def intensities(self, observations: np.ndarray, neutral: np.ndarray | None) -> np.ndarray:
        assert neutral is None
        return super().intensities(observations, np.zeros(2, np.float32))


class SlowFaces(InventedFaces):
    """Takes its time: a hundredth of a second a frame."""

    def seen(self, frame: VideoFrame) -> SeenFrame:
        time.sleep(0.01)
        return super().seen(frame)


class DeadlyFaces(InventedFaces):
    """A white frame is the end of the worker that sees it, as a broken codec may be."""

    def seen(self, frame: VideoFrame) -> SeenFrame:
        if frame.image[0, 0, 0] == 255:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().seen(frame)


def _models(faces: InventedFaces, estimator: InventedEstimator) -> Models:
    hashes = {"face-landmarker": "f" * 64, estimator.name: estimator.sha256}
    return Models(faces, lambda _frames, found: found, _head_ratios, estimator, hashes)


def _head_ratios(faces: Sequence[Face]) -> np.ndarray:
    return np.array([[0.7, 0.9 if face.box[0] == TURNED_AWAY else 0.5] for face in faces])


def load_invented(_settings: ExtractionSettings, _device: str) -> Models:
    return _models(InventedFaces(), InventedEstimator())


def load_absolute(_settings: ExtractionSettings, _device: str) -> Models:
    return _models(InventedFaces(), AbsoluteEstimator())


def load_slow(_settings: ExtractionSettings, _device: str) -> Models:
    return _models(SlowFaces(), InventedEstimator())


def load_deadly(_settings: ExtractionSettings, _device: str) -> Models:
    return _models(DeadlyFaces(), InventedEstimator())


def load_nothing(_settings: ExtractionSettings, _device: str) -> Models:
    raise ExecutionError("no such model; fetch it")
