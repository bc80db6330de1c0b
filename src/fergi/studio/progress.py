"""How far a participant has come, and what is said on the way."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from fergi.studio.configuration import StudyConfiguration
from fergi.studio.consent import consent_in_force, require_consent
from fergi.studio.messages import (
    ClipProgress,
    ClipState,
    Progress,
    Ranking,
    SessionProgress,
    Survey,
)
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.session_records import session_stimuli, write_session_record
from fergi.studio.stimuli import require_stimulus
from fergi.studio.studio import Studio
from fergi.studio.tables import ClipRow, ParticipantRow, SessionRow, StimulusRow


def participant_progress(studio: Studio, participant: str) -> Progress:
    """Tell all that a browser needs to go on."""
    with studio.database.reading() as session:
        person = session.get_one(ParticipantRow, participant)
        clips = participant_clips(session, participant)
        neutral = [clip for clip in clips if clip.kind == "neutral"]
        return Progress(
            participant=participant,
            language=person.language,
            joined=person.joined,
            consent=consent_in_force(session, participant),
            neutral=_state(neutral[0]) if neutral else "missing",
            sessions=[
                session_progress(studio.configuration, session, row, clips)
                for row in participant_sessions(session, participant)
            ],
            finished=person.finished,
            kept_until=studio.kept_until(person.joined),
        )


def participant_clips(session: Session, participant: str) -> list[ClipRow]:
    """List the clips of a participant, in the order in which they are recorded."""
    found = session.scalars(select(ClipRow).where(ClipRow.participant == participant))
    return sorted(found, key=lambda clip: (clip.session, clip.image, clip.kind))


def participant_sessions(session: Session, participant: str) -> list[SessionRow]:
    """List the sessions of a participant, in their order."""
    found = session.scalars(
        select(SessionRow).where(SessionRow.participant == participant).order_by(SessionRow.session)
    )
    return list(found)


def session_progress(
    configuration: StudyConfiguration, session: Session, row: SessionRow, clips: Sequence[ClipRow]
) -> SessionProgress:
    """Tell how far a session has come."""
    stimuli = session_stimuli(session, row.participant, row.session)
    own = [clip for clip in clips if clip.session == row.session and clip.kind != "neutral"]
    return SessionProgress(
        session=row.session,
        prompt=row.prompt,
        clips=[
            ClipProgress.model_validate(
                {"image": clip.image, "kind": clip.kind, "state": _state(clip)}
            )
            for clip in own
        ],
        survey=[one.image for one in stimuli if one.survey is not None],
        ranked=row.ranking is not None,
        complete=_is_complete(configuration, row, stimuli, own),
    )


def _is_complete(
    configuration: StudyConfiguration,
    row: SessionRow,
    stimuli: Sequence[StimulusRow],
    clips: Sequence[ClipRow],
) -> bool:
    questions = configuration.questions
    if questions.ranking and row.ranking is None:
        return False
    ranked = row.ranking or [one.image for one in stimuli if one.state != "failed"]
    seen = {clip.image for clip in clips if clip.kind == "reaction" and clip.is_confirmed}
    answered = {one.image for one in stimuli if one.survey is not None}
    return set(ranked) <= seen and (not questions.asks_of_images or set(ranked) <= answered)


def _state(clip: ClipRow) -> ClipState:
    return "confirmed" if clip.is_confirmed else "awaiting-video"


def put_survey(studio: Studio, participant: str, number: int, image: int, survey: Survey) -> None:
    """Keep what is said of an image.

    Raises:
        RequestRefusedError: If something is answered that was not asked.
    """
    _require_asked(studio.configuration, survey)
    with studio.database.writing() as session:
        _require_open(studio, session, participant)
        row = require_stimulus(session, participant, number, image)
        row.survey = survey.model_dump()
        write_session_record(studio, session, participant, number)


def put_ranking(studio: Studio, participant: str, number: int, ranking: Ranking) -> None:
    """Keep the order in which somebody likes the images of a session.

    Raises:
        RequestRefusedError: If it is not each image that was shown, once.
    """
    with studio.database.writing() as session:
        _require_open(studio, session, participant)
        row = _require_session(session, participant, number)
        stimuli = session_stimuli(session, participant, number)
        known = {one.image for one in stimuli}
        shown = {one.image for one in stimuli if one.state == "ready"}
        ranked = set(ranking.best_first)
        if not ranked <= known or not shown <= ranked:
            raise RequestRefusedError(
                "invalid",
                f"The ranking names {sorted(ranked)}; it must name each of {sorted(shown)} once.",
            )
        row.ranking = ranking.best_first
        write_session_record(studio, session, participant, number)


def put_prompt(studio: Studio, participant: str, number: int, prompt: str) -> None:
    """Keep a prompt that a participant wrote.

    Raises:
        RequestRefusedError: If the study has its own, or pictures of this one have been begun.
    """
    section = studio.configuration.generator
    if section is None or not section.prompts_by_participant:
        raise RequestRefusedError("conflict", "The prompts of this study are given.")
    with studio.database.writing() as session:
        _require_open(studio, session, participant)
        row = _require_session(session, participant, number)
        if row.prompt is not None and row.prompt != prompt:
            raise RequestRefusedError("conflict", "The prompt is written; its pictures are made.")
        row.prompt = prompt


def finish(studio: Studio, participant: str) -> None:
    """Note that a participant has come to the end."""
    with studio.database.writing() as session:
        person = session.get_one(ParticipantRow, participant)
        person.finished = person.finished or studio.clock()


def _require_open(studio: Studio, session: Session, participant: str) -> None:
    person = session.scalar(
        select(ParticipantRow).where(ParticipantRow.name == participant).with_for_update()
    )
    if person is None or person.is_leaving:
        raise RequestRefusedError("token-needed", "Your data have been deleted.")
    if person.finished is not None:
        raise RequestRefusedError("finished", "You have finished; nothing more is taken.")
    require_consent(studio, session, participant)


def _require_session(session: Session, participant: str, number: int) -> SessionRow:
    row = session.get(SessionRow, (participant, number))
    if row is None:
        raise RequestRefusedError("unknown", "Your study has no such session.")
    return row


def _require_asked(configuration: StudyConfiguration, survey: Survey) -> None:
    questions = configuration.questions
    asked = {one.name: one for one in questions.extra}
    ratings = {"overall_rating", "alignment_rating", "fidelity_rating"} - set(questions.ratings)
    foreign = [name for name in sorted(ratings) if getattr(survey, name) is not None]
    foreign += [name for name in survey.issues if name not in questions.issues]
    foreign += [name for name in survey.reactions if name not in questions.reactions]
    foreign += [name for name in survey.extra if name not in asked]
    if foreign:
        raise RequestRefusedError("invalid", f"This study does not ask: {', '.join(foreign)}.")
    for name, answer in survey.extra.items():
        question = asked[name]
        if isinstance(answer, int) != (question.kind == "scale"):
            raise RequestRefusedError("invalid", f"'{name}' asks for a {question.kind}.")
        if isinstance(answer, int) and not _lies_within(answer, question.lowest, question.highest):
            raise RequestRefusedError(
                "invalid", f"'{name}' goes from {question.lowest} to {question.highest}."
            )


def _lies_within(answer: int, lowest: int | None, highest: int | None) -> bool:
    return (lowest is None or answer >= lowest) and (highest is None or answer <= highest)
