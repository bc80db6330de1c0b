"""The files of a store of prepared faces: some hundred pictures each, with their labels."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from jaxtyping import Float, Int, UInt8

from fergi.errors import DatasetError
from fergi.files import replacing
from fergi.records.labelled_faces import Oddity, OddityKind

FACE_SIZE = 112
"""Pixels along a side of a prepared face."""

MEASURES = ("face_confidence", "pitch_ratio", "yaw_ratio")
"""What is kept of each picture beside its pixels."""

PICTURES_IN_SHARD = 512

_DESCRIPTION = "fergi"

Pictures = UInt8[np.ndarray, "pictures 112 112 3"]


@dataclass(frozen=True, slots=True, eq=False)
class Shard:
    """Prepared pictures of a part of a sequence.

    Attributes:
        pictures: RGB.
        frames: Number of each picture in its sequence.
        labels: Intensities; NaN where a unit is not labelled.
        measures: Those of `MEASURES`.
    """

    pictures: Pictures
    frames: Int[np.ndarray, " pictures"]
    labels: Float[np.ndarray, "pictures units"]
    measures: Float[np.ndarray, "pictures 3"]


def write_shard(path: Path, shard: Shard, description: Mapping[str, Any]) -> None:
    """Write a shard, whole or not at all.

    Raises:
        OutputError: If it cannot be written.
    """
    tensors = {
        "pictures": shard.pictures,
        "frames": shard.frames,
        "labels": shard.labels.astype(np.float32),
        "measures": shard.measures.astype(np.float32),
    }
    # safetensors writes memory as it lies, so rows must lie one after the other.
    plain = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    with replacing(path) as file:
        note = {_DESCRIPTION: json.dumps(dict(description), sort_keys=True)}
        file.write(safetensors.numpy.save(plain, note))


def shard_description(path: Path) -> dict[str, Any] | None:
    """Read what a shard says of itself; None where there is no whole shard."""
    try:
        header, end = _header(path)
        size = max(spec["data_offsets"][1] for name, spec in header.items() if name[0] != "_")
        if path.stat().st_size != end + size:
            return None
        return dict(json.loads(header["__metadata__"][_DESCRIPTION]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def described_oddities(description: Mapping[str, Any]) -> list[Oddity]:
    """Read the oddities that a shard notes."""
    return [
        Oddity(OddityKind(one["kind"]), one["place"], one["count"], one["detail"])
        for one in description.get("oddities", [])
    ]


def mapped_array(path: Path, name: str = "pictures") -> np.ndarray:
    """Map an array of a shard into memory.

    Raises:
        DatasetError: If the file is missing, or no whole shard.
    """
    try:
        header, end = _header(path)
        spec = header[name]
        dtype = {"U8": np.uint8, "I64": np.int64, "F32": np.float32}[spec["dtype"]]
        shape = tuple(spec["shape"])
        if 0 in shape:
            return np.zeros(shape, dtype)
        offset = end + spec["data_offsets"][0]
        return np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{path}: is missing, or no whole shard ({error}); remove it if it is there, and run "
            "fergi au prepare again"
        ) from error


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """Read the header of a safetensors file, and where it ends."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if size > path.stat().st_size:
            raise ValueError("cut off")
        return json.loads(file.read(size)), 8 + size
