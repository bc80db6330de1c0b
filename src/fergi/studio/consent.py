"""What each participant agreed to, and what follows when that changes."""

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from fergi.studio.messages import Choice, ConsentGiven, ConsentRecord
from fergi.studio.places import row_place
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.studio import Studio
from fergi.studio.tables import ClipRow, ConsentRow, SessionRow, StimulusRow


def give_consent(studio: Studio, participant: str, given: ConsentGiven) -> ConsentRecord:
    """Record a choice; what it no longer covers is deleted before this returns.

    Raises:
        RequestRefusedError: If another text was shown than the study's, or the study does not
            offer the choice.
    """
    _require_current(studio, given)
    with studio.database.writing() as session:
        present = consent_in_force(session, participant)
        if present is not None and ConsentGiven(**present.model_dump(exclude={"given"})) == given:
            record = present
        else:
            record = ConsentRecord(**given.model_dump(), given=studio.clock())
            session.add(ConsentRow(participant=participant, **record.model_dump()))
        unneeded = _unneeded_files(studio, session, participant, given.choice)
    _delete_files(studio, participant, given.choice, unneeded)
    return record


def consent_in_force(session: Session, participant: str) -> ConsentRecord | None:
    """Give the last choice of a participant."""
    row = session.scalar(
        select(ConsentRow)
        .where(ConsentRow.participant == participant)
        .order_by(ConsentRow.number.desc())
        .limit(1)
    )
    return None if row is None else _record(row)


def consents(session: Session, participant: str) -> list[ConsentRecord]:
    """List all choices of a participant, in their order."""
    rows = session.scalars(
        select(ConsentRow).where(ConsentRow.participant == participant).order_by(ConsentRow.number)
    )
    return [_record(row) for row in rows]


def require_consent(studio: Studio, session: Session, participant: str) -> Choice:
    """Check that a participant agreed to take part.

    Returns:
        What may be kept: features, or video too.

    Raises:
        RequestRefusedError: If nothing may be kept, or nobody has asked yet.
    """
    present = consent_in_force(session, participant)
    if present is None:
        raise RequestRefusedError("consent-needed", "Ask for consent first.")
    if present.version != studio.configuration.consent.version:
        raise RequestRefusedError(
            "consent-changed", "The consent text has changed; show the new one, and ask again."
        )
    if present.choice == "nothing":
        raise RequestRefusedError("consent-needed", "The participant chose that nothing is kept.")
    return present.choice


def _require_current(studio: Studio, given: ConsentGiven) -> None:
    asked = studio.configuration.consent_description()
    text = asked.texts.get(given.language)
    if given.version != asked.version or text is None or given.sha256 != text.sha256:
        raise RequestRefusedError(
            "consent-changed",
            f"The study's consent text is version {asked.version}; load the study again, show it, "
            "and ask again.",
        )
    if given.choice not in asked.choices:
        raise RequestRefusedError(
            "consent-needed", f"This study offers only: {', '.join(asked.choices)}."
        )


def _unneeded_files(
    studio: Studio, session: Session, participant: str, choice: Choice
) -> list[str]:
    """Forget in the database what a choice does not cover; give the files to delete."""
    if choice == "nothing":
        session.execute(delete(ClipRow).where(ClipRow.participant == participant))
        session.execute(
            update(SessionRow).where(SessionRow.participant == participant).values(ranking=None)
        )
        session.execute(
            update(StimulusRow).where(StimulusRow.participant == participant).values(survey=None)
        )
    return forget_videos(studio, session, participant) if choice == "features" else []


def forget_videos(studio: Studio, session: Session, participant: str) -> list[str]:
    """Forget in the database that there are videos of a participant.

    A clip that has nothing else is forgotten altogether.

    Returns:
        The files to delete.
    """
    files: list[str] = []
    rows = session.scalars(
        select(ClipRow).where(ClipRow.participant == participant, ClipRow.video_sha256.is_not(None))
    )
    for row in rows.all():
        place = row_place(row)
        files += place.videos
        if row.is_confirmed and (row.has_series or studio.files.has(place.features)):
            row.has_series, row.has_video = True, False
            row.video_sha256, row.video_bytes, row.video_type = None, None, None
        else:
            session.delete(row)
            files.append(place.record)
    return files


def _delete_files(studio: Studio, participant: str, choice: Choice, unneeded: list[str]) -> None:
    for name in unneeded:
        studio.files.remove(name)
    if choice == "nothing":
        studio.files.remove_participant(participant)
    if unneeded or choice == "nothing":
        studio.database.scrub()


def _record(row: ConsentRow) -> ConsentRecord:
    return ConsentRecord(
        version=row.version,
        sha256=row.sha256,
        language=row.language,
        choice=row.choice,  # type: ignore[arg-type]
        given=row.given,
    )
