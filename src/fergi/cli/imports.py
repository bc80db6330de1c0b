"""`fergi import`: action units that another tool estimated."""

from pathlib import Path
from typing import Annotated

import typer

from fergi.cli.console import AsJson, Quiet, finish, print_summary
from fergi.datasets.importers import Tool
from fergi.datasets.importers.feature_import import (
    ImportSettings,
    files_to_import,
    import_features,
)
from fergi.errors import FergiError
from fergi.records.clip import Problem


def import_command(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="A CSV file, or a folder with some at any depth."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for the feature files, laid out as PATH; by default beside the files.",
        ),
    ] = None,
    tool: Annotated[
        Tool | None, typer.Option(help="Which tool wrote them; by default judged by the columns.")
    ] = None,
    frame_rate: Annotated[
        float | None,
        typer.Option(min=1, metavar="FPS", help="Needed for openface3 and py-feat."),
    ] = None,
    aspect_ratio: Annotated[
        float | None,
        typer.Option(min=0.1, metavar="W/H", help="Width by height; needed for libreface."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace feature files that are there already.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Take action units from OpenFace 2 or 3, py-feat or LibreFace.

    Each NAME.csv becomes NAME_features.csv, with a JSON beside it that says which tool it is
    from, what its numbers mean, and which units it lacks. So reaction_clip_1.csv in the folder
    of a session is all that 'fergi annotate' needs.

    Example: fergi import openface-output --out my-study
    """
    settings = ImportSettings(tool, frame_rate, aspect_ratio)
    done: dict[str, int] = {}
    problems: list[Problem] = []
    remarks: set[str] = set()
    for source, features in files_to_import(path, out):
        try:
            imported = import_features(source, features, settings, overwrite=overwrite)
        except FergiError as error:
            problems.append(Problem(str(source), str(error).removeprefix(f"{source.name}: ")))
            continue
        kind = f"{imported.tool.value} ({imported.scale.value})"
        done[kind] = done.get(kind, 0) + 1
        remarks.update(imported.remarks)
    facts: dict[str, object] = {"imported": done}
    if done:
        facts |= {"written": str(out or path), "remarks": sorted(remarks)}
    print_summary(facts, problems, quiet=quiet, as_json=as_json)
    finish(problems)
