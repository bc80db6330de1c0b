"""What the participant's browser and the server say to each other.

The names, and the meaning of each field, are those of `docs/studio-protocol.md`.
"""

import itertools
import math
from datetime import datetime
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from fergi.records.action_units import ACTION_UNITS

CLIP_FRAMES = 1800
"""Most frames of one clip: a minute at 30 a second."""

Choice = Literal["features", "video", "nothing"]
ClipState = Literal["missing", "awaiting-video", "confirmed"]
Kind = Literal["neutral", "baseline", "reaction"]
StimulusKind = Literal["image", "video", "audio", "text"]
VideoType = Literal["video/webm", "video/mp4"]
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


class Event(Message):
    """Something that happened during a clip, in the clock of its frames."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
    seconds: Annotated[float, Field(ge=-3600, le=3600)]


class Camera(Message):
    """What the camera says of itself."""

    width: Annotated[int, Field(ge=1, le=16_384)]
    height: Annotated[int, Field(ge=1, le=16_384)]
    frame_rate: Annotated[float, Field(gt=0, le=1000)] | None = None
    label: None = None


class Quality(Message):
    """How well a clip was recorded, as far as the browser can tell."""

    frames: Annotated[int, Field(ge=0, le=CLIP_FRAMES)]
    dropped_frames: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    light: Annotated[float, Field(ge=0, le=1)] | None = None


class Estimator(Message):
    """What measured the action units."""

    name: Name
    sha256: Sha256
    scale: Literal["intensity_0_5", "probability", "proxy"]


# Wide, since one odd frame is no reason to refuse a clip; such frames count as invalid.
_Ratio = Annotated[float, Field(ge=-1e6, le=1e6)]
_Confidence = Annotated[float, Field(ge=0, le=1)]
_Intensity = Annotated[float, Field(ge=-100, le=100)]
_Times = Annotated[list[float], Field(min_length=2, max_length=CLIP_FRAMES)]
_Intensities = Annotated[list[_Intensity], Field(min_length=12, max_length=12)]


class Series(Message):
    """The action units of a clip; null where no face was seen."""

    estimator: Estimator
    neutral: bool
    times: _Times
    face_confidence: list[_Confidence | None]
    pitch_ratio: list[_Ratio | None]
    yaw_ratio: list[_Ratio | None]
    units: list[int]
    intensities: list[_Intensities | None]

    @field_validator("units")
    @classmethod
    def _are_the_twelve(cls, units: list[int]) -> list[int]:
        if units != list(ACTION_UNITS):
            raise ValueError(f"must be {list(ACTION_UNITS)}")
        return units

    @field_validator("times")
    @classmethod
    def _increase(cls, times: list[float]) -> list[float]:
        # As they are written: to the millisecond.
        written = [round(time, 3) for time in times]
        if written[0] != 0:
            raise ValueError("must begin with 0")
        if any(later <= earlier for earlier, later in itertools.pairwise(written)):
            raise ValueError("must increase, by a millisecond at least")
        return times

    @model_validator(mode="after")
    def _are_of_one_length(self) -> "Series":
        measures = (self.face_confidence, self.pitch_ratio, self.yaw_ratio, self.intensities)
        if any(len(measure) != len(self.times) for measure in measures):
            raise ValueError("all lists must be as long as times")
        return self


class VideoFacts(Message):
    """The video that follows a record."""

    sha256: Sha256
    bytes: Annotated[int, Field(ge=1, le=2**40)]
    type: VideoType


class ClipRecord(Message):
    """All that is sent of a clip but its video."""

    recorded: Annotated[datetime, Field(strict=False)]
    seconds: Annotated[float, Field(gt=0, le=3600)]
    events: Annotated[list[Event], Field(max_length=100)] = []
    camera: Camera
    quality: Quality
    series: Series | None = None
    video: VideoFacts | None = None

    @field_validator("recorded", mode="before")
    @classmethod
    def _is_a_time_in_words(cls, value: object) -> object:
        if not isinstance(value, str | datetime):
            raise ValueError("must be a time such as 2026-11-22T20:03:11Z")  # noqa: TRY004 (422)
        return value

    @model_validator(mode="after")
    def _holds_something(self) -> "ClipRecord":
        if self.series is None and self.video is None:
            raise ValueError("needs a series, a video, or both")
        return self

    def onset(self) -> float:
        """Give the seconds at which the stimulus appeared, NaN where that was not said."""
        found = [event.seconds for event in self.events if event.name == "stimulus-onset"]
        return found[0] if found else math.nan


class ClipReceipt(Message):
    """What the server has of a clip."""

    state: ClipState
    record_sha256: Sha256
    video_sha256: Sha256 | None
    valid_share: float | None


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


class ConsentText(Message):
    """The consent text in one language."""

    text: str
    sha256: Sha256


class ConsentDescription(Message):
    """What is asked, and what may be chosen."""

    version: str
    choices: list[Choice]
    texts: dict[str, ConsentText]


class Timing(Message):
    """How long each clip lasts, in seconds."""

    neutral_seconds: Annotated[float, Field(ge=1, le=60, strict=False)] = 10
    baseline_seconds: Annotated[float, Field(ge=1, le=60, strict=False)] = 5
    reaction_seconds: Annotated[float, Field(ge=1, le=60, strict=False)] = 5


class ExtraQuestion(Message):
    """A question of the study's own: a scale, or a text."""

    name: Name
    text: Texts
    kind: Literal["scale", "text"]
    lowest: int | None = None
    highest: int | None = None


class Questions(Message):
    """What is asked of each image, and whether images are ranked."""

    ratings: list[Literal["overall_rating", "alignment_rating", "fidelity_rating"]]
    issues: list[str]
    reactions: list[str]
    ranking: bool
    extra: list[ExtraQuestion]


class Limits(Message):
    """The most that is accepted."""

    clip_bytes: int
    clip_seconds: float
    clip_frames: int
    prompt_characters: int


class ServedModel(Message):
    """A model that the studio serves to the browser."""

    sha256: Sha256
    bytes: int


class StimulusState(Message):
    """Whether a stimulus can be shown."""

    state: Literal["ready", "waiting", "failed"]
    type: str | None = None
    detail: str | None = None


class StimulusDescription(Message):
    """One thing to be shown."""

    image: int
    kind: StimulusKind
    type: str | None
    state: Literal["ready", "waiting", "failed"]
    address: str


class SessionDescription(Message):
    """A prompt and what is shown for it, in this participant's order."""

    session: int
    prompt: str | None
    images: list[StimulusDescription]


class StudyDescription(Message):
    """The study as one participant will see it."""

    title: Texts
    languages: list[str]
    introduction: Texts
    consent: ConsentDescription
    timing: Timing
    questions: Questions
    prompts_by_participant: bool
    limits: Limits
    models: dict[str, ServedModel]
    sessions: list[SessionDescription]


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
