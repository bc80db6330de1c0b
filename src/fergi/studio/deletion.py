"""Deleting people's data: at their word, at the researcher's, or when their time is over.

A deletion that was begun is finished, also if the machine stops in the middle: it is first
noted, then files are removed, then rows; at every start what was noted is done.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from fergi.studio.consent import forget_videos
from fergi.studio.places import ClipPlace, neutral_place, row_place, session_record_place
from fergi.studio.session_records import restore_session_record
from fergi.studio.studio import Studio
from fergi.studio.tables import (
    ClipRow,
    CookieRow,
    DepartureRow,
    LinkRow,
    ParticipantRow,
    StimulusRow,
)

Reason = Literal["withdrawn", "deleted by the researcher", "past its date"]

_CLIP_FILE = re.compile(
    r"(?:session_(?P<session>\d+)/(?P<kind>baseline|reaction)_clip_(?P<image>\d+)|neutral_clip)"
    r"(?P<part>_features\.csv(?:\.json)?|_recording\.json|\.webm|\.mp4)"
)


_STIMULUS_FILE = re.compile(r"session_(\d+)/(?:image|\.stimuli/)(\d+)\.\w+")


@dataclass(frozen=True, slots=True)
class Purge:
    """What was past its date, and is gone.

    Attributes:
        participants: How many participants were deleted altogether.
        videos_of: Of how many more the videos were deleted.
        links: How many old links were forgotten.
    """

    participants: int
    videos_of: int
    links: int


def delete_participant(studio: Studio, participant: str, reason: Reason) -> bool:
    """Delete everything about a participant, before this returns.

    Returns:
        Whether there was such a participant.
    """
    with studio.database.writing() as session:
        person = session.get(ParticipantRow, participant, with_for_update=True)
        if person is None:
            return False
        person.is_leaving = True
        session.add(DepartureRow(day=studio.clock().date().isoformat(), reason=reason))
    _finish_deletion(studio, participant)
    return True


def _finish_deletion(studio: Studio, participant: str) -> None:
    studio.files.remove_participant(participant)
    with studio.database.writing() as session:
        session.execute(delete(ParticipantRow).where(ParticipantRow.name == participant))
    studio.database.scrub()


def purge(studio: Studio) -> Purge:
    """Delete what is past its date."""
    now, retention = studio.clock(), studio.configuration.retention
    with studio.database.reading() as session:
        people = list(session.scalars(select(ParticipantRow)))
    gone = [one.name for one in people if studio.kept_until(one.joined) <= now]
    for name in gone:
        delete_participant(studio, name, "past its date")
    with_old_videos = [
        one.name
        for one in people
        if one.name not in gone
        and retention.video_days is not None
        and one.joined + timedelta(days=retention.video_days) <= now
    ]
    return Purge(
        participants=len(gone),
        videos_of=sum(_delete_videos(studio, name) for name in with_old_videos),
        links=_forget_old_links(studio),
    )


def _delete_videos(studio: Studio, participant: str) -> bool:
    with studio.database.writing() as session:
        files = forget_videos(studio, session, participant)
    for name in files:
        studio.files.remove(name)
    return bool(files)


def _forget_old_links(studio: Studio) -> int:
    with studio.database.writing() as session:
        now = studio.clock()
        session.execute(delete(CookieRow).where(CookieRow.expires <= now))
        old = session.scalars(
            select(LinkRow).where(LinkRow.expires <= now, LinkRow.participant.is_(None))
        ).all()
        for link in old:
            session.delete(link)
    studio.database.scrub()
    return len(old)


def recover(studio: Studio) -> int:
    """Bring the study in order after a sudden end: finish deletions, remove what never counted.

    Returns:
        How many files were removed.
    """
    if studio.database.is_sqlite:  # else another machine's upload may be among them
        studio.uploads.empty()
    with studio.database.reading() as session:
        people = list(session.scalars(select(ParticipantRow)))
    for person in people:
        if person.is_leaving:
            _finish_deletion(studio, person.name)
    present = [person.name for person in people if not person.is_leaving]
    return sum(_remove_orphans(studio, name) for name in present)


def _remove_orphans(studio: Studio, participant: str) -> int:
    """Remove files of clips that were never confirmed, or whose deletion was interrupted."""
    with studio.database.writing() as session:
        session.get(ParticipantRow, participant, with_for_update=True)
        kept = {row_place(row): row for row in _confirmed(session, participant)}
        stimuli = _expected_stimuli(session, participant, kept)
        orphans = [
            name
            for name in studio.files.names(participant)
            if _is_orphan_clip(name, participant, kept)
            or _is_orphan_stimulus(name, participant, stimuli)
        ]
        for name in orphans:
            studio.files.remove(name)
        for number in {place.session for place in kept if place.session}:
            restore_session_record(studio, session, participant, number)
        return len(orphans) + _remove_orphan_records(studio, participant, kept)


def _remove_orphan_records(
    studio: Studio, participant: str, kept: Mapping[ClipPlace, ClipRow]
) -> int:
    recorded = {session_record_place(participant, place.session) for place in kept}
    orphans = [
        name
        for name in studio.files.names(participant)
        if name.endswith("/data.json") and name not in recorded
    ]
    for name in orphans:
        studio.files.remove(name)
    return len(orphans)


def _confirmed(session: Session, participant: str) -> list[ClipRow]:
    found = session.scalars(
        select(ClipRow).where(ClipRow.participant == participant, ClipRow.is_confirmed)
    )
    return list(found)


def _expected_stimuli(
    session: Session, participant: str, kept: Mapping[ClipPlace, ClipRow]
) -> set[tuple[int, int]]:
    """List the images whose picture may lie there: seen in a clip, or generated."""
    generated = session.scalars(
        select(StimulusRow).where(
            StimulusRow.participant == participant,
            StimulusRow.source.is_(None),
            StimulusRow.state == "ready",
        )
    )
    seen = {(place.session, place.image) for place in kept}
    return seen | {(row.session, row.image) for row in generated}


def _is_orphan_clip(name: str, participant: str, kept: Mapping[ClipPlace, ClipRow]) -> bool:
    match = _CLIP_FILE.fullmatch(name.removeprefix(f"{participant}/"))
    if match is None:
        return False
    place = neutral_place(participant)
    if match["kind"]:
        place = ClipPlace(participant, int(match["session"]), int(match["image"]), match["kind"])  # type: ignore[arg-type]
    row = kept.get(place)
    is_video = match["part"] in (".webm", ".mp4")
    return row is None or (is_video and not row.has_video)


def _is_orphan_stimulus(name: str, participant: str, expected: set[tuple[int, int]]) -> bool:
    match = _STIMULUS_FILE.fullmatch(name.removeprefix(f"{participant}/"))
    return match is not None and (int(match[1]), int(match[2])) not in expected
