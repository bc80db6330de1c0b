"""The activation values of many clips, as a table."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import polars as pl
from jaxtyping import Float

from fergi.datasets.feature_files import read_feature_files
from fergi.errors import FeatureFileError
from fergi.progress import Progress, unreported
from fergi.records.action_units import UNIT_NAMES, ActionUnitSeries
from fergi.records.clip import Clip, ClipKind, Problem
from fergi.stages.activation import (
    PUBLISHED_CRITERIA,
    ClipActivation,
    ValidityCriteria,
    clip_activation,
    is_unstable,
)

Measure = Callable[[ActionUnitSeries, ValidityCriteria], ClipActivation]
"""Judges the frames of a clip, and measures its activation values."""


def activation_table(
    clips: Sequence[Clip],
    criteria: ValidityCriteria = PUBLISHED_CRITERIA,
    progress: Progress = unreported,
    measure: Measure = clip_activation,
) -> tuple[pl.DataFrame, list[Problem]]:
    """Measure the activation values of many clips, a few files in memory at a time.

    Args:
        clips: Whose feature files to read.
        criteria: When a frame, and a clip, may be trusted.
        progress: Told after each clip.
        measure: What judges and measures one clip.

    Returns:
        A row for each readable clip, in their order: the image's key, `kind`,
        `valid_share`, and a column for each unit, null where the clip is unusable. Beside
        it a problem for each clip that could not be read, or only in part.
    """
    (table,), problems = activation_tables(clips, [measure], criteria, progress)
    return table, problems


def activation_tables(
    clips: Sequence[Clip],
    measures: Sequence[Measure],
    criteria: ValidityCriteria = PUBLISHED_CRITERIA,
    progress: Progress = unreported,
) -> tuple[list[pl.DataFrame], list[Problem]]:
    """Measure clips in several ways, reading them once; see `activation_table`.

    Returns:
        A table for each of the measures, and the problems.
    """
    is_read = np.zeros(len(clips), dtype=bool)
    values = np.full((len(measures), len(clips), 1 + len(UNIT_NAMES)), np.nan)
    problems: list[Problem] = []
    series_or_errors = read_feature_files(clip.features for clip in clips)
    for place, (clip, series) in enumerate(zip(clips, series_or_errors, strict=True)):
        if isinstance(series, FeatureFileError):
            problems.append(Problem(clip.place, str(series)))
        else:
            problems += _unmeasured_frames(clip, series)
            is_read[place] = True
            for row, measure in zip(values[:, place], measures, strict=True):
                found = measure(series, criteria)
                row[0] = found.valid_share
                if found.values is not None:
                    row[1:] = found.values
        progress(place + 1, len(clips))
    keys = _clip_keys(clips)
    return [keys.hstack(_values_table(part)).filter(is_read) for part in values], problems


def _clip_keys(clips: Sequence[Clip]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "participant": pl.Series([clip.participant for clip in clips], dtype=pl.String),
            "session": pl.Series([clip.session for clip in clips], dtype=pl.Int64),
            "image": pl.Series([clip.image for clip in clips], dtype=pl.Int64),
            "kind": pl.Series([clip.kind.value for clip in clips], dtype=pl.String),
        }
    )


def _values_table(values: Float[np.ndarray, "clips values"]) -> pl.DataFrame:
    table = pl.DataFrame(values, schema=["valid_share", *UNIT_NAMES], orient="row")
    return table.with_columns(pl.all().fill_nan(None))


def _unmeasured_frames(clip: Clip, series: ActionUnitSeries) -> Iterator[Problem]:
    """Report frames that show a face but lack a measure; they count as invalid."""
    # A unit without any number is one that an imported tool does not know.
    lacks_number = np.isnan(series.intensities)
    known = ~lacks_number.all(axis=0)
    is_unmeasured = lacks_number[:, known].any(axis=1) & ~np.isnan(series.face_confidence)
    if is_unmeasured.any():
        yield Problem(
            clip.place,
            f"{is_unmeasured.sum()} of {len(series.times)} frames show a face but lack a number; "
            "they count as invalid",
        )


def unstable_participants(activations: pl.DataFrame) -> list[str]:
    """List the participants whom the exclusion rule of versions 1 and 2 leaves out.

    Args:
        activations: What `activation_table` gives for baseline clips, and any others.
    """
    baselines = activations.filter(pl.col("kind") == ClipKind.BASELINE.value).drop_nulls()
    by_participant = baselines.sort("participant").group_by("participant", maintain_order=True)
    return [
        str(name)
        for (name,), clips in by_participant
        if is_unstable(clips.select(UNIT_NAMES).to_numpy())
    ]
