"""What each oddity of the published protocol changes, measured by undoing it alone."""

from collections.abc import Mapping

import numpy as np
import polars as pl
from jaxtyping import Float

from fergi.evaluation.as_published.outcome import (
    ENSEMBLE,
    ENSEMBLED,
    FACE_V3,
    FUSED_ENSEMBLE,
    total_accuracy,
)
from fergi.evaluation.as_published.trial import Trial, standardised, trial
from fergi.evaluation.calibration import correctness
from fergi.evaluation.nested_weights import TENTHS
from fergi.evaluation.reproduction import NestedReproduction, Reproduction
from fergi.records.study import Study
from fergi.stages.preference import FACE
from fergi.stages.valence import Valence
from fergi.training.ranked_reactions import ranked_reactions


def oddity_table(
    study: Study,
    activations: pl.DataFrame,
    found: Reproduction,
    nested: NestedReproduction | None,
) -> pl.DataFrame:
    """Undo the oddities of the published protocol, one at a time.

    Args:
        study: The release.
        activations: Of its clips.
        found: The published protocol, all versions.
        nested: The nested one, which undoes some of them, if it was asked for.

    Returns:
        `oddity, score, published, without, what_changes`; the figures are percent of pairs
        right, null where undoing it has no figure of its own.
    """
    given = trial(ranked_reactions(study.images, activations), study.scores)
    percent = {
        version: dict(total_accuracy(outcome).select("score", "percent").iter_rows())
        for version, outcome in found.outcomes.items()
    }
    v2, v3 = percent["v2"], percent["v3"]
    rows = [
        ("Random heads", "Aesthetic_score", v3["Aesthetic_score"], None,
         "The heads of two scorers were never loaded, so their scores are coin tosses."),
        ("Float-filtered weight grid", ENSEMBLE, v3[ENSEMBLE], _full_grid_percent(given),
         "60 of 66 points of the grid remain."),
        ("Ties count as wrong", "HPS_V2_score", v3["HPS_V2_score"],
         _half_credit_percent(given, "HPS_V2_score"), "Scores with ties look worse than they are."),
        ("One seed for all folds", FACE_V3, v3[FACE_V3], _seeded_percent(nested),
         "A fold depends on those before it. Without: a seed for each participant."),
        ("Leak into the weight of the face", FUSED_ENSEMBLE, v3[FUSED_ENSEMBLE],
         _unleaked_percent(nested),
         "It is chosen on networks that saw the one held out. Without: on none that did."),
        ("Version 2 multiplies", "AUcomb_valence_score", v2["AUcomb_valence_score"],
         percent["v2_as_written"]["AUcomb_valence_score"],
         "The code multiplies two terms that the paper adds."),
        ("Penalty on every parameter", FACE_V3, v3[FACE_V3], None,
         "Biases, and the maps of single units, are pulled to zero like all other weights."),
        ("Sentinels for what is missing", None, None, None,
         "0 and −1 stand for no face. Such frames are left out: a last bit changes at most."),
    ]  # fmt: skip
    columns: Mapping[str, type[pl.DataType]] = {
        "oddity": pl.String,
        "score": pl.String,
        "published": pl.Float64,
        "without": pl.Float64,
        "what_changes": pl.String,
    }
    return pl.DataFrame(rows, schema=columns, orient="row")


def _percent(given: Trial, scores: Float[np.ndarray, " images"]) -> float:
    return float(100 * given.is_right(scores[:, None]).mean())


def _full_grid_percent(given: Trial) -> float:
    """Choose ensemble weights from all 66 points."""
    by_name = [standardised(given, name) for name in ENSEMBLED]
    scores = np.empty(len(given.reactions.owners))
    for fold in range(given.folds):
        options = np.stack([values[fold] for values in by_name], axis=1) @ TENTHS.T
        counts = given.right_by_participant(given.is_right(options))
        own = given.reactions.owners == fold
        scores[own] = options[own, (counts.sum(axis=0) - counts[fold]).argmax()]
    return _percent(given, scores)


def _seeded_percent(nested: NestedReproduction | None) -> float | None:
    """Find how often networks of a seed for each participant are right."""
    if nested is None:
        return None
    own = nested.predictions.filter(valence=Valence.FAU_NET.value, evidence=FACE)
    is_right = correctness(own["p_0"].to_numpy(), own["is_first_preferred"].to_numpy())
    return float(100 * is_right.mean())


def _unleaked_percent(nested: NestedReproduction | None) -> float | None:
    if nested is None:
        return None
    return float(total_accuracy(nested.weighted).filter(score=FUSED_ENSEMBLE)["percent"].item())


def _half_credit_percent(given: Trial, name: str) -> float:
    better, worse = given.reactions.pairs.T
    difference = given.scores[name][better] - given.scores[name][worse]
    return float(100 * (0.5 + 0.5 * np.sign(difference)).mean())
