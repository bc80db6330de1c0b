"""How well probabilities of preference keep their word.

A pair has no natural order, so every measure here is the same when the two images of any
pair change places.
"""

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

RELIABILITY_BINS = 10
_DECIMALS = 6


def pairwise_accuracy(
    p_0: Float[np.ndarray, " pairs"], is_first_preferred: Bool[np.ndarray, " pairs"]
) -> float:
    """Give the share of pairs whose likelier image is the preferred one; a tie counts half."""
    return float(correctness(p_0, is_first_preferred).mean())


def brier_score(
    p_0: Float[np.ndarray, " pairs"], is_first_preferred: Bool[np.ndarray, " pairs"]
) -> float:
    """Give the mean squared distance of the probability from what happened, 0 to 1.

    A constant one half scores 0.25.
    """
    return float(squared_errors(p_0, is_first_preferred).mean())


def squared_errors(
    p_0: Float[np.ndarray, " pairs"], is_first_preferred: Bool[np.ndarray, " pairs"]
) -> Float[np.ndarray, " pairs"]:
    """Give the squared distance of each probability from what happened."""
    return (p_0 - is_first_preferred) ** 2


def negative_log_likelihood(
    p_0: Float[np.ndarray, " pairs"], is_first_preferred: Bool[np.ndarray, " pairs"]
) -> float:
    """Give the mean surprise, in nats; a constant one half scores log 2 = 0.693."""
    return float(pair_surprise(p_0, is_first_preferred).mean())


def pair_surprise(
    p_0: Float[np.ndarray, " pairs"], is_first_preferred: Bool[np.ndarray, " pairs"]
) -> Float[np.ndarray, " pairs"]:
    """Give minus the log of the probability that was given to what happened, in nats.

    A probability of 0 counts as the least difference from 1 that a float can tell, 2e-16,
    so that one certain error stays finite.
    """
    given = np.where(is_first_preferred, p_0, 1 - p_0)
    return -np.log(np.maximum(given, np.finfo(float).eps))


def expected_calibration_error(
    p_0: Float[np.ndarray, " pairs"],
    is_first_preferred: Bool[np.ndarray, " pairs"],
    bins: int = RELIABILITY_BINS,
) -> float:
    """Give the mean gap between confidence and accuracy, over bins of equal width.

    Source:
        Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks.
    """
    table = reliability(p_0, is_first_preferred, bins)
    gaps = (table["confidence"] - table["accuracy"]).abs().to_numpy()
    return float(np.average(gaps, weights=table["pairs"].to_numpy()))


def reliability(
    p_0: Float[np.ndarray, " pairs"],
    is_first_preferred: Bool[np.ndarray, " pairs"],
    bins: int = RELIABILITY_BINS,
) -> pl.DataFrame:
    """Compare confidence with accuracy, over bins of equal width from one half to one.

    Args:
        p_0: Probability that image 0 is preferred.
        is_first_preferred: Whether it was.
        bins: How many bins.

    Returns:
        A row for each bin that is not empty: `bin`, `pairs`, mean `confidence`, `accuracy`.
    """
    confidence = np.maximum(p_0, 1 - p_0)
    bin_of = np.minimum(((confidence - 0.5) * 2 * bins).astype(np.int64), bins - 1)
    right = correctness(p_0, is_first_preferred)
    # Summed in the order of the pairs: a grouping by polars' threads would let the last digits
    # differ from run to run.
    in_use, row, pairs = np.unique(bin_of, return_inverse=True, return_counts=True)
    return pl.DataFrame(
        {
            "bin": in_use,
            "pairs": pairs,
            "confidence": np.bincount(row, weights=confidence) / pairs,
            "accuracy": np.bincount(row, weights=right) / pairs,
        }
    )


def accuracy_by_share(
    p_0: Float[np.ndarray, " pairs"],
    is_first_preferred: Bool[np.ndarray, " pairs"],
    shares: Float[np.ndarray, " shares"],
) -> Float[np.ndarray, " shares"]:
    """Give the accuracy on the surest pairs, for several shares kept, above 0 to 1."""
    surest_first = np.argsort(-np.abs(p_0 - 0.5), kind="stable")
    correct = np.cumsum(correctness(p_0, is_first_preferred)[surest_first])
    kept = pairs_kept(shares, len(p_0))
    accuracies: Float[np.ndarray, " shares"] = correct[kept - 1] / kept
    return accuracies


def pairs_kept(shares: Float[np.ndarray, " shares"], count: int) -> Int[np.ndarray, " shares"]:
    """Count the pairs that are kept of some: a share of them, rounded up.

    Example:
        >>> pairs_kept(np.array([0.07, 0.075, 1.0]), 100)
        array([  7,   8, 100])
    """
    # A whole number stays one: 0.07 times 100 is 7.000000000000001.
    whole = np.ceil(np.round(shares * count, _DECIMALS)).astype(np.int64)
    kept: Int[np.ndarray, " shares"] = np.clip(whole, 1, count)
    return kept


def correctness(
    p_0: Float[np.ndarray, " pairs"], is_first_preferred: Bool[np.ndarray, " pairs"]
) -> Float[np.ndarray, " pairs"]:
    """Give 1 for a pair whose likelier image is the preferred one, 0 for others, ½ for ties.

    NaN stays NaN: a pair of which nothing is known is neither right nor wrong.
    """
    right = np.where(p_0 == 0.5, 0.5, ((p_0 > 0.5) == is_first_preferred).astype(float))
    return np.where(np.isnan(p_0), np.nan, right)
