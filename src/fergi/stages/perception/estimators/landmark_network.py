"""The landmark network of the paper: MobileFaceNet, with weights that the user brings.

Source: Feng, Ma & de Sa (2023), arXiv:2312.03187.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from fergi.records.face import Face, VideoFrame
from fergi.records.landmarks import LANDMARKS
from fergi.stages.perception.alignment import FACE_SIZE, crop_origin, face_crop
from fergi.stages.perception.estimators.checkpoint import read_checkpoint, require_layout
from fergi.stages.perception.estimators.networks.layout import mobilefacenet_layout
from fergi.stages.perception.estimators.protocol import Network
from fergi.stages.perception.estimators.runtime import (
    Definition,
    Placement,
    channels_first,
    network,
)

if TYPE_CHECKING:
    from torch import nn


class LandmarkNetwork:
    """Finds the 68 landmarks of faces in their crops.

    Args:
        evaluate: Crops of 112 × 112 pixels → landmarks as shares of the crop.
        sha256: Of the file of its weights.
    """

    def __init__(self, evaluate: Network, sha256: str) -> None:
        self._evaluate = evaluate
        self.sha256 = sha256

    def landmarked(self, frames: Sequence[VideoFrame], faces: Sequence[Face]) -> list[Face]:
        """Give faces their landmarks.

        Args:
            frames: The picture of each face.
            faces: Where it is in there.
        """
        crops = [
            face_crop(frame.image, face.box) for frame, face in zip(frames, faces, strict=True)
        ]
        pictures = channels_first([_resized(crop) for crop in crops])
        shares = self._evaluate(pictures).reshape(-1, LANDMARKS, 2).astype(np.float64)
        return [
            replace(face, landmarks=share * crop.shape[1::-1] + crop_origin(face.box))
            for face, share, crop in zip(faces, shares, crops, strict=True)
        ]


def load(weights: Path, placement: Placement | None = None) -> LandmarkNetwork:
    """Load the network.

    Args:
        weights: The public MobileFaceNet of 68 landmarks, as .pth or .safetensors.
        placement: Where it runs; by default on the processor, with one thread.

    Raises:
        WeightsError: If the file cannot be read, or is of another network.
        MissingExtraError: If nothing is installed that can run it.
        UsageError: If the device is unknown.
    """
    checkpoint = read_checkpoint(weights)
    require_layout(checkpoint, mobilefacenet_layout(), "the public MobileFaceNet of 68 landmarks")
    definition = Definition(_graph, _module)
    evaluate = network(definition, checkpoint.tensors, placement or Placement())
    return LandmarkNetwork(evaluate, checkpoint.sha256)


def _resized(crop: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "112 112 3"]:
    size = (FACE_SIZE, FACE_SIZE)
    return np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BILINEAR))


def _graph(tensors: Mapping[str, np.ndarray]) -> bytes:
    from fergi.stages.perception.estimators.networks.graph import (  # noqa: PLC0415 (an extra)
        mobilefacenet_graph,
    )

    return mobilefacenet_graph(tensors)


def _module() -> "nn.Module":
    from fergi.stages.perception.estimators.networks.mobilefacenet import (  # noqa: PLC0415 (an extra)
        MobileFaceNet,
    )

    return MobileFaceNet()
