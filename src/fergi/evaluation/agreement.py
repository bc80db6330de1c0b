"""How well estimated action units agree with given ones."""

import numpy as np
from jaxtyping import Float

_ROUNDING = 1e-28  # squares this small beside the values are what rounding leaves of a constant


def intraclass_correlation(
    estimates: Float[np.ndarray, "frames units"], truths: Float[np.ndarray, "frames units"]
) -> Float[np.ndarray, " units"]:
    """Measure the consistency of two raters, ICC(3,1): two-way mixed, single rater.

    A constant difference between the raters does not count against them; another spread does.
    With MS as the mean squares of the two-way analysis of variance, it is
    (MS of frames - MS of errors) / (MS of frames + MS of errors).

    Args:
        estimates: One rater.
        truths: The other. A frame in which either is NaN is left out for that unit.

    Returns:
        -1 to 1 for each unit. NaN where nothing can be said: fewer than two frames, or both
        raters constant. 0 where one of them is constant and the other is not.

    Source:
        Shrout & Fleiss (1979), Psychological Bulletin 86(2), case 3.
    """
    columns = zip(estimates.T, truths.T, strict=True)
    return np.array([_consistency(estimate, truth) for estimate, truth in columns])


def mean_squared_errors(
    estimates: Float[np.ndarray, "frames units"], truths: Float[np.ndarray, "frames units"]
) -> Float[np.ndarray, " units"]:
    """Average the squared difference over the frames in which both are known."""
    return np.nanmean((estimates - truths) ** 2, axis=0)


def mean_absolute_errors(
    estimates: Float[np.ndarray, "frames units"], truths: Float[np.ndarray, "frames units"]
) -> Float[np.ndarray, " units"]:
    """Average the absolute difference over the frames in which both are known."""
    return np.nanmean(np.abs(estimates - truths), axis=0)


def _consistency(
    estimate: Float[np.ndarray, " frames"], truth: Float[np.ndarray, " frames"]
) -> float:
    is_known = ~np.isnan(estimate) & ~np.isnan(truth)
    estimate, truth = estimate[is_known], truth[is_known]
    if len(truth) < 2:
        return float("nan")
    # With two raters, the two mean squares are half the variances of their sum and difference.
    together, apart = np.var(estimate + truth), np.var(estimate - truth)
    if together + apart <= _ROUNDING * (np.square(estimate).sum() + np.square(truth).sum()):
        return float("nan")
    return float((together - apart) / (together + apart))
