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
from jaxtyping import Bool, Float, Int
from pandas.api.indexers import BaseIndexer

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
    means = _moving_means(filled, width)[is_whole]
    rises = means.max(axis=0) - means[0]
    return np.array([read_back(rise) for rise in rises.tolist()])


class _WindowsOfUnits(BaseIndexer):  # type: ignore[misc]  # pandas ships no types
    """Windows over units that lie one after the other; the sum begins anew with each."""

    frames: int

    def get_window_bounds(
        self,
        num_values: int = 0,
        min_periods: int | None = None,  # noqa: ARG002 (pandas asks for this signature)
        center: bool | None = None,  # noqa: ARG002
        closed: str | None = None,  # noqa: ARG002
        step: int | None = None,  # noqa: ARG002
    ) -> tuple[Int[np.ndarray, " values"], Int[np.ndarray, " values"]]:
        """Give the start of the window that ends with each value, and its end."""
        ends = np.arange(1, num_values + 1, dtype=np.int64)
        before = np.minimum((ends - 1) % self.frames, self.window_size - 1)
        return ends - 1 - before, ends


def _moving_means(
    filled: Float[np.ndarray, "frames units"], width: int
) -> Float[np.ndarray, "frames units"]:
    """Average as pandas' moving mean of each unit does, which costs most for each call."""
    windows = _WindowsOfUnits(window_size=width, frames=len(filled))
    column = pd.Series(filled.T.ravel())
    return column.rolling(windows, min_periods=width).mean().to_numpy().reshape(-1, len(filled)).T


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
