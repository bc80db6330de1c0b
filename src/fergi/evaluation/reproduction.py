"""Every table, statistic and count of the paper, from the authors' release."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from jaxtyping import Float

from fergi.evaluation.as_published.outcome import (
    ENSEMBLE,
    ENSEMBLED,
    FACE_V3,
    Outcome,
    total_accuracy,
)
from fergi.evaluation.as_published.selection import selection_curves
from fergi.evaluation.as_published.thresholds import (
    STEEPNESS_GRID,
    THRESHOLD_GRID,
    threshold_counts,
)
from fergi.evaluation.as_published.trial import SCORES, Trial, standardised, trial
from fergi.evaluation.as_published.versions import (
    EXCLUDED,
    fold_networks,
    held_out_valence,
    version_1,
    version_2,
    version_3,
)
from fergi.evaluation.association import (
    aspect_regressions,
    rating_correlations,
    rating_counts,
    reaction_ranksums,
)
from fergi.evaluation.comparison import Cell, cells, published_values
from fergi.evaluation.nested import Evidence, held_out_predictions, held_out_valences
from fergi.evaluation.nested_weights import nested_weights
from fergi.progress import Progress, unreported
from fergi.records.action_units import UNIT_NAMES
from fergi.records.study import IMAGE_KEY, Study
from fergi.settings import REPRODUCTION_PARTS
from fergi.stages.valence import Valence, au4_valence
from fergi.training.ranked_reactions import RankedReactions, ranked_reactions

_ASPECT_STEEPNESS = 0.4
_ASPECT_WEIGHTS = (0.1, 0.6, 0.3)


@dataclass(slots=True, eq=False)
class Reproduction:
    """What was reproduced; a part that was not asked for is None or absent.

    Attributes:
        reactions: A row for each usable reaction: key, units, ratings, ticked reactions.
        outcomes: `v1`, `v2`, `v2_as_written` and `v3` → accuracies and chosen parameters.
        heat_map: `c, threshold, n_correct, n_incorrect` of version 1, all participants.
        selection: The curves of version 3.
        correlations: Of units and ratings.
        ranksums: Of units and ticked reactions.
        aspects: Regressions of version 1.
        ratings: How often each rating was given.
        cells: Published beside ours.
    """

    reactions: pl.DataFrame
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    heat_map: pl.DataFrame | None = None
    selection: pl.DataFrame | None = None
    correlations: pl.DataFrame | None = None
    ranksums: pl.DataFrame | None = None
    aspects: pl.DataFrame | None = None
    ratings: pl.DataFrame | None = None
    cells: list[Cell] = field(default_factory=list)


def reproduction(
    study: Study,
    printed: pl.DataFrame,
    baselines: int,
    parts: Collection[str] = REPRODUCTION_PARTS,
    progress: Progress = unreported,
) -> Reproduction:
    """Compute what the authors printed, by their protocol.

    Args:
        study: Their release.
        printed: Activations of its reactions, by the authors' arithmetic (`printed_activation`).
        baselines: How many baseline clips are usable.
        parts: Which of `REPRODUCTION_PARTS`.
        progress: Told how many networks are trained.

    Returns:
        Tables, and every printed figure beside ours.

    Raises:
        TrainingError: If no ranked pair has two usable faces.
    """
    everyone = ranked_reactions(study.images, printed)
    is_kept = ~pl.col("participant").is_in(EXCLUDED)
    kept = trial(
        ranked_reactions(study.images.filter(is_kept), printed.filter(is_kept)), study.scores
    )
    found = Reproduction(reactions=_usable_reactions(study, printed))
    if "v1" in parts:
        _add_version_1(found, study, kept)
    if "v2" in parts:
        _add_version_2(found, kept)
    if "v3" in parts:
        _add_version_3(found, trial(everyone, study.scores), progress)
    if "statistics" in parts:
        _add_statistics(found)
    found.cells += _count_cells(found, baselines, kept.reactions, everyone)
    return found


@dataclass(frozen=True, slots=True, eq=False)
class NestedReproduction:
    """The same questions, without the oddities.

    Attributes:
        predictions: Of `fergi.evaluation.nested.held_out_predictions`.
        weighted: The paper's own weights, chosen without the one held out.
    """

    predictions: pl.DataFrame
    weighted: Outcome


def nested_reproduction(
    study: Study, activations: pl.DataFrame, progress: Progress = unreported
) -> NestedReproduction:
    """Judge every ranked pair by the nested protocol, with the scores that the paper joins."""
    reactions = ranked_reactions(study.images, activations)
    scorers = [SCORES[name] for name in ENSEMBLED]
    valences = held_out_valences(reactions, progress)
    given = trial(reactions, study.scores)
    evidence = Evidence(study.images, reactions, study.scores, scorers)
    predictions, _ = held_out_predictions(evidence, valences)
    return NestedReproduction(
        predictions,
        Outcome(*nested_weights(given, valences[Valence.FAU_NET])),
    )


def _usable_reactions(study: Study, printed: pl.DataFrame) -> pl.DataFrame:
    usable = printed.drop_nulls().select(*IMAGE_KEY, *UNIT_NAMES)
    return study.images.join(usable, on=IMAGE_KEY).sort(IMAGE_KEY)


def _add_version_1(found: Reproduction, study: Study, given: Trial) -> None:
    found.outcomes["v1"] = version_1(given)
    found.heat_map = _heat_map(given)
    found.aspects = _aspects(given, study)
    found.cells += _outcome_cells("v1", found.outcomes["v1"])
    published = published_values()["aspects"]
    for row in found.aspects.iter_rows(named=True):
        printed = published.get(row["score"], {})
        name = f"regression on ratings, {row['score']}"
        found.cells += cells(f"v1 {name}", printed, row)


def _add_version_2(found: Reproduction, given: Trial) -> None:
    found.outcomes["v2"] = version_2(given)
    found.outcomes["v2_as_written"] = version_2(given, multiplied=False)
    found.cells += _outcome_cells("v2", found.outcomes["v2"])


def _add_version_3(found: Reproduction, given: Trial, progress: Progress) -> None:
    networks = fold_networks(given.reactions, progress)
    valence = held_out_valence(given.reactions, networks)
    outcome = version_3(given, valence)
    found.outcomes["v3"] = outcome
    curves = {
        **{name: given.scores[name] for name in ENSEMBLED},
        ENSEMBLE: _held_out_ensemble(given, outcome),
        FACE_V3: valence,
    }
    found.selection = selection_curves(given, curves, curves)
    found.cells += _outcome_cells("v3", outcome)
    found.cells += _selection_cells(found.selection)


def _held_out_ensemble(given: Trial, outcome: Outcome) -> Float[np.ndarray, " images"]:
    """Rebuild the ensemble of each row from the weights that its own fold chose."""
    total = np.zeros(len(given.reactions.owners))
    for name in ENSEMBLED:
        weights = outcome.parameters.filter(parameter=f"w_{name}")["value"].to_numpy()
        own = standardised(given, name)[given.reactions.owners, np.arange(len(total))]
        total += weights[given.reactions.owners] * own
    return total


def _add_statistics(found: Reproduction) -> None:
    found.correlations = rating_correlations(found.reactions)
    found.ranksums = reaction_ranksums(found.reactions)
    found.ratings = rating_counts(found.reactions)
    published = published_values()
    for kind in ("sequential", "symmetric"):
        ours = dict(found.correlations.select("au", f"rho_{kind}").iter_rows())
        found.cells += cells(f"Spearman, {kind}", published[f"spearman_{kind}"], ours)
    for unit, printed in published["ranksums"].items():
        own = found.ranksums.filter(au=unit).select("reaction", "z")
        found.cells += cells(f"rank sums, {unit}", printed, dict(own.iter_rows()))


def _heat_map(given: Trial) -> pl.DataFrame:
    activations = given.reactions.activations
    valences = [au4_valence(activations, steepness=c) for c in STEEPNESS_GRID]
    right, wrong = threshold_counts(given, np.stack(valences, axis=1)).sum(axis=1)
    return pl.DataFrame(
        {
            "c": np.repeat(STEEPNESS_GRID, len(THRESHOLD_GRID)),
            "threshold": np.tile(THRESHOLD_GRID, len(STEEPNESS_GRID)),
            "n_correct": right.ravel(),
            "n_incorrect": wrong.ravel(),
        }
    )


def _aspects(given: Trial, study: Study) -> pl.DataFrame:
    """Regress the scores of version 1 on what participants said of two aspects."""
    face = au4_valence(given.reactions.activations, steepness=_ASPECT_STEEPNESS)
    scores = {
        name: (values - values.mean()) / values.std(ddof=1)
        for name, values in {"AU4_valence_score": face, **given.scores}.items()
    }
    weighted = zip(_ASPECT_WEIGHTS, ENSEMBLED, strict=True)
    scores[ENSEMBLE] = np.sum([weight * scores[name] for weight, name in weighted], axis=0)
    ratings = given.reactions.images.join(
        study.images, on=IMAGE_KEY, how="left", maintain_order="left"
    )
    return aspect_regressions(ratings, scores)


def _outcome_cells(version: str, outcome: Outcome) -> list[Cell]:
    published = published_values()
    totals = total_accuracy(outcome)
    percent: Mapping[str, float] = dict(totals.select("score", "percent").iter_rows())
    found = list(cells(f"{version} accuracy, %", published[f"accuracy_{version}"], percent))
    if f"counts_{version}" in published:
        counts = dict(totals.select("score", "n_correct").iter_rows())
        found += cells(f"{version} pairs right", published[f"counts_{version}"], counts)
    if f"selected_{version}" in published:
        printed = published[f"selected_{version}"]
        found += cells(f"{version} accuracy on selected pairs, %", printed, percent)
        selected = totals.filter(score=next(iter(printed)))
        pairs = {
            version: float(selected.select(pl.sum_horizontal("n_correct", "n_incorrect")).item())
        }
        number = {version: published["selected_pairs"][version]}
        found += cells(f"{version} pairs selected", number, pairs)
    return found


def _selection_cells(selection: pl.DataFrame) -> list[Cell]:
    found: list[Cell] = []
    for entry in published_values()["selection_v3"]:
        curve = selection.filter(selected_by=entry["selected_by"], score=entry["score"])
        kept = curve["n_correct"] + curve["n_incorrect"]
        percent = dict(
            zip(map(str, curve["proportion"]), 100 * curve["n_correct"] / kept, strict=True)
        )
        table = f"v3 selected by {entry['selected_by']}, judged {entry['score']}, %"
        found += cells(table, entry["accuracy"], percent)
    return found


def _count_cells(
    found: Reproduction,
    baselines: int,
    kept: RankedReactions,
    everyone: RankedReactions,
) -> list[Cell]:
    ours = {
        "rated_reactions": found.reactions["overall_rating"].count(),
        "reactions": len(found.reactions),
        "baselines": baselines,
        "pairs_30": len(kept.pairs),
        "pairs_33": len(everyone.pairs),
    }
    return list(cells("counts", published_values()["counts"], ours))
