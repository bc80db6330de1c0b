"""Feature files with the JSON beside them: written together, and judged by it later."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from fergi.datasets.feature_files import FEATURE_HEADER
from fergi.extraction.videos import ClipVideo
from fergi.files import replacing
from fergi.provenance import read_provenance, write_provenance


@dataclass(frozen=True, slots=True)
class Origin:
    """What features come from, beside the video: features of another origin differ.

    Attributes:
        settings: Those that change the result.
        models: Name of each model → SHA-256 of its file.
    """

    settings: Mapping[str, Any]
    models: Mapping[str, str]


HOW_TO_REPLACE = "kept: --overwrite replaces it, --out writes elsewhere"
"""What is said of features that are there, and not what a run would write."""


class Standing(Enum):
    """Whether a clip's features are there."""

    ABSENT = auto()
    COMPLETE = auto()
    OTHER = auto()
    """There, but not what this run would write."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is there of a clip's features.

    Attributes:
        standing: Whether they are.
        summary: What their JSON says of the clip; empty unless complete.
        reason: Why they are not what this run would write.
    """

    standing: Standing
    summary: Mapping[str, Any]
    reason: str = ""


def found_features(clip: ClipVideo, origin: Origin) -> Found:
    """Look whether a clip's features are there, whole, and of the origin that is wanted."""
    if not clip.features.exists():
        return Found(Standing.ABSENT, {})
    record = read_provenance(clip.features)
    summary = _summary(record)
    reason = _difference(clip, record, summary, origin)
    if reason:
        return Found(Standing.OTHER, {}, f"{reason}; {HOW_TO_REPLACE}")
    return Found(Standing.COMPLETE, summary)


def write_features(
    clip: ClipVideo, origin: Origin, rows: Iterable[bytes], summary: Mapping[str, Any]
) -> None:
    """Write a feature file, and the JSON that says how it came about, whole or not at all.

    Args:
        clip: Whose features.
        origin: What they come from.
        rows: Lines of the file, without its header; consumed before `summary` is read.
        summary: What was found in the clip.

    Raises:
        OutputError: If a file cannot be written.
    """
    digest = hashlib.sha256()
    with replacing(clip.features) as file:
        for lines in (FEATURE_HEADER, *rows):
            file.write(lines)
            digest.update(lines)
        # The JSON first: features with a JSON that knows their hash are never half-written.
        write_provenance(
            clip.features,
            settings=origin.settings,
            models=origin.models,
            input_fingerprint=file_hash(clip.video),
            summary={
                "video": clip.video.name,
                "video_bytes": clip.video.stat().st_size,
                "features_sha256": digest.hexdigest(),
                **summary,
            },
        )


def features_summary(features: Path) -> Mapping[str, Any]:
    """Read what the JSON beside features says of the clip; nothing if there is none."""
    return _summary(read_provenance(features))


def _summary(record: Mapping[str, Any]) -> Mapping[str, Any]:
    summary = record.get("summary")
    return summary if isinstance(summary, dict) else {}


def _difference(
    clip: ClipVideo, record: Mapping[str, Any], summary: Mapping[str, Any], origin: Origin
) -> str:
    """Say in which way features are not what a run would write; nothing if they are."""
    name = clip.features.name
    if "features_sha256" not in summary:
        return f"{name} is there, and no JSON beside it says how it came about"
    if file_hash(clip.features) != summary["features_sha256"]:
        return f"{name} is there, and was changed after it was written"
    if record.get("settings") != dict(origin.settings):
        return f"{name} is there, with other settings: {_named(record.get('settings'))}"
    if record.get("models") != dict(origin.models):
        return f"{name} is there, from other models"
    if _is_another_video(clip, record, summary):
        return f"{name} is there, from another video of that name"
    return ""


def _is_another_video(
    clip: ClipVideo, record: Mapping[str, Any], summary: Mapping[str, Any]
) -> bool:
    """Compare a video with the one that features come from.

    It is read only if it was touched since they were written: by its contents, its name or its
    place. Reading all videos of a large study takes long.
    """
    video = clip.video.stat()
    if summary.get("video_bytes") != video.st_size:
        return True
    touched = max(video.st_mtime_ns, video.st_ctime_ns)
    return (
        touched > clip.features.stat().st_mtime_ns
        and file_hash(clip.video) != record["input_fingerprint"]
    )


def _named(settings: object) -> str:
    if not isinstance(settings, Mapping):
        return "unknown"
    return ", ".join(f"{name} {value}" for name, value in settings.items())


def file_hash(path: Path) -> str:
    """Give the SHA-256 of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
