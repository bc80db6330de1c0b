"""Which videos are to be extracted, whose they are, and where their features go."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fergi.datasets.session_folder import FEATURE_FILE_ENDING, VIDEO_ENDINGS
from fergi.errors import StudyError
from fergi.records.clip import Clip, ClipKind, Problem

_SESSION = re.compile(r"session_\d+")
_BASELINE = re.compile(rf"{ClipKind.BASELINE.value}_clip_\d+")


@dataclass(frozen=True, slots=True)
class ClipVideo:
    """A video to be extracted.

    Attributes:
        video: The file.
        features: The file to write.
        name: What messages call it.
        person: Who is filmed: clips of one person share a neutral face.
        is_baseline: Whether the person waits, and nothing is shown.
    """

    video: Path
    features: Path
    name: str
    person: str
    is_baseline: bool = False


def find_videos(path: Path, out: Path | None = None) -> tuple[list[ClipVideo], list[Problem]]:
    """List the videos at a path, in the order of their names.

    Clips in `<participant>/session_<k>`, as in a study, belong to that participant. A folder
    with such clips is a study, and only they are taken: its other videos are shown to people,
    or recorded for other ends. Elsewhere each video is taken for another person's.

    Args:
        path: A video, or a folder that holds videos at any depth.
        out: A folder for the features, laid out as `path`; by default they go beside the
            videos.

    Returns:
        The videos, and a problem for each that would be written to the file of another.

    Raises:
        StudyError: If there is no video.
    """
    if not path.exists():
        raise StudyError(f"{path}: does not exist; give a video, a folder of videos, or a study")
    root = path if path.is_dir() else path.parent
    found = [path] if path.is_file() else sorted(_wanted(_videos_under(path)), key=_order)
    if not found:
        raise StudyError(f"{path}: holds no video ({', '.join(VIDEO_ENDINGS)})")
    return _without_doubles([_clip_video(video, root, out) for video in found])


def clip_video(clip: Clip, video: Path) -> ClipVideo:
    """Name what is to be extracted for a clip of a study."""
    is_baseline = clip.kind is ClipKind.BASELINE
    name = "/".join((*clip.folder.parts[-2:], video.name))
    return ClipVideo(video, clip.features, name, clip.participant, is_baseline)


def by_person(clips: Sequence[ClipVideo]) -> Iterator[list[ClipVideo]]:
    """Group clips by the person filmed, in the order in which each first appears."""
    groups: dict[str, list[ClipVideo]] = {}
    for clip in clips:
        groups.setdefault(clip.person, []).append(clip)
    yield from groups.values()


def _videos_under(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        inside = path.relative_to(folder)
        is_hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in VIDEO_ENDINGS and not is_hidden and path.is_file():
            yield path


def _wanted(videos: Iterable[Path]) -> list[Path]:
    """Leave out the other videos of a study."""
    found = list(videos)
    of_sessions = [video for video in found if _SESSION.fullmatch(video.resolve().parent.name)]
    return of_sessions or found


def _order(video: Path) -> tuple[Path, list[str | int], int]:
    """Sort by folder, by name with numbers as numbers, then by the preferred ending."""
    parts = re.split(r"(\d+)", video.stem)
    natural = [int(part) if part.isdecimal() else part for part in parts]
    return video.parent, natural, VIDEO_ENDINGS.index(video.suffix.lower())


def _clip_video(video: Path, root: Path, out: Path | None) -> ClipVideo:
    inside = video.relative_to(root)
    features = inside.with_name(inside.stem + FEATURE_FILE_ENDING)
    session = video.resolve().parent
    is_of_study = bool(_SESSION.fullmatch(session.name))
    return ClipVideo(
        video=video.absolute(),
        features=(out or root).absolute() / features,
        name=inside.as_posix(),
        person=_participant(inside, session) if is_of_study else inside.as_posix(),
        is_baseline=is_of_study and bool(_BASELINE.fullmatch(video.stem)),
    )


def _participant(inside: Path, session: Path) -> str:
    """Name a participant by the folder above the session's, which may lie above the root."""
    folder = inside.parent.parent.as_posix()
    return session.parent.name if folder == "." else folder


def _without_doubles(clips: Iterable[ClipVideo]) -> tuple[list[ClipVideo], list[Problem]]:
    kept: dict[Path, ClipVideo] = {}
    problems = []
    for clip in clips:
        other = kept.setdefault(clip.features, clip)
        if other is not clip:
            reason = f"left out, since {other.video.name} has the same name but for its ending"
            problems.append(Problem(clip.name, f"{reason}; rename one of them"))
    return list(kept.values()), problems
