"""How much each label counts: rare intensities more, so that resting faces do not drown them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

MAX_INTENSITY = 5
"""FACS intensities are 0 (absent) to 5 (maximum)."""

_REGRESSION_GROUPS = np.array([0, 0, 1, 1, 1, 1])
"""For the regression, intensities 0 and 1 count alike, and so do 2 to 5."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelWeights:
    """Inverse frequencies of labels.

    Attributes:
        regression: Of each unit's intensity; a unit's row sums to 1.
        ordinal: Of each unit's answer, no or yes, to "at least 1", … "at least 5"; a unit's
            table sums to 1.
    """

    regression: Float[np.ndarray, "units 6"]
    ordinal: Float[np.ndarray, "units 5 2"]


def label_weights(labels: Float[np.ndarray, "pictures units"]) -> LabelWeights:
    """Weigh labels by how rare they are.

    Args:
        labels: Intensities 0 to 5, of which the nearest whole number counts; NaN where a unit
            is not labelled.

    Returns:
        The weights; 0 for what no picture shows.

    Source:
        Feng, Ma & de Sa (2023), arXiv:2312.03187.
    """
    intensities = np.arange(MAX_INTENSITY + 1)
    counts = (np.round(labels)[:, :, np.newaxis] == intensities).sum(axis=0)
    groups = np.stack([counts[:, group == _REGRESSION_GROUPS].sum(axis=1) for group in (0, 1)])
    reached = np.stack([counts[:, level:].sum(axis=1) for level in intensities[1:]], axis=1)
    answers = np.stack([counts.sum(axis=1, keepdims=True) - reached, reached], axis=2)
    return LabelWeights(
        regression=_inverse_frequencies(groups[_REGRESSION_GROUPS].T),
        ordinal=_inverse_frequencies(answers),
    )


def _inverse_frequencies(counts: np.ndarray) -> Float[np.ndarray, "units ..."]:
    """Turn counts into weights that sum to 1 for each unit."""
    inverse = np.divide(1.0, counts, out=np.zeros(counts.shape), where=counts > 0)
    totals = inverse.reshape(len(inverse), -1).sum(axis=1)
    totals = totals.reshape(-1, *[1] * (counts.ndim - 1))
    return np.divide(inverse, totals, out=np.zeros(counts.shape), where=totals > 0)
