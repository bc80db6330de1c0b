"""What a researcher writes into `study.toml`."""

import hashlib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fergi.errors import StudyError
from fergi.records.study import ISSUES, RATINGS, REACTIONS
from fergi.studio.messages import Choice, Language, Texts
from fergi.studio.study_messages import (
    ConsentDescription,
    ConsentText,
    ExtraQuestion,
    Questions,
    Timing,
)

STUDY_FILE = "study.toml"
STUDY_WANTED = "give a folder that 'fergi studio init' made"
MEGABYTE = 2**20
STIMULUS_ENDINGS = {
    ".png": ("image", "image/png"),
    ".jpg": ("image", "image/jpeg"),
    ".jpeg": ("image", "image/jpeg"),
    ".webp": ("image", "image/webp"),
    ".mp4": ("video", "video/mp4"),
    ".webm": ("video", "video/webm"),
    ".mp3": ("audio", "audio/mpeg"),
    ".ogg": ("audio", "audio/ogg"),
    ".wav": ("audio", "audio/wav"),
    ".m4a": ("audio", "audio/mp4"),
    ".txt": ("text", "text/plain; charset=utf-8"),
}
"""Ending of a stimulus → its kind and type."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ConsentSection(_Section):
    """What participants are asked, in each language."""

    version: Annotated[str, Field(min_length=1, max_length=40)]
    choices: list[Literal["features", "video"]] = ["features", "video"]
    text: Texts

    @field_validator("text", mode="before")
    @classmethod
    def _is_said_in_words(cls, text: object) -> object:
        if isinstance(text, dict) and not all(str(words).strip() for words in text.values()):
            raise ValueError("is empty; say what is recorded, for what, and for how long")
        return text


class QuestionsSection(_Section):
    """What is asked of each image."""

    ratings: list[Literal["overall_rating", "alignment_rating", "fidelity_rating"]] = list(RATINGS)  # type: ignore[arg-type]
    issues: list[str] = list(ISSUES)
    reactions: list[str] = list(REACTIONS)
    ranking: bool = True
    extra: list[ExtraQuestion] = []

    @field_validator("issues", "reactions")
    @classmethod
    def _are_known(cls, names: list[str]) -> list[str]:
        unknown = [name for name in names if name not in (*ISSUES, *REACTIONS)]
        if unknown:
            raise ValueError(f"{', '.join(unknown)}: unknown; ask it as an extra question")
        return names

    @property
    def asks_of_images(self) -> bool:
        """Whether anything is asked of each image."""
        return bool(self.ratings or self.issues or self.reactions or self.extra)


class OrderSection(_Section):
    """In which order prompts and their stimuli are shown, and how many prompts to each person."""

    prompts: Literal["random", "fixed", "rotated"] = "random"
    stimuli: Literal["random", "fixed", "rotated"] = "random"
    sessions: Annotated[int, Field(ge=0)] = 0


class RetentionSection(_Section):
    """After how many days what is deleted."""

    days: Annotated[int, Field(ge=1, le=36_500)] = 365
    video_days: Annotated[int, Field(ge=1, le=36_500)] | None = None


class LimitsSection(_Section):
    """The most that is accepted."""

    clip_megabytes: Annotated[int, Field(ge=1, le=1024)] = 32
    clip_seconds: Annotated[float, Field(ge=1, le=60)] = 15.0
    requests_per_minute: Annotated[int, Field(ge=10, le=100_000)] = 600
    participants: Annotated[int, Field(ge=1, le=100_000)] = 1000


class PromptSection(_Section):
    """A prompt, and what is shown for it."""

    text: Annotated[str, Field(min_length=1)]
    stimuli: list[str] = []
    folder: str | None = None


class GeneratorSection(_Section):
    """What makes images while the participant waits."""

    kind: Literal["endpoint", "diffusers"]
    images: Annotated[int, Field(ge=2, le=50)] = 5
    address: str | None = None
    headers: dict[str, str] = {}
    body: dict[str, Any] = {}
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0
    model: str | None = None
    options: dict[str, Any] = {}
    prompts_by_participant: bool = False
    sessions: Annotated[int, Field(ge=1, le=1000)] = 5

    @model_validator(mode="after")
    def _says_where(self) -> "GeneratorSection":
        if self.kind == "endpoint" and not str(self.address).startswith(("http://", "https://")):
            raise ValueError("an endpoint needs address = 'http://…'")
        if self.kind == "diffusers" and not self.model:
            raise ValueError("diffusers needs model = the folder of a pipeline")
        return self


class StudyConfiguration(_Section):
    """A study, as its researcher describes it."""

    title: Texts
    introduction: Texts = {}
    languages: Annotated[list[Language], Field(min_length=1)] = ["en", "zh"]
    seed: Annotated[int, Field(ge=0)] = 0
    consent: ConsentSection
    timing: Timing = Timing()
    questions: QuestionsSection = QuestionsSection()
    order: OrderSection = OrderSection()
    retention: RetentionSection = RetentionSection()
    limits: LimitsSection = LimitsSection()
    prompts: list[PromptSection] = []
    generator: GeneratorSection | None = None

    @model_validator(mode="after")
    def _speaks_its_first_language(self) -> "StudyConfiguration":
        first = self.languages[0]
        for name, texts in (("title", self.title), ("consent.text", self.consent.text)):
            if first not in texts:
                raise ValueError(f"{name} has no text in '{first}', the first of the languages")
        return self

    @model_validator(mode="after")
    def _takes_what_it_records(self) -> "StudyConfiguration":
        most = self.limits.clip_seconds
        for name, seconds in self.timing:
            if seconds > most:
                raise ValueError(
                    f"timing.{name} is {seconds:g}, and limits.clip_seconds lets clips last "
                    f"{most:g}; raise that too"
                )
        return self

    @model_validator(mode="after")
    def _shows_something(self) -> "StudyConfiguration":
        writes_prompts = self.generator is not None and self.generator.prompts_by_participant
        if not self.prompts and not writes_prompts:
            raise ValueError("there is no [[prompts]]; add at least one")
        if self.generator is None:
            for prompt in self.prompts:
                if len(prompt.stimuli) < 2:
                    raise ValueError(
                        f"prompt '{prompt.text}' has {len(prompt.stimuli)} stimuli; "
                        "at least 2 are compared"
                    )
        return self

    def consent_description(self) -> ConsentDescription:
        """Say what participants are asked, with the hash of each text."""
        choices: list[Choice] = [*self.consent.choices, "nothing"]
        texts = {
            language: ConsentText(text=text, sha256=text_hash(text))
            for language, text in self.consent.text.items()
        }
        return ConsentDescription(version=self.consent.version, choices=choices, texts=texts)

    def questions_message(self) -> Questions:
        """Give the questions as the browser gets them."""
        return Questions(**self.questions.model_dump())


def text_hash(text: str) -> str:
    """Give the SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_configuration(root: Path) -> StudyConfiguration:
    """Read the `study.toml` of a study.

    Raises:
        StudyError: If it is missing or broken, or names a stimulus that is not there.
    """
    path = root / STUDY_FILE
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise StudyError(f"{path} is missing; {STUDY_WANTED}") from error
    except (OSError, ValueError) as error:
        raise StudyError(f"{path} cannot be read ({error}); correct it") from error
    content["prompts"] = [_with_folder(prompt, root) for prompt in content.get("prompts", [])]
    try:
        configuration = StudyConfiguration.model_validate(content)
    except ValidationError as error:
        raise StudyError(f"{path}: {_first_error(error)}; correct it") from error
    for prompt in configuration.prompts:
        for name in prompt.stimuli:
            stimulus_path(root, name)
    return configuration


def stimulus_path(root: Path, name: str) -> Path:
    """Find a stimulus in the folder of its study.

    Raises:
        StudyError: If it is not in there, or its ending is unknown.
    """
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise StudyError(f"{name} lies outside {root}; copy it into the study's folder")
    if not path.is_file():
        raise StudyError(f"{root / name} is missing; put it there, or correct {STUDY_FILE}")
    if path.suffix.lower() not in STIMULUS_ENDINGS:
        raise StudyError(
            f"{name}: '{path.suffix}' cannot be shown; use one of {', '.join(STIMULUS_ENDINGS)}"
        )
    return path


def _with_folder(prompt: Any, root: Path) -> Any:
    """List the stimuli of a prompt that names their folder."""
    if not isinstance(prompt, dict) or not isinstance(prompt.get("folder"), str):
        return prompt
    folder = (root / prompt["folder"]).resolve()
    if not folder.is_relative_to(root.resolve()) or not folder.is_dir():
        raise StudyError(f"{root / prompt['folder']} is no folder in the study; correct it")
    names = sorted(
        path.relative_to(root.resolve()).as_posix()
        for path in folder.iterdir()
        if path.suffix.lower() in STIMULUS_ENDINGS
    )
    return {**prompt, "stimuli": [*prompt.get("stimuli", []), *names]}


def _first_error(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return f"{where}: {first['msg']}" if where else first["msg"].removeprefix("Value error, ")
