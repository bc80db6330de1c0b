"""`fergi plot`: the action units of one clip, drawn."""

from pathlib import Path
from typing import Annotated

import typer

from fergi.cli.console import AsJson, Quiet, print_summary
from fergi.datasets.feature_files import read_feature_files
from fergi.errors import FeatureFileError, MissingExtraError
from fergi.extraction.feature_records import features_summary
from fergi.records.action_units import UNIT_NAMES
from fergi.stages.activation import PUBLISHED_CRITERIA, clip_activation


def plot(
    features: Annotated[
        Path,
        typer.Argument(metavar="FEATURES", help="Feature file of a clip, from 'fergi extract'."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Figure to write: .png, .pdf or .svg; by default a .png of that name, here.",
        ),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Draw the twelve action units of a clip over time.

    Frames in which the face was not seen well enough are shaded. The first and the highest mean
    of each unit are marked; their difference is its activation value.

    Example: fergi plot reaction_clip_1_features.csv --out clip.png
    """
    try:
        from fergi.report.clip_figure import clip_figure, require_figure_ending, write_figure
    except ImportError as error:
        raise MissingExtraError("fergi plot", "report") from error
    path = out or Path(features.stem + ".png")
    require_figure_ending(path)
    (series,) = read_feature_files([features])
    if isinstance(series, FeatureFileError):
        raise FeatureFileError(f"{features}: {series}")
    found = clip_activation(series, PUBLISHED_CRITERIA)
    write_figure(clip_figure(series, features.name, _scale(features)), path)
    values = None if found.values is None else found.values.round(3).tolist()
    facts = {
        "frames": len(series.times),
        "frames_per_second": round(series.frame_rate, 2),
        "valid_share": round(found.valid_share, 3),
        "activation": "unusable" if values is None else dict(zip(UNIT_NAMES, values, strict=True)),
        "written": str(path),
    }
    print_summary(facts, [], quiet=quiet, as_json=as_json)


def _scale(features: Path) -> str | None:
    """Read what the numbers mean from the JSON beside them."""
    return features_summary(features).get("scale")
