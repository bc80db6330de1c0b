"""The three versions: what is chosen on all others, and what it gives on the one held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from fergi.evaluation.as_published.outcome import ENSEMBLE, ENSEMBLED, FUSED_ENSEMBLE, Outcome
from fergi.evaluation.as_published.thresholds import (
    SHARE_GRID,
    STEEPNESS_GRID,
    best_thresholds,
)
from fergi.evaluation.as_published.trial import Trial, standardised
from fergi.progress import Progress, unreported
from fergi.stages.valence import FauNet, au4_au12_valence, au4_valence, fau_net_valence
from fergi.training.ranked_reactions import RankedReactions
from fergi.training.valence_network import trained_networks

EXCLUDED = ("002", "004", "039")
"""Whom the exclusion rule leaves out of versions 1 and 2."""

FACE_WEIGHTS_V1 = np.arange(0, 3.1, 0.1)
FACE_WEIGHTS = np.arange(0, 10.1, 0.1)
# Oddity 2: in exact arithmetic 66 points sum to 1, but 0.1 + 0.2 + … is not exact.
ENSEMBLE_GRID = np.array(
    [
        (first, second, 1 - first - second)
        for first in SHARE_GRID
        for second in SHARE_GRID
        if first + second <= 1 and 1 - first - second >= 0
    ]
)


def version_1(given: Trial) -> Outcome:
    """Try AU4 alone, as in December 2023."""
    activations = given.reactions.activations
    by_steepness = np.stack([au4_valence(activations, steepness=c) for c in STEEPNESS_GRID], axis=1)
    chosen = best_thresholds(given, by_steepness)
    own = chosen.options[given.reactions.owners]
    valence = by_steepness[np.arange(len(own)), own]
    parameters = {"c": STEEPNESS_GRID[chosen.options], "threshold": chosen.thresholds}
    return _outcome(
        given, "AU4_valence_score", valence, FACE_WEIGHTS_V1, parameters,
        Selection("AU4_selected_", valence, chosen.thresholds),
    )  # fmt: skip


def version_2(given: Trial, *, multiplied: bool = True) -> Outcome:
    """Try AU4 and AU12, as in March 2024.

    Args:
        given: What to try it on.
        multiplied: Whether the score of unselected pairs multiplies the two terms, as the
            published code does (oddity 6), or adds them, as the paper writes.
    """
    activations = given.reactions.activations
    options = [(c, a) for c in STEEPNESS_GRID for a in SHARE_GRID]
    added = np.stack(
        [au4_au12_valence(activations, share=a, steepness=c) for c, a in options], axis=1
    )
    chosen = best_thresholds(given, added)
    own = chosen.options[given.reactions.owners]
    selecting = added[np.arange(len(own)), own]
    steepness, share = np.array(options)[own].T
    valence = _multiplied(activations, steepness, share) if multiplied else selecting
    fold_steepness, fold_share = np.array(options)[chosen.options].T
    parameters = {"c": fold_steepness, "a": fold_share, "threshold": chosen.thresholds}
    return _outcome(
        given, "AUcomb_valence_score", valence, FACE_WEIGHTS, parameters,
        Selection("AUcomb_selected_", selecting, chosen.thresholds),
    )  # fmt: skip


def _multiplied(
    activations: Float[np.ndarray, "images units"],
    steepness: Float[np.ndarray, " images"],
    share: Float[np.ndarray, " images"],
) -> Float[np.ndarray, " images"]:
    """Compute a · AU12val · AU4val + (1 − a) · AU12val (oddity 6)."""
    frown = au4_valence(activations, steepness=steepness)
    smile = au4_au12_valence(activations, share=0.0, steepness=steepness)
    return share * smile * frown + (1 - share) * smile


def fold_networks(reactions: RankedReactions, progress: Progress = unreported) -> list[FauNet]:
    """Train FAU-Net without each participant, from one seed for all (oddities 4 and 7)."""
    return trained_networks(reactions, reactions.leave_one_out(), progress=progress)


def held_out_valence(
    reactions: RankedReactions, networks: Sequence[FauNet]
) -> Float[np.ndarray, " images"]:
    """Score each reaction by the network that was trained without its participant."""
    scores = np.stack([fau_net_valence(reactions.activations, one) for one in networks])
    return scores[reactions.owners, np.arange(len(reactions.owners))]


def version_3(given: Trial, valence: Float[np.ndarray, " images"]) -> Outcome:
    """Try FAU-Net, as in August 2024.

    Args:
        given: What to try it on.
        valence: What `held_out_valence` gives.
    """
    return _outcome(given, "AUs_integrated_score", valence, FACE_WEIGHTS, {}, None)


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Which pairs the face selects: those whose scores differ enough.

    Attributes:
        prefix: Of the published names of scores on the selected pairs.
        scores: What selects.
        thresholds: Least difference, for each held-out participant.
    """

    prefix: str
    scores: Float[np.ndarray, " images"]
    thresholds: Float[np.ndarray, " participants"]


def _outcome(
    given: Trial,
    face_name: str,
    valence: Float[np.ndarray, " images"],
    face_weights: Float[np.ndarray, " options"],
    parameters: Mapping[str, Float[np.ndarray, " participants"]],
    selection: Selection | None,
) -> Outcome:
    """Count all scores of a version, alone, joined with the face, and on selected pairs."""
    by_name = {name: standardised(given, name) for name in ENSEMBLED}
    weights = _ensemble_weights(given, by_name)
    # Oddity 5: each row by the weights of its own participant's fold.
    ensemble = np.einsum(
        "sfi,is->fi", np.stack(list(by_name.values())), weights[given.reactions.owners]
    )
    own_fold = (given.reactions.owners, np.arange(len(given.reactions.owners)))
    alone = {**given.scores, ENSEMBLE: ensemble[own_fold], face_name: valence}
    counts = {
        name: given.right_by_participant(given.is_right(s[:, None]))[:, 0]
        for name, s in alone.items()
    }
    chosen = {f"w_{name}": column for name, column in zip(ENSEMBLED, weights.T, strict=True)}
    for name, baseline in {**by_name, ENSEMBLE: ensemble}.items():
        joined = FUSED_ENSEMBLE if name == ENSEMBLE else f"{name} + face"
        counts[joined], chosen[f"k_{name}"] = _integrated(given, baseline, valence, face_weights)
    totals = {name: given.pairs_by_participant() for name in counts}
    if selection is not None:
        for name, scores in {**alone, face_name: selection.scores}.items():
            label = selection.prefix + name
            counts[label], totals[label] = _selected_counts(given, scores, selection)
    return Outcome(
        _accuracy_table(given, counts, totals), _parameter_table(given, {**parameters, **chosen})
    )


def _ensemble_weights(
    given: Trial, by_name: Mapping[str, Float[np.ndarray, "folds images"]]
) -> Float[np.ndarray, "folds scores"]:
    """Choose the weights of the three scores that are right most often on all others."""
    chosen = []
    for fold in range(given.folds):
        columns = np.stack([by_name[name][fold] for name in ENSEMBLED], axis=1)
        chosen.append(_most_right_on_others(given, columns @ ENSEMBLE_GRID.T, fold))
    return ENSEMBLE_GRID[chosen]


def _most_right_on_others(
    given: Trial, options: Float[np.ndarray, "images options"], fold: int
) -> int:
    counts = given.right_by_participant(given.is_right(options))
    return int((counts.sum(axis=0) - counts[fold]).argmax())


def _integrated(
    given: Trial,
    baseline: Float[np.ndarray, "folds images"],
    valence: Float[np.ndarray, " images"],
    face_weights: Float[np.ndarray, " options"],
) -> tuple[Int[np.ndarray, " participants"], Float[np.ndarray, " participants"]]:
    """Add k times the valence to a score, with the k that is right most often on all others."""
    right = np.empty(given.folds, dtype=np.int64)
    chosen = np.empty(given.folds)
    for fold in range(given.folds):
        joined = baseline[fold][:, None] + face_weights * valence[:, None]
        counts = given.right_by_participant(given.is_right(joined))
        best = (counts.sum(axis=0) - counts[fold]).argmax()
        right[fold], chosen[fold] = counts[fold, best], face_weights[best]
    return right, chosen


def _selected_counts(
    given: Trial, scores: Float[np.ndarray, " images"], selection: Selection
) -> tuple[Int[np.ndarray, " participants"], Int[np.ndarray, " participants"]]:
    better, worse = given.reactions.pairs.T
    differences = np.abs(selection.scores[better] - selection.scores[worse])
    is_selected = differences >= selection.thresholds[given.reactions.pair_owners]
    is_right = given.is_right(scores[:, None])[:, 0] & is_selected
    columns = np.stack([is_right, is_selected], axis=1)
    right, total = given.right_by_participant(columns).T
    return right, total


def _accuracy_table(
    given: Trial,
    counts: Mapping[str, Int[np.ndarray, " participants"]],
    totals: Mapping[str, Int[np.ndarray, " participants"]],
) -> pl.DataFrame:
    return pl.concat(
        pl.DataFrame(
            {
                "participant": given.reactions.participants,
                "score": name,
                "n_correct": right,
                "n_incorrect": totals[name] - right,
            }
        )
        for name, right in counts.items()
    )


def _parameter_table(
    given: Trial, parameters: Mapping[str, Float[np.ndarray, " participants"]]
) -> pl.DataFrame:
    return pl.concat(
        pl.DataFrame(
            {
                "participant": given.reactions.participants,
                "parameter": name,
                "value": values,
            }
        )
        for name, values in parameters.items()
    )
