"""The `data.json` of each session: prompt, answers and ranking as far as they are known."""

import json
from pathlib import Path
from typing import Any

from pydantic.alias_generators import to_camel
from sqlalchemy import select
from sqlalchemy.orm import Session

from fergi.records.study import RATINGS
from fergi.studio.messages import Survey
from fergi.studio.places import ClipPlace, clip_place, session_record_place
from fergi.studio.studio import Studio
from fergi.studio.tables import ClipRow, SessionRow, StimulusRow


def session_record_file(studio: Studio, session: Session, place: ClipPlace) -> dict[str, Path]:
    """Write the `data.json` of a clip's session under a hidden name.

    It is not flushed: the database says the same, and `restore_session_record` writes it again.

    Returns:
        Its name → where it lies; nothing for a clip that belongs to no session.
    """
    if place.kind == "neutral":
        return {}
    content = _json(studio, session, place.participant, place.session)
    file = studio.uploads.written(content)
    return {session_record_place(place.participant, place.session): file}


def write_session_record(studio: Studio, session: Session, participant: str, number: int) -> None:
    """Write the `data.json` of a session, once it has a confirmed clip."""
    session.flush()
    if _recorded_images(session, participant, number):
        place = clip_place(participant, number, 1, "reaction")
        studio.files.put(session_record_file(studio, session, place))


def restore_session_record(studio: Studio, session: Session, participant: str, number: int) -> None:
    """Write a `data.json` again, if it says something else than the database."""
    name = session_record_place(participant, number)
    content = _json(studio, session, participant, number)
    if not studio.files.has(name) or studio.files.read(name) != content:
        studio.files.put({name: studio.uploads.written(content)})


def _json(studio: Studio, session: Session, participant: str, number: int) -> bytes:
    session.flush()
    content = _content(studio, session, participant, number)
    return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"


def _content(studio: Studio, session: Session, participant: str, number: int) -> dict[str, Any]:
    row = session.get_one(SessionRow, (participant, number))
    stimuli = session_stimuli(session, participant, number)
    content: dict[str, Any] = {"prompt": row.prompt or ""}
    if any(one.survey is not None for one in stimuli):
        content["survey"] = [_survey_entry(studio, one) for one in stimuli]
    if row.ranking is not None and set(row.ranking) == _shown_images(session, stimuli):
        content["ranking"] = [{"id": image - 1} for image in row.ranking]
    content["stimuli"] = [one.source or "generated" for one in stimuli]
    return content


def session_stimuli(session: Session, participant: str, number: int) -> list[StimulusRow]:
    """List what is shown in a session, in its order."""
    found = session.scalars(
        select(StimulusRow)
        .where(StimulusRow.participant == participant, StimulusRow.session == number)
        .order_by(StimulusRow.image)
    )
    return list(found)


def _shown_images(session: Session, stimuli: list[StimulusRow]) -> set[int]:
    """List the images that the session's folder holds: recorded, or generated."""
    first = stimuli[0]
    generated = {one.image for one in stimuli if one.source is None and one.state == "ready"}
    return _recorded_images(session, first.participant, first.session) | generated


def _recorded_images(session: Session, participant: str, number: int) -> set[int]:
    found = session.scalars(
        select(ClipRow.image).where(
            ClipRow.participant == participant,
            ClipRow.session == number,
            ClipRow.is_confirmed,
        )
    )
    return set(found)


def _survey_entry(studio: Studio, stimulus: StimulusRow) -> dict[str, Any]:
    """Write answers as the raw layout has them; 0 for a rating that was not given."""
    survey = Survey.model_validate(stimulus.survey or {})
    questions = studio.configuration.questions
    entry: dict[str, Any] = {to_camel(name): getattr(survey, name) or 0 for name in RATINGS}
    if stimulus.survey is not None:
        entry["issuesList"] = {name: name in survey.issues for name in questions.issues}
        entry["reactionList"] = {name: name in survey.reactions for name in questions.reactions}
    if survey.extra:
        entry["extra"] = survey.extra
    return entry
