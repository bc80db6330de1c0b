"""`fergi export`: annotations → what trainers read."""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from fergi.cli.console import AsJson, Quiet, finish, print_summary
from fergi.errors import AnnotationFileError, UsageError, brief
from fergi.exports import FORMATS, ExportSettings, check, export
from fergi.files import read_table
from fergi.provenance import provenance_path, read_provenance
from fergi.records.clip import Problem

_DEFAULTS = ExportSettings()


def export_annotations(
    annotations: Annotated[
        Path,
        typer.Argument(
            metavar="ANNOTATIONS",
            help="Table that 'fergi annotate' wrote; with --check, an exported folder.",
        ),
    ],
    format_name: Annotated[
        str, typer.Option("--format", "-f", metavar="NAME", help=f"One of {', '.join(FORMATS)}.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Folder to make; not there yet, or empty."),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the study; by default the one that was annotated."),
    ] = None,
    min_confidence: Annotated[
        float, typer.Option(help="Least confidence of an exported label, 0.5 to 1.")
    ] = _DEFAULTS.min_confidence,
    dead_zone: Annotated[
        float,
        typer.Option(
            help="For kto: leave out images whose valence is nearer than this to their "
            "viewer's mean, in standard deviations."
        ),
    ] = _DEFAULTS.dead_zone,
    only_check: Annotated[
        bool, typer.Option("--check", help="Only look whether an exported folder is sound.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Write annotations as trainers read them, or check that.

    Example: fergi export annotations.parquet --format pick-a-pic --out pick-a-pic
    """
    if only_check:
        _check(annotations, format_name, quiet=quiet, as_json=as_json)
        return
    if out is None:
        raise UsageError("no folder to write to; name one with --out")
    summary = export(
        _table(annotations),
        images or _annotated_study(annotations),
        out,
        format_name,
        min_confidence=min_confidence,
        dead_zone=dead_zone,
    )
    facts = {
        "format": format_name,
        "kept": f"{summary.rows} of {summary.considered} ({summary.kept_share:.1%})",
        **({"dropped": dict(summary.dropped)} if summary.dropped else {}),
        "written": str(out),
    }
    print_summary(facts, summary.problems, quiet=quiet, as_json=as_json)
    finish(summary.problems)


def _check(folder: Path, format_name: str, *, quiet: bool, as_json: bool) -> None:
    problems = [Problem(str(folder), reason) for reason in check(folder, format_name)]
    facts = {"folder": str(folder), "sound": not problems}
    print_summary(facts, problems, quiet=quiet, as_json=as_json)
    finish(problems)


def _table(path: Path) -> pl.DataFrame:
    try:
        return read_table(path, text_columns=("participant", "prompt"))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise AnnotationFileError(
            f"{path}: cannot be read ({brief(error)}); give a table that 'fergi annotate' wrote"
        ) from error


def _annotated_study(annotations: Path) -> Path:
    """Find the study that was annotated, from the JSON beside its annotations."""
    try:
        return Path(read_provenance(annotations)["summary"]["study"])
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"{provenance_path(annotations)} does not tell where the images are; "
            "name the study with --images"
        ) from error
