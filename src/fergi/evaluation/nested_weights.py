"""The paper's own way to join scores and face, by the nested protocol.

The weights of three scores lie on a grid of tenths, and a face counts k times, as in the paper;
both are those that are right most often on all other participants. What differs: all 66 points of
the grid are tried, a tie counts half, and k is chosen on valences that are held out themselves.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from jaxtyping import Float

from fergi.evaluation.as_published.outcome import ENSEMBLE, ENSEMBLED, FUSED_ENSEMBLE
from fergi.evaluation.as_published.trial import Trial, standardised
from fergi.evaluation.as_published.versions import FACE_WEIGHTS
from fergi.evaluation.nested import HeldOutValences

TENTHS = np.array([(i, j, 10 - i - j) for i in range(11) for j in range(11 - i)]) / 10
"""All 66 ways in which three weights of whole tenths sum to 1."""


def nested_weights(given: Trial, valences: HeldOutValences) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Judge each participant's pairs by weights that are chosen on all others.

    Args:
        given: Reactions of all participants, with the published scores.
        valences: Of these reactions, a row for each held-out participant.

    Returns:
        `participant, score, n_correct, n_incorrect` of the ensemble of three without and with
        the face, where a tie gives half a pair to each; and `participant, parameter, value`.
    """
    by_name = np.stack([standardised(given, name) for name in ENSEMBLED], axis=-1)
    chosen = [_fold(given, by_name[fold], valences[fold], fold) for fold in range(given.folds)]
    accuracies, parameters = zip(*chosen, strict=True)
    totals = given.pairs_by_participant().astype(np.float64)
    names = given.reactions.participants
    accuracy = pl.concat(
        pl.DataFrame(
            {
                "participant": names,
                "score": score,
                "n_correct": [right[score] for right in accuracies],
                "n_incorrect": totals - np.array([right[score] for right in accuracies]),
            }
        )
        for score in (ENSEMBLE, FUSED_ENSEMBLE)
    )
    values = pl.DataFrame(parameters).with_columns(participant=pl.Series(names))
    return accuracy, values.unpivot(index="participant", variable_name="parameter")


def _fold(
    given: Trial,
    scores: Float[np.ndarray, "images scores"],
    valence: Float[np.ndarray, " images"],
    held_out: int,
) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Choose weights and k on all others; count the pairs of the one held out, and name both."""
    alone = scores @ TENTHS.T
    right = _right(given, alone)
    point = _best_on_others(right, held_out)
    right_joined = _right(given, alone[:, point, None] + FACE_WEIGHTS * valence[:, None])
    option = _best_on_others(right_joined, held_out)
    own = {ENSEMBLE: right[held_out, point], FUSED_ENSEMBLE: right_joined[held_out, option]}
    weights = {f"w_{name}": float(w) for name, w in zip(ENSEMBLED, TENTHS[point], strict=True)}
    return own, {**weights, f"k_{ENSEMBLE}": float(FACE_WEIGHTS[option])}


def _right(
    given: Trial, scores: Float[np.ndarray, "images options"]
) -> Float[np.ndarray, "participants options"]:
    """Count the pairs of each participant that each column gets right, and half of its ties."""
    better, worse = given.reactions.pairs.T
    is_right = given.right_by_participant(scores[better] > scores[worse])
    is_not_wrong = given.right_by_participant(scores[better] >= scores[worse])
    return (is_right + is_not_wrong) / 2


def _best_on_others(right: Float[np.ndarray, "participants options"], held_out: int) -> int:
    return int((right.sum(axis=0) - right[held_out]).argmax())
