"""The log of a training, for people: a CSV to plot, and an event file for TensorBoard."""

import csv
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import IO

from fergi.files import replacing
from fergi.training.action_units.event_file import scalars_record, version_record

LOG_FILE = "log.csv"
EVENT_FILE = "events.out.tfevents.0.fergi"


@dataclass(frozen=True, slots=True)
class LogRow:
    """Means since the row before, or since the checkpoint that a training went on from.

    Attributes:
        step: Steps done.
        epoch: Epochs done, in part.
        loss: The sum of the three losses.
        squared: Weighted squared error.
        cosine: 1 − cosine.
        ordinal: Weighted cross entropy of the thresholds.
        pictures_per_second: How fast it goes.
        seconds: Since the training began, without interruptions.
    """

    step: int
    epoch: float
    loss: float
    squared: float
    cosine: float
    ordinal: float
    pictures_per_second: float
    seconds: float


_COLUMNS = [field.name for field in fields(LogRow)]


class Journal:
    """Writes rows as they come, to both files.

    Args:
        folder: Takes `log.csv` and the event file.
        first_step: Where the training goes on: later rows of an earlier run are struck out,
            since they will come again.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        kept = [row for row in read_log(folder / LOG_FILE) if row.step <= first_step]
        _write_anew(folder, kept)
        self.seconds = kept[-1].seconds if kept else 0.0
        self._log: IO[str] = (folder / LOG_FILE).open("a", encoding="utf-8", newline="")
        self._events: IO[bytes] = (folder / EVENT_FILE).open("ab")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._log.close()
        self._events.close()

    def write(self, row: LogRow) -> None:
        """Add a row, so that it can be seen at once."""
        _write_rows(self._log, [row])
        self._events.write(_event(row))
        self._log.flush()
        self._events.flush()


def read_log(path: Path) -> list[LogRow]:
    """Read a log; of a last row that was cut off, nothing counts."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = []
        for record in csv.DictReader(file):
            try:
                numbers = {name: float(record[name]) for name in _COLUMNS}
            except (KeyError, TypeError, ValueError):
                break
            rows.append(LogRow(**(numbers | {"step": int(numbers["step"])})))  # type: ignore[arg-type]
    return rows


def _write_anew(folder: Path, rows: list[LogRow]) -> None:
    content = ",".join(_COLUMNS) + "\r\n"
    with replacing(folder / LOG_FILE) as file:
        file.write(content.encode())
    with (folder / LOG_FILE).open("a", encoding="utf-8", newline="") as log:
        _write_rows(log, rows)
    with replacing(folder / EVENT_FILE) as file:
        file.write(b"".join([version_record(time.time()), *map(_event, rows)]))


def _write_rows(file: IO[str], rows: Iterable[LogRow]) -> None:
    csv.DictWriter(file, _COLUMNS).writerows(asdict(row) for row in rows)


def _event(row: LogRow) -> bytes:
    scalars = {f"training/{name}": value for name, value in asdict(row).items()}
    del scalars["training/step"]
    return scalars_record(time.time(), row.step, scalars)
