"""Settings that change results. They are frozen, and stored and hashed with each result."""

from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from fergi.errors import UsageError
from fergi.stages.activation import PUBLISHED_CRITERIA, ValidityCriteria
from fergi.stages.valence import Valence

AUTO_SCORES = "auto"
NO_SCORES = "none"

REPRODUCTION_PARTS = ("v1", "v2", "v3", "statistics", "nested")
"""What `fergi reproduce` can be told to do alone."""


class AnnotationSettings(BaseModel):
    """How preferences are derived from a study.

    Attributes:
        valence: Which valence score.
        scores: `"auto"` (each scorer that the fusion knows and the study has), `"none"`,
            or names.
        min_confidence: Pairs less sure than this get no preference, 0.5 to 1.
        exclude_unstable: Whether faces of participants whose brow moves too much while
            nothing is shown are left out, as in versions 1 and 2 of the paper.
        criteria: When a frame, and a clip, may be trusted.
        fau_net: A FAU-Net of the user's; by default the shipped one.
        fusion: A fusion of the user's; by default the shipped one.
        scores_table: A table of scores; by default the study's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    valence: Valence = Valence.FAU_NET
    scores: str | tuple[str, ...] = AUTO_SCORES
    min_confidence: float = Field(0.5, ge=0.5, le=1.0)
    exclude_unstable: bool = False
    criteria: ValidityCriteria = PUBLISHED_CRITERIA
    fau_net: Path | None = None
    fusion: Path | None = None
    scores_table: Path | None = None

    @field_validator("scores", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        """Read `"a,b"` as two names."""
        if isinstance(value, str) and value not in (AUTO_SCORES, NO_SCORES):
            return names_in(value)
        return tuple(dict.fromkeys(value)) if isinstance(value, tuple | list) else value

    def as_json(self) -> dict[str, Any]:
        """Give them as JSON holds them."""
        return self.model_dump(mode="json")


class EstimatorName(StrEnum):
    """Which estimator of action units."""

    MESH = "mesh"
    FERGI_IR50 = "fergi-ir50"


class NeutralSource(StrEnum):
    """Where a person's neutral face is taken from."""

    AUTO = "auto"
    """The person's baseline clips; a clip of a person without any: that clip itself."""
    BASELINE = "baseline"
    """The person's baseline clips, and nothing else."""
    FIRST_VALID = "first-valid"
    """The first valid frame of each clip."""
    CLIP = "clip"
    """A video or a picture that the user names."""


class ExtractionSettings(BaseModel):
    """How videos become action units.

    Attributes:
        estimator: Which estimator.
        weights: The estimator's weights, where the user brings them; mesh has its own.
        landmark_weights: Those of a landmark network, likewise; by default the landmarks
            are taken from the face mesh.
        neutral: `"auto"`, `"baseline"`, `"first-valid"` or `"clip:PATH"`; see `NeutralSource`.
        is_tracking: Whether to follow a face from frame to frame rather than to search each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    estimator: EstimatorName = EstimatorName.MESH
    weights: Path | None = None
    landmark_weights: Path | None = None
    neutral: str = NeutralSource.AUTO.value
    is_tracking: bool = False

    @field_validator("neutral")
    @classmethod
    def _name_a_source(cls, value: str) -> str:
        source, _, path = value.partition(":")
        if (source == NeutralSource.CLIP) != bool(path) or source not in set(NeutralSource):
            raise ValueError("should be auto, baseline, first-valid or clip:PATH")
        return value

    @property
    def neutral_source(self) -> NeutralSource:
        """Where the neutral face comes from."""
        return NeutralSource(self.neutral.partition(":")[0])

    @property
    def neutral_path(self) -> Path | None:
        """The video or picture of the neutral face that the user names."""
        path = self.neutral.partition(":")[2]
        return Path(path) if path else None


def extraction_settings(**values: Any) -> ExtractionSettings:
    """Check settings that a user gave.

    Raises:
        UsageError: If one of them is unknown or makes no sense.
    """
    try:
        return ExtractionSettings(**values)
    except ValueError as error:
        raise UsageError(_first_line(error)) from error


def names_in(text: str) -> tuple[str, ...]:
    """Split names at commas; each counts once.

    Example:
        >>> names_in("pickscore, hpsv2,pickscore")
        ('pickscore', 'hpsv2')
    """
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def annotation_settings(**values: Any) -> AnnotationSettings:
    """Check settings that a user gave.

    Raises:
        UsageError: If one of them is unknown or out of range.
    """
    try:
        return AnnotationSettings(**values)
    except ValueError as error:
        raise UsageError(_first_line(error)) from error


def _first_line(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    problem = error.errors()[0]
    name = ".".join(str(part) for part in problem["loc"][:1]) or "settings"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input ")
    verb = "" if message.startswith("should") else "cannot be used: "
    return f"{name}: {problem['input']!r} {verb}{message}"
