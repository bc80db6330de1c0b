"""BlazeFace, short range: where the faces are in a picture.

Source:
    Bazarevsky et al. (2019), arXiv:1907.05047; anchors and options as in MediaPipe's face
    detector task, whose model this is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from fergi.stages.perception.networks import Network, Region

_SIDE = 128
_CELLS_AND_ANCHORS = ((16, 2), (8, 6))
"""Cells along a side of each feature map, and anchors in each cell."""
_SAME_FACE_OVERLAP = 0.3
"""Boxes that share more (intersection over union) are of one face."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A face as the detector sees it.

    Attributes:
        box: x, y, width and height, in pixels of the picture; it may reach over the edge.
        score: Confidence, 0.5 to 1.
        eyes: x and y of the eye on the left of the picture, then of the other, for an
            upright face.
    """

    box: Float[np.ndarray, "4"]
    score: float
    eyes: Float[np.ndarray, "2 2"]


class FaceDetector:
    """Finds faces with BlazeFace."""

    def __init__(self, model: bytes) -> None:
        self._network = Network(model, _SIDE, _SIDE, 3)
        self._anchors = _anchors()

    def detections(self, image: UInt8[np.ndarray, "height width 3"]) -> list[Detection]:
        """Find the faces of a picture, the widest first.

        The picture is shrunk into a square with black bars. Of the boxes found, those that
        overlap are averaged, weighted by their scores, and the highest of these counts.

        Args:
            image: RGB.

        Returns:
            Each face whose score is at least 0.5.
        """
        whole = _whole(image)
        small = whole.cut_from(image, _SIDE, cv2.BORDER_CONSTANT)
        raw, logits = self._network.outputs(small, factor=1 / 127.5, offset=-1.0)
        found = np.flatnonzero(logits[0, :, 0] >= 0)  # a score of 0.5
        points = self._points(raw[0, found], found)
        scores = 1 / (1 + np.exp(-logits[0, found, 0].astype(np.float64)))
        side, corner = whole.size[0], whole.to_picture()[:, 2]
        detections = [
            _detection(merged * side + corner, score) for merged, score in _merged(points, scores)
        ]
        return sorted(detections, key=lambda detection: -detection.box[2])

    def _points(
        self, raw: Float[np.ndarray, "found 16"], found: np.ndarray
    ) -> Float[np.ndarray, "found 4 2"]:
        """Decode two corners of each box and the two eyes, in shares of the square."""
        shares = raw.astype(np.float64).reshape(-1, 8, 2) / _SIDE
        centres, halves = shares[:, 0] + self._anchors[found], shares[:, 1] / 2
        eyes = shares[:, 2:4] + self._anchors[found, None]
        return np.concatenate([(centres - halves)[:, None], (centres + halves)[:, None], eyes], 1)


def _whole(image: UInt8[np.ndarray, "height width 3"]) -> Region:
    """Give the smallest square around a picture."""
    height, width = image.shape[:2]
    return Region(np.array([width / 2, height / 2]), np.full(2, float(max(height, width))), 0.0)


def _anchors() -> Float[np.ndarray, "896 2"]:
    """Give the centre of each anchor, in shares of the square."""
    return np.concatenate([_anchors_of(*numbers) for numbers in _CELLS_AND_ANCHORS])


def _anchors_of(cells: int, anchors: int) -> Float[np.ndarray, "anchors 2"]:
    middles = (np.arange(cells) + 0.5) / cells
    x, y = np.meshgrid(middles, middles)
    return np.repeat(np.column_stack([x.ravel(), y.ravel()]), anchors, axis=0)


def _merged(
    points: Float[np.ndarray, "found 4 2"], scores: Float[np.ndarray, " found"]
) -> Iterator[tuple[Float[np.ndarray, "4 2"], float]]:
    """Average the boxes that overlap the surest one, then those of the next face."""
    while len(scores):
        best = int(np.argmax(scores))
        same = _overlapping(points, points[best])
        same[best] = True  # also where the box is so odd that it does not overlap itself
        yield np.average(points[same], axis=0, weights=scores[same]), float(scores[best])
        points, scores = points[~same], scores[~same]


def _overlapping(
    points: Float[np.ndarray, "found 4 2"], one: Float[np.ndarray, "4 2"]
) -> Bool[np.ndarray, " found"]:
    """Tell which boxes are of the same face as one of them."""
    shared = np.minimum(points[:, 1], one[1]) - np.maximum(points[:, 0], one[0])
    intersection = np.prod(np.maximum(shared, 0), axis=1)
    areas = np.prod(points[:, 1] - points[:, 0], axis=1)
    union = areas + np.prod(one[1] - one[0]) - intersection
    return intersection > _SAME_FACE_OVERLAP * union


def _detection(points: Float[np.ndarray, "4 2"], score: float) -> Detection:
    return Detection(np.concatenate([points[0], points[1] - points[0]]), score, points[2:])
