"""What a worker does with a clip: look at it once, find a neutral face, write its features."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageOps

from fergi.datasets.feature_files import feature_rows
from fergi.errors import ClipError, UnusableClipError, VideoError
from fergi.execution.protocol import Tell
from fergi.extraction.feature_records import Origin, write_features
from fergi.extraction.models import LoadModels, Models
from fergi.extraction.neutral_faces import NeutralFace, neutral_face, seen_well, series_of
from fergi.extraction.sightings import Sightings, known_sightings, see
from fergi.extraction.videos import ClipVideo
from fergi.records.action_units import ACTION_UNITS
from fergi.records.face import VideoFrame
from fergi.settings import ExtractionSettings, NeutralSource
from fergi.stages.perception.video import stated_seconds, video_frames

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


@dataclass(frozen=True, slots=True)
class Identify:
    """The task of a worker to say what it works with."""

    name: str = "the models"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a worker works with.

    Attributes:
        estimator: Name of the estimator.
        scale: What its numbers mean.
        licence: Of its weights.
        needs_neutral: Whether it compares with a neutral face.
        models: Name of each model → SHA-256 of its file.
    """

    estimator: str
    scale: str
    licence: str
    needs_neutral: bool
    models: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FindNeutral:
    """The task to look at a clip, and to find the face at rest in it.

    Attributes:
        clip: The clip.
        sightings: Where to keep what was seen.
    """

    clip: ClipVideo
    sightings: Path

    @property
    def name(self) -> str:
        """That of the clip."""
        return self.clip.name


@dataclass(frozen=True, slots=True, eq=False)
class WriteFeatures:
    """The task to write the features of a clip.

    Attributes:
        clip: The clip.
        sightings: Where what was seen is, or is to be kept meanwhile.
        origin: What the features come from.
        neutral: The person's neutral face; None to take it from the clip itself.
        source: Where the neutral face comes from.
    """

    clip: ClipVideo
    sightings: Path
    origin: Origin
    neutral: NeutralFace | None
    source: NeutralSource

    @property
    def name(self) -> str:
        """That of the clip."""
        return self.clip.name


@dataclass(frozen=True, slots=True)
class Looked:
    """News of a task: how far it has looked.

    Attributes:
        frames: How many frames.
        share: Of the clip, 0 to 1, if its length is known.
    """

    frames: int
    share: float | None


class ClipWorker:
    """Extracts clips, one at a time, with models that are loaded once."""

    def __init__(self, load: LoadModels, settings: ExtractionSettings, device: str) -> None:
        self._models = load(settings, device)

    def __call__(self, task: Identify | FindNeutral | WriteFeatures, tell: Tell) -> Any:
        """Do a task.

        Returns:
            An `Identity`, a `NeutralFace` or None, or what was found in the clip.

        Raises:
            ClipError: If the clip cannot be used.
            OutputError: If its features cannot be written.
        """
        match task:
            case Identify():
                return self._identity()
            case FindNeutral():
                return neutral_face(self._seen(task.clip, task.sightings, tell), task.clip.name)
            case WriteFeatures():
                return self._written(task, tell)

    def _identity(self) -> Identity:
        estimator = self._models.estimator
        return Identity(
            estimator=estimator.name,
            scale=estimator.scale.value,
            licence=estimator.licence,
            needs_neutral=estimator.needs_neutral,
            models=dict(self._models.hashes),
        )

    def _seen(self, clip: ClipVideo, path: Path, tell: Tell) -> Sightings:
        """Look at a clip, unless that was done before."""
        known = known_sightings(path, self._models.estimator.observed)
        if known is not None:
            return known
        try:
            return see(_frames(clip.video), self._models, path, _telling(clip.video, tell))
        except VideoError as error:
            raise VideoError(str(error).removeprefix(f"{clip.video.name}: ")) from error

    def _written(self, task: WriteFeatures, tell: Tell) -> dict[str, Any]:
        try:
            sightings = self._seen(task.clip, task.sightings, tell)
            if sightings.frames < 2:
                raise VideoError("has 1 frame, so its frame rate is unknown; film for longer")
            neutral = self._neutral(task, sightings)
            facts = self._facts(task, sightings, neutral)
            write_features(task.clip, task.origin, _rows(sightings, self._models, neutral), facts)
        finally:
            if not task.clip.is_baseline:  # those a killed run needs again, to choose from
                task.sightings.unlink(missing_ok=True)
        return facts

    def _neutral(self, task: WriteFeatures, sightings: Sightings) -> NeutralFace | None:
        if task.neutral is not None or not self._models.estimator.needs_neutral:
            return task.neutral
        if task.source is NeutralSource.BASELINE:
            raise UnusableClipError(
                "its participant has no baseline clip that shows the face frontally, to compare "
                "with; film one, or take another --neutral"
            )
        is_first_frame = task.source is NeutralSource.FIRST_VALID
        return neutral_face(sightings, task.clip.name, is_first_frame=is_first_frame)

    def _facts(
        self, task: WriteFeatures, sightings: Sightings, neutral: NeutralFace | None
    ) -> dict[str, Any]:
        """Say what was found in a clip, as JSON holds it."""
        estimator = self._models.estimator
        faces = sightings.column("faces")
        times = sightings.column("time")
        # Without a neutral face nothing is measured, so no frame is valid.
        is_measured = neutral is not None or not estimator.needs_neutral
        valid = int(seen_well(sightings).sum()) if is_measured else 0
        return {
            "estimator": estimator.name,
            "scale": estimator.scale.value,
            "licence": estimator.licence,
            "device": self._models.device,
            "neutral": None if neutral is None else neutral.described(task.source),
            "seconds": round(float(times[-1]), 3),
            "frames": len(faces),
            "frames_with_a_face": int((faces > 0).sum()),
            "frames_with_several_faces": int((faces > 1).sum()),
            "most_faces": int(faces.max()),
            "valid_frames": valid,
            "valid_share": round(valid / len(faces), 4),
        }


def _rows(sightings: Sightings, models: Models, neutral: NeutralFace | None) -> Iterator[bytes]:
    """Turn what was seen into the lines of a feature file, a part of the clip at a time."""
    first_frame = 1
    for part in sightings.parts():
        intensities = _intensities(part["observations"], models, neutral)
        yield feature_rows(series_of(part, intensities), first_frame=first_frame)
        first_frame += len(part)


def _intensities(
    observations: Float[np.ndarray, "frames observed"], models: Models, neutral: NeutralFace | None
) -> Float[np.ndarray, "frames units"]:
    """Estimate the units of each frame; NaN where there is no face, or nothing to compare with."""
    units = np.full((len(observations), len(ACTION_UNITS)), np.nan)
    is_seen = ~np.isnan(observations).any(axis=1)
    if is_seen.any() and (neutral is not None or not models.estimator.needs_neutral):
        face = None if neutral is None else neutral.observation
        units[is_seen] = models.estimator.intensities(observations[is_seen], face)
    return units


def _frames(path: Path) -> Iterator[VideoFrame]:
    """Decode a video, or read a picture as the one frame of a clip."""
    if path.suffix.lower() not in PICTURE_ENDINGS:
        return video_frames(path)
    try:
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB")
    except OSError as error:
        raise ClipError(f"{path}: is no picture that can be read ({error})") from error
    return iter([VideoFrame(0.0, np.asarray(upright))])


def _telling(video: Path, tell: Tell) -> Callable[[int, float], None]:
    length = stated_seconds(video)

    def looked(frames: int, last: float) -> None:
        tell(Looked(frames, min(last / length, 1.0) if length else None))

    return looked
