"""Files of action-unit labels: one a unit, a line a frame."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from fergi.records.action_units import ACTION_UNITS
from fergi.records.labelled_faces import Oddity, OddityKind, listed

MAX_INTENSITY = 5

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
    labels: dict[int, Float[np.ndarray, " units"]] = {}
    missing = [f"AU{unit}" for unit, file in files.items() if not file.is_file()]
    oddities.add(
        OddityKind.NO_UNIT_FILE,
        place,
        len(missing),
        f"{', '.join(missing)}; counted as not labelled: get the data set's files again",
    )
    for unit, file in files.items():
        if not file.is_file():
            continue
        column = ACTION_UNITS.index(unit)
        text = file.read_text(encoding="utf-8", errors="replace")
        lines = text.splitlines()[header:]
        for frame, intensity in _intensities(lines, f"{place}/{file.name}", split, oddities):
            row = labels.setdefault(frame, np.full(len(ACTION_UNITS), np.nan))
            row[column] = intensity
    return dict(sorted(labels.items()))


def _intensities(
    lines: Iterable[str], place: str, split: SplitLine, oddities: Oddities
) -> list[tuple[int, float]]:
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
    return list(found.items())
