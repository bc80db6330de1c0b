"""A compact store of prepared faces: a few large files in place of some 300,000 small ones.

```text
store/
  recipe.json                        how the pictures were prepared, and its SHA-256
  shards/<sequence>-<number>.safetensors    some hundred pictures each, with labels
  faces.parquet                      a row for each picture; written last
  oddities.csv                       what was odd about the data
```

Shards are mapped into memory: any picture is one copy away, and nothing is decoded.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float, Int

from fergi.datasets.face_folders import shown_names
from fergi.datasets.face_shards import (
    FACE_SIZE,
    MEASURES,
    PICTURES_IN_SHARD,
    Pictures,
    mapped_array,
)
from fergi.errors import DatasetError, OutputError, UsageError, brief
from fergi.files import read_table, replacing, write_table
from fergi.provenance import fingerprint, settings_hash
from fergi.records.action_units import UNIT_NAMES
from fergi.records.labelled_faces import FaceSequence, Oddity, OddityKind

_RECIPE, _TABLE, _ODDITIES, _SHARDS = "recipe.json", "faces.parquet", "oddities.csv", "shards"
_COLUMNS = ("dataset", "person", "sequence", "frame", *MEASURES, *UNIT_NAMES, "shard", "row")
_PREPARE_AGAIN = "run fergi au prepare again, it goes on where it was"


@dataclass(frozen=True, slots=True)
class FaceStore:
    """The folder of a store, whether complete or not.

    Attributes:
        root: The folder.
    """

    root: Path

    def begin(self, recipe: Mapping[str, Any]) -> str:
        """Note how pictures are prepared, or compare with what is noted.

        Returns:
            The SHA-256 of the recipe.

        Raises:
            UsageError: If the folder holds pictures of another recipe.
            OutputError: If the folder cannot be written.
        """
        note = self.root / _RECIPE
        wanted = settings_hash(recipe)
        if not note.exists():
            with replacing(note) as file:
                record = {"recipe": dict(recipe), "sha256": wanted}
                file.write(json.dumps(record, indent=2).encode() + b"\n")
        elif self.recipe_sha256() != wanted:
            raise UsageError(
                f"{self.root}: holds faces that were prepared in another way (see {_RECIPE}); "
                "choose another folder, or remove this one"
            )
        return wanted

    def recipe_sha256(self) -> str:
        """Tell how the pictures of this folder are prepared.

        Raises:
            DatasetError: If that is not noted.
        """
        note = self.root / _RECIPE
        try:
            return str(json.loads(note.read_text(encoding="utf-8"))["sha256"])
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DatasetError(
                f"{self.root}: holds no prepared faces (no {_RECIPE}); "
                "make it with: fergi au prepare"
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{note}: cannot be read, or is damaged ({brief(error)}); remove this file, and "
                "run fergi au prepare again, which prepares anew what does not fit"
            ) from error

    def require_datasets(self, datasets: Collection[str]) -> None:
        """Check that nothing in the folder is of a data set that is not prepared now.

        Raises:
            UsageError: If the table would lose a data set.
        """
        others = {path.name.partition("-")[0] for path in self._shards()} - set(datasets)
        if others:
            raise UsageError(
                f"{self.root}: also holds faces of {shown_names(sorted(others))}, which the store "
                "would lose; name all its data sets in one command, or choose another folder"
            )

    def unused_shards(self, sequences: Sequence[FaceSequence]) -> list[Oddity]:
        """Name what an earlier preparation left of sequences that are not there any more.

        Args:
            sequences: All that are prepared now.
        """
        used = {path for sequence in sequences for path in self.shard_paths(sequence)}
        names = sorted(path.name for path in self._shards() if path not in used)
        detail = (
            f"{shown_names(names)}; not used: remove them, or give again what they were made of"
        )
        place = str(self.root / _SHARDS)
        return [Oddity(OddityKind.EXTRA_FILE, place, len(names), detail)] if names else []

    def _shards(self) -> list[Path]:
        return list((self.root / _SHARDS).glob("[!.]*.safetensors"))

    def shard_paths(self, sequence: FaceSequence) -> list[Path]:
        """Name the files of a sequence, one for each part."""
        parts = range(0, len(sequence.frames), PICTURES_IN_SHARD)
        return [self.shard_path(sequence, number) for number in range(len(parts))]

    def shard_path(self, sequence: FaceSequence, number: int) -> Path:
        """Name the file of a part of a sequence."""
        name = f"{sequence.dataset}-{sequence.person}-{sequence.name}-{number:03d}.safetensors"
        return self.root / _SHARDS / name

    def withdraw_table(self) -> None:
        """Remove the table, before a shard that it may speak of is written.

        A preparation that is stopped then leaves a store that is plainly not complete.

        Raises:
            OutputError: If the disk refuses.
        """
        try:
            (self.root / _TABLE).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot remove {self.root / _TABLE}: {brief(error)}; allow it, or choose another "
                "folder, then run the same command again"
            ) from error

    def finish(
        self, shards: Sequence[tuple[FaceSequence, Path]], oddities: Sequence[Oddity]
    ) -> pl.DataFrame:
        """Write the table of all pictures, and what was odd.

        Args:
            shards: Every shard, and the sequence that it is of.
            oddities: Of the whole data.

        Returns:
            The table.

        Raises:
            DatasetError: If there is no picture; what was odd is written all the same.
            OutputError: If a file cannot be written.
        """
        odd = [asdict(oddity) | {"kind": oddity.kind.value} for oddity in oddities]
        schema = {"kind": pl.String, "place": pl.String, "count": pl.Int64, "detail": pl.String}
        write_table(pl.DataFrame(odd, schema=schema), self.root / _ODDITIES)
        parts = [_shard_table(sequence, path) for sequence, path in shards]
        if not sum(map(len, parts)):
            raise DatasetError(
                f"{self.root}: not one picture shows a face that could be prepared; the reasons "
                f"are in {_ODDITIES} in there"
            )
        table = pl.concat(parts)
        write_table(table, self.root / _TABLE)
        return table


@dataclass(frozen=True, slots=True, eq=False)
class PreparedFaces:
    """Faces that a network can learn from.

    Attributes:
        table: A row for each picture: `dataset`, `person`, `sequence`, `frame`, `MEASURES`,
            and the units, null where not labelled.
        labels: The units as an array; NaN where not labelled.
        fingerprint: SHA-256 of how they were prepared, and of the table.
    """

    table: pl.DataFrame
    labels: Float[np.ndarray, "pictures units"]
    fingerprint: str
    _maps: tuple[np.ndarray, ...] = field(repr=False)
    _places: Int[np.ndarray, "pictures 2"] = field(repr=False)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def people(self) -> tuple[str, ...]:
        """Everyone who is seen, in order."""
        return tuple(sorted(self.table["person"].unique()))

    def pictures(self, rows: Int[np.ndarray, " wanted"]) -> Pictures:
        """Copy the pictures of some rows."""
        found = np.empty((len(rows), FACE_SIZE, FACE_SIZE, 3), dtype=np.uint8)
        for place, (shard, position) in enumerate(self._places[rows].tolist()):
            found[place] = self._maps[shard][position]
        return found

    def where(self, condition: pl.Expr) -> "PreparedFaces":
        """Take the pictures whose rows meet a condition."""
        kept = self.table.select(condition.fill_null(value=False).alias("kept"))["kept"].to_numpy()
        return replace(
            self,
            table=self.table.filter(kept),
            labels=self.labels[kept],
            _places=self._places[kept],
        )


def prepared_faces(root: Path) -> PreparedFaces:
    """Open a store.

    Raises:
        DatasetError: If it is not complete, or a file of it is missing, cut off, or of another
            preparation than the others.
    """
    recipe = FaceStore(root).recipe_sha256()
    table = _table(root)
    parts = table.partition_by("shard", maintain_order=True)
    maps = tuple(_pictures_of(rows, root) for rows in parts)
    numbers = np.repeat(np.arange(len(parts)), [len(rows) for rows in parts])
    table = pl.concat(parts)
    places = np.column_stack([numbers, table["row"].to_numpy()])
    facts = table.drop("shard", "row")
    labels = facts.select(UNIT_NAMES).fill_null(np.nan).to_numpy()
    return PreparedFaces(facts, labels, f"{recipe}-{fingerprint(facts)}", maps, places)


def _table(root: Path) -> pl.DataFrame:
    try:
        return read_table(root / _TABLE).select(_COLUMNS)
    except (OSError, pl.exceptions.PolarsError) as error:
        is_there = not isinstance(error, FileNotFoundError)
        what = f"cannot be read: {brief(error)}" if is_there else "is missing"
        raise DatasetError(
            f"{root}: is not complete ({_TABLE} {what}); {_PREPARE_AGAIN}"
        ) from error


def _pictures_of(rows: pl.DataFrame, root: Path) -> np.ndarray:
    """Map the pictures of a shard, which must be those that the table speaks of."""
    path = root / _SHARDS / rows["shard"][0]
    pictures, there = mapped_array(path), _shard_rows(path)
    if len(pictures) != len(rows) or not rows.select(there.columns).equals(there):
        raise DatasetError(
            f"{root}: is not complete ({path.name} holds other pictures or labels than {_TABLE} "
            f"says); {_PREPARE_AGAIN}"
        )
    return pictures


def joined_faces(stores: Sequence[PreparedFaces]) -> PreparedFaces:
    """Put several stores together, such as invented faces and those of DISFA.

    A picture that is in several of them, as in two sets of one seed, counts once.

    Raises:
        UsageError: If they were not prepared in the same way, or one is given twice.
    """
    if len(stores) == 1:
        return stores[0]
    if len({store.fingerprint for store in stores}) < len(stores):
        raise UsageError("two of the stores hold the same faces; give each store once")
    if len({store.fingerprint.partition("-")[0] for store in stores}) > 1:
        raise UsageError(
            "the stores were not prepared in the same way, and a network would learn to tell them "
            "apart; prepare them anew with the same fergi and face model"
        )
    starts = np.cumsum([0, *(len(store._maps) for store in stores[:-1])])
    places = [
        store._places + np.array([start, 0]) for store, start in zip(stores, starts, strict=True)
    ]
    table = pl.concat([store.table for store in stores], how="vertical_relaxed")
    joined = PreparedFaces(
        table,
        np.concatenate([store.labels for store in stores]),
        "+".join(store.fingerprint for store in stores),
        tuple(mapped for store in stores for mapped in store._maps),
        np.concatenate(places),
    )
    return joined.where(pl.struct(table.columns).is_first_distinct())


def _shard_table(sequence: FaceSequence, path: Path) -> pl.DataFrame:
    table = _shard_rows(path).with_columns(
        dataset=pl.lit(sequence.dataset),
        person=pl.lit(sequence.person),
        sequence=pl.lit(sequence.name),
    )
    return table.select(_COLUMNS)


def _shard_rows(path: Path) -> pl.DataFrame:
    """Read what a shard tells of its pictures."""
    tensors = {name: mapped_array(path, name) for name in ("frames", "labels", "measures")}
    count = len(tensors["frames"])
    columns: dict[str, Any] = {"frame": np.array(tensors["frames"])}
    columns |= {name: np.array(tensors["measures"][:, at]) for at, name in enumerate(MEASURES)}
    columns |= {name: np.array(tensors["labels"][:, at]) for at, name in enumerate(UNIT_NAMES)}
    columns |= {"shard": [path.name] * count, "row": np.arange(count)}
    table = pl.DataFrame(columns, schema_overrides={"shard": pl.String})
    return table.with_columns(pl.col(UNIT_NAMES).fill_nan(None))
