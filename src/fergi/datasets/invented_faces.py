"""Pictures of invented people, as `fergi au synthesize` writes them, with what was planted."""

from pathlib import Path

import numpy as np
import polars as pl

from fergi.datasets.disfa import LabelledFaces
from fergi.datasets.unit_labels import Oddities
from fergi.errors import DatasetError
from fergi.files import read_table
from fergi.records.action_units import UNIT_NAMES
from fergi.records.labelled_faces import FaceSequence, OddityKind

INVENTED = "invented"

_TRUTH_FILE = "truth.parquet"
_PLAN_FILE = "plan.csv"
_COLUMNS = ("person", "picture", *UNIT_NAMES)


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
        truth = read_table(root / _TRUTH_FILE).select(_COLUMNS)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DatasetError(
            f"{root}: holds no invented people (no {_TRUTH_FILE} with the columns person, "
            "picture and the units); make them with: fergi au synthesize"
        ) from error
    oddities = Oddities()
    seed = _seed(root / _PLAN_FILE)
    sequences = [
        _sequence(root / str(person), rows, seed, oddities)
        for (person,), rows in truth.group_by("person", maintain_order=True)
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
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    known = rows.filter(pl.col("picture").is_in(list(there)))
    missing = len(rows) - len(known)
    place = f"{INVENTED}/{folder.name}"
    oddities.add(OddityKind.NO_PICTURE, place, missing, "left out")
    if known.is_empty():
        return None
    return FaceSequence(
        dataset=INVENTED,
        person=_person(folder.name, seed),
        name="pictures",
        source=folder,
        files=tuple(known["picture"]),
        frames=np.arange(len(known)),
        labels=known.select(UNIT_NAMES).to_numpy().astype(np.float64),
    )
