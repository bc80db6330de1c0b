"""Pairs as an `imagefolder`, in the columns of the Hub's binarised preference sets.

Source: `data-is-better-together/open-image-preferences-v1-binarized`; the loader turns every
`<x>_file_name` into an image column `<x>`.
"""

from pathlib import Path

import polars as pl

from fergi.exports.checks import (
    PAIR_RULES,
    READING_ERRORS,
    image_problems,
    table_problems,
    unreadable,
)
from fergi.exports.contract import ExportFormat, ExportSettings, Findings, Written
from fergi.exports.image_files import copy_images
from fergi.exports.selection import chosen_first, selected_pairs
from fergi.files import write_table

FILE_NAME = "metadata.jsonl"

SCHEMA = pl.Schema(
    {
        "chosen_file_name": pl.String(),
        "rejected_file_name": pl.String(),
        "id": pl.Int64(),
        "prompt": pl.String(),
        "chosen_model": pl.String(),
        "rejected_model": pl.String(),
        "probability": pl.Float64(),
        "confidence": pl.Float64(),
        "source": pl.String(),
        "viewer": pl.Int64(),
    }
)

_RULES = {
    "the images differ": pl.col("chosen_file_name") != pl.col("rejected_file_name"),
    "probability lies between 0.5 and 1": pl.col("probability").is_between(0.5, 1, closed="right"),
    "confidence is the probability of the chosen image": (
        (pl.col("confidence") - pl.col("probability")).abs() < 1e-6
    ),
    **PAIR_RULES,
}


def write(
    annotations: pl.DataFrame, images: Path, folder: Path, settings: ExportSettings
) -> Written:
    """Write `images/` and `metadata.jsonl`, a line for each pair."""
    selection = selected_pairs(annotations, images, settings)
    pairs = selection.rows
    copy_images(selection.files, [*pairs["image_0"], *pairs["image_1"]], folder)
    rows = chosen_first(pairs).select(
        pl.col("chosen_name").alias("chosen_file_name"),
        pl.col("rejected_name").alias("rejected_file_name"),
        pl.col("number").alias("id"),
        "prompt",
        "chosen_model",
        "rejected_model",
        pl.when(pl.col("preferred") == 0)
        .then("p_0")
        .otherwise(1 - pl.col("p_0"))
        .alias("probability"),
        "confidence",
        "source",
        "viewer",
    )
    write_table(rows.cast(SCHEMA), folder / FILE_NAME)
    return selection.written


def check(folder: Path) -> Findings:
    """Check the lines of `metadata.jsonl` and every image."""
    try:
        table = pl.read_ndjson(folder / FILE_NAME, infer_schema_length=None)
    except READING_ERRORS as error:
        return Findings(0, [unreadable(FILE_NAME, error)])
    problems = table_problems(
        table, FILE_NAME, SCHEMA, _RULES, nullable=("chosen_model", "rejected_model")
    )
    if not problems:
        problems = image_problems(
            folder, [*table["chosen_file_name"], *table["rejected_file_name"]]
        )
    return Findings(len(table), problems)


FORMAT = ExportFormat(
    name="hf-binarized",
    description="Chosen and rejected images with metadata.jsonl, for Hugging Face datasets.",
    front_matter="""\
configs:
- config_name: default
  data_files:
  - split: train
    path:
    - metadata.jsonl
    - images/*
""",
    write=write,
    check=check,
)
