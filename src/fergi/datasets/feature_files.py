"""FERGI feature files: the action units of one clip, a row for each frame, as CSV.

Columns: `frame, timestamp` (seconds)`, face_detection_confidence_score,
pitch_indicative_ratio, yaw_indicative_ratio, AU1 … AU26`. A frame without a face has
confidence 0 and −1 in every other measure; here it becomes NaN.

Studies hold thousands of small files, so the plain ones among a few are joined and
parsed at once. Any other is read alone, with care: either it is understood after all (its
columns in another order, an empty field), or the error says which line is wrong and how.
"""

import csv
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from jaxtyping import Float

from fergi.errors import FeatureFileError
from fergi.records.action_units import ACTION_UNITS, UNIT_NAMES, ActionUnitSeries

FRAME_COLUMN = "frame"
MEASURES = (
    "timestamp",
    "face_detection_confidence_score",
    "pitch_indicative_ratio",
    "yaw_indicative_ratio",
    *UNIT_NAMES,
)
"""The columns that a file must have, in any order; others may stand beside them."""

_PLAIN_COLUMNS = (FRAME_COLUMN, *MEASURES)
FEATURE_HEADER = ",".join(_PLAIN_COLUMNS).encode() + b"\n"
"""The first line of the files that are written here."""

_PLAIN_SCHEMA = dict.fromkeys(_PLAIN_COLUMNS, pl.Float64)
_BATCH = 64
"""Files parsed at once: about a megabyte, which stays in a processor's cache."""


def read_feature_files(paths: Iterable[Path]) -> Iterator[ActionUnitSeries | FeatureFileError]:
    """Read feature files, a few at a time, in their order.

    Args:
        paths: Any number of files; only a few are ever in memory together.

    Yields:
        For each path its series, or the error that says why there is none.
    """
    remaining = iter(paths)
    while batch := list(itertools.islice(remaining, _BATCH)):
        contents = [_content(path) for path in batch]
        for content, measures in zip(contents, _plain_measures(contents), strict=True):
            yield _series_or_error(content, measures)


def feature_csv(
    series: ActionUnitSeries, *, units: tuple[int, ...] = ACTION_UNITS, decimals: int = 3
) -> bytes:
    """Write a series as a FERGI feature file holds it.

    Args:
        series: The action units of one clip; a frame with any NaN becomes one without a face.
        units: Those that were estimated; the columns of the others stay empty.
        decimals: Digits after the point; the authors keep 3 for reactions, 2 for baselines.

    Returns:
        The contents of the file.
    """
    return FEATURE_HEADER + feature_rows(series, units=units, decimals=decimals)


def feature_rows(
    series: ActionUnitSeries,
    *,
    first_frame: int = 1,
    units: tuple[int, ...] = ACTION_UNITS,
    decimals: int = 3,
) -> bytes:
    """Write some frames of a clip as the rows of a feature file, for clips of any length.

    Args:
        series: The next frames.
        first_frame: Number of the first of them in the clip, from 1.
        units: As for `feature_csv`.
        decimals: As for `feature_csv`.

    Returns:
        Lines to follow `FEATURE_HEADER`, or those of earlier frames.
    """
    measures = np.column_stack(
        [series.face_confidence, series.pitch_ratio, series.yaw_ratio, series.intensities]
    )
    is_written = np.array([True] * 3 + [unit in units for unit in ACTION_UNITS])
    no_face = np.isnan(measures[:, is_written]).any(axis=1)
    measures[no_face] = -1.0
    measures[no_face, 0] = 0.0
    measures[:, ~is_written] = np.nan
    # Rounded first, and 0 added, lest −0.0004 be written as −0.000.
    columns = np.round(measures, decimals).T + 0.0
    table = pl.DataFrame(
        {
            FRAME_COLUMN: np.arange(first_frame, first_frame + len(series.times)),
            "timestamp": [f"{time:.3f}" for time in series.times],
            **dict(zip(MEASURES[1:], columns, strict=True)),
        },
        nan_to_null=True,  # written as an empty field
    )
    return table.write_csv(float_precision=decimals, include_header=False).encode()


def _content(path: Path) -> bytes | FeatureFileError:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return FeatureFileError("is missing; run fergi extract to make it from the clip's video")
    except OSError as error:
        return FeatureFileError(
            f"cannot be read: {error.strerror or error}; check what is there, and its permissions"
        )


def _plain_measures(
    contents: list[bytes | FeatureFileError],
) -> list[Float[np.ndarray, "frames measures"] | None]:
    """Parse all plain files together; None for a file that wants care."""
    bodies = [_plain_body(content) for content in contents]
    counts = [0 if body is None else body.count(b"\n") for body in bodies]
    table = _numbers(b"".join(body for body in bodies if body is not None))
    if len(table) != sum(counts):
        return [None] * len(contents)
    ends = list(itertools.accumulate(counts))
    parts = [table[end - count : end] for end, count in zip(ends, counts, strict=True)]
    return [part if len(part) and np.isfinite(part).all() else None for part in parts]


def _plain_body(content: bytes | FeatureFileError) -> bytes | None:
    """Give the rows of a file that has the usual header and no ragged or open line."""
    if isinstance(content, FeatureFileError) or not content.startswith(FEATURE_HEADER):
        return None
    body = content[len(FEATURE_HEADER) :]
    commas_in_a_row = len(_PLAIN_COLUMNS) - 1
    is_even = body.count(b",") == body.count(b"\n") * commas_in_a_row
    return body if is_even and body.endswith(b"\n") else None


def _numbers(rows: bytes) -> Float[np.ndarray, "frames measures"]:
    """Parse joined rows; NaN for whatever is no number."""
    if not rows:
        return np.empty((0, len(MEASURES)))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is malformed is read again with care
            table = pl.read_csv(rows, has_header=False, schema=_PLAIN_SCHEMA, ignore_errors=True)
    except pl.exceptions.PolarsError:
        return np.empty((0, len(MEASURES)))
    return table.select(MEASURES).to_numpy()


def _series_or_error(
    content: bytes | FeatureFileError, measures: Float[np.ndarray, "frames measures"] | None
) -> ActionUnitSeries | FeatureFileError:
    if isinstance(content, FeatureFileError):
        return content
    try:
        return _series(_careful_measures(content) if measures is None else measures)
    except FeatureFileError as error:
        return error


def _series(measures: Float[np.ndarray, "frames measures"]) -> ActionUnitSeries:
    """Check the times, and turn the sentinels of frames without a face into NaN."""
    times = measures[:, 0]
    if len(times) < 2:
        raise FeatureFileError(
            "has 1 frame, so its frame rate is unknown; at least 2 are needed: film for longer, "
            "then run fergi extract --overwrite"
        )
    steps_back = np.flatnonzero(np.diff(times) <= 0)
    if len(steps_back):
        line = int(steps_back[0]) + 3
        raise FeatureFileError(
            f"line {line}: the timestamp {times[line - 2]:g} does not follow {times[line - 3]:g}; "
            "times must increase: run fergi extract --overwrite"
        )
    faces = np.where(measures[:, 1:2] == 0.0, np.nan, measures[:, 1:])
    return ActionUnitSeries(
        times=times,
        face_confidence=faces[:, 0],
        pitch_ratio=faces[:, 1],
        yaw_ratio=faces[:, 2],
        intensities=faces[:, 3:],
    )


def _careful_measures(content: bytes) -> Float[np.ndarray, "frames measures"]:
    """Parse one file line by line; an empty field is a missing value.

    Raises:
        FeatureFileError: At the first line that is not understood.
    """
    if not content.strip():
        raise FeatureFileError("is empty; run fergi extract --overwrite")
    rows = _lines(content)
    columns = [name.strip() for name in rows[0]]
    where = _columns_of(columns)
    if not content.endswith(b"\n"):
        raise FeatureFileError(
            "was cut off: its last line has no end; run fergi extract --overwrite "
            "(or end that line, if the file is whole)"
        )
    values = [
        _row_values(row, columns, where, line) for line, row in enumerate(rows[1:], start=2) if row
    ]
    if not values:
        raise FeatureFileError("has a header and no frames; run fergi extract --overwrite")
    return np.array(values)


def _lines(content: bytes) -> list[list[str]]:
    reader = csv.reader(content.decode("utf-8-sig", errors="replace").splitlines())
    try:
        return list(reader)
    except csv.Error as error:
        raise FeatureFileError(f"line {reader.line_num}: is no feature file ({error})") from error


def _columns_of(columns: list[str]) -> list[int]:
    missing = [name for name in MEASURES if name not in columns]
    if len(missing) == len(MEASURES):
        raise FeatureFileError(
            f"is no feature file: its first line has none of the columns {MEASURES[0]}, "
            f"{MEASURES[1]} … {MEASURES[-1]}; fergi extract makes such files from videos, and "
            "fergi import from those of other tools"
        )
    if missing:
        raise FeatureFileError(
            f"lacks the columns {', '.join(missing)}; run fergi extract --overwrite"
        )
    return [columns.index(name) for name in MEASURES]


def _row_values(row: list[str], columns: list[str], where: list[int], line: int) -> list[float]:
    if len(row) != len(columns):
        raise FeatureFileError(
            f"line {line} has {len(row)} of {len(columns)} columns: "
            "the file was cut off or edited; run fergi extract --overwrite"
        )
    return [_number(row[index], columns[index], line) for index in where]


def _number(text: str, column: str, line: int) -> float:
    try:
        number = float(text) if text.strip() else math.nan
    except ValueError:
        number = math.inf
    if math.isinf(number) or (column == MEASURES[0] and math.isnan(number)):
        raise FeatureFileError(
            f"line {line}: {column} is '{text}', not a number; correct it, "
            "or run fergi extract --overwrite"
        )
    return number
