"""Which videos are to be extracted, whose they are, and where their features go."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fergi.datasets.session_folder import FEATURE_FILE_ENDING, VIDEO_ENDINGS
from fergi.errors import StudyError
from fergi.files import require_no_file_at
from fergi.records.clip import Clip, ClipKind, Problem

_SESSION = re.compile(r"session_\d+")
_WANTED = "give a video, a folder of videos, or a study"
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


@dataclass(frozen=True, slots=True)
class FoundVideos:
    """What there is to extract at a path.

    Attributes:
        clips: The videos, in the order of their names.
        doubles: A problem for each video that would be written to the file of another.
        left_out: Videos of a study that belong to no session, by their names in it.
    """

    clips: list[ClipVideo]
    doubles: list[Problem]
    left_out: list[str]


def find_videos(path: Path, out: Path | None = None) -> FoundVideos:
    """List the videos at a path.

    Clips in `<participant>/session_<k>`, as in a study, belong to that participant. A folder
    with such clips is a study, and only they are taken: its other videos are shown to people,
    or recorded for other ends. Elsewhere each video is taken for another person's.

    Args:
        path: A video, or a folder that holds videos at any depth.
        out: A folder for the features, laid out as `path`; by default they go beside the
            videos.

    Raises:
        StudyError: If there is no video.
        UsageError: If `out`, or a folder above it, is a file.
    """
    if not path.exists():
        raise StudyError(f"{path}: does not exist; {_WANTED}")
    if out is not None:
        require_no_file_at(out)
    root = path if path.is_dir() else path.parent
    found = [path] if path.is_file() else sorted(_videos_under(path), key=_order)
    if not found:
        raise StudyError(f"{path}: holds no video ({', '.join(VIDEO_ENDINGS)}); {_WANTED}")
    wanted = [video for video in found if _is_of_session(video)] or found
    clips, doubles = _without_doubles([_clip_video(video, root, out) for video in wanted])
    left_out = [video.relative_to(root).as_posix() for video in found if video not in wanted]
    return FoundVideos(clips, doubles, left_out)


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
    for place, folders, names in os.walk(folder, followlinks=True):
        if _is_loop(Path(place)):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(place, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() in VIDEO_ENDINGS and path.is_file():
                yield path


def _is_loop(folder: Path) -> bool:
    """Tell whether a folder is a link to one that it lies in."""
    return folder.is_symlink() and any(folder.samefile(above) for above in folder.parents)


def _is_of_session(video: Path) -> bool:
    return bool(_SESSION.fullmatch(video.resolve().parent.name))


def _order(video: Path) -> tuple[Path, list[str | int], int]:
    """Sort by folder, by name with numbers as numbers, then by the preferred ending."""
    parts = re.split(r"(\d+)", video.stem)
    natural = [int(part) if part.isdecimal() else part for part in parts]
    return video.parent, natural, VIDEO_ENDINGS.index(video.suffix.lower())


def _clip_video(video: Path, root: Path, out: Path | None) -> ClipVideo:
    inside = video.relative_to(root)
    features = inside.with_name(inside.stem + FEATURE_FILE_ENDING)
    is_of_session = _is_of_session(video)
    return ClipVideo(
        video=video.absolute(),
        features=(out or root).absolute() / features,
        name=inside.as_posix(),
        person=_participant(inside, video) if is_of_session else inside.as_posix(),
        is_baseline=is_of_session and bool(_BASELINE.fullmatch(video.stem)),
    )


def _participant(inside: Path, video: Path) -> str:
    """Name a participant by the folder above the session's, which may lie above the root."""
    folder = inside.parent.parent.as_posix()
    return video.resolve().parent.parent.name if folder == "." else folder


def _without_doubles(clips: Iterable[ClipVideo]) -> tuple[list[ClipVideo], list[Problem]]:
    kept: dict[Path, ClipVideo] = {}
    problems = []
    for clip in clips:
        other = kept.setdefault(clip.features, clip)
        if other is not clip:
            reason = f"left out, since {other.video.name} has the same name but for its ending"
            problems.append(Problem(clip.name, f"{reason}; rename one of them"))
    return list(kept.values()), problems
