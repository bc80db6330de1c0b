"""The tables of a studio's database. A change here needs a migration."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, ForeignKey, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NEUTRAL_PLACE = (0, 0)
"""Session and image of the neutral recording, which belongs to none."""


class UtcTime(TypeDecorator[datetime]):
    """A time of day in UTC, also in databases that know no time zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Any) -> datetime | None:
        """Store it without its zone, in UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _: Any) -> datetime | None:
        """Give it its zone back."""
        return None if value is None else value.replace(tzinfo=UTC)


class Table(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ix": "ix_%(table_name)s_%(column_0_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 (SQLAlchemy's own way)
        datetime: UtcTime,
        dict[str, Any]: JSON(none_as_null=True),
        list[int]: JSON(none_as_null=True),
        str: String,
    }


class StudioFact(Table):
    """A fact about the studio itself, by name: the hash of the researcher's token."""

    __tablename__ = "studio_facts"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class ParticipantRow(Table):
    """A participant. Nothing here says who it is."""

    __tablename__ = "participants"

    name: Mapped[str] = mapped_column(primary_key=True)
    language: Mapped[str]
    joined: Mapped[datetime]
    last_seen: Mapped[datetime]
    finished: Mapped[datetime | None]
    is_leaving: Mapped[bool] = mapped_column(default=False)
    """Whether a deletion has begun, which is finished at the next start if need be."""


class LinkRow(Table):
    """A participant's link; only the hash of its token is kept."""

    __tablename__ = "links"

    link_id: Mapped[str] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    key_hash: Mapped[str | None]
    """Of the secret of the browser that used it."""
    label: Mapped[str]
    created: Mapped[datetime]
    expires: Mapped[datetime]
    is_revoked: Mapped[bool] = mapped_column(default=False)
    participant: Mapped[str | None] = mapped_column(
        ForeignKey("participants.name", ondelete="CASCADE"), index=True
    )


class CookieRow(Table):
    """A cookie that was handed out, by its hash. Without a participant: a researcher's."""

    __tablename__ = "cookies"

    token_hash: Mapped[str] = mapped_column(primary_key=True)
    expires: Mapped[datetime]
    participant: Mapped[str | None] = mapped_column(
        ForeignKey("participants.name", ondelete="CASCADE"), index=True
    )
    link_id: Mapped[str | None] = mapped_column(
        ForeignKey("links.link_id", ondelete="CASCADE"), index=True
    )


class ConsentRow(Table):
    """A choice of what may be kept; the last one counts."""

    __tablename__ = "consents"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    participant: Mapped[str] = mapped_column(
        ForeignKey("participants.name", ondelete="CASCADE"), index=True
    )
    version: Mapped[str]
    sha256: Mapped[str]
    language: Mapped[str]
    choice: Mapped[str]
    given: Mapped[datetime]


class SessionRow(Table):
    """One prompt as one participant sees it."""

    __tablename__ = "sessions"

    participant: Mapped[str] = mapped_column(
        ForeignKey("participants.name", ondelete="CASCADE"), primary_key=True
    )
    session: Mapped[int] = mapped_column(primary_key=True)
    prompt: Mapped[str | None]
    ranking: Mapped[list[int] | None]


class StimulusRow(Table):
    """One thing to be shown to one participant."""

    __tablename__ = "stimuli"

    participant: Mapped[str] = mapped_column(
        ForeignKey("participants.name", ondelete="CASCADE"), primary_key=True
    )
    session: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str | None]
    """Its file in the study's folder; None where a generator makes it."""
    ending: Mapped[str | None]
    state: Mapped[str]
    detail: Mapped[str | None]
    survey: Mapped[dict[str, Any] | None]


class ClipRow(Table):
    """A clip that has been recorded; it counts when it is confirmed."""

    __tablename__ = "clips"

    participant: Mapped[str] = mapped_column(
        ForeignKey("participants.name", ondelete="CASCADE"), primary_key=True
    )
    session: Mapped[int] = mapped_column(primary_key=True)
    image: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    is_confirmed: Mapped[bool]
    record: Mapped[dict[str, Any]]
    """The record as sent, without its series, which is in a file."""
    record_sha256: Mapped[str]
    has_series: Mapped[bool]
    has_video: Mapped[bool]
    video_sha256: Mapped[str | None]
    video_bytes: Mapped[int | None]
    video_type: Mapped[str | None]
    valid_share: Mapped[float | None]


class DepartureRow(Table):
    """That somebody's data were deleted, on which day and why; nothing says whose."""

    __tablename__ = "departures"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    day: Mapped[str]
    reason: Mapped[str]
