"""`fergi-ir50`: the paper's network, with weights that the user brings.

Source: Feng, Ma & de Sa (2023), arXiv:2312.03187.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from fergi.records.action_units import ACTION_UNITS
from fergi.records.face import Face, VideoFrame
from fergi.stages.perception.alignment import FACE_SIZE, aligned_face, crop_origin, face_crop
from fergi.stages.perception.equalisation import equalised, padded
from fergi.stages.perception.estimators.ir50_files import IntensityNetwork, intensity_network
from fergi.stages.perception.estimators.runtime import Placement, channels_first
from fergi.stages.perception.landmarks import face_landmarks

_FEATURES_SIDE = 14
"""Height and width of what enters the last stage."""


class FergiIr50:
    """The paper's estimator: crop, align, equalise, pad, iResNet.

    A network that was trained to compare with a neutral picture observes what enters its last
    stage; the others observe the intensities themselves.

    Args:
        trained: The trained network.
    """

    name = "fergi-ir50"

    def __init__(self, trained: IntensityNetwork) -> None:
        self.sha256, self.licence, self.scale = trained.sha256, trained.licence, trained.scale
        self.needs_neutral = trained.features is not None
        self.observed = len(ACTION_UNITS)
        if trained.features is not None:
            nothing = np.zeros((1, 3, FACE_SIZE, FACE_SIZE), dtype=np.float32)
            self.observed = trained.features(nothing).size
        self._trained = trained

    def observations(
        self, frames: Sequence[VideoFrame], faces: Sequence[Face]
    ) -> Float[np.ndarray, "faces observed"]:
        """Evaluate a batch of faces."""
        pictures = [_picture(frame, face) for frame, face in zip(frames, faces, strict=True)]
        evaluate = self._trained.features or self._trained.intensities
        return evaluate(channels_first(pictures)).reshape(len(pictures), self.observed)

    def intensities(
        self,
        observations: Float[np.ndarray, "faces observed"],
        neutral: Float[np.ndarray, " observed"] | None,
    ) -> Float[np.ndarray, "faces units"]:
        """Give the intensities; of a network that compares, those of the difference."""
        if self._trained.features is None or neutral is None:
            return observations
        differences = (observations - neutral).astype(np.float32)
        shape = (len(observations), -1, _FEATURES_SIDE, _FEATURES_SIDE)
        return self._trained.intensities(differences.reshape(shape))


def load(weights: Path, placement: Placement | None = None) -> FergiIr50:
    """Load the estimator.

    Args:
        weights: The trained iResNet, as .pth, .safetensors or .onnx; see `intensity_network`.
        placement: Where the network runs; by default on the processor, with one thread.

    Raises:
        WeightsError: If the file cannot be read, or is of another network.
        MissingExtraError: If nothing is installed that can run it.
        UsageError: If the device is unknown, or cannot run such a file.
    """
    return FergiIr50(intensity_network(weights, placement or Placement()))


def _picture(frame: VideoFrame, face: Face) -> UInt8[np.ndarray, "112 112 3"]:
    """Crop, align, equalise and pad a face, as the network knows it."""
    landmarks = face_landmarks(face) - crop_origin(face.box)
    return padded(equalised(aligned_face(face_crop(frame.image, face.box), landmarks)))
