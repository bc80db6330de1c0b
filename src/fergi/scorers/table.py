"""Scores that a table holds already: computed elsewhere, or shipped with a data set."""

from pathlib import Path

import polars as pl

from fergi.errors import ScoresError, UsageError, brief
from fergi.files import read_table
from fergi.records.study import IMAGE_KEY, Study

FACE_COLUMN = "face"
"""Taken: it names the evidence that is not a scorer's."""
_NOTES = ("prompt", "path", "image_sha256", "reason")
"""Columns that `fergi score` writes beside the scores."""

FILE_NAMES = ("scores.parquet", "scores.csv", "scores.jsonl")
"""Where a study's scores are looked for, at its root; the first one found is read."""


def known_scores(study: Study, path: Path | None = None) -> pl.DataFrame:
    """Gather the scores of a study's images.

    Args:
        study: The study; the release brings its scores along.
        path: A table with the columns participant, session, image and one for each
            scorer. By default the one at the study's root, if there is any.

    Returns:
        A row for each image of the study, in its order: the key and a float column for
        each scorer, null where the table has no row or no number.

    Raises:
        ScoresError: If the table cannot be read, or lacks a key column, or names an
            image twice.
    """
    if path is None:
        path = next(
            (study.root / name for name in FILE_NAMES if (study.root / name).is_file()), None
        )
    if path is None:
        return study.scores
    table = _scores_in(path)
    shared = [name for name in table.columns if name in study.scores.columns[len(IMAGE_KEY) :]]
    return study.scores.drop(shared).join(
        table, on=IMAGE_KEY, how="left", maintain_order="left", validate="1:1"
    )


def _scores_in(path: Path) -> pl.DataFrame:
    try:
        table = read_table(path, text_columns=("participant",))
    except (OSError, pl.exceptions.PolarsError, UsageError) as error:
        raise ScoresError(
            f"{path}: is no table of scores ({brief(error)}); give one with the columns "
            f"{', '.join(IMAGE_KEY)}, and one for each scorer"
        ) from error
    missing = [name for name in IMAGE_KEY if name not in table.columns]
    if missing:
        raise ScoresError(f"{path}: lacks the columns {', '.join(missing)}; add them")
    scorers = [name for name in table.columns if name not in (*IMAGE_KEY, *_NOTES)]
    texts = [name for name in scorers if not table.schema[name].is_numeric()]
    if texts:
        raise ScoresError(f"{path}: the columns {', '.join(texts)} hold no numbers; correct them")
    if FACE_COLUMN in scorers:
        raise ScoresError(f"{path}: a scorer cannot be named '{FACE_COLUMN}'; rename the column")
    infinite = [name for name in scorers if table[name].cast(pl.Float64).is_infinite().any()]
    if infinite:
        raise ScoresError(f"{path}: the columns {', '.join(infinite)} hold infinity; correct them")
    table = table.select(
        pl.col("participant").cast(pl.String),
        pl.col("session", "image").cast(pl.Int64, strict=False),
        *(pl.col(name).cast(pl.Float64).fill_nan(None) for name in scorers),
    )
    twice = table.filter(table.select(IMAGE_KEY).is_duplicated()).head(1)
    if len(twice):
        raise ScoresError(f"{path}: names the image {twice.row(0)[:3]} twice; keep one row")
    return table
