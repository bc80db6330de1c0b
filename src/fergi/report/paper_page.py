"""The report page of the reproduction: one HTML file, which loads nothing from anywhere."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jinja2
import polars as pl

from fergi.evaluation.as_published.outcome import ENSEMBLE, FACE_V3, FUSED_ENSEMBLE, total_accuracy
from fergi.evaluation.comparison import published_values
from fergi.evaluation.reproduction import Reproduction
from fergi.records.clip import Problem
from fergi.report.accuracy_figures import FACES
from fergi.report.figure_captions import CAPTIONS, Caption

_CHAPTERS = {
    "v1": "Version 1, December 2023",
    "v2": "Version 2, March 2024",
    "v3": "Versions 3 and 4, August 2024 and May 2025",
    "Spearman": "Statistics",
    "rank": "Statistics",
    "counts": "Counts",
}
_PNG = b"\x89PNG"
_SHOWN_SIZE = 96 / 150
"""Figures have 150 pixels an inch, pages 96."""
_VALENCES = {"v1": "au4", "v2": "au4-au12", "v3": "fau-net"}


@dataclass(frozen=True, slots=True)
class Group:
    """The cells of one published table.

    Attributes:
        table: Its name.
        rows: `cell, published, ours, verdict`.
    """

    table: str
    rows: list[dict[str, str]]

    def count(self, verdict: str) -> int:
        """Count the cells of a verdict."""
        return sum(row["verdict"] == verdict for row in self.rows)


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure as the page shows it."""

    name: str
    caption: Caption
    address: str
    width: int | None


def paper_page(
    found: Reproduction,
    comparison: pl.DataFrame,
    oddities: pl.DataFrame | None,
    nested: Mapping[str, pl.DataFrame],
    pictures: Mapping[str, bytes],
    problems: Sequence[Problem],
) -> str:
    """Tell the story of the reproduction.

    Args:
        found: What was reproduced.
        comparison: Of `fergi.evaluation.comparison.comparison_table`.
        oddities: Of `fergi.evaluation.oddities.oddity_table`, if it was computed.
        nested: Of `fergi.evaluation.measures.nested_tables`; empty if it was not asked for.
        pictures: Name of a figure → the bytes of a PNG or SVG file.
        problems: What is missing or different in the release.

    Returns:
        An HTML page.
    """
    verdicts = dict(comparison["verdict"].value_counts().iter_rows())
    percent = {
        version: dict(total_accuracy(outcome).select("score", "percent").iter_rows())
        for version, outcome in found.outcomes.items()
    }
    return _environment().get_template("paper.html").render(
        total=len(comparison),
        matches=verdicts.get("match", 0),
        differs=verdicts.get("differs", 0),
        chapters=_chapters(comparison),
        pictures=_pictures(pictures),
        participants=found.reactions["participant"].n_unique(),
        reactions=len(found.reactions),
        v3=_headline(percent.get("v3")),
        as_written=_as_written(percent),
        oddities=[] if oddities is None else oddities.to_dicts(),
        protocols=_both_protocols(percent, nested),
        measures=_rows(nested.get("nested_measures")),
        tests=_rows(nested.get("nested_face_tests")),
        problems=[str(problem) for problem in problems],
    )  # fmt: skip


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("fergi.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "percent": _percent, "p_value": _p_value}
    return environment


def _number(value: object, form: str = ".2f") -> str:
    """Write a number by a format, text as it is, and nothing as a dash."""
    if value is None:
        return "–"
    text = format(value, form) if isinstance(value, float) else str(value)
    return text.replace("-", "−") if isinstance(value, int | float) else text


def _percent(share: float, form: str = ".1f") -> str:
    return _number(100 * share, form)


def _p_value(p: float) -> str:
    return f"{p:.2f}" if p >= 0.01 else f"{p:.4f}"


def _chapters(comparison: pl.DataFrame) -> dict[str, list[Group]]:
    """List the published tables under their headings, in the order of the paper."""
    chapters: dict[str, list[Group]] = {}
    for (table,), rows in comparison.group_by("table", maintain_order=True):
        heading = _CHAPTERS.get(str(table).replace(",", " ").split()[0], "More")
        chapters.setdefault(heading, []).append(Group(str(table), rows.drop("table").to_dicts()))
    return chapters


def _pictures(pictures: Mapping[str, bytes]) -> list[Picture]:
    return [
        Picture(
            name,
            CAPTIONS.get(name, Caption("more", name, "")),
            _data_address(content),
            _shown_width(content),
        )
        for name, content in pictures.items()
    ]


def _data_address(content: bytes) -> str:
    kind = "png" if content.startswith(_PNG) else "svg+xml"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _shown_width(content: bytes) -> int | None:
    """Give the width in pixels at which the letters of all figures are equally large."""
    if not content.startswith(_PNG):
        return None
    return round(int.from_bytes(content[16:20], "big") * _SHOWN_SIZE)


def _headline(percent: Mapping[str, float] | None) -> dict[str, float] | None:
    """Pick what the story tells of version 3."""
    if percent is None:
        return None
    names = {"face": FACE_V3, "ensemble": ENSEMBLE, "joined": FUSED_ENSEMBLE}
    return {short: percent[name] for short, name in names.items()}


def _as_written(percent: Mapping[str, Mapping[str, float]]) -> list[dict[str, object]]:
    """Put version 2 as its code has it beside version 2 as its paper writes it (oddity 6)."""
    if not {"v2", "v2_as_written"} <= percent.keys():
        return []
    published = published_values()
    printed = {**published["accuracy_v2"], **published["selected_v2"]}
    return [
        {
            "score": score,
            "published": printed.get(score),
            "multiplied": multiplied,
            "added": percent["v2_as_written"][score],
        }
        for score, multiplied in percent["v2"].items()
        if abs(multiplied - percent["v2_as_written"][score]) > 1e-9
    ]


def _both_protocols(
    percent: Mapping[str, Mapping[str, float]], nested: Mapping[str, pl.DataFrame]
) -> list[dict[str, object]]:
    """Put the accuracies of the published protocol beside those of the nested one."""
    if not nested:
        return []
    measures = {
        (row["valence"], row["evidence"]): row for row in nested["nested_measures"].to_dicts()
    }
    tests = nested["nested_face_tests"]
    without = {} if tests.is_empty() else dict(
        tests.filter(on="pairs with two faces").select("valence", "without_face").iter_rows()
    )  # fmt: skip
    return [
        {
            "version": version,
            "valence": valence,
            "face": (percent[version][FACES[version]], measures.get((valence, "face"))),
            "scores": (percent[version][ENSEMBLE], without.get(valence)),
            "joined": (percent[version][FUSED_ENSEMBLE], measures.get((valence, "face+scores"))),
        }
        for version, valence in _VALENCES.items()
        if version in percent
    ]


def _rows(table: pl.DataFrame | None) -> list[dict[str, object]]:
    return [] if table is None else table.to_dicts()
