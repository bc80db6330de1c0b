"""One recording of a face, and what may go wrong with it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class ClipKind(StrEnum):
    """What the viewer did while the clip was filmed."""

    BASELINE = "baseline"
    """Waited for the image."""
    REACTION = "reaction"
    """Looked at the image."""


@dataclass(frozen=True, slots=True)
class Clip:
    """Where one clip and its action units lie, and whose they are.

    Attributes:
        participant: The viewer's name in the study.
        session: Number of the session, one prompt each.
        image: Number of the image in its session, from 1.
        kind: Baseline or reaction.
        folder: Where its session lies.
        file_name: The file of its action units in there; absent before they are extracted.
        video_name: The file of its video in there, where there is one.
    """

    participant: str
    session: int
    image: int
    kind: ClipKind
    folder: Path
    file_name: str
    video_name: str | None = None

    @property
    def features(self) -> Path:
        """The file of its action units."""
        return self.folder / self.file_name

    @property
    def video(self) -> Path | None:
        """The file of its video."""
        return None if self.video_name is None else self.folder / self.video_name

    @property
    def place(self) -> str:
        """Its name in messages."""
        return "/".join((*self.folder.parts[-2:], self.file_name))


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a study that could not be used, while the rest went on.

    Attributes:
        place: The file, session or clip.
        reason: What was found, what was needed, what to do.
    """

    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}"
