"""A tool's CSV file as columns by name."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from jaxtyping import Float

from fergi.errors import FeatureFileError

_MISSING = ("", "none", "na", "null")
_NOT_A_NUMBER = r"^[+-]?nan(\(.*\))?$"
"""OpenFace on Windows writes -nan(ind)."""
_FIRST_LINE = 2


@dataclass(frozen=True, slots=True, eq=False)
class ToolTable:
    """The texts of a CSV file.

    Attributes:
        columns: Names, without the spaces that OpenFace puts before them.
        texts: All columns, as text.
    """

    columns: tuple[str, ...]
    texts: pl.DataFrame

    def numbers(self, names: Sequence[str]) -> Float[np.ndarray, "rows names"]:
        """Parse columns; NaN for a missing value.

        Raises:
            FeatureFileError: If a column is absent, or a text is no number.
        """
        self.require(names)
        table = self.texts.select(self._parsed(name) for name in names)
        return table.to_numpy().astype(np.float64)

    def require(self, names: Iterable[str]) -> None:
        """Check that columns are there.

        Raises:
            FeatureFileError: If one is not.
        """
        missing = [name for name in names if name not in self.columns]
        if missing:
            others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise FeatureFileError(f"lacks the column {missing[0]}{others}")

    def _parsed(self, name: str) -> pl.Series:
        texts = self.texts[name].str.strip_chars().str.to_lowercase().fill_null("")
        numbers = texts.cast(pl.Float64, strict=False)
        is_missing = texts.is_in(_MISSING) | texts.str.contains(_NOT_A_NUMBER)
        wrong = (~is_missing & ~numbers.is_finite().fill_null(value=False)).arg_true()
        if len(wrong):
            row = int(wrong[0])
            raise FeatureFileError(
                f"line {row + _FIRST_LINE}: {name} is '{self.texts[name][row]}', not a number; "
                "correct it, or let the tool write the file again"
            )
        return numbers.fill_null(np.nan)


def tool_table(content: bytes) -> ToolTable:
    """Read a CSV file.

    Raises:
        FeatureFileError: If it is empty, cut off or no table.
    """
    if not content.strip():
        raise FeatureFileError("is empty; let the tool write it again")
    if _is_cut_off(content):
        raise FeatureFileError("was cut off in its last line; let the tool write it again")
    try:
        table = pl.read_csv(io.BytesIO(content), infer_schema=False, encoding="utf8-lossy")
    except pl.exceptions.PolarsError as error:
        raise FeatureFileError(f"is no table ({str(error).splitlines()[0]})") from error
    names = [name.strip() for name in table.columns]
    if len(set(names)) != len(names):
        raise FeatureFileError("has two columns of one name; let the tool write it again")
    if table.is_empty():
        raise FeatureFileError("has no frames; let the tool write it again")
    return ToolTable(tuple(names), table.rename(dict(zip(table.columns, names, strict=True))))


def _is_cut_off(content: bytes) -> bool:
    """Tell whether a last line without an end has fewer fields than the first one."""
    lines = content.splitlines()
    if content.endswith((b"\n", b"\r")) or len(lines) < 2:
        return False
    ends = (line.decode("utf-8", errors="replace") for line in (lines[0], lines[-1]))
    header, last = csv.reader(ends)
    return len(last) < len(header)
