"""How activation values go with what people say: correlations, rank sums, regressions.

All pooled over participants, as published.

Source: Feng, Ma & de Sa (2023–2025), arXiv:2312.03187, section 6.1 (and 6.2 of version 1).
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
import scipy.stats
from jaxtyping import Float
from statsmodels.regression.linear_model import OLS

from fergi.records.action_units import UNIT_NAMES
from fergi.records.study import REACTIONS

NEUTRAL_RATING = 4


def rating_correlations(reactions: pl.DataFrame) -> pl.DataFrame:
    """Correlate each unit with the overall rating, by ranks.

    Args:
        reactions: A row for each usable reaction: the units and `overall_rating`.

    Returns:
        `au`; `rho_sequential` and `p_sequential`, with the rating; `rho_symmetric` and
        `p_symmetric`, with its distance from neutral.

    Source:
        Spearman's rank correlation, `scipy.stats.spearmanr`.
    """
    rated = reactions.drop_nulls("overall_rating")
    rating = rated["overall_rating"].to_numpy()
    rows = []
    for unit in UNIT_NAMES:
        values = rated[unit].to_numpy()
        sequential = scipy.stats.spearmanr(values, rating)
        symmetric = scipy.stats.spearmanr(values, np.abs(rating - NEUTRAL_RATING))
        rows.append((unit, *sequential, *symmetric))
    columns = ("au", "rho_sequential", "p_sequential", "rho_symmetric", "p_symmetric")
    return pl.DataFrame(rows, schema=columns, orient="row")


def reaction_ranksums(reactions: pl.DataFrame) -> pl.DataFrame:
    """Compare each unit between images with and without each ticked reaction.

    Args:
        reactions: A row for each usable reaction: the units and a column for each reaction.

    Returns:
        `au, reaction, z, p`; z is positive where the unit is higher if the reaction is ticked.

    Source:
        Wilcoxon's rank sum for two samples, without correction for ties,
        `scipy.stats.ranksums`.
    """
    rows = []
    for unit in UNIT_NAMES:
        for reaction in REACTIONS:
            ticked = reactions.filter(pl.col(reaction))[unit]
            others = reactions.filter(~pl.col(reaction))[unit]
            rows.append((unit, reaction, *scipy.stats.ranksums(ticked, others)))
    return pl.DataFrame(rows, schema=("au", "reaction", "z", "p"), orient="row")


def aspect_regressions(
    ratings: pl.DataFrame, scores: Mapping[str, Float[np.ndarray, " images"]]
) -> pl.DataFrame:
    """Regress each score on the ratings of alignment and fidelity.

    Args:
        ratings: `alignment_rating` and `fidelity_rating` of each usable reaction.
        scores: Scores of the same images, by name.

    Returns:
        `score, alignment_coef, alignment_p, fidelity_coef, fidelity_p`.

    Source:
        Ordinary least squares with intercept, `statsmodels`.
    """
    aspects = ratings.select("alignment_rating", "fidelity_rating")
    is_rated = aspects.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy()
    rated = aspects.filter(is_rated).to_numpy().astype(float)
    design = np.column_stack([np.ones(len(rated)), rated])
    rows = []
    for name, values in scores.items():
        fit = OLS(values[is_rated], design).fit()
        rows.append((name, fit.params[1], fit.pvalues[1], fit.params[2], fit.pvalues[2]))
    columns = ("score", "alignment_coef", "alignment_p", "fidelity_coef", "fidelity_p")
    return pl.DataFrame(rows, schema=columns, orient="row")


def rating_counts(reactions: pl.DataFrame) -> pl.DataFrame:
    """Count the usable reactions of each overall rating: `overall_rating, reactions`."""
    rated = reactions.drop_nulls("overall_rating")
    return rated.group_by("overall_rating").agg(reactions=pl.len()).sort("overall_rating")
