"""Action-unit series → activation values: how far each unit rises during a clip."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from fergi.errors import UnusableClipError
from fergi.records.action_units import ACTION_UNITS, ActionUnitSeries

SMOOTHING_WINDOWS_PER_SECOND = 10
"""A window lasts a tenth of a second (paper, section 3.3): 3 frames at 30 fps."""


_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class ValidityCriteria:
    """When a frame, and a clip, may be trusted.

    Attributes:
        min_face_confidence: Least score of the face detector.
        pitch_range: Least and greatest `pitch_ratio`.
        yaw_range: Least and greatest `yaw_ratio`.
        min_valid_share: Least share of valid frames in a usable clip.

    Source:
        Feng, Ma & de Sa (2023), arXiv:2312.03187.
    """

    min_face_confidence: float = 0.9
    pitch_range: tuple[float, float] = (0.55, 0.85)
    yaw_range: tuple[float, float] = (0.3, 0.7)
    min_valid_share: float = 0.8


PUBLISHED_CRITERIA = ValidityCriteria()


@dataclass(frozen=True, slots=True, eq=False)
class ClipActivation:
    """What one clip says of its viewer's reaction.

    Attributes:
        valid_share: Share of the frames that are valid, 0 to 1.
        values: The activation value of each unit, or None for an unusable clip.
    """

    valid_share: float
    values: Float[np.ndarray, " units"] | None


@runtime_checkable
class Values(Protocol):
    """Measures the activation values of a clip, as `activation_values` does."""

    def __call__(
        self,
        intensities: Float[np.ndarray, "frames units"],
        is_valid: Bool[np.ndarray, " frames"],
        *,
        frame_rate: float,
    ) -> Float[np.ndarray, " units"]:
        """Measure; raise `UnusableClipError` if every window touches an invalid frame."""


def clip_activation(
    series: ActionUnitSeries, criteria: ValidityCriteria, values: Values | None = None
) -> ClipActivation:
    """Judge the frames of a clip, and measure its activation values if enough are valid.

    Args:
        series: The action units of the clip.
        criteria: What is required of a frame and of the clip.
        values: What measures the valid frames; by default `activation_values`.

    Returns:
        The share of valid frames, and the values where the clip is usable.
    """
    is_valid = valid_frames(series, criteria)
    valid_share = float(is_valid.mean())
    if valid_share < criteria.min_valid_share:
        return ClipActivation(valid_share, None)
    try:
        found = (values or activation_values)(
            series.intensities, is_valid, frame_rate=series.frame_rate
        )
    except UnusableClipError:
        return ClipActivation(valid_share, None)
    return ClipActivation(valid_share, found)


def valid_frames(series: ActionUnitSeries, criteria: ValidityCriteria) -> Bool[np.ndarray, " n"]:
    """Tell which frames show the face surely and frontally, with every unit measured.

    Args:
        series: The action units of a clip; NaN where no face was seen.
        criteria: Bounds on confidence, pitch and yaw; the bounds themselves are valid.

    Returns:
        True for each valid frame.
    """
    pitch_least, pitch_most = criteria.pitch_range
    yaw_least, yaw_most = criteria.yaw_range
    # A unit that an imported tool does not know is NaN in every frame, and spoils none.
    is_measured = ~np.isnan(series.intensities).all(axis=0)
    return (
        (series.face_confidence >= criteria.min_face_confidence)
        & (series.pitch_ratio >= pitch_least)
        & (series.pitch_ratio <= pitch_most)
        & (series.yaw_ratio >= yaw_least)
        & (series.yaw_ratio <= yaw_most)
        & ~np.isnan(series.intensities[:, is_measured]).any(axis=1)
    )


def activation_values(
    intensities: Float[np.ndarray, "frames units"],
    is_valid: Bool[np.ndarray, " frames"],
    *,
    frame_rate: float,
) -> Float[np.ndarray, " units"]:
    """Measure how far each action unit rises above its level at clip onset.

    Intensities are averaged over a moving window of 0.1 s. Windows that touch an
    invalid frame are dropped. A unit's value is the highest average left minus
    the first one, so it is never negative; it is rounded to 9 decimals.

    Args:
        intensities: Estimated FACS intensities, 0 (absent) to 5 (maximum).
        is_valid: Whether the face was seen well enough to trust each frame.
        frame_rate: Frames per second of the clip.

    Returns:
        The activation value of each unit, in intensity units.

    Raises:
        UnusableClipError: If every window touches an invalid frame.

    Example:
        >>> rise = np.array([[0.0], [0.0], [0.0], [3.0], [3.0], [3.0]])
        >>> activation_values(rise, np.full(6, True), frame_rate=30.0)
        array([3.])

    Source:
        Feng, Ma & de Sa (2023), arXiv:2312.03187.
    """
    width = window_frames(frame_rate)
    count = len(is_valid) - width + 1
    if count < 1:
        raise UnusableClipError(
            f"{len(is_valid)} frames are fewer than one window of {width}; film for longer"
        )
    is_whole = np.logical_and.reduce([is_valid[offset : offset + count] for offset in range(width)])
    if not is_whole.any():
        raise UnusableClipError(
            f"no {width} frames in a row show the face surely and frontally; "
            "check light and camera angle"
        )
    shifted = [intensities[offset : offset + count] for offset in range(width)]
    means = np.add.reduce(shifted)[is_whole] / width
    # Equal rises must be equal to the last bit: ranks and pairs depend on exact ties, which
    # the rounding of sums would break at random.
    return np.round(means.max(axis=0) - means[0], _DECIMALS)


def window_frames(frame_rate: float) -> int:
    """Count the frames of a smoothing window.

    Example:
        >>> window_frames(30.0)
        3
    """
    # Rounded twice, as published: 24.6 fps counts as 25, and Python rounds 2.5 to 2.
    return max(1, round(round(frame_rate) / SMOOTHING_WINDOWS_PER_SECOND))


def is_unstable(
    baseline_values: Float[np.ndarray, "clips units"],
    *,
    quantile: float = 0.8,
    threshold: float = 0.5,
) -> bool:
    """Tell whether a participant's brow moves too much while nothing is shown.

    The exclusion rule of the paper's first two versions: the 80th percentile of the
    activation of AU4 in the participant's baseline clips reaches 0.5.

    Args:
        baseline_values: Activation values of the participant's usable baseline clips.
        quantile: Which quantile of AU4 is compared, 0 to 1.
        threshold: From which activation on the participant is unstable.

    Returns:
        Whether the rule excludes the participant; False where there is no baseline.

    Source:
        Feng, Ma & de Sa (2023), arXiv:2312.03187, versions 1 and 2.
    """
    if len(baseline_values) == 0:
        return False
    brow_lowerer = baseline_values[:, ACTION_UNITS.index(4)]
    return bool(np.quantile(brow_lowerer, quantile) >= threshold)
