import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from fergi.evaluation.calibration import (
    accuracy_by_share,
    brier_score,
    correctness,
    expected_calibration_error,
    negative_log_likelihood,
    pairs_kept,
    pairwise_accuracy,
    reliability,
)

MEASURES = (pairwise_accuracy, brier_score, negative_log_likelihood, expected_calibration_error)
# Means of some hundred numbers below 10, added in another order.
ROUNDING = 1e-12


def _judged(seed: int, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    stream = np.random.default_rng(seed)
    p_0 = stream.uniform(0.01, 0.99, count)
    return p_0, stream.random(count) < p_0


@pytest.mark.parametrize("seed", range(3))
def test_brier_score_nll_and_accuracy_equal_those_of_scikit_learn(seed: int) -> None:
    p_0, truth = _judged(seed)
    assert brier_score(p_0, truth) == pytest.approx(brier_score_loss(truth, p_0), abs=ROUNDING)
    assert negative_log_likelihood(p_0, truth) == pytest.approx(log_loss(truth, p_0), abs=ROUNDING)
    assert pairwise_accuracy(p_0, truth) == accuracy_score(truth, p_0 > 0.5)


def test_measures_equal_those_worked_out_by_hand() -> None:
    p_0 = np.array([0.9, 0.3, 0.6, 0.05])
    truth = np.array([True, False, False, True])
    assert pairwise_accuracy(p_0, truth) == 0.5
    assert brier_score(p_0, truth) == pytest.approx((0.01 + 0.09 + 0.36 + 0.9025) / 4)
    by_hand = -(np.log(0.9) + np.log(0.7) + np.log(0.4) + np.log(0.05)) / 4
    assert negative_log_likelihood(p_0, truth) == pytest.approx(by_hand)
    # Bins of width 0.25: confidences 0.7 and 0.6 (one right), 0.9 and 0.95 (one right).
    ece = 0.5 * abs(0.65 - 0.5) + 0.5 * abs(0.925 - 0.5)
    assert expected_calibration_error(p_0, truth, bins=2) == pytest.approx(ece)


def test_reliability_counts_each_pair_in_the_bin_of_its_confidence() -> None:
    p_0 = np.array([0.5, 0.54, 0.01, 0.99, 1.0, 0.62])
    truth = np.array([True, True, True, True, True, False])
    table = reliability(p_0, truth)
    assert table["bin"].to_list() == [0, 2, 9]
    assert table["pairs"].to_list() == [2, 1, 3]
    assert table["accuracy"].to_list() == pytest.approx([0.75, 0.0, 2 / 3])
    assert table["confidence"].to_list() == pytest.approx([0.52, 0.62, (0.99 + 0.99 + 1) / 3])


@given(
    hnp.arrays(float, 40, elements=st.floats(0.01, 0.99)),
    hnp.arrays(bool, 40),
    hnp.arrays(bool, 40),
)
def test_no_measure_changes_when_the_images_of_pairs_change_places(
    p_0: np.ndarray, truth: np.ndarray, is_swapped: np.ndarray
) -> None:
    # As in our tables, probabilities are those of differences, so that 1 − p is exact enough
    # never to cross the edge of a bin.
    p_0 = np.round(p_0 * 256) / 256
    swapped = np.where(is_swapped, 1 - p_0, p_0)
    for measure in MEASURES:
        assert measure(swapped, truth ^ is_swapped) == pytest.approx(
            measure(p_0, truth), abs=ROUNDING
        )


def test_one_half_for_all_is_neither_right_nor_wrong() -> None:
    p_0, truth = np.full(10, 0.5), np.arange(10) % 3 == 0
    assert pairwise_accuracy(p_0, truth) == 0.5
    assert brier_score(p_0, truth) == 0.25
    assert negative_log_likelihood(p_0, truth) == pytest.approx(np.log(2))
    assert expected_calibration_error(p_0, truth) == 0


def test_who_keeps_their_word_has_little_calibration_error() -> None:
    p_0, truth = _judged(0, count=20_000)
    # Ten bins of 2,000 pairs: the mean gap of a perfect judge is below 0.01.
    assert expected_calibration_error(p_0, truth) < 0.015
    overdone = 0.5 + 0.5 * np.sign(p_0 - 0.5) * np.abs(2 * p_0 - 1) ** 0.3
    assert expected_calibration_error(overdone, truth) > 0.1


def test_certainty_that_is_right_costs_nothing() -> None:
    assert negative_log_likelihood(np.array([1.0, 0.0]), np.array([True, False])) == 0


def test_certainty_that_is_wrong_costs_more_than_any_doubt_without_a_warning() -> None:
    found = negative_log_likelihood(np.array([1.0]), np.array([False]))
    assert found > negative_log_likelihood(np.array([1 - 1e-12]), np.array([False]))


def test_accuracy_on_the_surest_is_counted_by_hand() -> None:
    p_0 = np.array([0.9, 0.2, 0.6, 0.45])
    truth = np.array([True, False, False, False])
    found = accuracy_by_share(p_0, truth, np.array([0.01, 0.25, 0.5, 0.75, 1.0]))
    np.testing.assert_allclose(found, [1, 1, 1, 2 / 3, 3 / 4])


def test_all_pairs_kept_have_the_accuracy_of_all() -> None:
    p_0, truth = _judged(4)
    assert accuracy_by_share(p_0, truth, np.array([1.0]))[0] == pairwise_accuracy(p_0, truth)


@pytest.mark.parametrize("count", [100, 200, 3734])
def test_no_share_of_pairs_keeps_one_too_many(count: int) -> None:
    percents = np.arange(1, 101)
    by_whole_numbers = [-(-percent * count // 100) for percent in percents.tolist()]
    assert pairs_kept(percents / 100, count).tolist() == by_whole_numbers


def test_a_pair_of_which_nothing_is_known_is_neither_right_nor_wrong() -> None:
    found = correctness(np.array([np.nan, np.nan, 0.7]), np.array([True, False, True]))
    np.testing.assert_array_equal(found, [np.nan, np.nan, 1])
