"""`fergi-ir50`: the paper's network, with weights that the user brings.

Source: Feng, Ma & de Sa (2023), arXiv:2312.03187.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from fergi.records.action_units import ACTION_UNITS
from fergi.records.face import Face, VideoFrame
from fergi.records.landmarks import LANDMARKS, head_ratios
from fergi.stages.perception.alignment import FACE_SIZE, aligned_face, crop_origin, face_crop
from fergi.stages.perception.equalisation import equalised, padded
from fergi.stages.perception.estimators.checkpoint import read_checkpoint, require_layout
from fergi.stages.perception.estimators.ir50_files import IntensityNetwork, intensity_network
from fergi.stages.perception.estimators.networks.layout import mobilefacenet_layout
from fergi.stages.perception.estimators.runtime import Definition, Network, Placement, network
from fergi.stages.perception.landmarks import mesh_landmarks68

if TYPE_CHECKING:
    from torch import nn

_BRIGHTEST = 255
_FEATURES_SIDE = 14
"""Height and width of what enters the last stage."""

_Pictures = Sequence[UInt8[np.ndarray, "_height _width 3"]]


class FergiIr50:
    """The paper's estimator: crop, align, equalise, pad, iResNet.

    A network that was trained to compare with a neutral picture observes what enters its last
    stage; the others observe the intensities themselves.

    Args:
        trained: The trained network.
        landmark_network: Crops → 68 landmarks as shares of the crop; without it they are taken
            from the face mesh.
        landmark_sha256: Of the file of its weights.
    """

    name = "fergi-ir50"

    def __init__(
        self,
        trained: IntensityNetwork,
        landmark_network: Network | None = None,
        landmark_sha256: str | None = None,
    ) -> None:
        self.sha256, self.licence, self.scale = trained.sha256, trained.licence, trained.scale
        self.landmark_sha256 = landmark_sha256
        self.needs_neutral = trained.features is not None
        self.observed = len(ACTION_UNITS)
        if trained.features is not None:
            nothing = np.zeros((1, 3, FACE_SIZE, FACE_SIZE), dtype=np.float32)
            self.observed = trained.features(nothing).size
        self._trained = trained
        self._landmark_network = landmark_network

    def observations(
        self, frames: Sequence[VideoFrame], faces: Sequence[Face]
    ) -> Float[np.ndarray, "faces observed"]:
        """Evaluate a batch of faces."""
        crops = _crops(frames, faces)
        pictures = [
            padded(equalised(aligned_face(crop, landmarks)))
            for crop, landmarks in zip(crops, self._landmarks(faces, crops), strict=True)
        ]
        evaluate = self._trained.features or self._trained.intensities
        return evaluate(_channels_first(pictures)).reshape(len(pictures), self.observed)

    def head_ratios(
        self, frames: Sequence[VideoFrame], faces: Sequence[Face]
    ) -> Float[np.ndarray, "faces 2"]:
        """Tell from the landmarks that align the faces how far their heads are turned.

        With a landmark network these are the ratios of the authors' files; those of the mesh's
        landmarks differ a little.

        Args:
            frames: The picture of each face.
            faces: Where it is in there.

        Returns:
            Pitch and yaw ratio of each; see `fergi.records.landmarks.head_ratios`.
        """
        landmarks = self._landmarks(faces, _crops(frames, faces))
        return head_ratios(np.array(landmarks).reshape(-1, LANDMARKS, 2))

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

    def _landmarks(
        self, faces: Sequence[Face], crops: _Pictures
    ) -> list[Float[np.ndarray, "68 2"]]:
        if self._landmark_network is None:
            return [mesh_landmarks68(face.mesh) - crop_origin(face.box) for face in faces]
        size = (FACE_SIZE, FACE_SIZE)
        pictures = [
            np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BILINEAR))
            for crop in crops
        ]
        shares = self._landmark_network(_channels_first(pictures)).reshape(-1, LANDMARKS, 2)
        return [
            share * crop.shape[1::-1]
            for share, crop in zip(shares.astype(np.float64), crops, strict=True)
        ]


def load(
    weights: Path, *, landmark_weights: Path | None = None, placement: Placement | None = None
) -> FergiIr50:
    """Load the estimator.

    Args:
        weights: The trained iResNet, as .pth, .safetensors or .onnx; see `intensity_network`.
        landmark_weights: The public MobileFaceNet, likewise; without it the landmarks come from
            the face mesh.
        placement: Where the networks run; by default on the processor, with one thread.

    Raises:
        WeightsError: If a file cannot be read, or is of another network.
        MissingExtraError: If nothing is installed that can run them.
        UsageError: If the device is unknown, or cannot run such a file.
    """
    place = placement or Placement()
    trained = intensity_network(weights, place)
    if landmark_weights is None:
        return FergiIr50(trained)
    landmarks = read_checkpoint(landmark_weights)
    require_layout(landmarks, mobilefacenet_layout(), "the public MobileFaceNet of 68 landmarks")
    landmark_network = network(
        Definition(_landmark_graph, _landmark_module), landmarks.tensors, place
    )
    return FergiIr50(trained, landmark_network, landmarks.sha256)


def _crops(frames: Sequence[VideoFrame], faces: Sequence[Face]) -> _Pictures:
    return [face_crop(frame.image, face.box) for frame, face in zip(frames, faces, strict=True)]


def _channels_first(pictures: _Pictures) -> Float[np.ndarray, "pictures 3 112 112"]:
    """Stack pictures as the networks take them: RGB, 0 to 1."""
    stacked = np.zeros((len(pictures), 3, FACE_SIZE, FACE_SIZE), dtype=np.float32)
    for place, picture in zip(stacked, pictures, strict=True):
        place[:] = picture.transpose(2, 0, 1)
    return stacked / np.float32(_BRIGHTEST)


def _landmark_graph(tensors: Mapping[str, np.ndarray]) -> bytes:
    from fergi.stages.perception.estimators.networks.graph import (  # noqa: PLC0415 (an extra)
        mobilefacenet_graph,
    )

    return mobilefacenet_graph(tensors)


def _landmark_module() -> "nn.Module":
    from fergi.stages.perception.estimators.networks.mobilefacenet import (  # noqa: PLC0415 (an extra)
        MobileFaceNet,
    )

    return MobileFaceNet()
