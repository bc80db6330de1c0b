"""Pairs as HPDv3 writes them: what HPSv3 trains on, the better image first.

`choice_dist` is made of the two probabilities, for want of votes: with `soft_label` the
trainer takes its greater part as the label.

Source: `MizzenAI/HPDv3`; `PairwiseOriginalDataset` of the HPSv3 repository.
"""

import json
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
from fergi.files import replacing

FILE_NAME = "train.json"

SCHEMA = pl.Schema(
    {
        "prompt": pl.String(),
        "path1": pl.String(),
        "path2": pl.String(),
        "confidence": pl.Float64(),
        "choice_dist": pl.List(pl.Float64()),
        "id": pl.Int64(),
        "viewer": pl.Int64(),
        "source": pl.String(),
    }
)

_RULES = {
    "the images differ": pl.col("path1") != pl.col("path2"),
    "choice_dist holds the two probabilities, the better one first": (
        (pl.col("choice_dist").list.len() == 2)
        & ((pl.col("choice_dist").list.sum() - 1).abs() < 1e-6)
        & (
            (pl.col("choice_dist").list.get(0, null_on_oob=True) - pl.col("confidence")).abs()
            < 1e-6
        )
    ),
    **PAIR_RULES,
}


def write(
    annotations: pl.DataFrame, images: Path, folder: Path, settings: ExportSettings
) -> Written:
    """Write `images/` and `train.json`, with paths relative to the folder."""
    selection = selected_pairs(annotations, images, settings)
    pairs = selection.rows
    copy_images(selection.files, [*pairs["image_0"], *pairs["image_1"]], folder)
    rows = chosen_first(pairs).select(
        "prompt",
        pl.col("chosen_name").alias("path1"),
        pl.col("rejected_name").alias("path2"),
        "confidence",
        pl.concat_list("confidence", 1 - pl.col("confidence")).alias("choice_dist"),
        pl.col("number").alias("id"),
        "viewer",
        "source",
    )
    with replacing(folder / FILE_NAME) as file:
        file.write(json.dumps(rows.to_dicts(), ensure_ascii=False, indent=1).encode() + b"\n")
    return selection.written


def check(folder: Path) -> Findings:
    """Check the entries of `train.json` and every image."""
    try:
        table = pl.read_json(folder / FILE_NAME, infer_schema_length=None)
    except READING_ERRORS as error:
        return Findings(0, [unreadable(FILE_NAME, error)])
    problems = table_problems(table, FILE_NAME, SCHEMA, _RULES)
    if not problems:
        problems = image_problems(folder, [*table["path1"], *table["path2"]])
    return Findings(len(table), problems)


FORMAT = ExportFormat(
    name="hpdv3",
    description="Better and worse image with a confidence in train.json, for HPSv3.",
    front_matter="""\
configs:
- config_name: default
  data_files:
  - split: train
    path: train.json
""",
    write=write,
    check=check,
)
