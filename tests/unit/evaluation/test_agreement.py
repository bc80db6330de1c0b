from pathlib import Path

import numpy as np
import pytest

from fergi.evaluation.agreement import (
    intraclass_correlation,
    mean_absolute_errors,
    mean_squared_errors,
)
from fergi.records.action_units import ACTION_UNITS


def _reference_two_way_icc(first: np.ndarray, second: np.ndarray) -> float:
    """ICC(3,1) from the mean squares of a two-way analysis of variance, as written down."""
    table = np.stack([first, second], axis=1)
    count, raters = table.shape
    grand = table.mean()
    rows = raters * ((table.mean(axis=1) - grand) ** 2).sum() / (count - 1)
    columns = count * ((table.mean(axis=0) - grand) ** 2).sum()
    total = ((table - grand) ** 2).sum()
    errors = (total - rows * (count - 1) - columns) / ((count - 1) * (raters - 1))
    return (rows - errors) / (rows + (raters - 1) * errors)


def test_it_is_what_the_analysis_of_variance_gives() -> None:
    stream = np.random.default_rng(1)
    truths = stream.normal(size=(40, 3))
    estimates = truths + stream.normal(scale=[0.1, 1, 5], size=(40, 3)) + [0, 2, -3]
    expected = [_reference_two_way_icc(*pair) for pair in zip(estimates.T, truths.T, strict=True)]
    # Rounding of sums of 40 numbers.
    assert intraclass_correlation(estimates, truths) == pytest.approx(expected, abs=1e-12)


def test_it_is_what_the_authors_code_gives(expected: Path) -> None:
    with np.load(expected / "networks.npz") as arrays:
        given = arrays["icc"]
    stream = np.random.default_rng(7)
    labels = np.full((32, 64), -1)
    for unit in ACTION_UNITS:
        labels[:, unit - 1] = stream.choice(6, 32, p=[0.55, 0.15, 0.1, 0.1, 0.06, 0.04])
    labels[0, 3] = -1
    truths = np.clip(labels[:, [unit - 1 for unit in ACTION_UNITS]], 0, 5).astype(float)
    estimates = truths + 0.7 * np.random.default_rng(207).standard_normal((32, 12))
    # The authors' code works in double precision too; sums are taken in another order.
    assert intraclass_correlation(estimates, truths) == pytest.approx(given, abs=1e-9)


def test_a_constant_difference_does_not_count_against_a_rater() -> None:
    truths = np.random.default_rng(2).normal(size=(20, 1))
    assert intraclass_correlation(truths + 3, truths) == pytest.approx([1.0])
    assert intraclass_correlation(2 * truths, truths)[0] < 0.85


def test_a_constant_rater_agrees_with_nobody() -> None:
    truths = np.random.default_rng(3).normal(size=(20, 1))
    # Rounding of a variance of 20 numbers.
    assert intraclass_correlation(np.full((20, 1), 0.3), truths) == pytest.approx([0.0], abs=1e-12)


@pytest.mark.parametrize("frames", [0, 1, 5])
def test_of_two_constant_raters_nothing_can_be_said(frames: int) -> None:
    assert np.isnan(intraclass_correlation(np.full((frames, 1), 0.1), np.full((frames, 1), 0.7)))


def test_unknown_frames_are_left_out() -> None:
    stream = np.random.default_rng(4)
    truths = stream.normal(size=(20, 1))
    estimates = truths + stream.normal(size=(20, 1))
    holed = truths.copy()
    holed[3:6] = np.nan
    kept = np.delete(np.arange(20), [3, 4, 5])
    expected = intraclass_correlation(estimates[kept], truths[kept])
    assert intraclass_correlation(estimates, holed) == pytest.approx(expected)
    assert mean_absolute_errors(estimates, holed) == pytest.approx(
        np.abs(estimates - truths)[kept].mean(axis=0)
    )
    assert mean_squared_errors(estimates, holed) == pytest.approx(
        ((estimates - truths) ** 2)[kept].mean(axis=0)
    )
