"""Valence and text-to-image scores → a probability for every pair of images.

The model is a logistic regression on differences, without intercept: what image 0 gains by
an advantage, image 1 gains by the same advantage, and equal evidence gives one half. Evidence
may be missing, so there is one such regression for each set of sources, and a pair is judged
by the one that was fitted on just what is known of both its images.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from fergi.errors import WeightsError
from fergi.records.study import IMAGE_KEY

FACE = "face"
"""The source that valence is; every other source is the name of a scorer."""


@dataclass(frozen=True, slots=True, eq=False)
class PreferenceModel:
    """Log odds of a preference, as a weighted sum of differences, for each set of sources.

    Attributes:
        sources: `"face"` and the names of scorers.
        weights: A row for each set of sources, by its bits (source i is in set s if bit i
            of s is 1): weights per unit of each source, 0 outside the set. Row 0, the
            empty set, is all 0.
    """

    sources: tuple[str, ...]
    weights: Float[np.ndarray, "sets sources"]

    def __post_init__(self) -> None:
        if self.weights.shape != (2 ** len(self.sources), len(self.sources)):
            raise WeightsError(
                f"weights of shape {self.weights.shape} do not fit the sources {self.sources}; "
                "give a file that 'fergi train fusion' wrote"
            )
        if not np.isfinite(self.weights).all():
            raise WeightsError("a weight of the fusion is not finite; train it again")

    @classmethod
    def from_tensors(
        cls, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str], valence: str
    ) -> "PreferenceModel":
        """Take the weights for one valence from a file of the fusion.

        Raises:
            WeightsError: If the file lacks them.
        """
        sources = tuple(metadata.get("sources", "").split(","))
        if FACE not in sources or valence not in tensors:
            raise WeightsError(
                f"the file holds no fusion for the valence '{valence}'; "
                "give one that 'fergi train fusion' wrote"
            )
        return cls(sources, tensors[valence])

    def restricted(self, sources: Sequence[str]) -> "PreferenceModel":
        """Keep some of the sources, in the given order."""
        kept = [self.sources.index(source) for source in sources]
        rows = [
            set_index([position for bit, position in enumerate(kept) if chosen >> bit & 1])
            for chosen in range(2 ** len(kept))
        ]
        return type(self)(tuple(sources), self.weights[np.ix_(rows, kept)])

    def joined(self, other: "PreferenceModel") -> "PreferenceModel":
        """Add the weights of a model that holds other sets of the same sources."""
        return type(self)(self.sources, self.weights + other.weights)


def source_sets(count: int) -> Iterator[tuple[int, ...]]:
    """List the non-empty sets of sources, as positions, smaller sets first."""
    for size in range(1, count + 1):
        yield from combinations(range(count), size)


def set_index(positions: Sequence[int]) -> int:
    """Number a set of sources: the row of its weights in a model."""
    return sum(1 << position for position in positions)


def image_pairs(images: pl.DataFrame) -> pl.DataFrame:
    """Pair the images of each session.

    Args:
        images: A row for each valid image, with its key columns and any others, sorted.

    Returns:
        A row for each unordered pair, sorted: participant, session, and the other columns
        twice, with the suffixes `_0` (the image of the lower number) and `_1`.
    """
    session = list(IMAGE_KEY[:2])
    others = [name for name in images.columns if name not in session]
    # Only row numbers are joined; all other columns are looked up for the pairs that remain.
    rows = images.select(*IMAGE_KEY).with_row_index("row")
    pairs = (
        rows.join(rows, on=session, suffix="_1")
        .filter(pl.col("image") < pl.col("image_1"))
        .sort(*session, "image", "image_1")
    )
    first = images[pairs["row"]].rename({name: f"{name}_0" for name in others})
    second = images[pairs["row_1"]].select(pl.col(others).name.suffix("_1"))
    return first.hstack(second)


def preference_log_odds(
    differences: Float[np.ndarray, "pairs sources"], model: PreferenceModel
) -> Float[np.ndarray, " pairs"]:
    """Weigh the evidence for image 0 against image 1.

    Args:
        differences: What image 0 has more of than image 1, for each source of the model in
            its order; NaN where a source is missing for either image.
        model: The weights.

    Returns:
        Log odds that image 0 is preferred; NaN where nothing is known.

    Example:
        >>> model = PreferenceModel(("face",), np.array([[0.0], [1.0]]))
        >>> preference_log_odds(np.array([[0.5], [-0.5], [np.nan]]), model)
        array([ 0.5, -0.5,  nan])
    """
    known_set = known_sets(differences)
    log_odds = (np.nan_to_num(differences) * model.weights[known_set]).sum(axis=1)
    return np.where(known_set == 0, np.nan, log_odds)


def known_sets(differences: Float[np.ndarray, "pairs sources"]) -> Int[np.ndarray, " pairs"]:
    """Number the set of sources that is known of each pair, as `set_index` does."""
    numbers: Int[np.ndarray, " pairs"] = ~np.isnan(differences) @ (
        1 << np.arange(differences.shape[1])
    )
    return numbers


def evidence_names(
    differences: Float[np.ndarray, "pairs sources"], sources: Sequence[str]
) -> list[str]:
    """Tell what each pair is judged by: face, scores, both or none."""
    is_known = ~np.isnan(differences)
    is_face = np.array([source == FACE for source in sources], dtype=bool)
    has_face = is_known[:, is_face].any(axis=1)
    has_scores = is_known[:, ~is_face].any(axis=1)
    names = np.array([["none", "scores"], ["face", "face+scores"]])
    chosen: list[str] = names[has_face.astype(int), has_scores.astype(int)].tolist()
    return chosen


def probability(log_odds: Float[np.ndarray, " pairs"]) -> Float[np.ndarray, " pairs"]:
    """Turn log odds into probabilities, 0 to 1; NaN stays NaN."""
    return 0.5 * (1 + np.tanh(0.5 * log_odds))


def score_columns(scorers: Sequence[str], taken: Collection[str]) -> dict[str, str]:
    """Choose the columns in which scores stand beside all else that is known of an image.

    Args:
        scorers: Names of scores.
        taken: Columns that are there already.

    Returns:
        Scorer → its own name, or another where that is taken.

    Example:
        >>> score_columns(["pickscore", "rank"], ["image", "rank"])
        {'pickscore': 'pickscore', 'rank': 'score rank'}
    """
    return {
        # A scorer may bear the prefix itself: then it gets a second one.
        name: f"{_SCORE}{name}" if name in taken or name.startswith(_SCORE) else name
        for name in scorers
    }


_SCORE = "score "


def with_scores(
    images: pl.DataFrame, scores: pl.DataFrame, columns: Mapping[str, str]
) -> pl.DataFrame:
    """Join scores to images, sorted by image.

    Args:
        images: Key and other facts of each image.
        scores: Key and scores of the images.
        columns: What `score_columns` gives for the scores that are wanted.
    """
    named = (pl.col(name).alias(column) for name, column in columns.items())
    return images.join(scores.select(*IMAGE_KEY, *named), on=IMAGE_KEY, how="left").sort(IMAGE_KEY)


def source_differences(
    pairs: pl.DataFrame, columns: Mapping[str, str]
) -> Float[np.ndarray, "pairs sources"]:
    """Subtract image 1 from image 0 for each source.

    Args:
        pairs: What `image_pairs` gives.
        columns: Source → the column, without suffix, that holds its values.

    Returns:
        The differences, NaN where a value is missing.
    """
    differences = np.empty((len(pairs), len(columns)))
    for place, column in enumerate(columns.values()):
        apart = pairs[f"{column}_0"] - pairs[f"{column}_1"]
        differences[:, place] = apart.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return differences
