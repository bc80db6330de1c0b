"""Statistics against plain definitions and other libraries."""

import numpy as np
import polars as pl
import pytest
import sklearn.linear_model

from fergi.evaluation.association import (
    aspect_regressions,
    rating_correlations,
    rating_counts,
    reaction_ranksums,
)
from fergi.evaluation.significance import SIGNIFICANCE
from fergi.records.action_units import UNIT_NAMES
from fergi.records.study import REACTIONS

COUNT = 200


def _reactions() -> pl.DataFrame:
    stream = np.random.default_rng(0)
    rating = stream.integers(1, 8, COUNT)
    units = {name: stream.exponential(size=COUNT) for name in UNIT_NAMES}
    units["AU4"] = units["AU4"] + (7 - rating)
    units["AU12"] = units["AU12"] + np.abs(rating - 4)
    flags = {name: stream.random(COUNT) < 0.3 for name in REACTIONS}
    flags["amused"] = units["AU6"] > np.median(units["AU6"])
    return pl.DataFrame({**units, **flags, "overall_rating": rating})


def test_planted_correlations_are_found() -> None:
    found = rating_correlations(_reactions()).rows_by_key("au", named=True, unique=True)
    assert found["AU4"]["rho_sequential"] < -0.8
    assert found["AU12"]["rho_symmetric"] > 0.6
    assert abs(found["AU1"]["rho_sequential"]) < 0.2


def test_a_correlation_is_that_of_ranks() -> None:
    table = _reactions()
    ranks = table.select(pl.col("AU9", "overall_rating").rank("average"))
    expected = np.corrcoef(ranks.to_numpy().T)[0, 1]
    found = rating_correlations(table).filter(au="AU9")["rho_sequential"].item()
    assert found == pytest.approx(expected)


def test_reactions_without_a_rating_are_left_out() -> None:
    table = _reactions()
    unrated = table.head(5).with_columns(overall_rating=pl.lit(None, pl.Int64))
    both = pl.concat([table, unrated], how="vertical_relaxed")
    assert rating_correlations(both).equals(rating_correlations(table))
    assert rating_counts(both)["reactions"].sum() == COUNT


def test_z_is_that_of_the_rank_sum_and_positive_where_the_unit_is_higher() -> None:
    table = _reactions()
    found = reaction_ranksums(table)
    assert len(found) == len(UNIT_NAMES) * len(REACTIONS)
    ranks = table["AU6"].rank("average").to_numpy()
    ticked = table["amused"].to_numpy()
    first, second = ticked.sum(), (~ticked).sum()
    expected = (ranks[ticked].sum() - first * (COUNT + 1) / 2) / np.sqrt(
        first * second * (COUNT + 1) / 12
    )
    row = found.filter(au="AU6", reaction="amused")
    assert row["z"].item() == pytest.approx(expected)
    assert row["z"].item() > 10
    assert row["p"].item() < SIGNIFICANCE


def test_regression_coefficients_equal_those_of_another_library() -> None:
    stream = np.random.default_rng(1)
    ratings = pl.DataFrame(
        {
            "alignment_rating": stream.integers(1, 8, COUNT),
            "fidelity_rating": stream.integers(1, 8, COUNT),
        }
    )
    score = 0.2 * ratings["alignment_rating"].to_numpy() + stream.normal(size=COUNT)
    row = aspect_regressions(ratings, {"s": score}).row(0, named=True)
    other = sklearn.linear_model.LinearRegression().fit(ratings.to_numpy(), score)
    assert [row["alignment_coef"], row["fidelity_coef"]] == pytest.approx(other.coef_.tolist())
    assert row["alignment_p"] < 0.001 < row["fidelity_p"]
