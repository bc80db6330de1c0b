"""Clips on their way in: announced, received, and confirmed only when all is on disk."""

import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from fergi.datasets.feature_files import feature_csv
from fergi.provenance import fergi_version
from fergi.records.action_units import ACTION_UNITS, ActionUnitSeries
from fergi.stages.activation import PUBLISHED_CRITERIA, valid_frames
from fergi.studio.clip_files import flush
from fergi.studio.configuration import MEGABYTE
from fergi.studio.consent import require_consent
from fergi.studio.messages import ClipReceipt, ClipRecord, Series, VideoFacts
from fergi.studio.places import ClipPlace, stimulus_place
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.session_records import session_record_file
from fergi.studio.stimuli import stimulus_kind, stimulus_source
from fergi.studio.studio import Studio
from fergi.studio.tables import ClipRow, ParticipantRow, StimulusRow
from fergi.studio.video_probe import probe_video

_SECONDS_OF_GRACE = 1.0
"""How much longer than said a clip may be: recorders end with a whole chunk."""


@dataclass(frozen=True, slots=True)
class ReceivedVideo:
    """A video that has come in, and lies under a hidden name.

    Attributes:
        path: Where.
        sha256: Of what was written.
        bytes: How many.
    """

    path: Path
    sha256: str
    bytes: int


def put_record(studio: Studio, place: ClipPlace, record: ClipRecord, body: bytes) -> ClipReceipt:
    """Take in all of a clip but its video; without a video it is confirmed by this.

    Args:
        studio: The study.
        place: Which clip.
        record: What was sent.
        body: The bytes of it.

    Raises:
        RequestRefusedError: If consent, limits or an earlier clip forbid it.
    """
    _require_within_limits(studio, record)
    _require_onset(place, record)
    digest = hashlib.sha256(body).hexdigest()
    files = {} if record.video else _clip_contents(place, record)
    # What is only announced would be announced again after a loss of power.
    writing = studio.database.writing(durable=record.video is None)
    with _prepared(studio, place, files) as prepared, writing as session:
        choice = require_active(studio, session, place)
        if record.video is not None and choice != "video":
            raise RequestRefusedError("consent-needed", "The participant did not agree to video.")
        row = _row(session, place)
        if row is not None and row.is_confirmed:
            return _repeated(row, digest)
        row = session.merge(_new_row(place, record, digest))
        if row.is_confirmed:
            prepared.put(studio, session, place)
        return _receipt(row)


def put_video(studio: Studio, place: ClipPlace, received: ReceivedVideo) -> ClipReceipt:
    """Take in the video of a clip that was announced, and confirm the clip.

    Raises:
        RequestRefusedError: If it is not the announced one, or no video that is taken here.
    """
    with studio.database.reading() as session:
        require_active(studio, session, place)
        row = _announced(session, place, received)
        if row.is_confirmed:
            return _receipt(row)
        record = ClipRecord.model_validate_json(json.dumps(row.record))
    facts = _require_fitting_video(studio, record, received)
    contents = _clip_contents(place, record)
    prepared = _prepared(studio, place, contents, {place.video(facts.type): received.path})
    with prepared, studio.database.writing() as session:
        if require_active(studio, session, place) != "video":
            raise RequestRefusedError("consent-needed", "The participant did not agree to video.")
        row = _announced(session, place, received)
        if row.is_confirmed:
            return _receipt(row)
        row.record = _without_series(record)
        row.is_confirmed, row.has_video = True, True
        prepared.put(studio, session, place)
        return _receipt(row)


def require_announced(studio: Studio, place: ClipPlace) -> VideoFacts:
    """Find what was announced of a video that is about to come.

    Raises:
        RequestRefusedError: If nothing was, or nothing may be sent.
    """
    with studio.database.reading() as session:
        require_active(studio, session, place)
        row = _row(session, place)
        if row is None or row.video_sha256 is None:
            raise RequestRefusedError(
                "unknown", "No video was announced for this clip; send its record first."
            )
        return VideoFacts.model_validate(
            {"sha256": row.video_sha256, "bytes": row.video_bytes, "type": row.video_type}
        )


def require_active(studio: Studio, session: Session, place: ClipPlace) -> str:
    """Check that a participant may send a clip, and hold the participant's row until the end.

    Returns:
        What may be kept.

    Raises:
        RequestRefusedError: If the participant has finished, left, or not agreed.
    """
    person = session.scalar(
        select(ParticipantRow).where(ParticipantRow.name == place.participant).with_for_update()
    )
    if person is None or person.is_leaving:
        raise RequestRefusedError("token-needed", "Your data have been deleted.")
    if person.finished is not None:
        raise RequestRefusedError("finished", "You have finished; nothing more is taken.")
    key = (place.participant, place.session, place.image)
    if place.kind != "neutral" and session.get(StimulusRow, key) is None:
        raise RequestRefusedError("unknown", "Your study has no such session or image.")
    return require_consent(studio, session, place.participant)


class _Prepared:
    """Complete files under hidden names, to be named together."""

    def __init__(self, files: dict[str, Path]) -> None:
        self.files = files

    def put(self, studio: Studio, session: Session, place: ClipPlace) -> None:
        """Name them, and the new record of their session."""
        self.files |= session_record_file(studio, session, place)
        studio.files.put(self.files)

    def __enter__(self) -> "_Prepared":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove what was not named."""
        for path in self.files.values():
            path.unlink(missing_ok=True)


def _prepared(
    studio: Studio,
    place: ClipPlace,
    contents: Mapping[str, bytes],
    received: Mapping[str, Path] = MappingProxyType({}),
) -> _Prepared:
    """Bring the files of a clip to the disk, and a copy of what was seen, if there is none yet.

    Args:
        studio: The study.
        place: Which clip.
        contents: Its small files; none of a clip that is only announced.
        received: Files that are written already.
    """
    contents = {**contents, **(_stimulus_copy(studio, place) if contents else {})}
    written = {name: studio.uploads.written(content) for name, content in contents.items()}
    prepared = _Prepared({**written, **received})
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


def _clip_contents(place: ClipPlace, record: ClipRecord) -> dict[str, bytes]:
    facts = {"fergi": _version(), **_without_series(record)}
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


def _require_within_limits(studio: Studio, record: ClipRecord) -> None:
    limits = studio.configuration.limits
    longest = limits.clip_seconds + _SECONDS_OF_GRACE
    series_seconds = record.series.times[-1] if record.series else 0.0
    if max(record.seconds, series_seconds) > longest:
        raise RequestRefusedError(
            "invalid",
            f"The clip lasts {max(record.seconds, series_seconds):.1f} s; at most "
            f"{limits.clip_seconds:g} s are taken.",
        )
    if record.video is not None and record.video.bytes > limits.clip_megabytes * MEGABYTE:
        raise RequestRefusedError(
            "too-large",
            f"The video has {record.video.bytes} bytes; at most {limits.clip_megabytes} MB "
            "are taken: record with a lower bit rate.",
        )


def _require_onset(place: ClipPlace, record: ClipRecord) -> None:
    if place.kind == "reaction" and math.isnan(record.onset()):
        raise RequestRefusedError(
            "invalid", "A reaction needs the event 'stimulus-onset', in the clock of its frames."
        )


def _require_fitting_video(
    studio: Studio, record: ClipRecord, received: ReceivedVideo
) -> VideoFacts:
    announced = record.video
    found = probe_video(received.path)
    if announced is None or found.type != announced.type:
        raise RequestRefusedError(
            "wrong-type", f"The video is {found.type}, another type than announced."
        )
    longest = studio.configuration.limits.clip_seconds + _SECONDS_OF_GRACE
    if found.seconds > longest:
        raise RequestRefusedError(
            "invalid",
            f"The video lasts {found.seconds:.1f} s; at most {longest - 1:g} s are taken.",
        )
    return announced


def _announced(session: Session, place: ClipPlace, received: ReceivedVideo) -> ClipRow:
    row = _row(session, place)
    if row is None or row.video_sha256 is None:
        raise RequestRefusedError("unknown", "No video was announced; send its record first.")
    if (row.video_sha256, row.video_bytes) != (received.sha256, received.bytes):
        kind = "conflict" if row.is_confirmed else "bad-request"
        raise RequestRefusedError(
            kind,
            f"{received.bytes} bytes came with SHA-256 {received.sha256}; announced were "
            f"{row.video_bytes} with {row.video_sha256}. Send it again.",
        )
    return row


def _row(session: Session, place: ClipPlace) -> ClipRow | None:
    key = (place.participant, place.session, place.image, place.kind)
    return session.get(ClipRow, key)


def _new_row(place: ClipPlace, record: ClipRecord, digest: str) -> ClipRow:
    video, series = record.video, record.series
    # A series that waits for its video waits in the database: no half clip lies in the folder.
    content = record.model_dump(mode="json") if video else _without_series(record)
    return ClipRow(
        participant=place.participant,
        session=place.session,
        image=place.image,
        kind=place.kind,
        is_confirmed=video is None,
        record=content,
        record_sha256=digest,
        has_series=series is not None,
        has_video=False,
        video_sha256=video.sha256 if video else None,
        video_bytes=video.bytes if video else None,
        video_type=video.type if video else None,
        valid_share=_valid_share(series),
    )


def _valid_share(series: Series | None) -> float | None:
    if series is None:
        return None
    return float(valid_frames(action_units(series), PUBLISHED_CRITERIA).mean())


def _without_series(record: ClipRecord) -> dict[str, object]:
    return record.model_dump(mode="json", exclude={"series"})


def _repeated(row: ClipRow, digest: str) -> ClipReceipt:
    if row.record_sha256 != digest:
        raise RequestRefusedError(
            "conflict", "This clip is confirmed already, with other contents; it is kept."
        )
    return _receipt(row)


def _receipt(row: ClipRow) -> ClipReceipt:
    return ClipReceipt(
        state="confirmed" if row.is_confirmed else "awaiting-video",
        record_sha256=row.record_sha256,
        video_sha256=row.video_sha256 if row.has_video else None,
        valid_share=row.valid_share,
    )
