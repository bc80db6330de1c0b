"""What lies in the folder of one session, in either layout."""

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fergi.records.clip import Clip, ClipKind, Problem

VIDEO_ENDINGS = (".mp4", ".mov", ".webm", ".mkv", ".avi")
"""Of files that are taken for videos; of two with one name, the ending named first is taken."""

FEATURE_FILE_ENDING = "_features.csv"
"""What stands in the place of a video's ending."""

# numbers of more digits are no numbers of a study, and fit in no table
_NUMBER = "([1-9][0-9]{0,8})"
_PICTURE = r"\.(?:png|jpe?g|webp)"
_ANY_CASE_VIDEO = f"(?i:{'|'.join(map(re.escape, VIDEO_ENDINGS))})"
_SESSION = re.compile("session_([0-9]{1,9})")
_IMAGE = re.compile(f"image{_NUMBER}{_PICTURE}", re.IGNORECASE)
_RECORDING = re.compile(
    f"((?:baseline|reaction)_clip_{_NUMBER})(?:{re.escape(FEATURE_FILE_ENDING)}|{_ANY_CASE_VIDEO})"
)
_LIKE_A_SESSION = re.compile(r"session[ _-]*\d+", re.IGNORECASE)
_LIKE_A_FILE = re.compile(
    rf"image[ _-]*\d+{_PICTURE}"
    rf"|(?:baseline|reaction)[ _-]*clip[ _-]*\d+(?:[ _-]*features\.csv|{_ANY_CASE_VIDEO})",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SessionFolder:
    """The files of one session, listed once.

    Attributes:
        participant: Name of the folder above.
        number: The k of `session_<k>`.
        path: The folder.
        names: The names of the files in it.
    """

    participant: str
    number: int
    path: Path
    names: frozenset[str]

    @property
    def place(self) -> str:
        """The session's name in messages."""
        return f"{self.participant}/{self.path.name}"

    def images(self) -> dict[int, str]:
        """Number of each image → name of its file, in order; of two kinds, PNG is taken."""
        png_last = sorted(self.names, key=lambda name: (name.lower().endswith(".png"), name))
        found = {int(match[1]): name for name in png_last if (match := _IMAGE.fullmatch(name))}
        return dict(sorted(found.items()))

    def recorded_images(self) -> set[int]:
        """Numbers of the images that have a clip, of either kind."""
        return {int(match[2]) for name in self.names if (match := _RECORDING.fullmatch(name))}

    def misnamed(self) -> Iterator[Problem]:
        """Name the files that are all but named as an image or a clip."""
        for name in sorted(self.names):
            is_known = _IMAGE.fullmatch(name) or _RECORDING.fullmatch(name)
            if not is_known and _LIKE_A_FILE.fullmatch(name):
                yield Problem(
                    f"{self.place}/{name}",
                    "is left out, for its name is none of image1.png, reaction_clip_1.mp4 and the "
                    "like, counted from 1; rename it",
                )

    def clips(self, images: Iterable[int]) -> Iterator[Clip | Problem]:
        """Find the clips of some images; a missing reaction is a problem."""
        videos = self._videos()
        for image in images:
            for kind in ClipKind:
                name = feature_file_name(kind, image)
                video = videos.get(name.removesuffix(FEATURE_FILE_ENDING))
                if name in self.names or video is not None:
                    yield Clip(self.participant, self.number, image, kind, self.path, name, video)
                elif kind is ClipKind.REACTION:
                    yield Problem(
                        f"{self.place}/{name}",
                        "is missing, and so is the video, so this image has no face; "
                        "put one of them there",
                    )

    def _videos(self) -> dict[str, str]:
        """Name of each clip that has a video → name of the file."""
        taken_last = sorted(filter(_is_video, self.names), key=_preference)
        return {match[1]: name for name in taken_last if (match := _RECORDING.fullmatch(name))}


def _is_video(name: str) -> bool:
    return Path(name).suffix.lower() in VIDEO_ENDINGS


def _preference(video: str) -> tuple[int, str]:
    """Rank a video among others of its clip: small letters come last, so they win."""
    return -VIDEO_ENDINGS.index(Path(video).suffix.lower()), video


@functools.cache  # one text for all sessions, of which there may be many
def feature_file_name(kind: ClipKind, image: int) -> str:
    """Name the file of a clip's action units."""
    return f"{kind.value}_clip_{image}{FEATURE_FILE_ENDING}"


def session_folders(participant: Path) -> list[SessionFolder]:
    """List the sessions of one participant, in the order of their numbers."""
    numbered = [
        (int(match[1]), path)
        for path in participant.iterdir()
        if (match := _SESSION.fullmatch(path.name)) and path.is_dir()
    ]
    return [
        SessionFolder(
            participant.name, number, path, frozenset(entry.name for entry in path.iterdir())
        )
        for number, path in sorted(numbered)
    ]


def misnamed_sessions(participant: Path) -> Iterator[Problem]:
    """Name the folders that are all but named as a session."""
    for path in sorted(participant.iterdir()):
        is_like_one = _LIKE_A_SESSION.fullmatch(path.name) and not _SESSION.fullmatch(path.name)
        if is_like_one and path.is_dir():
            yield Problem(
                f"{participant.name}/{path.name}",
                "is left out, for a session's name is session_1 and the like, with 9 digits at "
                "most; rename it",
            )


def participant_folders(root: Path) -> list[Path]:
    """List the folders that can be a participant's, in the order of their names."""
    return sorted(
        path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
