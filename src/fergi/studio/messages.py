"""What the participant's browser and the server say to each other.

The names, and the meaning of each field, are those of `docs/studio-protocol.md`. What is
said of clips is in `clip_messages`, what describes a study in `study_messages`.
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

Choice = Literal["features", "video", "nothing"]
ClipState = Literal["missing", "awaiting-video", "confirmed"]
Kind = Literal["neutral", "baseline", "reaction"]
StimulusKind = Literal["image", "video", "audio", "text"]
Texts = dict[str, str]
"""A text in each language."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Number = Annotated[int, Field(ge=1, le=10_000)]
Rating = Annotated[int, Field(ge=1, le=7)]
# PostgreSQL takes no NUL; lone surrogates pydantic refuses by itself.
PlainText = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
Secret = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]
"""256 bits in base64url."""


class Message(BaseModel):
    """A body. Unknown fields, numbers in quotation marks and NaN are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)


class Joining(Message):
    """A link exchanged for a cookie."""

    link: Secret
    key: Secret
    language: Language = "en"


class ConsentGiven(Message):
    """A choice of what may be kept, and the text that was shown."""

    version: Annotated[PlainText, Field(min_length=1, max_length=40)]
    sha256: Sha256
    language: Language
    choice: Choice


class ConsentRecord(ConsentGiven):
    """A choice, and when it was made."""

    given: datetime


class Survey(Message):
    """What a participant says of one image; null is not answered."""

    overall_rating: Rating | None = None
    alignment_rating: Rating | None = None
    fidelity_rating: Rating | None = None
    issues: Annotated[list[Name], Field(max_length=50)] = []
    reactions: Annotated[list[Name], Field(max_length=50)] = []
    extra: Annotated[
        dict[Name, int | Annotated[PlainText, Field(max_length=2000)]], Field(max_length=50)
    ] = {}


class Ranking(Message):
    """The images of a session, best first."""

    best_first: Annotated[list[Number], Field(min_length=2, max_length=100)]

    @field_validator("best_first")
    @classmethod
    def _are_all_different(cls, images: list[int]) -> list[int]:
        if len(set(images)) < len(images):
            raise ValueError("names an image twice")
        return images


class PromptWritten(Message):
    """A participant's own prompt."""

    prompt: Annotated[
        PlainText, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)
    ]


class ClipProgress(Message):
    """How far a clip has come."""

    image: int
    kind: Kind
    state: ClipState


class SessionProgress(Message):
    """How far a session has come."""

    session: int
    prompt: str | None
    clips: list[ClipProgress]
    survey: list[int]
    ranked: bool
    complete: bool


class Progress(Message):
    """All that is needed to go on after a pause."""

    participant: str
    language: str
    joined: datetime
    consent: ConsentRecord | None
    neutral: ClipState
    sessions: list[SessionProgress]
    finished: datetime | None
    kept_until: datetime


class WrongField(Message):
    """Something in a body that was refused."""

    where: str
    problem: str


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[WrongField] | None = None
