"""Links, and the cookies that they are exchanged for."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from fergi.errors import UsageError
from fergi.studio.messages import Joining
from fergi.studio.plan import planned_sessions
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.studio import Studio
from fergi.studio.tables import CookieRow, LinkRow, ParticipantRow, StudioFact
from fergi.studio.tokens import new_link_id, new_participant_name, new_token, token_hash

COOKIE_DAYS = 30
RESEARCHER_HOURS = 12
LINK_DAYS = 90
_RESEARCHER_FACT = "researcher_token_hash"
_SEEN_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Joined:
    """A participant who has come in.

    Attributes:
        participant: The name.
        cookie: What opens the participant's data from now on.
        is_new: Whether this was the first time.
    """

    participant: str
    cookie: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link whose token is told only now."""

    link_id: str
    token: str


def known_participant(session: Session, participant: str) -> ParticipantRow:
    """Find a participant.

    Raises:
        RequestRefusedError: If there is none of that name, or they are being deleted.
    """
    person = session.get(ParticipantRow, participant)
    if person is None or person.is_leaving:
        raise RequestRefusedError("unknown", "There is no such participant.")
    return person


def make_links(
    studio: Studio, count: int, *, label: str = "", participant: str | None = None
) -> list[NewLink]:
    """Make links; only hashes of their tokens are kept.

    Args:
        studio: The study.
        count: How many.
        label: A note for the researcher.
        participant: Whom they let in again; by default each lets in somebody new.
    """
    made = [NewLink(new_link_id(), new_token()) for _ in range(count)]
    now = studio.clock()
    with studio.database.writing() as session:
        if participant is not None:
            known_participant(session, participant)
        session.add_all(
            LinkRow(
                link_id=link.link_id,
                token_hash=token_hash(link.token),
                key_hash=None,
                label=label,
                created=now,
                expires=now + timedelta(days=LINK_DAYS),
                is_revoked=False,
                participant=participant,
            )
            for link in made
        )
    return made


def revoke_link(studio: Studio, link_id: str) -> None:
    """Revoke a link, and shut out who came in by it.

    Raises:
        UsageError: If there is no such link.
    """
    with studio.database.writing() as session:
        link = session.get(LinkRow, link_id)
        if link is None:
            raise UsageError(f"there is no link '{link_id}'; fergi studio link --list names them")
        link.is_revoked = True
        session.execute(delete(CookieRow).where(CookieRow.link_id == link_id))


def link_state(link: LinkRow, now: datetime) -> str:
    """Say whether a link can still be used."""
    if link.is_revoked:
        return "revoked"
    if link.key_hash is not None:
        return "used"
    return "expired" if link.expires <= now else "open"


def join(studio: Studio, joining: Joining) -> Joined:
    """Let somebody in by a link: again and again from one browser, never from two.

    Raises:
        RequestRefusedError: If the link is unknown, used elsewhere, revoked or expired.
    """
    now = studio.clock()
    with studio.database.writing() as session:
        link = session.scalar(
            select(LinkRow).where(LinkRow.token_hash == token_hash(joining.link)).with_for_update()
        )
        if link is None:
            raise RequestRefusedError("token-needed", "This link is unknown; ask for a new one.")
        _require_usable(link, token_hash(joining.key), now)
        is_new = link.participant is None
        if is_new:
            link.participant = _new_participant(studio, session, joining.language, now)
        link.key_hash = token_hash(joining.key)
        cookie = new_token()
        session.add(
            CookieRow(
                token_hash=token_hash(cookie),
                participant=link.participant,
                link_id=link.link_id,
                expires=now + timedelta(days=COOKIE_DAYS),
            )
        )
        return Joined(str(link.participant), cookie, is_new)


def _require_usable(link: LinkRow, key_hash: str, now: datetime) -> None:
    state = link_state(link, now)
    if state == "used" and link.key_hash != key_hash:
        raise RequestRefusedError(
            "link-used",
            "This link has been used in another browser; go on there, or ask for a new link.",
        )
    if state == "revoked":
        raise RequestRefusedError("link-revoked", "This link was revoked; ask for a new one.")
    if state == "expired":
        raise RequestRefusedError("link-expired", "This link is too old; ask for a new one.")


def _new_participant(studio: Studio, session: Session, language: str, now: datetime) -> str:
    present = session.scalar(select(func.count()).select_from(ParticipantRow)) or 0
    if present >= studio.configuration.limits.participants:
        raise RequestRefusedError(
            "study-full", f"The study has its {present} participants; thank you for coming."
        )
    name = new_participant_name()
    session.add(
        ParticipantRow(name=name, language=language, joined=now, last_seen=now, finished=None)
    )
    session.flush()
    sessions, stimuli = planned_sessions(studio.configuration, name, present)
    session.add_all([*sessions, *stimuli])
    return name


def require_participant(studio: Studio, participant: str, cookie: str | None) -> None:
    """Check that a cookie opens the data of a participant.

    Raises:
        RequestRefusedError: If it does not.
    """
    now = studio.clock()
    with studio.database.reading() as session:
        row = session.get(CookieRow, token_hash(cookie)) if cookie else None
        # The same words for a wrong participant as for a wrong cookie: who asks learns nothing.
        if row is None or row.participant != participant or row.expires <= now:
            raise RequestRefusedError("token-needed", "Open your link again, or ask for a new one.")
        person = session.get(ParticipantRow, participant)
        if person is None or person.is_leaving:
            raise RequestRefusedError("token-needed", "Your data have been deleted.")
        was_seen = now - person.last_seen < _SEEN_EVERY
    if not was_seen:
        _note_presence(studio, participant, now)


def _note_presence(studio: Studio, participant: str, now: datetime) -> None:
    with studio.database.writing(durable=False) as session:
        person = session.get(ParticipantRow, participant)
        if person is not None:
            person.last_seen = now


def researcher_token(studio: Studio, *, renew: bool = False) -> str | None:
    """Make the researcher's token, if there is none yet; its hash alone is kept.

    Args:
        studio: The study.
        renew: Whether to make another in place of the one that is there.

    Returns:
        The token, to be told this once; None if there is one already.
    """
    token = new_token()
    with studio.database.writing() as session:
        fact = session.get(StudioFact, _RESEARCHER_FACT)
        if fact is not None and not renew:
            return None
        session.merge(StudioFact(name=_RESEARCHER_FACT, value=token_hash(token)))
        session.execute(delete(CookieRow).where(CookieRow.participant.is_(None)))
    return token


def enter_researcher(studio: Studio, token: str) -> str:
    """Exchange the researcher's token for a cookie.

    Raises:
        RequestRefusedError: If it is another token.
    """
    with studio.database.writing() as session:
        fact = session.get(StudioFact, _RESEARCHER_FACT)
        if fact is None or fact.value != token_hash(token):
            raise RequestRefusedError(
                "token-needed",
                "This is not the researcher's token; "
                "a new one is made by: fergi studio run STUDY --new-admin-token",
            )
        cookie = new_token()
        session.add(
            CookieRow(
                token_hash=token_hash(cookie),
                participant=None,
                link_id=None,
                expires=studio.clock() + timedelta(hours=RESEARCHER_HOURS),
            )
        )
    return cookie


def require_researcher(studio: Studio, cookie: str | None) -> None:
    """Check that a cookie is a researcher's.

    Raises:
        RequestRefusedError: If it is not.
    """
    with studio.database.reading() as session:
        row = session.get(CookieRow, token_hash(cookie)) if cookie else None
        if row is None or row.participant is not None or row.link_id is not None:
            raise RequestRefusedError("token-needed", "Enter with the researcher's token.")
        if row.expires <= studio.clock():
            raise RequestRefusedError("token-needed", "Enter again with the researcher's token.")


def leave_researcher(studio: Studio, cookie: str) -> None:
    """Make a researcher's cookie worthless."""
    with studio.database.writing() as session:
        session.execute(delete(CookieRow).where(CookieRow.token_hash == token_hash(cookie)))


def link_address(origin: str, token: str) -> str:
    """Build the address that a participant opens."""
    return f"{origin}/join#{token}"


def links(studio: Studio) -> list[dict[str, object]]:
    """List links and their states, the newest first; nothing tells their tokens."""
    now = studio.clock()
    with studio.database.reading() as session:
        rows = session.scalars(select(LinkRow).order_by(LinkRow.created.desc(), LinkRow.link_id))
        return [
            {
                "link_id": row.link_id,
                "label": row.label,
                "created": row.created,
                "expires": row.expires,
                "state": link_state(row, now),
                "participant": row.participant,
            }
            for row in rows
        ]
