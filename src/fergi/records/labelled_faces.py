"""Pictures of faces with known action units, and what was odd about how they came."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from fergi.records.clip import Problem


class OddityKind(StrEnum):
    """Ways in which a data set of labelled faces can differ from its description."""

    NO_LABEL = "pictures without labels"
    NO_PICTURE = "labels without pictures"
    EXTRA_FILE = "files that do not belong there"
    OUT_OF_RANGE = "labels that are no intensity from 0 to 5"
    UNREADABLE_LINE = "lines that cannot be read"
    REPEATED_FRAME = "frames labelled twice"
    NO_UNIT_FILE = "action units without a file"
    MISSING_LINE = "frames that the file of an action unit lacks"
    NO_SEQUENCE = "cameras or trials without pictures"
    NO_LABELS = "cameras or trials without labels"
    BROKEN_PICTURE = "pictures that cannot be read"
    NO_FACE = "pictures without a face"
    NOT_PREPARED = "sequences that could not be prepared"


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something in a data set that is not as it should be; all the rest is used.

    Attributes:
        kind: What it is.
        place: The file or folder.
        count: How many pictures, labels, lines or files it concerns.
        detail: Which ones, and what was done.
    """

    kind: OddityKind
    place: str
    count: int
    detail: str

    def problem(self) -> Problem:
        """Say it as commands do."""
        return Problem(self.place, f"{self.count:,} {self.kind.value}: {self.detail}")


@dataclass(frozen=True, slots=True, eq=False)
class FaceSequence:
    """Pictures of one person in a row, with labels.

    Attributes:
        dataset: Where it comes from.
        person: Who is seen; equal names in DISFA and DISFA+ are one person.
        name: Of the sequence among those of the person.
        source: A folder of pictures, or a video.
        files: Name of each picture in the folder; empty for a video.
        frames: Number of each picture.
        labels: Intensities 0 to 5 of each picture; NaN where a unit is not labelled.
    """

    dataset: str
    person: str
    name: str
    source: Path
    files: tuple[str, ...]
    frames: Int[np.ndarray, " pictures"]
    labels: Float[np.ndarray, "pictures units"]

    @property
    def place(self) -> str:
        """Its name in messages."""
        return f"{self.dataset}/{self.person}/{self.name}"


def listed(numbers: list[int], shown: int = 5) -> str:
    """List numbers as ranges, the first few of them.

    Example:
        >>> listed([1, 2, 3, 7, 9])
        '1–3, 7, 9'
    """
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    texts = [f"{low}" if low == high else f"{low}–{high}" for low, high in ranges[:shown]]
    return ", ".join(texts) + (" …" if len(ranges) > shown else "")
