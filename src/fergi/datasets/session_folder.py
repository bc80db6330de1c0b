"""What lies in the folder of one session, in either layout."""

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fergi.records.clip import Clip, ClipKind, Problem

_SESSION = re.compile(r"session_(\d+)")
_IMAGE = re.compile(r"image([1-9]\d*)\.(png|jpe?g|webp)", re.IGNORECASE)
VIDEO_ENDINGS = (".mp4", ".mov", ".webm", ".mkv", ".avi")
"""Of files that are taken for videos; of two with one name, the ending named first is taken."""

_RECORDING = re.compile(r"(?:baseline|reaction)_clip_([1-9]\d*)(?:_features\.csv|\.\w+)")


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
        return {int(match[1]) for name in self.names if (match := _RECORDING.fullmatch(name))}

    def clips(self, images: Iterable[int]) -> Iterator[Clip | Problem]:
        """Find the clips of some images; a missing reaction is a problem."""
        for image in images:
            for kind in ClipKind:
                name = feature_file_name(kind, image)
                video = self._video_of(name)
                if name in self.names or video is not None:
                    yield Clip(self.participant, self.number, image, kind, self.path, name, video)
                elif kind is ClipKind.REACTION:
                    yield Problem(
                        f"{self.place}/{name}",
                        "is missing, and so is the video, so this image has no face; "
                        "put one of them there",
                    )

    def _video_of(self, features: str) -> str | None:
        stem = features.removesuffix(FEATURE_FILE_ENDING)
        return next((stem + end for end in VIDEO_ENDINGS if stem + end in self.names), None)


FEATURE_FILE_ENDING = "_features.csv"
"""What stands in the place of a video's ending."""


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


def participant_folders(root: Path) -> list[Path]:
    """List the folders that can be a participant's, in the order of their names."""
    return sorted(
        path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")
    )
