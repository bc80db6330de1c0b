from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from fergi.evaluation.as_published.outcome import ENSEMBLE, ENSEMBLED, FUSED_ENSEMBLE
from fergi.evaluation.as_published.trial import SCORES, Trial
from fergi.evaluation.nested_weights import TENTHS, nested_weights
from fergi.training.ranked_reactions import RankedReactions

MakeReactions = Callable[..., RankedReactions]


def _trial(reactions: RankedReactions, told: str, noise: float) -> Trial:
    """One score follows the planted rank, the others are noise."""
    stream = np.random.default_rng(5)
    ranks = reactions.images["rank"].to_numpy()
    scores = {name: stream.normal(size=len(ranks)) for name in SCORES}
    scores[told] = -ranks + noise * stream.normal(size=len(ranks))
    return Trial(reactions, scores)


def _share(accuracy: pl.DataFrame, score: str) -> float:
    own = accuracy.filter(score=score)
    return float(own["n_correct"].sum() / (own["n_correct"] + own["n_incorrect"]).sum())


def test_all_66_points_sum_to_one() -> None:
    assert len(TENTHS) == len(np.unique(TENTHS, axis=0)) == 66
    np.testing.assert_allclose(TENTHS.sum(axis=1), 1, rtol=1e-15)


@pytest.mark.parametrize("told", ENSEMBLED)
def test_the_score_that_tells_most_gets_the_most_weight(
    make_reactions: MakeReactions, told: str
) -> None:
    given = _trial(make_reactions(3), told, noise=1.0)
    no_face = np.zeros((given.folds, len(given.reactions.owners)))
    accuracy, parameters = nested_weights(given, no_face)
    weights = parameters.filter(parameter=f"w_{told}")
    assert (weights["value"] > 0.5).all()
    assert _share(accuracy, ENSEMBLE) > 0.8
    # A face that says nothing is given no weight, and changes nothing.
    assert (parameters.filter(parameter=f"k_{ENSEMBLE}")["value"] == 0).all()
    assert _share(accuracy, FUSED_ENSEMBLE) == _share(accuracy, ENSEMBLE)


def test_a_face_that_knows_the_rank_lifts_scores_that_do_not(make_reactions: MakeReactions) -> None:
    given = _trial(make_reactions(4), ENSEMBLED[0], noise=20.0)
    valence = -given.reactions.images["rank"].to_numpy().astype(float)
    accuracy, parameters = nested_weights(given, np.tile(valence, (given.folds, 1)))
    assert (parameters.filter(parameter=f"k_{ENSEMBLE}")["value"] > 1).all()
    assert _share(accuracy, FUSED_ENSEMBLE) > 0.95 > _share(accuracy, ENSEMBLE)


def test_what_is_chosen_does_not_depend_on_the_rankings_of_who_is_held_out(
    make_reactions: MakeReactions,
) -> None:
    given = _trial(make_reactions(6), ENSEMBLED[1], noise=8.0)
    turned = given.reactions.pairs.copy()
    own = given.reactions.pair_owners == 2
    turned[own] = turned[own][:, ::-1]
    other: Any = replace(given, reactions=replace(given.reactions, pairs=turned))
    valence = np.tile(np.random.default_rng(1).normal(size=len(given.reactions.owners)), (4, 1))
    (_, before), (_, after) = nested_weights(given, valence), nested_weights(other, valence)
    name = given.reactions.participants[2]
    assert before.filter(participant=name).equals(after.filter(participant=name))


def test_a_tie_gives_half_a_pair_to_each(make_reactions: MakeReactions) -> None:
    given = _trial(make_reactions(7), ENSEMBLED[2], noise=1.0)
    flat = {name: np.arange(len(values)) % 2.0 for name, values in given.scores.items()}
    given = Trial(given.reactions, flat)
    accuracy, _ = nested_weights(given, np.zeros((given.folds, len(given.reactions.owners))))
    better, worse = given.reactions.pairs.T
    expected = (0.5 + 0.5 * np.sign(better % 2.0 - worse % 2.0)).sum()
    assert accuracy.filter(score=ENSEMBLE)["n_correct"].sum() == expected
