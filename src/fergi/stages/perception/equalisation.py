"""Even out the light of an aligned face, and make it a square, as the trained weights expect."""

import cv2
import numpy as np
from jaxtyping import UInt8


def equalised(
    face: UInt8[np.ndarray, "height width 3"],
) -> UInt8[np.ndarray, "height width 3"]:
    """Even out the light of an RGB picture.

    The luminance becomes the mean of two: with its histogram equalised, and stretched from 0
    to 255. A picture of one luminance stays as it is.

    Source:
        Feng, Ma & de Sa (2023), arXiv:2312.03187.
    """
    # The published code converts as if the channels were BGR, and so did the training: the
    # weights of "luminance" for red and blue are swapped.
    converted = cv2.cvtColor(face, cv2.COLOR_BGR2YCrCb)
    luminance = converted[..., 0]
    darkest, brightest = int(luminance.min()), int(luminance.max())
    if darkest == brightest:
        return face
    stretched = (luminance - float(darkest)) / (brightest - darkest) * 255
    converted[..., 0] = (cv2.equalizeHist(luminance) + stretched) / 2  # truncated, as published
    return np.asarray(cv2.cvtColor(converted, cv2.COLOR_YCrCb2BGR), dtype=np.uint8)


def padded(
    face: UInt8[np.ndarray, "height width 3"],
) -> UInt8[np.ndarray, "size size 3"]:
    """Centre a picture in the smallest black square that holds it."""
    height, width = face.shape[:2]
    size = max(height, width)
    square = np.zeros((size, size, 3), dtype=np.uint8)
    top, left = (size - height) // 2, (size - width) // 2
    square[top : top + height, left : left + width] = face
    return square
