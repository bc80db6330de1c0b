"""The annotations that an export starts from: complete, consistent, without names."""

import hashlib

import polars as pl

from fergi.errors import AnnotationFileError
from fergi.records.preference import ANNOTATION_SCHEMA

NEEDED = (
    "pair_id",
    "participant",
    "prompt",
    "image_0",
    "image_1",
    "valence_0",
    "valence_1",
    "p_0",
    "preferred",
    "confidence",
    "source",
    "annotator",
)
"""The columns of an annotation that exports use."""

MODELS = ("model_0", "model_1")
"""Names of the models that made the images: passed on where the table has them."""

_ROUNDING = 1e-6
"""Tables written by other hands may hold rounded probabilities."""

_CONFIDENCE = pl.max_horizontal("p_0", 1 - pl.col("p_0"))

_RULES = {
    "pair_id is given, and once": pl.col("pair_id").is_not_null()
    & pl.col("pair_id").is_first_distinct(),
    "participant, images and source are given": pl.all_horizontal(
        pl.col("participant", "image_0", "image_1", "source").is_not_null()
    ),
    "valence is a number or null": pl.all_horizontal(
        pl.col("valence_0", "valence_1").is_finite().fill_null(value=True)
    ),
    "p_0 lies between 0 and 1": pl.col("p_0").is_between(0, 1),
    "preferred is 0, 1 or null": pl.col("preferred").is_in([0.0, 1.0]),
    "confidence is max(p_0, 1 - p_0)": ((pl.col("confidence") - _CONFIDENCE).abs() <= _ROUNDING),
    "preferred is the image of the higher probability": (
        pl.when(pl.col("preferred") == 0).then("p_0").otherwise(1 - pl.col("p_0")) >= 0.5
    )
    | pl.col("preferred").is_null(),
}


def checked_annotations(annotations: pl.DataFrame) -> pl.DataFrame:
    """Bring annotations into the shape that formats read, and refuse contradictions.

    Args:
        annotations: A table with the columns `NEEDED`, and any others.

    Returns:
        These columns, `confidence` without rounding, `MODELS`, and two numbers that carry
        no name and do not depend on what is dropped later: `number`, the row in the table,
        and `viewer`.

    Raises:
        AnnotationFileError: If columns are missing or hold other types, or a row
            contradicts itself or another one.
    """
    if not annotations.columns:  # as an empty .jsonl is read
        annotations = ANNOTATION_SCHEMA.to_frame()
    missing = [name for name in NEEDED if name not in annotations.columns]
    if missing:
        raise AnnotationFileError(
            f"the annotations lack the columns {', '.join(missing)}; "
            "give a table that 'fergi annotate' wrote"
        )
    table = _typed(annotations)
    for statement, obeys in _RULES.items():
        broken = table.filter(~obeys.fill_null(value=True))
        if len(broken):
            raise AnnotationFileError(
                f"pair {broken['pair_id'][0]}: the rule '{statement}' is broken, as in "
                f"{len(broken)} of {len(table)} pairs; correct the table or annotate again"
            )
    viewers = _viewer_numbers(table["participant"])
    return table.with_columns(
        pl.col("preferred").cast(pl.Int64),
        _CONFIDENCE.alias("confidence"),
        pl.int_range(pl.len()).alias("number"),
        pl.col("participant").replace_strict(viewers, return_dtype=pl.Int64).alias("viewer"),
    )


def _typed(annotations: pl.DataFrame) -> pl.DataFrame:
    # preferred as a float, for a cast to an integer would turn 0.5 into 0
    types = {name: ANNOTATION_SCHEMA[name] for name in NEEDED} | {"preferred": pl.Float64()}
    types |= dict.fromkeys(MODELS, pl.String())
    absent = [name for name in MODELS if name not in annotations.columns]
    try:
        return (
            annotations.with_columns(pl.lit(None).alias(name) for name in absent)
            .select(pl.col(name).cast(dtype) for name, dtype in types.items())
            .with_columns(pl.col(pl.Float64).fill_nan(None))
        )
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0]
        raise AnnotationFileError(
            f"the annotations hold a column of another type ({reason}); "
            "give a table that 'fergi annotate' wrote"
        ) from error


def _viewer_numbers(participants: pl.Series) -> dict[str, int]:
    # in the order of a hash, so that a number does not tell whose name comes first
    names = sorted(
        participants.unique(),
        key=lambda name: hashlib.sha256(name.encode()).digest(),
    )
    return {name: number for number, name in enumerate(names)}
