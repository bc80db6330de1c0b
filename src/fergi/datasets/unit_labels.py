"""Files of action-unit labels: one a unit, a line a frame."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from fergi.records.action_units import ACTION_UNITS
from fergi.records.labelled_faces import Oddity, OddityKind, listed

MAX_INTENSITY = 5

_NOT_LABELLED = "counted as not labelled: get the data set's files again"

SplitLine = Callable[[str], tuple[int, str]]
"""Turns a line into the number of a frame and the text of its intensity; or raises ValueError."""


@dataclass(slots=True)
class Oddities:
    """What has been found odd so far."""

    found: list[Oddity] = field(default_factory=list)

    def add(self, kind: OddityKind, place: str, count: int, detail: str) -> None:
        """Note an oddity, unless it concerns nothing."""
        if count:
            self.found.append(Oddity(kind, place, count, detail))


def unit_labels(
    files: Mapping[int, Path], place: str, split: SplitLine, header: int, oddities: Oddities
) -> dict[int, Float[np.ndarray, " units"]]:
    """Read the labels of one sequence.

    Args:
        files: Unit → its file, for all units.
        place: Of the folder, in messages.
        split: How to read a line.
        header: Lines before the first frame.
        oddities: Takes what is not as it should be.

    Returns:
        Frame → intensities, NaN where a unit is not labelled; frames in order.
    """
    missing = [f"AU{unit}" for unit, file in files.items() if not file.is_file()]
    oddities.add(
        OddityKind.NO_UNIT_FILE,
        place,
        len(missing),
        f"{', '.join(missing)}; {_NOT_LABELLED}",
    )
    columns = {
        unit: _column(file, f"{place}/{file.name}", split, header, oddities)
        for unit, file in files.items()
        if file.is_file()
    }
    frames = sorted(set().union(*(column.intensities for column in columns.values())))
    for unit, column in columns.items():
        column.note_missing(frames, f"{place}/{files[unit].name}", oddities)
    labels = {frame: np.full(len(ACTION_UNITS), np.nan) for frame in frames}
    for unit, column in columns.items():
        for frame, intensity in column.intensities.items():
            labels[frame][ACTION_UNITS.index(unit)] = intensity
    return labels


@dataclass(frozen=True, slots=True)
class _Column:
    """The labels of one unit.

    Attributes:
        intensities: Frame → intensity; NaN where what is written is none.
        unreadable: How many lines may hold a frame that is not in there.
    """

    intensities: dict[int, float]
    unreadable: int

    def note_missing(self, frames: list[int], place: str, oddities: Oddities) -> None:
        """Note frames that other units have, unless unreadable lines, noted before, are why."""
        missing = [frame for frame in frames if frame not in self.intensities]
        if len(missing) > self.unreadable:
            detail = f"frames {listed(missing)}; {_NOT_LABELLED}"
            oddities.add(OddityKind.MISSING_LINE, place, len(missing), detail)


def _column(file: Path, place: str, split: SplitLine, header: int, oddities: Oddities) -> _Column:
    text = file.read_text(encoding="utf-8", errors="replace")
    return _intensities(text.splitlines()[header:], place, split, oddities)


def _intensities(lines: Iterable[str], place: str, split: SplitLine, oddities: Oddities) -> _Column:
    """Read the lines of one file; of a frame that stands there twice, the first line counts."""
    found: dict[int, float] = {}
    unreadable, repeated, outside = [], [], []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            frame, text = split(line)
            intensity = float(text)
        except ValueError:
            unreadable.append(number)
            continue
        if frame in found:
            repeated.append(frame)
        elif intensity in range(MAX_INTENSITY + 1):
            found[frame] = intensity
        else:
            found[frame] = np.nan
            outside.append(frame)
    for kind, numbers, what, done in (
        (OddityKind.UNREADABLE_LINE, unreadable, "lines", "left out"),
        (OddityKind.REPEATED_FRAME, repeated, "frames", "the first line counts"),
        (OddityKind.OUT_OF_RANGE, outside, "frames", "counted as not labelled"),
    ):
        oddities.add(kind, place, len(numbers), f"{what} {listed(numbers)}; {done}")
    return _Column(found, len(unreadable))
