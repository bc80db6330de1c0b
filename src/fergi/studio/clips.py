"""Clips on their way in: announced, received, and confirmed only when all is on disk."""

import hashlib
import json

from sqlalchemy import select
from sqlalchemy.orm import Session

from fergi.stages.activation import PUBLISHED_CRITERIA, valid_frames
from fergi.studio.clip_contents import action_units, clip_contents, prepared_files, without_series
from fergi.studio.clip_limits import (
    require_fitting_video,
    require_onset,
    require_within_limits,
)
from fergi.studio.clip_messages import ClipReceipt, ClipRecord, Series, VideoFacts
from fergi.studio.consent import require_consent
from fergi.studio.places import ClipPlace
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.studio import Studio
from fergi.studio.tables import ClipRow, ParticipantRow, StimulusRow
from fergi.studio.uploading import ReceivedVideo


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
    require_within_limits(studio, record)
    require_onset(place, record)
    digest = hashlib.sha256(body).hexdigest()
    files = {} if record.video else clip_contents(place, record)
    # What is only announced would be announced again after a loss of power.
    writing = studio.database.writing(durable=record.video is None)
    with prepared_files(studio, place, files) as prepared, writing as session:
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
    facts = require_fitting_video(studio, record, received)
    contents = clip_contents(place, record)
    prepared = prepared_files(studio, place, contents, {place.video(facts.type): received.path})
    with prepared, studio.database.writing() as session:
        if require_active(studio, session, place) != "video":
            raise RequestRefusedError("consent-needed", "The participant did not agree to video.")
        row = _announced(session, place, received)
        if row.is_confirmed:
            return _receipt(row)
        row.record = without_series(record)
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
    content = record.model_dump(mode="json") if video else without_series(record)
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
