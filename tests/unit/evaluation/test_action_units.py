import numpy as np
import polars as pl
import pytest
import sklearn.metrics
from scipy import stats

from fergi.evaluation.action_units import (
    MEASURES,
    agreement_of_heads,
    beside_published,
    published_agreement,
    unit_agreement,
)
from fergi.evaluation.agreement import intraclass_correlation
from fergi.records.action_units import ACTION_UNITS, UNIT_NAMES

UNITS = len(ACTION_UNITS)


def _rated(seed: int = 0, pictures: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    stream = np.random.default_rng(seed)
    truths = stream.integers(0, 6, (pictures, UNITS)).astype(float)
    truths[stream.random(truths.shape) < 0.1] = np.nan
    estimates = np.nan_to_num(truths) + stream.normal(0, 0.8, truths.shape)
    return estimates, truths, np.repeat(["a", "b", "c", "d"], pictures // 4)


def test_measures_are_those_of_scipy_and_scikit_learn() -> None:
    estimates, truths, people = _rated()
    table = unit_agreement(estimates, truths, people)
    for at, row in enumerate(table.head(UNITS).iter_rows(named=True)):
        known = ~np.isnan(truths[:, at])
        estimate, truth = estimates[known, at], truths[known, at]
        assert row["unit"] == UNIT_NAMES[at]
        assert row["pcc"] == pytest.approx(stats.pearsonr(estimate, truth).statistic)
        assert row["mae"] == pytest.approx(sklearn.metrics.mean_absolute_error(truth, estimate))
        assert row["mse"] == pytest.approx(sklearn.metrics.mean_squared_error(truth, estimate))
        assert row["f1"] == pytest.approx(sklearn.metrics.f1_score(truth >= 2, estimate >= 2))
        each = [
            intraclass_correlation(estimate[theirs, np.newaxis], truth[theirs, np.newaxis]).item()
            for theirs in (people[known] == person for person in "abcd")
        ]
        assert row["icc_within"] == pytest.approx(np.mean(each))


def test_the_last_row_is_the_mean_over_units() -> None:
    table = unit_agreement(*_rated())
    assert table["unit"][-1] == "mean"
    for name in MEASURES:
        assert table[name][-1] == pytest.approx(table[name][:-1].mean())


def test_a_unit_that_is_nowhere_labelled_is_left_out_of_the_mean() -> None:
    estimates, truths, people = _rated()
    truths[:, 4] = np.nan
    table = unit_agreement(estimates, truths, people)
    assert table.filter(unit=UNIT_NAMES[4]).select(MEASURES).row(0) == (None,) * len(MEASURES)
    others = table.filter(~pl.col("unit").is_in([UNIT_NAMES[4], "mean"]))
    assert table["icc"][-1] == pytest.approx(others["icc"].mean())


def test_differences_between_people_do_not_count_within_them() -> None:
    stream = np.random.default_rng(1)
    people = np.repeat(["a", "b"], 100)
    truths = np.repeat([0.0, 5.0], 100)[:, np.newaxis] + stream.normal(0, 0.1, (200, UNITS))
    estimates = np.repeat([0.0, 5.0], 100)[:, np.newaxis] + stream.normal(0, 0.1, (200, UNITS))
    table = unit_agreement(estimates, truths, people)
    assert table["icc"][-1] > 0.99
    assert abs(table["icc_within"][-1]) < 0.1


def test_data_sets_and_heads_are_judged_apart() -> None:
    estimates, truths, people = _rated()
    table = pl.DataFrame({"dataset": ["disfa"] * 120 + ["disfa+"] * 80, "person": people})
    agreement = agreement_of_heads({"one": estimates, "two": estimates * 2}, truths, table)
    assert len(agreement) == 2 * 2 * (UNITS + 1)
    chosen = agreement.filter(dataset="disfa+", head="two").drop("dataset", "head", "pictures")
    expected = unit_agreement(estimates[120:] * 2, truths[120:], people[120:])
    assert chosen.equals(expected)
    assert set(agreement.filter(dataset="disfa+")["pictures"]) == {80}


@pytest.mark.parametrize(("is_calibrated", "icc", "mae"), [(False, 0.59, 0.31), (True, 0.67, 0.22)])
def test_published_figures_stand_beside_ours(is_calibrated: bool, icc: float, mae: float) -> None:
    estimates, truths, people = _rated()
    table = pl.DataFrame({"dataset": ["disfa"] * 200, "person": people})
    agreement = agreement_of_heads({"mean": estimates}, truths, table)
    compared = beside_published(agreement, is_calibrated=is_calibrated)
    last = compared.filter(unit="mean").row(0, named=True)
    assert (last["icc_published"], last["mae_published"]) == (icc, mae)
    assert last["icc"] == agreement["icc"][-1]


def test_what_was_never_published_is_not_compared() -> None:
    estimates, truths, people = _rated()
    table = pl.DataFrame({"dataset": ["invented"] * 200, "person": people})
    agreement = agreement_of_heads({"mean": estimates}, truths, table)
    assert beside_published(agreement, is_calibrated=False).is_empty()


def test_published_means_are_those_of_the_published_units() -> None:
    for record in published_agreement():
        for name in MEASURES:
            if name in record:
                *units, mean = record[name]
                # Each unit, and the mean, is rounded to two decimals.
                assert abs(np.mean(units) - mean) <= 0.01, (record["network"], name)
