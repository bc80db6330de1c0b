"""Tables of text-to-image scores that lie with a study, or are named by the user."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from fergi.errors import ScoresError, UsageError, brief
from fergi.files import read_table
from fergi.records.clip import Problem
from fergi.records.study import IMAGE_KEY, Study

FACE_COLUMN = "face"
"""Taken: it names the evidence that is not a scorer's."""
_NOTES = ("prompt", "path", "image_sha256", "reason")
"""Columns that `fergi score` writes beside the scores."""

FILE_NAMES = ("scores.parquet", "scores.csv", "scores.jsonl")
"""Where a study's scores are looked for, at its root; the first one found is read."""


def score_files(root: Path) -> list[Path]:
    """List the tables of scores at the root of a study: the first is read, if there is any."""
    return [root / name for name in FILE_NAMES if (root / name).is_file()]


def read_scores(path: Path) -> pl.DataFrame:
    """Read a table of scores.

    Args:
        path: A table with the columns participant, session, image and one for each scorer.

    Returns:
        These columns: scores as floats, null where the table is empty or says nan.

    Raises:
        ScoresError: If it cannot be read, lacks a key column, names an image twice or not at
            all, or holds something else than finite numbers.
    """
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
    table = table.filter(~pl.all_horizontal(pl.all().is_null()))  # blank lines of a CSV
    scorers = [name for name in table.columns if name not in (*IMAGE_KEY, *_NOTES)]
    if FACE_COLUMN in scorers:
        raise ScoresError(f"{path}: a scorer cannot be named '{FACE_COLUMN}'; rename the column")
    keys = _keys(path, table)
    return keys.hstack([_numbers(path, keys, table[name]) for name in scorers])


def _keys(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    keys = table.select(
        pl.col("participant").cast(pl.String),
        *(_whole_numbers(table[name]) for name in IMAGE_KEY[1:]),
    )
    for name in IMAGE_KEY:
        if keys[name].null_count():
            row = table.select(IMAGE_KEY).filter(keys[name].is_null()).row(0)
            raise ScoresError(
                f"{path}: names the image {row}, without a {name} that is known; correct the row: "
                "session and image are whole numbers, as the 1 of session_1 and image1.png"
            )
    twice = keys.filter(keys.is_duplicated())
    if len(twice):
        raise ScoresError(f"{path}: names the image {twice.row(0)} twice; keep one row")
    return keys


def _whole_numbers(column: pl.Series) -> pl.Series:
    """Read numbers of sessions or images: null where there is no whole number."""
    if column.dtype == pl.String:
        column = column.str.strip_chars()
    if column.dtype.is_float():
        column = column.set(column != column.round(), None)
    return column.cast(pl.Int64, strict=False)


def _numbers(path: Path, keys: pl.DataFrame, column: pl.Series) -> pl.Series:
    """Read the scores of one scorer, also where some of them were written as text."""
    said = _said(column)
    numbers = said.cast(pl.Float64, strict=False)
    wrong = (numbers.is_null() & said.is_not_null()) | numbers.is_infinite()
    if wrong.any():
        row = wrong.arg_true()[0]
        raise ScoresError(
            f"{path}: the {column.name} of {keys.row(row)} is {column[row]!r}, no finite number; "
            "correct it, or leave it empty"
        )
    return numbers


def _said(column: pl.Series) -> pl.Series:
    """Leave out what stands for nothing: blanks and NaN."""
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        return text.set(text.str.to_lowercase().is_in(["", "nan"]), None)
    return column.fill_nan(None) if column.dtype.is_float() else column


def score_file_problems(study: Study) -> Iterator[Problem]:
    """Name what is doubtful about the tables of scores at the root of a study.

    A table that cannot be read at all is refused where its scores are needed.
    """
    found = score_files(study.root)
    for other in found[1:]:
        yield Problem(other.name, f"is not read, since {found[0].name} is there; keep one of them")
    try:
        yield from unmatched_rows(study, found[0]) if found else ()
    except ScoresError:
        return


def unmatched_rows(study: Study, path: Path) -> Iterator[Problem]:
    """Name how many rows of a table of scores are of no image of a study.

    Raises:
        ScoresError: If the table cannot be used at all.
    """
    table = read_scores(path)
    others = table.join(study.images, on=IMAGE_KEY, how="anti", maintain_order="left")
    if len(others):
        yield Problem(
            path.name,
            f"{len(others)} of {len(table)} rows match no image of the study, such as "
            f"{others.row(0)[:3]}; correct participant, session and image, or take them out",
        )
