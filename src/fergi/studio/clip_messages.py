"""What the participant's browser says of a clip, and what the server has of it."""

import itertools
import math
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from fergi.records.action_units import ACTION_UNITS
from fergi.studio.messages import ClipState, Message, Name, Sha256

CLIP_FRAMES = 1800
"""Most frames of one clip: a minute at 30 a second."""

VideoType = Literal["video/webm", "video/mp4"]


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
    events: list[Event] = Field(default_factory=list, max_length=100)
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
