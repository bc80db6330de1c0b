"""What is written of a clip: its files, brought to the disk and then named together."""

import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from sqlalchemy.orm import Session

from fergi.datasets.feature_files import feature_csv
from fergi.provenance import fergi_version
from fergi.records.action_units import ACTION_UNITS, ActionUnitSeries
from fergi.studio.clip_files import flush
from fergi.studio.clip_messages import ClipRecord, Series
from fergi.studio.places import ClipPlace, stimulus_place
from fergi.studio.session_records import session_record_file
from fergi.studio.stimuli import stimulus_kind, stimulus_source
from fergi.studio.studio import Studio
from fergi.studio.tables import StimulusRow


class PreparedFiles:
    """Complete files under hidden names, to be named together."""

    def __init__(self, files: dict[str, Path]) -> None:
        self.files = files

    def put(self, studio: Studio, session: Session, place: ClipPlace) -> None:
        """Name them, and the new record of their session."""
        self.files |= session_record_file(studio, session, place)
        studio.files.put(self.files)

    def __enter__(self) -> "PreparedFiles":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove what was not named."""
        for path in self.files.values():
            path.unlink(missing_ok=True)


def prepared_files(
    studio: Studio,
    place: ClipPlace,
    contents: Mapping[str, bytes],
    received: Mapping[str, Path] = MappingProxyType({}),
) -> PreparedFiles:
    """Bring the files of a clip to the disk, and a copy of what was seen, if there is none yet.

    Args:
        studio: The study.
        place: Which clip.
        contents: Its small files; none of a clip that is only announced.
        received: Files that are written already.
    """
    contents = {**contents, **(_stimulus_copy(studio, place) if contents else {})}
    written = {name: studio.uploads.written(content) for name, content in contents.items()}
    prepared = PreparedFiles({**written, **received})
    try:
        flush(prepared.files.values())
    except OSError:
        prepared.remove()
        raise
    return prepared


def _stimulus_copy(studio: Studio, place: ClipPlace) -> dict[str, bytes]:
    with studio.database.reading() as session:
        row = session.get(StimulusRow, (place.participant, place.session, place.image))
        if row is None or row.source is None or row.ending is None:
            return {}
        kind = stimulus_kind(row.ending)
        name = stimulus_place(place.participant, place.session, place.image, kind, row.ending)
        if studio.files.has(name):
            return {}
        return {name: stimulus_source(studio, row.source)}


def clip_contents(place: ClipPlace, record: ClipRecord) -> dict[str, bytes]:
    """Give the small files of a clip: what is said of it, and its action units."""
    facts = {"fergi": _version(), **without_series(record)}
    contents = {place.record: _json(facts)}
    if record.series is not None:
        contents[place.features] = feature_csv(action_units(record.series))
        contents[place.origin] = _json(_origin(place, record.series))
    return contents


def _origin(place: ClipPlace, series: Series) -> dict[str, object]:
    """Say what the action units come from, as `fergi extract` does beside its files."""
    estimator = series.estimator
    return {
        "file": place.features.rsplit("/", 1)[-1],
        "fergi": _version(),
        "settings": {
            "estimator": estimator.name,
            "where": "browser",
            "relative_to_neutral": series.neutral,
        },
        "models": {estimator.name: estimator.sha256},
        "summary": {"scale": estimator.scale, "frames": len(series.times)},
    }


@functools.cache  # it is looked up in the installed package's files
def _version() -> str:
    return fergi_version()


def _json(content: object) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"


def action_units(series: Series) -> ActionUnitSeries:
    """Turn a series as it was sent into one as the rest of fergi knows it.

    A frame that lacks any measure has no face, as in a feature file.
    """
    missing = [math.nan] * len(ACTION_UNITS)
    rows = [missing if row is None else row for row in series.intensities]
    measures = np.column_stack(
        [
            np.array(series.face_confidence, dtype=float),
            np.array(series.pitch_ratio, dtype=float),
            np.array(series.yaw_ratio, dtype=float),
            np.array(rows, dtype=float),
        ]
    )
    measures[np.isnan(measures).any(axis=1)] = math.nan
    return ActionUnitSeries(
        times=np.array(series.times),
        face_confidence=measures[:, 0],
        pitch_ratio=measures[:, 1],
        yaw_ratio=measures[:, 2],
        intensities=measures[:, 3:],
    )


def without_series(record: ClipRecord) -> dict[str, object]:
    """Give what the record says beside the action units."""
    return record.model_dump(mode="json", exclude={"series"})
