"""The clips of a study whose features are still to be extracted from their videos."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fergi.records.clip import Clip, Problem
from fergi.records.study import Study
from fergi.settings import ExtractionSettings

if TYPE_CHECKING:
    from fergi.extraction.run import ExtractionRun, Way
    from fergi.extraction.tally import Watch


def unextracted(study: Study) -> list[Clip]:
    """List the clips that have a video, and no features."""
    return [clip for clip in study.clips if clip.video is not None and not clip.features.exists()]


def extract_missing(
    study: Study,
    settings: ExtractionSettings | None = None,
    way: "Way | None" = None,
    watch: "Watch | None" = None,
) -> "ExtractionRun | None":
    """Extract the clips of a study that have no features, and leave all others as they are.

    Args:
        study: The study; it need not be read again afterwards.
        settings: What changes the result.
        way: How it runs; by default one clip after the other.
        watch: Told how far it is.

    Returns:
        What was done; None if there was nothing to do.

    Raises:
        FergiError: As `fergi.extraction.run.extract_videos`.
    """
    missing = unextracted(study)
    if not missing:
        return None
    # Loaded late: most studies need no decoder and no networks.
    from fergi.extraction.run import Existing, Way, extract_videos
    from fergi.extraction.tally import unwatched
    from fergi.extraction.videos import clip_video

    people = {clip.participant for clip in missing}
    clips = [
        clip_video(clip, clip.video)
        for clip in study.clips
        if clip.video is not None and clip.participant in people
    ]
    way = replace(way or Way(), existing=Existing.KEEP)
    return extract_videos(clips, settings or ExtractionSettings(), way, watch or unwatched)


def joined_problems(
    extraction: "ExtractionRun | None", problems: Sequence[Problem]
) -> tuple[Problem, ...]:
    """Put what went wrong in an extraction before what went wrong after it, each once.

    Args:
        extraction: What `extract_missing` gives.
        problems: Found afterwards, among them that the features of failed clips are missing.
    """
    if extraction is None:
        return tuple(problems)
    told = {"/".join(features.parts[-3:]) for features in extraction.failed}
    later = [problem for problem in problems if problem.place not in told]
    return (*extraction.problems, *later)
