"""Crop a face out of a frame, and turn it upright by its landmarks, as the paper does."""

import math

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from fergi.records.landmarks import CHIN, LEFT_EDGE, RIGHT_EDGE, face_axes, head_ratios

__all__ = ["FACE_SIZE", "aligned_face", "crop_origin", "face_crop", "head_ratios"]

FACE_SIZE = 112
"""Pixels along the longer side of an aligned face."""

_MARGINS = {"top": -0.2, "bottom": 0.05, "left": -0.125, "right": 0.125}
"""How much each edge of the detector's box moves, as a share of its height or width."""

_BELOW_CHIN = 1.05
_ABOVE_EYES = 0.5
"""Height of the picture below and above the eyes, in distances from the eyes to the chin."""


def face_crop(
    image: UInt8[np.ndarray, "height width 3"], box: Float[np.ndarray, "4"]
) -> UInt8[np.ndarray, "crop_height crop_width 3"]:
    """Cut out a face with a margin; black where the margin leaves the image.

    Args:
        image: The frame.
        box: x, y, width and height of the detector's box, in pixels.

    Source:
        Feng, Ma & de Sa (2023), arXiv:2312.03187.
    """
    left, top, right, bottom = _crop_edges(box)
    crop = np.zeros((bottom - top, right - left, 3), dtype=np.uint8)
    height, width = image.shape[:2]
    seen = image[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    row, column = max(-top, 0), max(-left, 0)
    crop[row : row + seen.shape[0], column : column + seen.shape[1]] = seen
    return crop


def crop_origin(box: Float[np.ndarray, "4"]) -> Float[np.ndarray, "2"]:
    """Tell where in its frame the upper left corner of a crop lies: x and y in pixels."""
    return np.array(_crop_edges(box)[:2], dtype=np.float64)


def aligned_face(
    crop: UInt8[np.ndarray, "crop_height crop_width 3"], landmarks: Float[np.ndarray, "68 2"]
) -> UInt8[np.ndarray, "height width 3"]:
    """Turn a face upright and bring it to size.

    The picture reaches from one end of the jaw line to the other, and from half the face's
    height above the eyes to a little below the chin. It is sampled bilinearly, after an
    antialiased shrink where the face is four times too large or more.

    Args:
        crop: Of the face.
        landmarks: In pixels of the crop.

    Returns:
        The face; its longer side has `FACE_SIZE` pixels.

    Source:
        Feng, Ma & de Sa (2023), arXiv:2312.03187, who follow the alignment of FFHQ (Karras,
        Laine & Aila 2019, arXiv:1812.04948, appendix A).
    """
    corners = _corners(landmarks)
    width, height = _side(corners[1], corners[2]), _side(corners[0], corners[1])
    longer = max(width, height)
    picture = Image.fromarray(crop)
    shrink = int(longer / FACE_SIZE / 2)
    if shrink > 1:
        # At least a pixel, for landmarks that lie far beyond the crop.
        size = (max(1, round(picture.width / shrink)), max(1, round(picture.height / shrink)))
        picture = picture.resize(size, Image.Resampling.LANCZOS)
        corners = corners / shrink
    picture, corners = _cut_to(corners, picture)
    # Truncated, as published; at least a pixel, for a face seen edge-on. The quotient comes first,
    # since 112 × a / a may round to less than 112.
    size = (max(1, int(FACE_SIZE * (width / longer))), max(1, int(FACE_SIZE * (height / longer))))
    # Pillow counts from the corners of pixels, landmarks from their middles.
    quad = tuple((corners + 0.5).ravel().tolist())
    upright = picture.transform(size, Image.Transform.QUAD, quad, Image.Resampling.BILINEAR)
    return np.asarray(upright)


def _crop_edges(box: Float[np.ndarray, "4"]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom; each margin truncated towards 0, as published."""
    x, y, width, height = (round(side) for side in box.tolist())
    return (
        x + int(_MARGINS["left"] * width),
        y + int(_MARGINS["top"] * height),
        x + width + int(_MARGINS["right"] * width),
        y + height + int(_MARGINS["bottom"] * height),
    )


def _corners(landmarks: Float[np.ndarray, "68 2"]) -> Float[np.ndarray, "4 2"]:
    """Upper left, lower left, lower right and upper right corner of the upright picture."""
    axes = face_axes(landmarks)
    origin, across, down = axes.origin, axes.across, axes.down
    left = ((landmarks[LEFT_EDGE] - origin) @ across) * across
    right = ((landmarks[RIGHT_EDGE] - origin) @ across) * across
    to_chin = ((landmarks[CHIN] - origin) @ down) * down
    top, bottom = -_ABOVE_EYES * to_chin, _BELOW_CHIN * to_chin
    return origin + np.stack([left + top, left + bottom, right + bottom, right + top])


def _side(start: Float[np.ndarray, "2"], end: Float[np.ndarray, "2"]) -> float:
    return math.dist(start.tolist(), end.tolist())


def _cut_to(
    corners: Float[np.ndarray, "4 2"], picture: Image.Image
) -> tuple[Image.Image, Float[np.ndarray, "4 2"]]:
    """Cut a picture to the bounds of four corners, as published: beyond them it is black."""
    left, top = np.maximum(np.floor(corners.min(axis=0)), 0).astype(int).tolist()
    right, bottom = np.ceil(corners.max(axis=0)).astype(int).tolist()
    # At least a pixel, for landmarks that lie beyond the crop.
    right = max(min(right, picture.width), left + 1)
    bottom = max(min(bottom, picture.height), top + 1)
    return picture.crop((left, top, right, bottom)), corners - (left, top)
