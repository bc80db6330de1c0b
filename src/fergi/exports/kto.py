"""Single images, liked or disliked: what Diffusion-KTO trains on.

Valence is compared within a viewer, since one face moves more than another: its distance from
the mean of the viewer's images, in standard deviations, decides. Images near the mean are
left out.

The trainer's README asks for `file_path, caption, label`, its code reads `file_name, caption,
split`, and its plain loader reads `file_name, caption, label` of 0 and 1 in another file; so
there are two files that serve all three.

Source: readme and `train_kto_sd_v1.5.py` of jacklishufan/diffusion-kto.
"""

from pathlib import Path
from statistics import NormalDist

import polars as pl

from fergi.exports.checks import (
    CONFIDENCE_RULES,
    READING_ERRORS,
    image_problems,
    table_problems,
    unreadable,
)
from fergi.exports.contract import ExportFormat, ExportSettings, Findings, Written
from fergi.exports.image_files import copy_images, image_files
from fergi.exports.selection import HAS_PROMPT, Selection, sifted, with_image_names
from fergi.files import read_table, write_table

PLAIN_FILE = "metadata.csv"
PICK_FILE = "train_processed_v3.csv"

SCHEMA = pl.Schema(
    {
        "file_name": pl.String(),
        "file_path": pl.String(),
        "caption": pl.String(),
        "label": pl.Int64(),
        "split": pl.String(),
        "confidence": pl.Float64(),
        "valence": pl.Float64(),
        "valence_z": pl.Float64(),
        "viewer": pl.Int64(),
    }
)
"""The columns of both files; `label` repeats `split` in the second one."""

_TEXTS = ("file_name", "file_path", "caption", "split", "label")

_IS_LIKED = pl.col("valence_z") > 0

_SPLIT = pl.when(_IS_LIKED).then(pl.lit("exclusive_win")).otherwise(pl.lit("exclusive_lose"))

_RULES = {
    "an image is given once for each viewer and caption": pl.struct(
        "file_name", "viewer", "caption"
    ).is_first_distinct(),
    "caption is not blank": pl.col("caption").str.strip_chars() != "",
    "file_path is file_name": pl.col("file_path") == pl.col("file_name"),
    "numbers are finite": pl.all_horizontal(pl.col("valence", "valence_z").is_finite()),
    "split says on which side of the viewer's mean valence_z is": pl.col("split") == _SPLIT,
    **CONFIDENCE_RULES,
}

_PLAIN_RULES = {
    "label is 1 for a positive valence_z, else 0": pl.col("label") == _IS_LIKED.cast(pl.Int64)
}
_PICK_RULES = {"label is split": pl.col("label") == pl.col("split")}


def write(
    annotations: pl.DataFrame, images: Path, folder: Path, settings: ExportSettings
) -> Written:
    """Write `images/`, `metadata.csv` and `train_processed_v3.csv`."""
    selection = _selected_images(annotations, images, settings)
    copy_images(selection.files, selection.rows["image"], folder)
    rows = selection.rows.select(
        pl.col("name").alias("file_name"),
        pl.col("name").alias("file_path"),
        pl.col("prompt").alias("caption"),
        _IS_LIKED.alias("label"),
        _SPLIT.alias("split"),
        "confidence",
        "valence",
        "valence_z",
        "viewer",
    ).cast(SCHEMA)
    write_table(rows, folder / PLAIN_FILE)
    write_table(rows.with_columns(pl.col("split").alias("label")), folder / PICK_FILE)
    return selection.written


def _selected_images(
    annotations: pl.DataFrame, images: Path, settings: ExportSettings
) -> Selection:
    seen = _images_seen(annotations)
    measured, unmeasured = sifted(seen, _MEASURED)
    files, problems = image_files(measured["image"], images)
    named = with_image_names(measured, files, "").with_columns(_IS_FIRST.alias("is_first"))
    rows, dropped = sifted(named, _conditions(settings))
    needed = {*rows["image"]}
    rows, lost = sifted(
        rows,
        {
            "that cannot be used": pl.col("uid").is_not_null(),
            "shown to the same viewer before": pl.col("is_first"),
        },
    )
    return Selection(
        rows,
        files,
        len(seen),
        unmeasured | dropped | lost,
        tuple(problem for problem in problems if problem.place in needed),
    )


_MEASURED = {
    "without valence": pl.col("valence").is_not_null(),
    "of a viewer whose valence never varies": pl.col("valence_z").is_not_null(),
}
_IS_FIRST = pl.struct("viewer", "uid", "prompt").is_first_distinct()
"""Told of all that was measured: a showing that leaves a viewer unmoved is the first too."""


def _conditions(settings: ExportSettings) -> dict[str, pl.Expr]:
    return {
        f"within {settings.dead_zone:g} standard deviations of the viewer's mean": (
            (pl.col("valence_z").abs() >= settings.dead_zone) & (pl.col("valence_z") != 0)
        ),
        f"of a confidence below {settings.min_confidence:g}": (
            pl.col("confidence") >= settings.min_confidence
        ),
        "without a prompt": HAS_PROMPT,
    }


def _images_seen(annotations: pl.DataFrame) -> pl.DataFrame:
    """Give each image that a viewer saw one row, with its valence among the viewer's others."""
    sides = [
        annotations.select(
            "number",
            "viewer",
            "prompt",
            pl.col(f"image_{side}").alias("image"),
            pl.col(f"valence_{side}").alias("valence"),
        )
        for side in (0, 1)
    ]
    seen = pl.concat(sides).sort("number", maintain_order=True)
    valence = pl.col("valence")
    # equal values may have a mean that differs from them by rounding, hence the range
    varies = (valence.max() - valence.min()).over("viewer") > 0
    return (
        seen.unique(["viewer", "image"], keep="first", maintain_order=True)
        .with_columns(
            valence_z=pl.when(varies).then(
                (valence - valence.mean().over("viewer")) / valence.std(ddof=0).over("viewer")
            )
        )
        .with_columns(confidence=_confidence(pl.col("valence_z")))
    )


def _confidence(valence_z: pl.Expr) -> pl.Expr:
    """Read a distance from the mean as a probability, as if valence were normal."""
    return valence_z.abs().map_elements(NormalDist().cdf, return_dtype=pl.Float64)


def check(folder: Path) -> Findings:
    """Check both files, that they agree, and every image."""
    try:
        plain = read_table(folder / PLAIN_FILE, text_columns=_TEXTS[:-1])
        pick = read_table(folder / PICK_FILE, text_columns=_TEXTS)
    except READING_ERRORS as error:
        return Findings(0, [unreadable(f"{PLAIN_FILE} or {PICK_FILE}", error)])
    problems = _table_problems(plain, pick)
    if not problems:
        problems = image_problems(folder, plain["file_name"].to_list())
    return Findings(len(plain), problems)


def _table_problems(plain: pl.DataFrame, pick: pl.DataFrame) -> list[str]:
    pick_schema = pl.Schema({**SCHEMA, "label": pl.String()})
    problems = [
        *table_problems(plain, PLAIN_FILE, SCHEMA, _RULES | _PLAIN_RULES),
        *table_problems(pick, PICK_FILE, pick_schema, _RULES | _PICK_RULES),
    ]
    if not problems and not plain.drop("label").equals(pick.drop("label")):
        problems.append(f"{PLAIN_FILE} and {PICK_FILE} do not hold the same rows")
    return problems


FORMAT = ExportFormat(
    name="kto",
    description="Single images, liked or disliked, with metadata.csv, for Diffusion-KTO.",
    front_matter="""\
configs:
- config_name: default
  data_files:
  - split: train
    path:
    - metadata.csv
    - images/*
""",
    write=write,
    check=check,
)
