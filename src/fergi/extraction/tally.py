"""What has been done so far: for the one who waits, and for the summary."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fergi.execution.protocol import Failure
from fergi.extraction.clip_worker import FindNeutral, Looked, WriteFeatures
from fergi.extraction.videos import ClipVideo


@dataclass(frozen=True, slots=True)
class SoFar:
    """How far an extraction is.

    Attributes:
        clips: How many clips are done; one in work counts in part.
        of: How many there are.
        frames: How many frames were looked at.
    """

    clips: float
    of: int
    frames: int


Watch = Callable[[SoFar], None]
"""Told whenever there is news."""


def unwatched(_so_far: SoFar) -> None:
    """Watch nothing."""


@dataclass(slots=True)
class PersonFrames:
    """Frames of one person's clips.

    Attributes:
        frames: How many.
        valid: How many show the face surely and frontally.
    """

    frames: int = 0
    valid: int = 0

    @property
    def valid_share(self) -> float:
        """Share of the frames that are valid, 0 to 1."""
        return self.valid / self.frames if self.frames else 0.0


@dataclass(slots=True)
class Tally:
    """Counts clips and frames as they are done.

    Attributes:
        of: How many clips there are.
        watch: Told of all news.
        people: Name of each person → frames of the clips that are done.
        faceless: Names of the clips that are done and show no face in any frame.
        turned_away: Names of those that show one, but in no frame surely and frontally.
    """

    of: int
    watch: Watch
    people: dict[str, PersonFrames] = field(default_factory=dict)
    faceless: list[str] = field(default_factory=list)
    turned_away: list[str] = field(default_factory=list)
    _clips: float = 0.0
    _frames: int = 0
    _in_work: dict[str, Looked] = field(default_factory=dict)
    _skipped: set[str] = field(default_factory=set)

    def hear(self, task: Any, news: Any) -> None:
        """Take news of a task, or its outcome."""
        match task, news:
            case FindNeutral() | WriteFeatures(), Looked():
                self._move_on(task.name, news)
            case FindNeutral(), _ if not isinstance(news, Failure):
                so_far = self._in_work.get(task.name, Looked(0, None))
                self._move_on(task.name, Looked(so_far.frames, 1.0))
            case WriteFeatures(), Mapping():
                self._move_on(task.name, Looked(news["frames"], 1.0))
                self._in_work.pop(task.name)
                self.count_frames(task.clip, news)
            case FindNeutral() | WriteFeatures(), _:
                self._move_on(task.name, Looked(0, 1.0))
                self._in_work.pop(task.name)

    def skip(self, clip: ClipVideo) -> None:
        """Count a clip whose features are there; it may still be looked at for a neutral face."""
        self._skipped.add(clip.name)
        self._clips += 1
        self._tell()

    def count_frames(self, clip: ClipVideo, facts: Mapping[str, Any]) -> None:
        """Count the frames of a clip whose features are there."""
        counted = self.people.setdefault(clip.person, PersonFrames())
        counted.frames += facts["frames"]
        counted.valid += facts["valid_frames"]
        if not facts["frames_with_a_face"]:
            self.faceless.append(clip.name)
        elif not facts["valid_frames"]:
            self.turned_away.append(clip.name)

    def _move_on(self, clip: str, looked: Looked) -> None:
        before = self._in_work.get(clip, Looked(0, None))
        self._in_work[clip] = looked
        if clip not in self._skipped:
            self._clips += (looked.share or 0.0) - (before.share or 0.0)
        self._frames += max(looked.frames - before.frames, 0)
        self._tell()

    def _tell(self) -> None:
        self.watch(SoFar(self._clips, self.of, self._frames))
