"""What a version is tried on: reactions, scores, and how pairs are counted."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from fergi.records.study import IMAGE_KEY
from fergi.training.ranked_reactions import RankedReactions

SCORES = {
    "CLIP_score": "clip",
    "Aesthetic_score": "untrained_aesthetic",
    "BLIP_score": "untrained_blip",
    "ImageReward_score": "imagereward",
    "PickScore": "pickscore",
    "HPS_V2_score": "hpsv2",
}
"""Published name → ours. Oddity 1: the second and third are random."""


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Reactions, and the scores of their images, that one version is tried on.

    Attributes:
        reactions: Usable reactions to ranked images.
        scores: Published name → score of each reaction's image.
    """

    reactions: RankedReactions
    scores: Mapping[str, Float[np.ndarray, " images"]]

    @property
    def folds(self) -> int:
        """How many participants there are to hold out."""
        return len(self.reactions.participants)

    def is_right(self, scores: Float[np.ndarray, "images options"]) -> Bool[np.ndarray, "pairs n"]:
        """Tell which pairs each column of scores gets right; a tie is wrong (oddity 3)."""
        better, worse = self.reactions.pairs.T
        return scores[better] > scores[worse]

    def right_by_participant(
        self, is_right: Bool[np.ndarray, "pairs options"]
    ) -> Int[np.ndarray, "participants options"]:
        """Count the pairs of each participant that are right."""
        ends = np.searchsorted(self.reactions.pair_owners, np.arange(self.folds + 1))
        counts = np.zeros((self.folds, is_right.shape[1]), dtype=np.int64)
        has_pairs = np.diff(ends) > 0
        starts = ends[:-1][has_pairs]
        counts[has_pairs] = np.add.reduceat(is_right, starts, axis=0, dtype=np.int64)
        return counts

    def pairs_by_participant(self) -> Int[np.ndarray, " participants"]:
        """Count the pairs of each participant."""
        return np.bincount(self.reactions.pair_owners, minlength=self.folds)


def trial(reactions: RankedReactions, scores: pl.DataFrame) -> Trial:
    """Look up the scores of the images that were reacted to."""
    table = reactions.images.join(scores, on=IMAGE_KEY, how="left", maintain_order="left")
    return Trial(reactions, {name: table[ours].to_numpy() for name, ours in SCORES.items()})


def standardised(given: Trial, name: str) -> Float[np.ndarray, "folds images"]:
    """Standardise a score, for each fold by mean and sample deviation of all others."""
    values = given.scores[name]
    is_other = given.reactions.owners != np.arange(given.folds)[:, None]
    means = np.array([values[chosen].mean() for chosen in is_other])
    deviations = np.array([values[chosen].std(ddof=1) for chosen in is_other])
    return (values - means[:, None]) / deviations[:, None]
