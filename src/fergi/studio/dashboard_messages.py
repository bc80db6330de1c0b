"""What the researcher's pages and the server say to each other."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from fergi.studio.clip_messages import Event
from fergi.studio.messages import (
    Choice,
    ClipState,
    ConsentRecord,
    Kind,
    Message,
    PlainText,
    Secret,
    StimulusKind,
    Survey,
    Texts,
)


class Entering(Message):
    """The researcher's token, exchanged for a cookie."""

    token: Secret


class Counts(Message):
    """How much there is."""

    participants: int
    consented: int
    finished: int
    withdrawn: int
    clips: int
    videos: int
    bytes: int


class PromptOverview(Message):
    """A prompt of the study."""

    text: str
    stimuli: int


class Overview(Message):
    """The study at a glance."""

    title: Texts
    folder: str
    languages: list[str]
    consent_version: str
    retention_days: int
    counts: Counts
    prompts: list[PromptOverview]
    address: str


class ParticipantSummary(Message):
    """A participant in the list; shares and means over confirmed reactions."""

    participant: str
    joined: datetime
    last_seen: datetime
    language: str
    choice: Choice | None
    finished: datetime | None
    kept_until: datetime
    sessions: int
    sessions_complete: int
    clips: int
    clips_expected: int
    videos: int
    valid_share: float | None
    dropped_share: float | None
    light: float | None
    frame_rate: float | None


class ParticipantList(Message):
    """All participants, the last to join first."""

    participants: list[ParticipantSummary]


class ClipSummary(Message):
    """A clip in the list."""

    state: ClipState
    kind: Kind
    recorded: datetime
    seconds: float
    frames: int
    frame_rate: float | None
    valid_share: float | None
    dropped_frames: int
    light: float | None
    has_video: bool
    has_series: bool
    address: str


class StimulusSeen(Message):
    """What was shown."""

    kind: StimulusKind
    type: str | None
    address: str


class ImageDetail(Message):
    """One image of a session, and what is known of it."""

    image: int
    stimulus: StimulusSeen
    survey: Survey | None
    baseline: ClipSummary | None
    reaction: ClipSummary | None


class SessionDetail(Message):
    """One session."""

    session: int
    prompt: str | None
    complete: bool
    ranking: list[int] | None
    images: list[ImageDetail]


class ParticipantDetail(ParticipantSummary):
    """A participant, and everything recorded."""

    consents: list[ConsentRecord]
    neutral: ClipSummary | None
    session_details: list[SessionDetail]


class SeriesShown(Message):
    """The action units of a clip, from its file; null where no face was seen."""

    times: list[float]
    face_confidence: list[float | None]
    pitch_ratio: list[float | None]
    yaw_ratio: list[float | None]
    units: list[int]
    intensities: list[list[float] | None]


class ClipDetail(ClipSummary):
    """A clip, with its curves."""

    events: list[Event]
    series: SeriesShown | None
    is_valid: list[bool] | None
    activation: dict[str, float] | None
    valence: float | None
    video: str | None


class AnnotationProblem(Message):
    """What could not be used."""

    place: str
    reason: str


class AnnotationTable(Message):
    """Annotations so far."""

    annotations: list[dict[str, Any]]
    problems: list[AnnotationProblem]
    facts: dict[str, Any]


class LinkSummary(Message):
    """A link in the list; its token is not known any more."""

    link_id: str
    label: str
    created: datetime
    expires: datetime
    state: Literal["open", "used", "revoked", "expired"]
    participant: str | None


class LinkList(Message):
    """All links, the newest first."""

    links: list[LinkSummary]


class LinksWanted(Message):
    """How many links to make, and for whom."""

    count: Annotated[int, Field(ge=1, le=500)] = 1
    label: Annotated[PlainText, Field(max_length=100)] = ""
    participant: Annotated[PlainText, Field(max_length=40)] | None = None


class NewLinkMessage(Message):
    """A link, told this once."""

    link_id: str
    address: str


class NewLinks(Message):
    """Links, told this once."""

    links: list[NewLinkMessage]
