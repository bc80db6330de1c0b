"""Where in a clip a face rests: what an estimator may take for the person's neutral face."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

STRETCH_SECONDS = 0.5
"""Long enough that noise averages out, short enough that most clips hold a quiet moment."""

_AS_STEADY = 2.0
"""How much more movement may pass for the same steadiness: noise alone varies by about that."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some frames in a row.

    Attributes:
        first: Number of the first, from 0.
        last: Number of the last.
        movement: Mean change from frame to frame, in units of what is observed.
    """

    first: int
    last: int
    movement: float


def frame_movements(
    observations: Float[np.ndarray, "frames observed"],
) -> Float[np.ndarray, " frames"]:
    """Measure how far each frame's observation is from the one before.

    Args:
        observations: Of one clip; NaN where there was no face.

    Returns:
        Mean absolute difference; NaN for the first frame, and next to a frame without a face.
    """
    changes = np.abs(np.diff(observations.astype(np.float64), axis=0)).mean(axis=1)
    return np.concatenate([[np.nan], changes])


def resting_stretch(
    times: Float[np.ndarray, " frames"],
    is_valid: Bool[np.ndarray, " frames"],
    movements: Float[np.ndarray, " frames"],
    *,
    seconds: float = STRETCH_SECONDS,
) -> Stretch | None:
    """Find the stretch of valid frames in which the face is at rest.

    That is the first one about as steady as the steadiest. The steadiest itself may be a grin
    that is held to the end; a clip begins before its viewer reacts.

    Args:
        times: Seconds, increasing.
        is_valid: Whether each frame shows the face surely and frontally.
        movements: What `frame_movements` gives.
        seconds: How long the stretch is to last, at least.

    Returns:
        The stretch. Where no run of valid frames is that long, the longest run; None where no
        frame is valid.

    Example:
        >>> moved = np.array([np.nan, 1.1, 1.2, 4.0, 1.0, 1.0])
        >>> resting_stretch(np.arange(6.0), np.full(6, True), moved, seconds=2.0)
        Stretch(first=0, last=2, movement=1.15)
    """
    firsts = np.arange(len(times))
    lasts = np.searchsorted(times, times + seconds - 1e-9)  # a sum may miss the last by a bit
    is_inside = lasts < len(times)
    firsts, lasts = firsts[is_inside], lasts[is_inside]
    invalid_before = np.concatenate([[0], np.cumsum(~is_valid)])
    is_whole = invalid_before[lasts + 1] == invalid_before[firsts]
    firsts, lasts = firsts[is_whole], lasts[is_whole]
    if not len(firsts):
        return _longest_run(is_valid, movements)
    moved = np.concatenate([[0.0], np.cumsum(np.nan_to_num(movements))])
    means = (moved[lasts + 1] - moved[firsts + 1]) / np.maximum(lasts - firsts, 1)
    best = _first_low(means)
    return Stretch(int(firsts[best]), int(lasts[best]), float(means[best]))


def _first_low(means: Float[np.ndarray, " stretches"]) -> int:
    """Choose the lowest of the first run of stretches that are about as low as any."""
    is_low = means <= _AS_STEADY * means.min()
    start = int(np.argmax(is_low))
    ends = np.flatnonzero(~is_low[start:])
    end = start + int(ends[0]) if len(ends) else len(means)
    return start + int(np.argmin(means[start:end]))


def first_valid_frame(is_valid: Bool[np.ndarray, " frames"]) -> Stretch | None:
    """Take the first valid frame alone; None where no frame is valid."""
    if not is_valid.any():
        return None
    first = int(np.argmax(is_valid))
    return Stretch(first, first, 0.0)


def _longest_run(
    is_valid: Bool[np.ndarray, " frames"], movements: Float[np.ndarray, " frames"]
) -> Stretch | None:
    edges = np.diff(np.concatenate([[0], is_valid.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    if not len(starts):
        return None
    best = int(np.argmax(ends - starts))
    first, last = int(starts[best]), int(ends[best]) - 1
    inside = movements[first + 1 : last + 1]
    return Stretch(first, last, float(inside.mean()) if len(inside) else 0.0)
