"""Reactions with known rankings: what the valence network and the fusion learn from."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Bool, Float, Int

from fergi.errors import TrainingError
from fergi.records.action_units import UNIT_NAMES
from fergi.records.clip import ClipKind
from fergi.records.study import IMAGE_KEY
from fergi.stages.preference import image_pairs


@dataclass(frozen=True, slots=True, eq=False)
class RankedReactions:
    """Usable reactions to ranked images, and the pairs that their rankings decide.

    Attributes:
        images: Key and rank of each image, sorted; a row for each reaction.
        activations: Its activation values.
        participants: Names, in order; each has a pair.
        owners: Position of each reaction's participant in `participants`.
        pairs: Rows of the better and the worse image of each decided pair.
    """

    images: pl.DataFrame
    activations: Float[np.ndarray, "images units"]
    participants: tuple[str, ...]
    owners: Int[np.ndarray, " images"]
    pairs: Int[np.ndarray, "pairs 2"]

    @property
    def pair_owners(self) -> Int[np.ndarray, " pairs"]:
        """Position of each pair's participant in `participants`."""
        return self.owners[self.pairs[:, 0]]

    def leave_one_out(self) -> Bool[np.ndarray, "participants pairs"]:
        """For each participant, which pairs remain when they are held out."""
        return self.pair_owners != np.arange(len(self.participants))[:, None]


def ranked_reactions(images: pl.DataFrame, activations: pl.DataFrame) -> RankedReactions:
    """Join rankings and reactions.

    Args:
        images: The images of a study.
        activations: What `fergi.pipeline.activation_table` gives.

    Returns:
        Usable reactions to ranked images, in the order of participant, session and image;
        those of participants without any pair are left out.

    Raises:
        TrainingError: If no pair has both a ranking and two usable faces.
    """
    usable = activations.filter(pl.col("kind") == ClipKind.REACTION.value).drop_nulls()
    rows = (
        images.select(*IMAGE_KEY, "rank")
        .drop_nulls()
        .join(usable.select(*IMAGE_KEY, *UNIT_NAMES), on=IMAGE_KEY)
        .sort(IMAGE_KEY)
    )
    rows = rows.join(_decided_pairs(rows), on="participant", how="semi", maintain_order="left")
    pairs = _decided_pairs(rows)
    if pairs.is_empty():
        raise TrainingError(
            f"of {len(images)} images, {images['rank'].count()} are ranked and "
            f"{len(usable)} reactions show a usable face, but no pair has both; "
            "a network needs ranked pairs: give rankings in data.json"
        )
    is_first_better = pl.col("rank_0") < pl.col("rank_1")
    better = pl.when(is_first_better).then("row_0").otherwise("row_1")
    worse = pl.when(is_first_better).then("row_1").otherwise("row_0")
    names = rows["participant"].unique(maintain_order=True)
    owners = rows["participant"].rank("dense").to_numpy().astype(np.int64) - 1
    return RankedReactions(
        images=rows.select(*IMAGE_KEY, "rank"),
        activations=rows.select(UNIT_NAMES).to_numpy(),
        participants=tuple(names),
        owners=owners,
        pairs=pairs.select(better.alias("better"), worse.alias("worse"))
        .to_numpy()
        .astype(np.int64),
    )


def _decided_pairs(rows: pl.DataFrame) -> pl.DataFrame:
    """Pair reactions to images of different rank; `row_0` and `row_1` are their rows."""
    numbered = rows.select(*IMAGE_KEY, "rank").with_row_index("row")
    return image_pairs(numbered).filter(pl.col("rank_0") != pl.col("rank_1"))
