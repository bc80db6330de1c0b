"""What publications on DISFA and DISFA+ agreed on: folds, and neutral pictures."""

import tomllib
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Int

from fergi.datasets.disfa import DISFA, DISFA_PLUS
from fergi.datasets.prepared_faces import PreparedFaces

_KEY = ("dataset", "person", "sequence")


def published_folds() -> tuple[tuple[str, ...], ...]:
    """Give the usual three folds of the 27 people of DISFA."""
    return tuple(tuple(fold) for fold in _protocol()["folds"]["three"])


def neutral_rows(faces: PreparedFaces) -> Int[np.ndarray, " pictures"]:
    """Find a neutral picture for each picture.

    It is of the same person, and of the same sequence where that has one: in DISFA and DISFA+
    the frame that was published; where that is not there, the first in which every labelled
    unit rests.

    Returns:
        Row of each picture's neutral one; −1 where the person has none.
    """
    table = faces.table.select(*_KEY, "frame").with_row_index("row")
    is_resting = (np.nan_to_num(faces.labels) < 0.5).all(axis=1)
    resting = table.filter(is_resting & ~np.isnan(faces.labels).all(axis=1))
    choices = [
        (_published_rows(table), _KEY),
        (_published_rows(table), _KEY[:2]),
        (resting, _KEY),
        (resting, _KEY[:2]),
        (resting, _KEY[1:2]),
    ]
    for number, (chosen, key) in enumerate(choices):
        first = chosen.group_by(key, maintain_order=True).agg(
            pl.col("row").first().alias(f"neutral_{number}")
        )
        table = table.join(first, on=key, how="left", maintain_order="left")
    names = [f"neutral_{number}" for number in range(len(choices))]
    found = table.select(pl.coalesce(names).cast(pl.Int64).fill_null(-1).alias("neutral"))
    return found["neutral"].to_numpy()


def _published_rows(table: pl.DataFrame) -> pl.DataFrame:
    """Take the rows of the published neutral frames that are there."""
    frames = _protocol()["neutral"]
    of_cameras = pl.struct("person", "frame").is_in(
        [{"person": person, "frame": frame} for person, frame in frames[DISFA].items()]
    )
    of_trials = pl.struct("person", "sequence", "frame").is_in(
        [
            {"person": person, "sequence": trial, "frame": frame}
            for person, (trial, frame) in frames[DISFA_PLUS].items()
        ]
    )
    return table.filter(
        (pl.col("dataset").eq(DISFA) & of_cameras) | (pl.col("dataset").eq(DISFA_PLUS) & of_trials)
    )


@cache
def _protocol() -> dict[str, Any]:
    source = resources.files("fergi.datasets") / "descriptions" / "disfa_protocol.toml"
    return tomllib.loads(source.read_text(encoding="utf-8"))
