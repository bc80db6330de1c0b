"""One clip for the reaction player: its curves, what they say, and its video."""

import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from fergi.datasets.feature_files import read_feature_files
from fergi.errors import FeatureFileError
from fergi.records.action_units import ACTION_UNITS, UNIT_NAMES, ActionUnitSeries
from fergi.stages.activation import PUBLISHED_CRITERIA, clip_activation, valid_frames
from fergi.stages.valence import FauNet, fau_net_valence
from fergi.studio.dashboard import clip_facts
from fergi.studio.dashboard_messages import ClipDetail
from fergi.studio.places import ClipPlace
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.studio import Studio
from fergi.studio.tables import ClipRow
from fergi.weights.store import shipped_model

_DECIMALS = 3


def clip_detail(studio: Studio, place: ClipPlace) -> ClipDetail:
    """Show a clip with its curves.

    Raises:
        RequestRefusedError: If there is none.
    """
    with studio.database.reading() as session:
        row = _require_clip(session, place)
    facts = clip_facts(studio, row)
    series = _series(studio, place) if facts["has_series"] else None
    return ClipDetail.model_validate(
        {
            **facts,
            "events": row.record["events"],
            "video": f"{facts['address']}/video" if row.has_video else None,
            **(_measures(series) if series else _NO_MEASURES),
        },
        strict=False,
    )


def clip_video(studio: Studio, place: ClipPlace) -> tuple[bytes, str]:
    """Read the video of a clip, and its type.

    Raises:
        RequestRefusedError: If there is none.
    """
    with studio.database.reading() as session:
        row = _require_clip(session, place)
    if not row.has_video or row.video_type is None:
        raise RequestRefusedError("unknown", "There is no video of this clip.")
    return studio.files.read(place.video(row.video_type)), row.video_type


def _require_clip(session: Session, place: ClipPlace) -> ClipRow:
    row = session.get(ClipRow, (place.participant, place.session, place.image, place.kind))
    if row is None:
        raise RequestRefusedError("unknown", "There is no such clip.")
    return row


_NO_MEASURES: dict[str, Any] = {
    "series": None,
    "is_valid": None,
    "activation": None,
    "valence": None,
}


def _measures(series: ActionUnitSeries) -> dict[str, Any]:
    activation = clip_activation(series, PUBLISHED_CRITERIA).values
    return {
        "series": _shown(series),
        "is_valid": valid_frames(series, PUBLISHED_CRITERIA).tolist(),
        "activation": None
        if activation is None
        else dict(zip(UNIT_NAMES, np.round(activation, _DECIMALS).tolist(), strict=True)),
        "valence": None if activation is None else _valence(activation),
    }


def _valence(activation: np.ndarray) -> float:
    network = FauNet.from_tensors(shipped_model("fau-net").tensors)
    return float(fau_net_valence(activation[np.newaxis], network)[0])


def _series(studio: Studio, place: ClipPlace) -> ActionUnitSeries | None:
    """Read the features of a clip; None where they cannot be read."""
    if studio.files.folder is not None:
        found = next(read_feature_files([studio.files.folder / place.features]))
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(studio.files.read(place.features))
            file.flush()
            found = next(read_feature_files([Path(file.name)]))
    return None if isinstance(found, FeatureFileError) else found


def _shown(series: ActionUnitSeries) -> dict[str, Any]:
    return {
        "times": np.round(series.times - series.times[0], _DECIMALS).tolist(),
        "face_confidence": _numbers(series.face_confidence),
        "pitch_ratio": _numbers(series.pitch_ratio),
        "yaw_ratio": _numbers(series.yaw_ratio),
        "units": list(ACTION_UNITS),
        "intensities": [
            None if np.isnan(row).any() else np.round(row, _DECIMALS).tolist()
            for row in series.intensities
        ],
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    rounded = np.round(values, _DECIMALS).tolist()
    return [None if math.isnan(value) else value for value in rounded]
