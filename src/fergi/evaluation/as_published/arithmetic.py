"""Activation values to the last bit of the authors' own files.

Intensities have two or three decimals, so many activation values would be equal; which of
them the authors' ranks tie, and which they do not, depends on two roundings of their tools:

- pandas' moving mean carries the error of a running sum from frame to frame, invalid frames
  included;
- the values went through a CSV file, and the reader of pandas before version 3 kept 17
  digits of each number, leading zeros included.

Only with both do all printed statistics of ranks come out. Nothing else uses them: elsewhere
equal rises are equal.
"""

import math

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from fergi.errors import UnusableClipError
from fergi.records.action_units import ActionUnitSeries
from fergi.stages.activation import (
    ClipActivation,
    ValidityCriteria,
    clip_activation,
    window_frames,
)

_DIGITS_READ = 17


def printed_activation(series: ActionUnitSeries, criteria: ValidityCriteria) -> ClipActivation:
    """Measure a clip as `clip_activation` does, with the rounding of the authors' tools.

    Args:
        series: The action units of the clip.
        criteria: What is required of a frame and of the clip.

    Returns:
        The share of valid frames, and the values where the clip is usable.
    """
    return clip_activation(series, criteria, printed_values)


def printed_values(
    intensities: Float[np.ndarray, "frames units"],
    is_valid: Bool[np.ndarray, " frames"],
    *,
    frame_rate: float,
) -> Float[np.ndarray, " units"]:
    """Measure how far each unit rises; see `activation_values`.

    Raises:
        UnusableClipError: If every window touches an invalid frame.
    """
    width = window_frames(frame_rate)
    is_whole = _is_whole(is_valid, width)
    if not is_whole.any():
        raise UnusableClipError(f"no {width} frames in a row are valid")
    filled = np.where(np.isnan(intensities), -1, intensities)
    means = pd.DataFrame(filled).rolling(width).mean().to_numpy()[is_whole]
    rises = means.max(axis=0) - means[0]
    return np.array([read_back(rise) for rise in rises.tolist()])


def _is_whole(is_valid: Bool[np.ndarray, " n"], width: int) -> Bool[np.ndarray, " n"]:
    """Tell which frames end a window of valid ones."""
    valid_in_window = np.convolve(is_valid, np.ones(width, dtype=int))[: len(is_valid)]
    return valid_in_window == width


def read_back(value: float) -> float:
    """Read a number as pandas before version 3 read it from its own CSV file.

    Digits beyond the seventeenth are dropped; the rest is one integer, divided by a power
    of ten.

    Example:
        >>> read_back(0.28600000000000003)
        0.286
    """
    mantissa, _, power = repr(abs(value)).partition("e")
    whole, _, decimals = mantissa.partition(".")
    digits = (whole + decimals)[:_DIGITS_READ]
    exponent = int(power or 0) + len(whole) - len(digits)
    # Dividing by a power of ten and multiplying by its inverse round differently.
    magnitude = float(digits) / 10.0**-exponent if exponent < 0 else float(digits) * 10.0**exponent
    return math.copysign(magnitude, value)
