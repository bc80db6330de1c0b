"""A study as it is described to the participant's browser."""

from typing import Annotated, Literal

from pydantic import Field

from fergi.studio.messages import Choice, Message, Name, Sha256, StimulusKind, Texts


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
