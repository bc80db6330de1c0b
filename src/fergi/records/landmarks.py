"""The 68 landmarks of a face: its own axes, and how far the head is turned.

The usual order, seen in a picture: 17 points along the jaw from the left, 10 of the brows, 9 of the
nose, 6 of each eye, 20 of the mouth.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

LANDMARKS = 68

LEFT_EDGE, CHIN, RIGHT_EDGE = 0, 9, 16
"""Ends of the jaw line, and the point beside its middle that the authors take for the chin."""

NOSTRILS = slice(31, 36)
LEFT_EYE = slice(36, 42)
RIGHT_EYE = slice(42, 48)
MOUTH_CORNERS = (48, 54)


MESH_POINTS_OF_LANDMARKS = (
    *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),
    *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),
)
"""The point of MediaPipe's face mesh that stands for each landmark."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceAxes:
    """Where the axes of a face lie in its picture, on the scale of its landmarks.

    Attributes:
        left_eye: Middle of the eye on the picture's left.
        right_eye: Middle of the other.
        across: Unit vector from the left eye towards the right.
        down: Unit vector at a right angle to it, towards the mouth.
    """

    left_eye: Float[np.ndarray, "*faces 2"]
    right_eye: Float[np.ndarray, "*faces 2"]
    across: Float[np.ndarray, "*faces 2"]
    down: Float[np.ndarray, "*faces 2"]

    @property
    def origin(self) -> Float[np.ndarray, "*faces 2"]:
        """The point between the eyes."""
        return (self.left_eye + self.right_eye) / 2


def face_axes(landmarks: Float[np.ndarray, "*faces 68 2"]) -> FaceAxes:
    """Find the axes of faces from both eyes and the corners of the mouth.

    Args:
        landmarks: x (rightwards) and y (downwards), on any scale that is equal in both.

    Returns:
        Their axes; NaN where eyes and mouth coincide.

    Source:
        Karras, Laine & Aila (2019), arXiv:1812.04948, appendix A: the alignment of FFHQ.
    """
    left_eye = landmarks[..., LEFT_EYE, :].mean(axis=-2)
    right_eye = landmarks[..., RIGHT_EYE, :].mean(axis=-2)
    mouth = landmarks[..., MOUTH_CORNERS, :].mean(axis=-2)
    to_mouth = mouth - (left_eye + right_eye) / 2
    # Down from the eyes, turned by a right angle, also says where across is.
    across = right_eye - left_eye + _quarter_turn(to_mouth, clockwise=False)
    with np.errstate(invalid="ignore"):
        across = across / np.hypot(across[..., 0], across[..., 1])[..., np.newaxis]
    return FaceAxes(left_eye, right_eye, across, _quarter_turn(across, clockwise=True))


def head_ratios(landmarks: Float[np.ndarray, "*faces 68 2"]) -> Float[np.ndarray, "*faces 2"]:
    """Tell from landmarks how far a head is turned.

    Args:
        landmarks: x (rightwards) and y (downwards), on any scale that is equal in both.

    Returns:
        The pitch ratio (height of the nostrils below the eyes, in eye distances) and the yaw
        ratio (share of the face's width, eyes left out, that lies left of them).

    Source:
        Feng, Ma & de Sa (2023), arXiv:2312.03187; "indicative ratios" in the authors' files.
    """
    axes = face_axes(landmarks)
    nostrils = landmarks[..., NOSTRILS, :].mean(axis=-2)
    height = _extent(nostrils - axes.origin, axes.down)
    left = _extent(axes.left_eye - landmarks[..., LEFT_EDGE, :], axes.across)
    right = _extent(landmarks[..., RIGHT_EDGE, :] - axes.right_eye, axes.across)
    with np.errstate(invalid="ignore", divide="ignore"):
        pitch = height / _extent(axes.right_eye - axes.left_eye, axes.across)
        return np.stack([pitch, left / (left + right)], axis=-1)


def _extent(
    vectors: Float[np.ndarray, "*faces 2"], axes: Float[np.ndarray, "*faces 2"]
) -> Float[np.ndarray, "*faces"]:
    return np.asarray((vectors * axes).sum(axis=-1))


def _quarter_turn(
    vectors: Float[np.ndarray, "*faces 2"], *, clockwise: bool
) -> Float[np.ndarray, "*faces 2"]:
    """Turn as one sees it in a picture, where y points down."""
    return vectors[..., ::-1] * ((-1.0, 1.0) if clockwise else (1.0, -1.0))
