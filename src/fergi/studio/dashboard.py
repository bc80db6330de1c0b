"""What a researcher sees: who takes part, how far they are, how good the clips are."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from fergi.studio.configuration import STIMULUS_ENDINGS
from fergi.studio.consent import consent_in_force, consents
from fergi.studio.dashboard_messages import (
    ClipSummary,
    Counts,
    ImageDetail,
    Overview,
    ParticipantDetail,
    ParticipantSummary,
    PromptOverview,
    SessionDetail,
    StimulusSeen,
)
from fergi.studio.joining import known_participant
from fergi.studio.messages import Survey
from fergi.studio.places import row_place
from fergi.studio.progress import participant_clips, participant_sessions, session_progress
from fergi.studio.session_records import session_stimuli
from fergi.studio.studio import Studio
from fergi.studio.tables import (
    ClipRow,
    ConsentRow,
    DepartureRow,
    ParticipantRow,
    SessionRow,
    StimulusRow,
)

API = "/api/admin"


def overview(studio: Studio, address: str) -> Overview:
    """Show the study at a glance."""
    configuration = studio.configuration
    with studio.database.reading() as session:
        counts = _counts(session)
    return Overview(
        title=configuration.title,
        folder=studio.root.resolve().name,
        languages=configuration.languages,
        consent_version=configuration.consent.version,
        retention_days=configuration.retention.days,
        counts=counts,
        prompts=[
            PromptOverview(text=one.text, stimuli=len(one.stimuli)) for one in configuration.prompts
        ],
        address=address,
    )


def _counts(session: Session) -> Counts:
    def count(*conditions: Any, of: Any = ParticipantRow) -> int:
        return session.scalar(select(func.count()).select_from(of).where(*conditions)) or 0

    consented = select(func.count(func.distinct(ConsentRow.participant)))
    return Counts(
        participants=count(),
        consented=session.scalar(consented) or 0,
        finished=count(ParticipantRow.finished.is_not(None)),
        withdrawn=count(of=DepartureRow),
        clips=count(ClipRow.is_confirmed, of=ClipRow),
        videos=count(ClipRow.has_video, of=ClipRow),
        bytes=session.scalar(select(func.sum(ClipRow.video_bytes)).where(ClipRow.has_video)) or 0,
    )


def participant_summaries(studio: Studio) -> list[ParticipantSummary]:
    """List all participants, the last to join first."""
    with studio.database.reading() as session:
        people = session.scalars(select(ParticipantRow).order_by(ParticipantRow.joined.desc()))
        return [
            ParticipantSummary(**_summary(studio, session, person))
            for person in people
            if not person.is_leaving
        ]


def participant_detail(studio: Studio, participant: str) -> ParticipantDetail:
    """Show a participant, and everything recorded.

    Raises:
        RequestRefusedError: If there is none of that name.
    """
    with studio.database.reading() as session:
        person = known_participant(session, participant)
        clips = participant_clips(session, participant)
        neutral = [clip for clip in clips if clip.kind == "neutral"]
        return ParticipantDetail(
            **_summary(studio, session, person),
            consents=consents(session, participant),
            neutral=clip_summary(studio, neutral[0]) if neutral else None,
            session_details=[
                _session_detail(studio, session, row, clips)
                for row in participant_sessions(session, participant)
            ],
        )


def _summary(studio: Studio, session: Session, person: ParticipantRow) -> dict[str, Any]:
    clips = participant_clips(session, person.name)
    sessions = participant_sessions(session, person.name)
    consent = consent_in_force(session, person.name)
    images = select(func.count()).select_from(StimulusRow)
    confirmed = [clip for clip in clips if clip.is_confirmed]
    return {
        "participant": person.name,
        "joined": person.joined,
        "last_seen": person.last_seen,
        "language": person.language,
        "choice": consent.choice if consent else None,
        "finished": person.finished,
        "kept_until": studio.kept_until(person.joined),
        "sessions": len(sessions),
        "sessions_complete": sum(
            session_progress(studio.configuration, session, row, clips).complete for row in sessions
        ),
        "clips": sum(clip.kind != "neutral" for clip in confirmed),
        "clips_expected": 2
        * (session.scalar(images.where(StimulusRow.participant == person.name)) or 0),
        "videos": sum(clip.has_video for clip in clips),
        **_quality([clip for clip in confirmed if clip.kind == "reaction"]),
    }


def _quality(clips: Sequence[ClipRow]) -> dict[str, float | None]:
    def mean_of(measure: Callable[[ClipRow], float | None]) -> float | None:
        return _mean(measure(clip) for clip in clips)

    return {
        "valid_share": mean_of(lambda clip: clip.valid_share),
        "dropped_share": mean_of(_dropped_share),
        "light": mean_of(lambda clip: clip.record["quality"]["light"]),
        "frame_rate": mean_of(_frame_rate),
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _dropped_share(clip: ClipRow) -> float | None:
    quality = clip.record["quality"]
    promised: int = quality["frames"] + quality["dropped_frames"]
    return quality["dropped_frames"] / promised if promised else None


def _frame_rate(clip: ClipRow) -> float | None:
    frames: int = clip.record["quality"]["frames"]
    return (frames - 1) / clip.record["seconds"] if frames > 1 else None


def _session_detail(
    studio: Studio, session: Session, row: SessionRow, clips: Sequence[ClipRow]
) -> SessionDetail:
    own = {(clip.image, clip.kind): clip for clip in clips if clip.session == row.session}
    return SessionDetail(
        session=row.session,
        prompt=row.prompt,
        complete=session_progress(studio.configuration, session, row, clips).complete,
        ranking=row.ranking,
        images=[
            _image_detail(studio, one, own)
            for one in session_stimuli(session, row.participant, row.session)
        ],
    )


def _image_detail(
    studio: Studio, stimulus: StimulusRow, clips: dict[tuple[int, str], ClipRow]
) -> ImageDetail:
    baseline = clips.get((stimulus.image, "baseline"))
    reaction = clips.get((stimulus.image, "reaction"))
    kind, content_type = STIMULUS_ENDINGS.get(stimulus.ending or "", ("image", None))
    return ImageDetail.model_validate(
        {
            "image": stimulus.image,
            "stimulus": StimulusSeen.model_validate(
                {
                    "kind": kind,
                    "type": content_type,
                    "address": f"{API}/participants/{stimulus.participant}/sessions/"
                    f"{stimulus.session}/images/{stimulus.image}/stimulus",
                }
            ),
            "survey": Survey.model_validate(stimulus.survey) if stimulus.survey else None,
            "baseline": clip_summary(studio, baseline) if baseline else None,
            "reaction": clip_summary(studio, reaction) if reaction else None,
        }
    )


def clip_summary(studio: Studio, clip: ClipRow) -> ClipSummary:
    """Show a clip in a list."""
    return ClipSummary.model_validate(clip_facts(studio, clip), strict=False)


def clip_facts(studio: Studio, clip: ClipRow) -> dict[str, Any]:
    """Tell what is said of a clip wherever it is shown."""
    place = row_place(clip)
    return {
        "state": "confirmed" if clip.is_confirmed else "awaiting-video",
        "kind": clip.kind,
        "recorded": clip.record["recorded"],
        "seconds": clip.record["seconds"],
        "frames": clip.record["quality"]["frames"],
        "frame_rate": _frame_rate(clip),
        "valid_share": clip.valid_share,
        "dropped_frames": clip.record["quality"]["dropped_frames"],
        "light": clip.record["quality"]["light"],
        "has_video": clip.has_video,
        "has_series": clip.is_confirmed and studio.files.has(place.features),
        "address": f"{API}/participants/{clip.participant}/{place.address}",
    }
