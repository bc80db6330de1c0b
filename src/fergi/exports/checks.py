"""What the checks of all formats share: tables, images, and the record of the export."""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from fergi.errors import brief
from fergi.exports.image_files import (
    IMAGE_FOLDER,
    UID_DIGITS,
    UnreadableImageError,
    content_uid,
    decoded_suffix,
)

READING_ERRORS = (OSError, ValueError, pl.exceptions.PolarsError)
"""What a file of broken contents raises, whichever its format."""

CONFIDENCE_RULES = {
    "confidence lies between 0.5 and 1": pl.col("confidence").is_between(0.5, 1, closed="right"),
}

PAIR_RULES = {
    "id is given once": pl.col("id").is_first_distinct(),
    "prompt is not blank": pl.col("prompt").str.strip_chars() != "",
    **CONFIDENCE_RULES,
}
"""Of formats with a row for each pair."""

_IMAGE_NAME = re.compile(rf"{IMAGE_FOLDER}/([0-9a-f]{{{UID_DIGITS}}})(\.png|\.jpg|\.webp)")


def unreadable(place: str, error: Exception) -> str:
    """Tell in one line that a file cannot be read."""
    return f"{place} cannot be read: {brief(error)}"


def table_problems(
    table: pl.DataFrame,
    place: str,
    schema: Mapping[str, Any],
    rules: Mapping[str, pl.Expr],
    *,
    nullable: Collection[str] = (),
) -> list[str]:
    """Compare a table with what its format asks for.

    Args:
        table: The table.
        place: What to call it.
        schema: Column → polars type (written as Any, for beartype cannot read the type of
            these types); all of them and no others must be there.
        rules: Statement → what is true of a row that obeys it; null disobeys.
        nullable: Columns that may hold nulls, and nothing but nulls.

    Returns:
        A line for each column, and then for each rule, that is broken.
    """
    wrong = _schema_problems(table, place, schema, nullable)
    return wrong or broken_rules(
        table,
        place,
        {f"{name} is given": pl.col(name).is_not_null() for name in schema if name not in nullable}
        | dict(rules),
    )


def _schema_problems(
    table: pl.DataFrame, place: str, schema: Mapping[str, Any], nullable: Collection[str]
) -> list[str]:
    found = dict(table.schema)
    return [
        *(f"{place}: the column {name} is missing" for name in schema if name not in found),
        *(f"{place}: the column {name} does not belong" for name in found if name not in schema),
        *(
            f"{place}: the column {name} is {found[name]}, not {dtype}"
            for name, dtype in schema.items()
            if name in found
            and found[name] != dtype
            and not (name in nullable and found[name] == pl.Null)
        ),
    ]


def broken_rules(table: pl.DataFrame, place: str, rules: Mapping[str, pl.Expr]) -> list[str]:
    """List the rules that some row disobeys, with the number of the first such row."""
    problems = []
    for statement, obeys in rules.items():
        disobeys = table.select((~obeys.fill_null(value=False)).alias("row"))["row"].arg_true()
        if len(disobeys):
            problems.append(
                f"{place}: the rule '{statement}' is broken in {len(disobeys)} rows, "
                f"first in row {disobeys[0] + 1}"
            )
    return problems


def image_problems(folder: Path, names: Collection[str]) -> list[str]:
    """Check the images that rows name, and that no others lie beside them.

    Args:
        folder: The export.
        names: Paths of images, relative to it.

    Returns:
        A line for each image that is missing, broken, misnamed or foreign.
    """
    wanted = sorted(set(names))
    problems = [problem for name in wanted if (problem := _image_problem(folder, name))]
    found = {path.relative_to(folder).as_posix() for path in (folder / IMAGE_FOLDER).rglob("*")}
    return [*problems, *(f"{name} belongs to no row" for name in sorted(found - set(wanted)))]


def _image_problem(folder: Path, name: str) -> str | None:
    parts = _IMAGE_NAME.fullmatch(name)
    if parts is None:
        return f"{name} is no name that an export gives to an image"
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        return unreadable(name, error)
    return content_problem(content, name, uid=parts[1], suffix=parts[2])


def content_problem(
    content: bytes, place: str, *, uid: str, suffix: str | None = None
) -> str | None:
    """Check that bytes are the image that they are said to be.

    Args:
        content: The bytes.
        place: What to call them.
        uid: The uid that they should have.
        suffix: The ending that their format should have, if that matters.

    Returns:
        What is wrong, or None.
    """
    try:
        found = decoded_suffix(content)
    except UnreadableImageError as error:
        return f"{place} {error}"
    if content_uid(content) != uid:
        return f"{place} holds another image than the one exported"
    return None if suffix in (None, found) else f"{place} is of the format {found[1:]}"


def record_problems(folder: Path, format_name: str, rows: int) -> list[str]:
    """Compare the rows found with what `fergi.json` says was written.

    Args:
        folder: The export.
        format_name: The format that it should have.
        rows: Number of rows found.

    Returns:
        A line for each difference.
    """
    try:
        record = json.loads((folder / "fergi.json").read_text(encoding="utf-8"))
        exported, written = record["settings"]["format"], record["summary"]["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [unreadable("fergi.json", error)]
    differences = {
        f"fergi.json tells of the format {exported}, not {format_name}": exported != format_name,
        f"fergi.json tells of {written} rows, but there are {rows}": written != rows,
        "README.md is missing": not (folder / "README.md").is_file(),
    }
    return [line for line, is_true in differences.items() if is_true]
