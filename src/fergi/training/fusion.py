"""The fusion of face and text-to-image scores, learned from rankings.

For each set of sources, a logistic regression without intercept on the differences of all
ranked pairs for which those sources are known, in both orders. The valence of a participant's
reactions comes from a network that was trained without that participant; otherwise the face
would look more telling than it is.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int
from scipy.optimize import linprog
from sklearn.linear_model import LogisticRegression

from fergi.errors import ScoresError, TrainingError
from fergi.progress import Progress, unreported
from fergi.records.study import IMAGE_KEY
from fergi.stages.preference import (
    FACE,
    PreferenceModel,
    image_pairs,
    probability,
    score_columns,
    set_index,
    source_differences,
    source_sets,
    with_scores,
)
from fergi.stages.valence import Valence, au4_au12_valence, au4_valence, fau_net_valence
from fergi.training.ranked_reactions import RankedReactions
from fergi.training.valence_network import PUBLISHED_RECIPE, Recipe, trained_networks


@dataclass(frozen=True, slots=True, eq=False)
class RankedPairs:
    """Ranked pairs, and what each source says of them.

    Attributes:
        sources: The columns of `differences`.
        differences: What image 0 has more of than image 1; NaN where unknown.
        is_first_preferred: Whether image 0 has the better rank.
        participants: Whose pair it is.
    """

    sources: tuple[str, ...]
    differences: Float[np.ndarray, "pairs sources"]
    is_first_preferred: Bool[np.ndarray, " pairs"]
    participants: np.ndarray

    @property
    def has_face(self) -> Bool[np.ndarray, " pairs"]:
        """Whether the valence of both images is known."""
        return ~np.isnan(self.differences[:, self.sources.index(FACE)])

    def where(self, chosen: Bool[np.ndarray, " pairs"]) -> "RankedPairs":
        """Keep some of the pairs."""
        return RankedPairs(
            self.sources,
            self.differences[chosen],
            self.is_first_preferred[chosen],
            self.participants[chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class ScoredPairs:
    """Ranked pairs and what the scores say of them, before a valence is chosen.

    Attributes:
        scorers: The columns of `differences`.
        differences: What image 0 scores more than image 1; NaN where unknown.
        reactions: Rows of the reactions to both images; −1 where there is none.
        is_first_preferred: Whether image 0 has the better rank.
        participants: Whose pair it is.
    """

    scorers: tuple[str, ...]
    differences: Float[np.ndarray, "pairs scorers"]
    reactions: Int[np.ndarray, "pairs 2"]
    is_first_preferred: Bool[np.ndarray, " pairs"]
    participants: np.ndarray

    def with_valence(self, valence: Float[np.ndarray, " reactions"]) -> RankedPairs:
        """Put the valence of each reaction beside the scores."""
        first, second = np.append(valence, np.nan)[self.reactions].T
        return RankedPairs(
            sources=(FACE, *self.scorers),
            differences=np.column_stack([first - second, self.differences]),
            is_first_preferred=self.is_first_preferred,
            participants=self.participants,
        )


def out_of_fold_valence(
    reactions: RankedReactions,
    valence: Valence,
    recipe: Recipe = PUBLISHED_RECIPE,
    progress: Progress = unreported,
) -> Float[np.ndarray, " images"]:
    """Score each reaction by a valence that was not fitted to its participant.

    Args:
        reactions: Usable reactions to ranked images.
        valence: Which score; those of versions 1 and 2 have the paper's fixed parameters.
        recipe: How the networks are trained.
        progress: Told how many networks are trained.

    Returns:
        The valence of each reaction.

    Raises:
        TrainingError: If there is only one participant.
    """
    if valence is Valence.AU4:
        return au4_valence(reactions.activations)
    if valence is Valence.AU4_AU12:
        return au4_au12_valence(reactions.activations)
    if len(reactions.participants) < 2:
        raise TrainingError(
            f"only participant '{reactions.participants[0]}' has ranked reactions; the fusion "
            "needs at least 2, to score each by a network that has not seen them"
        )
    networks = trained_networks(reactions, reactions.leave_one_out(), recipe, progress)
    by_network = np.stack([fau_net_valence(reactions.activations, one) for one in networks])
    return by_network[reactions.owners, np.arange(len(reactions.owners))]


def fusion_pairs(
    images: pl.DataFrame,
    reactions: RankedReactions,
    valence: Float[np.ndarray, " reactions"],
    scores: pl.DataFrame,
    scorers: Sequence[str],
) -> RankedPairs:
    """Pair ranked images, and put face and scores side by side; see `scored_pairs`.

    Args:
        images: The images of a study.
        reactions: Usable reactions to some of them.
        valence: The valence of each reaction.
        scores: Key and scores of the images.
        scorers: Which scores to use.
    """
    return scored_pairs(images, reactions, scores, scorers).with_valence(valence)


def scored_pairs(
    images: pl.DataFrame, reactions: RankedReactions, scores: pl.DataFrame, scorers: Sequence[str]
) -> ScoredPairs:
    """Pair ranked images within their sessions.

    Args:
        images: The images of a study.
        reactions: Usable reactions to some of them.
        scores: Key and scores of the images.
        scorers: Which scores to use.

    Returns:
        Every pair whose ranks differ, also those without a face, sorted by session.

    Raises:
        ScoresError: If a scorer is not among the scores.
    """
    missing = [name for name in scorers if name not in scores.drop(IMAGE_KEY).columns]
    if missing:
        raise ScoresError(
            f"the study has no scores of {', '.join(missing)}; compute them with: fergi score, "
            "put them into scores.csv at its root, or name others, or none, with --scores"
        )
    faces = reactions.images.select(IMAGE_KEY).with_row_index("reaction")
    ranked = (
        images.select(*IMAGE_KEY, "rank").drop_nulls("rank").join(faces, on=IMAGE_KEY, how="left")
    )
    columns = score_columns(scorers, ranked.columns)
    pairs = image_pairs(with_scores(ranked, scores, columns)).filter(
        pl.col("rank_0") != pl.col("rank_1")
    )
    rows = pairs.select(pl.col("reaction_0", "reaction_1").cast(pl.Int64).fill_null(-1))
    return ScoredPairs(
        scorers=tuple(scorers),
        differences=source_differences(pairs, columns),
        reactions=rows.to_numpy(),
        is_first_preferred=(pairs["rank_0"] < pairs["rank_1"]).to_numpy(),
        participants=pairs["participant"].to_numpy(),
    )


Tell = Callable[[TrainingError], None]


def _refuse(error: TrainingError) -> None:
    raise error


def fitted_fusion(
    pairs: RankedPairs,
    *,
    face_is_calibrated: bool,
    sets: Iterable[Sequence[int]] | None = None,
    tell: Tell = _refuse,
) -> PreferenceModel:
    """Fit the weights of every set of sources.

    Args:
        pairs: What to learn from.
        sets: Positions of the sources in each set that is wanted; by default all sets.
        face_is_calibrated: Whether differences of valence are log odds already, as those
            of FAU-Net are; then the face alone keeps weight 1.
        tell: Told of a set that decides every pair; unless it raises, the weights are those
            that make every pair all but certain.

    Returns:
        The model.

    Raises:
        TrainingError: If a set of sources is known for no pair, or decides every pair.
    """
    weights = np.zeros((2 ** len(pairs.sources), len(pairs.sources)))
    for chosen in source_sets(len(pairs.sources)) if sets is None else sets:
        names = [pairs.sources[position] for position in chosen]
        differences, labels = _known_pairs(pairs, chosen, names)
        is_calibrated = face_is_calibrated and names == [FACE]
        found = 1.0 if is_calibrated else _fitted_weights(differences, labels, names, tell)
        weights[set_index(chosen), list(chosen)] = found
    return PreferenceModel(pairs.sources, weights)


def _known_pairs(
    pairs: RankedPairs, chosen: Sequence[int], names: Sequence[str]
) -> tuple[Float[np.ndarray, "known chosen"], Bool[np.ndarray, " known"]]:
    """Keep the pairs for which a set of sources is known."""
    differences = pairs.differences[:, list(chosen)]
    is_known = ~np.isnan(differences).any(axis=1)
    if not is_known.any():
        raise TrainingError(
            f"no ranked pair has {', '.join(names)} for both its images; "
            "name with --scores only what the study holds"
        )
    same = [
        name
        for name, values in zip(names, differences[is_known].T, strict=True)
        if not values.any()
    ]
    if same:
        raise TrainingError(
            f"{', '.join(same)} never differs between two images that are ranked; "
            "leave it out with --scores"
        )
    return differences[is_known], pairs.is_first_preferred[is_known]


def _fitted_weights(
    differences: Float[np.ndarray, "known chosen"],
    labels: Bool[np.ndarray, " known"],
    names: Sequence[str],
    tell: Tell,
) -> Float[np.ndarray, " chosen"]:
    scales = _scales(differences)
    standardised = differences / scales
    both_orders = np.concatenate([standardised, -standardised])
    model = LogisticRegression(
        C=np.inf, fit_intercept=False, tol=1e-10, max_iter=1000, solver="newton-cholesky"
    )
    with warnings.catch_warnings():
        # Whether the fit can be used is judged below, in the words of this field.
        warnings.simplefilter("ignore")
        model.fit(both_orders, np.concatenate([labels, ~labels]))
    advantages = np.where(labels[:, None], standardised, -standardised)
    _judge_fit(advantages, model.coef_[0], names, tell)
    fitted: Float[np.ndarray, " chosen"] = model.coef_[0] / scales
    return fitted


def _scales(differences: Float[np.ndarray, "known chosen"]) -> Float[np.ndarray, " chosen"]:
    """Give the spread of each source, or its size where all its differences are the same."""
    spreads, sizes = differences.std(axis=0), np.sqrt((differences**2).mean(axis=0))
    return np.where(spreads > _LEAST_SPREAD * sizes, spreads, sizes)


def _judge_fit(
    advantages: Float[np.ndarray, "known chosen"],
    weights: Float[np.ndarray, " chosen"],
    names: Sequence[str],
    tell: Tell,
) -> None:
    """Check that weights are the likeliest ones, and that there are such weights.

    Args:
        advantages: What the preferred image has more of, standardised.
        weights: What was found for it.
        names: Of the sources.
        tell: Told if there are none.
    """
    log_odds = advantages @ weights
    slopes = probability(-log_odds) @ advantages / len(advantages)
    is_fit = np.abs(slopes).max() < _MOST_SLOPE
    # Nothing decides every pair unless it makes some pair all but certain.
    if (not is_fit or log_odds.max() > _ALL_BUT_CERTAIN) and _decides_every_pair(advantages):
        alone = [
            name
            for name, own in zip(names, advantages.T, strict=True)
            if _decides_every_pair(own[:, None])
        ]
        tell(
            TrainingError(
                f"{' with '.join(alone[:1] or names)} decides each of {len(advantages)} ranked "
                "pairs that it tells apart, so no weight is large enough; if it was made from the "
                "rankings, leave it out with --scores, and if not, name fewer scores or give more "
                "rankings"
            )
        )
    elif not is_fit:
        raise TrainingError(
            f"no weights were found for {', '.join(names)}; name fewer scores with --scores"
        )


def _decides_every_pair(advantages: Float[np.ndarray, "known chosen"]) -> bool:
    """Tell whether some weights find the preferred image better in no pair wrongly.

    The likelihood of a logistic regression has a maximum unless there are such weights: then
    the larger they are, the likelier the rankings.

    Source:
        Albert & Anderson (1984), On the existence of maximum likelihood estimates in logistic
        regression models, Biometrika 71.
    """
    found = linprog(
        -advantages.mean(axis=0), A_ub=-advantages, b_ub=np.zeros(len(advantages)), bounds=(-1, 1)
    )
    return bool(-found.fun > _LEAST_ADVANTAGE)


_LEAST_SPREAD = 1e-6
"""Of a source's size: differences that spread less are the same but for rounding."""
_MOST_SLOPE = 1e-6
"""Of the mean log likelihood at its maximum; the solver stops at 1e-10."""
_ALL_BUT_CERTAIN = 9.0
"""Log odds: one error in 8,000. Where a source decides every pair, the solver goes beyond."""
_LEAST_ADVANTAGE = 1e-6
"""In the mean, standardised; the linear programme keeps its bounds to 1e-7."""
