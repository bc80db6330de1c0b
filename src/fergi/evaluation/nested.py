"""The protocol that we recommend: each participant is judged by models that never saw them.

For each participant, all that is fitted is fitted on the others: the parameters of the valence,
FAU-Net, the weights of the scores and of the face. What the face is worth is learned from
valences of the others that are themselves held out: the others are split in two halves, and
each half is scored by a network that was trained on the other half. Every participant has a seed
of their own, so a fold run alone gives the same numbers. A tie counts half.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from fergi.errors import TrainingError
from fergi.evaluation.as_published.thresholds import (
    SHARE_GRID,
    STEEPNESS_GRID,
    best_thresholds,
)
from fergi.evaluation.as_published.trial import Trial
from fergi.progress import Progress, unreported
from fergi.records.clip import Problem
from fergi.seeds import random_stream
from fergi.stages.preference import (
    FACE,
    PreferenceModel,
    known_sets,
    preference_log_odds,
    probability,
    set_index,
)
from fergi.stages.valence import (
    FauNet,
    Valence,
    au4_au12_valence,
    au4_valence,
    fau_net_valence,
)
from fergi.training.fusion import RankedPairs, ScoredPairs, fitted_fusion, scored_pairs
from fergi.training.ranked_reactions import RankedReactions
from fergi.training.valence_network import initial_networks, trained_networks

HeldOutValences = Float[np.ndarray, "held_out images"]
"""For each held-out participant, the valence of every reaction."""

ROOT_SEED = 0


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a study knows, before anything is learned from it.

    Attributes:
        images: The images of a study.
        reactions: Usable reactions to those that are ranked.
        scores: Key and scores of the images.
        scorers: Which of the scores to use.
    """

    images: pl.DataFrame
    reactions: RankedReactions
    scores: pl.DataFrame
    scorers: Sequence[str]

    def pairs(self) -> ScoredPairs:
        """Pair the ranked images."""
        return scored_pairs(self.images, self.reactions, self.scores, self.scorers)


def held_out_valences(
    reactions: RankedReactions, progress: Progress = unreported
) -> dict[Valence, HeldOutValences]:
    """Score every reaction, once for each participant held out.

    Args:
        reactions: Usable reactions to ranked images.
        progress: Told how many networks are trained.

    Returns:
        For each valence and held-out participant, the valence of all reactions: the
        held-out participant's own by a model of all others; the others' by a model that saw
        neither the held-out participant nor, for FAU-Net, their own half.

    Raises:
        TrainingError: If there are fewer than three participants.
    """
    if len(reactions.participants) < 3:
        raise TrainingError(
            f"{len(reactions.participants)} participants have ranked pairs with two usable faces "
            f"({', '.join(reactions.participants)}); holding one out, and splitting the others, "
            "needs at least 3"
        )
    return {
        Valence.AU4: _au4_valences(reactions),
        Valence.AU4_AU12: _au4_au12_valences(reactions),
        Valence.FAU_NET: network_valences(reactions, range(len(reactions.participants)), progress),
    }


def _au4_valences(reactions: RankedReactions) -> HeldOutValences:
    options = np.stack(
        [au4_valence(reactions.activations, steepness=c) for c in STEEPNESS_GRID], axis=1
    )
    return options[:, best_thresholds(Trial(reactions, {}), options).options].T


def _au4_au12_valences(reactions: RankedReactions) -> HeldOutValences:
    options = np.stack(
        [
            au4_au12_valence(reactions.activations, share=a, steepness=c)
            for c in STEEPNESS_GRID
            for a in SHARE_GRID
        ],
        axis=1,
    )
    return options[:, best_thresholds(Trial(reactions, {}), options).options].T


def network_valences(
    reactions: RankedReactions, held_out: Sequence[int], progress: Progress = unreported
) -> HeldOutValences:
    """Score every reaction by FAU-Net, for some participants held out.

    Args:
        reactions: Usable reactions to ranked images.
        held_out: Positions of the participants; each is independent of the others.
        progress: Told how many networks are trained.

    Returns:
        A row for each of them: their own reactions by a network of all others, the
        reactions of either half of the others by a network of the other half.
    """
    count = len(reactions.participants)
    halves = np.stack([_halves(count, participant) for participant in held_out])
    # All networks of one part after the other: those trained together see much the same.
    seen = np.concatenate([halves != 0, halves == 2, halves == 1])
    starts = [_start(reactions.participants[participant]) for participant in held_out] * 3
    networks = trained_networks(
        reactions, seen[:, reactions.pair_owners], progress=progress, initial=starts
    )
    scores = np.stack([fau_net_valence(reactions.activations, one) for one in networks])
    part = halves[:, reactions.owners]
    by_part = scores.reshape(3, len(held_out), -1)
    return np.take_along_axis(by_part, part[None], axis=0)[0]


def _halves(count: int, held_out: int) -> np.ndarray:
    """Number the part that each participant is in: 0 held out, 1 and 2 the halves."""
    parts = np.zeros(count, dtype=np.int64)
    others = np.delete(np.arange(count), held_out)
    parts[others] = 1 + np.arange(len(others)) % 2
    return parts


def _start(participant: str) -> FauNet:
    seed = int(random_stream(ROOT_SEED, "nested", participant).integers(2**31))
    return initial_networks(1, seed)[0]


def held_out_predictions(
    evidence: Evidence, valences: dict[Valence, HeldOutValences]
) -> tuple[pl.DataFrame, list[Problem]]:
    """Judge every ranked pair by models that never saw its participant.

    Args:
        evidence: A study with rankings.
        valences: What `held_out_valences` gives.

    Returns:
        A row for each method and pair: `valence`, `evidence` (face, scores, face+scores, or
        all: whatever is known), `has_face`, `participant`, `p_0`, `is_first_preferred`. Where
        nothing is known of a pair, or no weights could be learned from the others, `p_0` is
        null. Beside it, what could not be judged for lack of faces or of weights, or is judged
        too surely.
    """
    pairs = evidence.pairs()
    participants = dict.fromkeys(pairs.participants)

    def folds(valence: Valence) -> Iterator[_Fold]:
        for participant in participants:
            values = _seen_by(participant, evidence.reactions, valences[valence])
            yield _fold(pairs.with_valence(values), participant)

    # What scores weigh without a face depends on no valence: it is fitted once.
    without_face = [_fusion(fold, has_face=False) for fold in folds(next(iter(valences)))]
    tables, problems = [], _faceless(evidence)
    for valence in valences:
        for fold, scores_alone in zip(folds(valence), without_face, strict=True):
            fusion = _fusion(fold, has_face=True, face_is_calibrated=valence is Valence.FAU_NET)
            fusion = fusion.joined(scores_alone)
            tables.append(_fold_predictions(fold, valence, fusion))
            problems += fusion.problems(fold.participant)
    return pl.concat(tables), list(dict.fromkeys(problems))


def _seen_by(
    participant: str, reactions: RankedReactions, valences: HeldOutValences
) -> Float[np.ndarray, " images"]:
    """Give all valences for one participant held out; unknown if they show no pair of faces."""
    if participant not in reactions.participants:
        # Weights that a face takes part in judge pairs with faces, and this participant has none.
        return np.full(len(reactions.owners), np.nan)
    return valences[reactions.participants.index(participant)]


def unknown_pairs(evidence: Evidence) -> int:
    """Count the ranked pairs of which neither both faces nor any score is known."""
    pairs = evidence.pairs().with_valence(np.zeros(len(evidence.reactions.owners)))
    return int(np.isnan(pairs.differences).all(axis=1).sum())


def _faceless(evidence: Evidence) -> list[Problem]:
    """Name the participants who have ranked pairs, but none with two usable faces."""
    counts = Counter(evidence.pairs().participants)
    return [
        Problem(participant, f"none of {count} ranked pairs has two usable faces")
        for participant, count in counts.items()
        if participant not in evidence.reactions.participants
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Fold:
    """The pairs of the participant who is held out, and those of all others."""

    participant: str
    own: RankedPairs
    others: RankedPairs


def _fold(pairs: RankedPairs, participant: str) -> _Fold:
    is_held_out = pairs.participants == participant
    return _Fold(participant, pairs.where(is_held_out), pairs.where(~is_held_out))


@dataclass(frozen=True, slots=True, eq=False)
class _FoldFusion:
    """What was learned from all others.

    Attributes:
        model: Weights, 0 for sets of sources that could not be fitted.
        unfitted: Number of each such set, as `set_index` gives it → the reason.
        certain: What decides every pair of the others, so that weights say "certain".
    """

    model: PreferenceModel
    unfitted: Mapping[int, TrainingError]
    certain: Sequence[TrainingError]

    def joined(self, other: "_FoldFusion") -> "_FoldFusion":
        return _FoldFusion(
            self.model.joined(other.model),
            {**self.unfitted, **other.unfitted},
            [*self.certain, *other.certain],
        )

    def probabilities(
        self, differences: Float[np.ndarray, "pairs sources"]
    ) -> Float[np.ndarray, " pairs"]:
        """Judge pairs; NaN where nothing is known, or no weights are."""
        judged = probability(preference_log_odds(differences, self.model))
        is_unfitted = np.isin(known_sets(differences), list(self.unfitted))
        return np.where(is_unfitted, np.nan, judged)

    def problems(self, participant: str) -> Iterator[Problem]:
        for reason in self.unfitted.values():
            yield Problem(
                participant, f"some pairs cannot be judged: without this participant, {reason}"
            )
        for reason in self.certain:
            yield Problem(
                participant, f"pairs are judged too surely: without this participant, {reason}"
            )


def _fusion(fold: _Fold, *, has_face: bool, face_is_calibrated: bool = False) -> _FoldFusion:
    """Fit on all others, for the sets of sources with a face, or those without."""
    face = fold.own.sources.index(FACE)
    fitted = partial(fitted_fusion, fold.others, face_is_calibrated=face_is_calibrated)
    model = fitted(sets=())
    unfitted: dict[int, TrainingError] = {}
    certain: list[TrainingError] = []
    for chosen in _sets_in(fold.own):
        if (face in chosen) is not has_face:
            continue
        try:
            model = model.joined(fitted(sets=[chosen], tell=certain.append))
        except TrainingError as error:
            unfitted[set_index(chosen)] = error
    return _FoldFusion(model, unfitted, certain)


def _fold_predictions(fold: _Fold, valence: Valence, fusion: _FoldFusion) -> pl.DataFrame:
    """Judge the pairs of the one held out."""
    own = fold.own
    has_face = own.has_face
    return pl.concat(
        pl.DataFrame(
            {
                "valence": valence.value,
                "evidence": name,
                "has_face": has_face[chosen],
                "participant": own.participants[chosen],
                "p_0": pl.Series(fusion.probabilities(differences[chosen])).fill_nan(None),
                "is_first_preferred": own.is_first_preferred[chosen],
            },
            schema=_PREDICTIONS,
        )
        for name, differences, chosen in _views(own)
    )


_PREDICTIONS = {
    "valence": pl.String,
    "evidence": pl.String,
    "has_face": pl.Boolean,
    "participant": pl.String,
    "p_0": pl.Float64,
    "is_first_preferred": pl.Boolean,
}


def _sets_in(pairs: RankedPairs) -> list[tuple[int, ...]]:
    """List the sets of sources that some pair is judged by."""
    known = {
        tuple(np.flatnonzero(row).tolist())
        for _, differences, chosen in _views(pairs)
        for row in np.unique(~np.isnan(differences[chosen]), axis=0)
    }
    return sorted(known - {()})


def _views(
    pairs: RankedPairs,
) -> Iterator[tuple[str, Float[np.ndarray, "pairs sources"], Bool[np.ndarray, " pairs"]]]:
    """Look at the same pairs with only some of the evidence."""
    is_face = np.array([source == FACE for source in pairs.sources])
    everything = np.full(len(pairs.differences), True)
    yield "face", np.where(is_face, pairs.differences, np.nan), pairs.has_face
    if not is_face.all():
        yield "scores", np.where(is_face, np.nan, pairs.differences), everything
        yield "face+scores", pairs.differences, pairs.has_face
        yield "all", pairs.differences, everything
