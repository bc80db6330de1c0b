"""Pictures of invented people, as `fergi au synthesize` writes them, with what was planted."""

from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float

from fergi.datasets.disfa import LabelledFaces
from fergi.datasets.face_folders import (
    PICTURE_ENDINGS,
    note_extras,
    note_unread,
    shown_names,
)
from fergi.datasets.unit_labels import MAX_INTENSITY, Oddities
from fergi.errors import DatasetError
from fergi.files import read_table
from fergi.records.action_units import UNIT_NAMES
from fergi.records.labelled_faces import FaceSequence, OddityKind

INVENTED = "invented"

_TRUTH_FILE = "truth.parquet"
_PLAN_FILE = "plan.csv"
_PROVENANCE_FILE = f"{_TRUTH_FILE}.json"


def read_invented_faces(root: Path) -> LabelledFaces:
    """Read invented people: a sequence each.

    A person is whom the seed and the name of a folder give: the same in two sets of one seed,
    and someone else in a set of another.

    Args:
        root: The folder with `truth.parquet`, `plan.csv`, and a folder of pictures for each
            person. Without a plan nobody was drawn, and people are called as their folders.

    Raises:
        DatasetError: If a table cannot be read, or is another one.
    """
    try:
        truth = read_table(root / _TRUTH_FILE).select(
            pl.col("person", "picture").cast(pl.String), pl.col(UNIT_NAMES).cast(pl.Float64)
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DatasetError(
            f"{root}: holds no invented people (no {_TRUTH_FILE} with the columns person, "
            "picture and the units, as numbers); make them with: fergi au synthesize"
        ) from error
    oddities = Oddities()
    seed = _seed(root / _PLAN_FILE)
    people = truth.partition_by("person", maintain_order=True, as_dict=True)
    known = {_TRUTH_FILE, _PROVENANCE_FILE, _PLAN_FILE, *(str(name) for (name,) in people)}
    note_extras(root, known, INVENTED, oddities)
    sequences = [
        _sequence(root / str(name), rows, seed, oddities) for (name,), rows in people.items()
    ]
    return LabelledFaces(tuple(one for one in sequences if one), tuple(oddities.found))


def _seed(plan: Path) -> int:
    if not plan.exists():
        return 0
    try:
        return int(read_table(plan)["seed"].item())
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        raise DatasetError(
            f"{plan}: does not tell the seed that people were drawn from; remove it, and run "
            "again the fergi au synthesize that made the folder"
        ) from error


def _person(name: str, seed: int) -> str:
    """Name a person apart from those of other seeds; 0, the usual one, goes without saying."""
    return f"seed-{seed}-{name}" if seed else name


def _sequence(
    folder: Path, rows: pl.DataFrame, seed: int, oddities: Oddities
) -> FaceSequence | None:
    place = f"{INVENTED}/{folder.name}"
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    there = [path.name for path in entries if path.is_file()]
    rows = _first_of_each(rows, place, oddities)
    is_there = pl.col("picture").is_in(there)
    missing = rows.filter(~is_there)["picture"].to_list()
    oddities.add(OddityKind.NO_PICTURE, place, len(missing), f"{shown_names(missing)}; left out")
    known = {_TRUTH_FILE, *rows["picture"]}
    _note_others({path for path in entries if path.name not in known}, place, oddities)
    rows = rows.filter(is_there)
    if rows.is_empty():
        return None
    return FaceSequence(
        dataset=INVENTED,
        person=_person(folder.name, seed),
        name="pictures",
        source=folder,
        files=tuple(rows["picture"]),
        frames=np.arange(len(rows)),
        labels=_intensities(rows, place, oddities),
    )


def _first_of_each(rows: pl.DataFrame, place: str, oddities: Oddities) -> pl.DataFrame:
    """Take one row of each picture."""
    is_first = rows["picture"].is_first_distinct()
    again = rows.filter(~is_first)["picture"]
    detail = f"{shown_names(again)}; the first row counts"
    oddities.add(OddityKind.REPEATED_FRAME, place, len(again), detail)
    return rows.filter(is_first)


def _note_others(others: set[Path], place: str, oddities: Oddities) -> None:
    """Note pictures without labels, and what is no picture."""
    pictures = {path for path in others if path.suffix.lower() in PICTURE_ENDINGS}
    names = shown_names(sorted(path.name for path in pictures))
    oddities.add(OddityKind.NO_LABEL, place, len(pictures), f"{names}; left out")
    note_unread(others - pictures, place, oddities)


def _intensities(
    rows: pl.DataFrame, place: str, oddities: Oddities
) -> Float[np.ndarray, "pictures units"]:
    """Give the labels; NaN for whatever is no intensity."""
    labels = rows.select(UNIT_NAMES).to_numpy().astype(np.float64)
    is_outside = (labels < 0) | (labels > MAX_INTENSITY)
    pictures = rows["picture"].to_numpy()[np.any(is_outside, axis=1)]
    detail = f"of {shown_names(pictures)}; counted as not labelled"
    oddities.add(OddityKind.OUT_OF_RANGE, place, int(is_outside.sum()), detail)
    return np.where(is_outside, np.nan, labels)
