"""Scores that a table holds already: computed elsewhere, or shipped with a data set."""

from pathlib import Path

import polars as pl

from fergi.datasets.score_tables import read_scores, score_files
from fergi.errors import ScoresError
from fergi.records.study import IMAGE_KEY, Study


def known_scores(study: Study, path: Path | None = None) -> pl.DataFrame:
    """Gather the scores of a study's images.

    Args:
        study: The study; the release brings its scores along.
        path: A table with the columns participant, session, image and one for each
            scorer. By default the one at the study's root, if there is any.

    Returns:
        A row for each image of the study, in its order: the key and a float column for
        each scorer. Where the table has no row or no number, the score is the one that the
        study brings, or null.

    Raises:
        ScoresError: If the table cannot be read, lacks a key column, names an image twice, or
            is named by `path` and has no image of the study.
    """
    if path is None:
        found = score_files(study.root)
        if not found:
            return study.scores
        return _joined(study.scores, read_scores(found[0]))
    table = read_scores(path)
    if len(table) and table.join(study.images, on=IMAGE_KEY, how="semi").is_empty():
        raise ScoresError(
            f"{path}: none of its {len(table)} rows match an image of the study, such as "
            f"{table.row(0)[:3]}, where the study has {study.images.select(IMAGE_KEY).row(0)}; "
            "correct the table"
        )
    return _joined(study.scores, table)


def _joined(brought: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Put the scores of a table beside those that the study brings, and before them."""
    names = table.columns[len(IMAGE_KEY) :]
    shared = [name for name in names if name in brought.columns]
    both = brought.join(
        table, on=IMAGE_KEY, how="left", maintain_order="left", validate="1:1", suffix=_GIVEN
    )
    given = [pl.coalesce(f"{name}{_GIVEN}", name).alias(name) for name in shared]
    return both.with_columns(given).select(*brought.drop(shared).columns, *names)


_GIVEN = " given"
