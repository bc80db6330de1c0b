"""The face networks: what the official task file holds, and LiteRT to run it."""

import contextlib
import io
import os
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from jaxtyping import Float, UInt8

from fergi.errors import WeightsError

_STANDARD_ERROR = 2
_HOLDING_STANDARD_ERROR = threading.Lock()
"""Held while it is diverted, which is for the whole process."""
_MEMBERS = (
    "face_detector.tflite",
    "face_landmarks_detector.tflite",
    "face_blendshapes.tflite",
    "geometry_pipeline_metadata_landmarks.binarypb",
)


@dataclass(frozen=True, slots=True)
class FaceNetworks:
    """The parts of `face_landmarker.task`.

    Attributes:
        detector: BlazeFace, short range, as a TFLite model.
        mesh: 478 points of a face, as a TFLite model.
        blendshapes: 52 coefficients from 146 of those points, as a TFLite model.
        geometry: The canonical face, as a protocol buffer.
    """

    detector: bytes
    mesh: bytes
    blendshapes: bytes
    geometry: bytes


def face_networks(task: bytes) -> FaceNetworks:
    """Take a task file apart.

    Args:
        task: The bytes of `face_landmarker.task`, which is a zip archive.

    Raises:
        WeightsError: If it is no such archive, or lacks one of the four parts.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(task)) as archive:
            return FaceNetworks(*(archive.read(member) for member in _MEMBERS))
    except (zipfile.BadZipFile, KeyError) as error:
        raise not_the_task(str(error)) from error


def not_the_task(found: str) -> WeightsError:
    """Say that a file is not the official one, and how to get that."""
    return WeightsError(
        f"this is no face_landmarker.task ({found}); "
        "bring the official one with: fergi fetch face-landmarker"
    )


class Network:
    """A TFLite model with one input, run on one thread.

    The models are so small that a second thread makes them slower; work is shared out over
    clips instead.
    """

    def __init__(self, model: bytes, *shape: int) -> None:
        """Load a model.

        Args:
            model: A TFLite model.
            shape: Of the input that it should have, without the axis of the batch.

        Raises:
            WeightsError: If it is none, or has another input.
        """
        try:
            with _unheard_standard_error():
                self._interpreter = Interpreter(model_content=model, num_threads=1)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise not_the_task(f"a network cannot be loaded: {error}") from error
        (self._input,) = [detail["index"] for detail in self._interpreter.get_input_details()]
        found = self._interpreter.tensor(self._input)().shape[1:]
        if found != shape:
            raise not_the_task(f"a network takes {found} where {shape} is needed")
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def outputs(
        self, values: np.ndarray, *, factor: float = 1.0, offset: float = 0.0
    ) -> tuple[np.ndarray, ...]:
        """Run the network on `values * factor + offset`.

        Args:
            values: In the shape of the input, without the axis of the batch.
            factor: What the network's scale needs.
            offset: Added after that.

        Returns:
            Each output, in the model's own order.
        """
        # Written straight into the network's memory, which spares a copy. No name may keep
        # that memory while the network runs: it refuses to.
        np.multiply(values, np.float32(factor), out=self._interpreter.tensor(self._input)()[0])
        if offset:
            self._interpreter.tensor(self._input)()[0] += np.float32(offset)
        self._interpreter.invoke()
        return tuple(self._interpreter.get_tensor(output) for output in self._outputs)


@contextlib.contextmanager
def _unheard_standard_error() -> Iterator[None]:
    """Keep off the terminal what LiteRT writes there whenever it loads a network."""
    with _HOLDING_STANDARD_ERROR:
        sys.stderr.flush()
        kept = os.dup(_STANDARD_ERROR)
        try:
            with Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), _STANDARD_ERROR)
            yield
        finally:
            os.dup2(kept, _STANDARD_ERROR)
            os.close(kept)


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A rectangle of a picture that may be turned, and may reach over the edge.

    Attributes:
        centre: x and y, in pixels.
        size: Width and height, in pixels.
        angle: How far its x axis is turned from the picture's towards its y axis, in radians.
    """

    centre: Float[np.ndarray, "2"]
    size: Float[np.ndarray, "2"]
    angle: float

    def to_picture(self) -> Float[np.ndarray, "2 3"]:
        """Give the map from shares of the region, 0 to 1, to pixels of the picture."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        axes = np.array([[cosine, -sine], [sine, cosine]]) * self.size
        return np.column_stack([axes, self.centre - axes.sum(axis=1) / 2])

    def cut_from(
        self, image: UInt8[np.ndarray, "height width 3"], side: int, border: int
    ) -> UInt8[np.ndarray, "side side 3"]:
        """Sample the region as a square, bilinearly and without smoothing, as the networks know it.

        Args:
            image: The picture.
            side: Of the square, in pixels.
            border: How OpenCV continues the picture over its edge.
        """
        matrix = self.to_picture()
        matrix[:, :2] /= side
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(image, matrix, (side, side), flags=flags, borderMode=border)
