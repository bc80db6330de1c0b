"""What was seen in each frame of a clip, on disk until its features are written.

An estimator's observations of a face may be thousands of numbers a frame, and what the neutral
face is can be known only after the last one. So they wait in a file under a hidden name beside
the features, and memory does not grow with the length of a video. They describe a face: the file
goes when the clip is done, or fails, or the run is interrupted. What a killed run leaves is used
by the next one if it is whole and fits, and else removed.
"""

import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from jaxtyping import Float

from fergi.datasets.session_folder import FEATURE_FILE_ENDING
from fergi.extraction.models import Models
from fergi.records.face import VideoFrame

FRAMES_AT_ONCE = 32
"""Faces that are given to an estimator together."""

_BYTES_AT_ONCE = 64_000_000
"""Of frames in memory together; a frame of 8K has 100 MB."""

_ENDING = ".faces"
_UNFINISHED = ".part"


@dataclass(frozen=True, slots=True)
class Sightings:
    """Where what was seen in a clip lies, and how much it is.

    Attributes:
        path: The file: a record for each frame.
        observed: How many numbers the estimator keeps of a face.
        frames: How many frames.
    """

    path: Path
    observed: int
    frames: int

    def parts(self) -> Iterator[np.ndarray]:
        """Read the records, a few at a time; see `record_type` for their fields."""
        kind = record_type(self.observed)
        with self.path.open("rb") as file:
            while len(part := np.fromfile(file, kind, FRAMES_AT_ONCE)):
                yield part

    def column(self, name: str) -> np.ndarray:
        """Read one field of all records."""
        # Copied, since a view would keep its whole part in memory.
        return np.concatenate([part[name].copy() for part in self.parts()])

    def mean_observation(self, first: int, last: int) -> Float[np.ndarray, " observed"]:
        """Average what was observed from one frame to another, both counted."""
        total = np.zeros(self.observed)
        start = 0
        for part in self.parts():
            inside = part["observations"][max(first - start, 0) : max(last + 1 - start, 0)]
            total += inside.sum(axis=0, dtype=np.float64)
            start += len(part)
        return (total / (last - first + 1)).astype(np.float32)


def record_type(observed: int) -> np.dtype[np.void]:
    """Give the layout of a frame's record; NaN where there was no face."""
    measures = [(name, "f8") for name in ("time", "confidence", "pitch", "yaw")]
    return np.dtype([*measures, ("faces", "i4"), ("observations", "f4", (observed,))])


def sightings_path(features: Path, key: str) -> Path:
    """Name the file of what was seen, for features of that name and work of that key."""
    return features.with_name(f".{features.name}.{key}{_ENDING}")


def known_sightings(path: Path, observed: int) -> Sightings | None:
    """Find what an earlier run saw."""
    if not path.is_file():
        return None
    return Sightings(path, observed, path.stat().st_size // record_type(observed).itemsize)


def remove_leftovers(folders: Iterable[Path], *, keep_whole: bool = False) -> None:
    """Remove what runs left in folders: sightings, and files that were being written.

    Args:
        folders: Where features are written.
        keep_whole: Whether to keep sightings that are whole, for this run to use.
    """
    for folder in set(folders):
        for ending in (_UNFINISHED,) if keep_whole else (_UNFINISHED, _ENDING):
            for path in folder.glob(f".*{FEATURE_FILE_ENDING}.*{ending}"):
                path.unlink(missing_ok=True)


def see(
    frames: Iterable[VideoFrame],
    models: Models,
    path: Path,
    looked: Callable[[int, float], None],
) -> Sightings:
    """Look at every frame of a video, and keep what was seen.

    Args:
        frames: Of the video, in order.
        models: To look with.
        path: Of the file to write.
        looked: Told how many frames were looked at, and the time of the last, in seconds.

    Raises:
        VideoError: If the video breaks off.
    """
    count = 0
    with _hidden(path) as file, _one_opencv_thread():
        for batch in _batches(frames):
            file.write(_records(batch, models).tobytes())
            count += len(batch)
            looked(count, batch[-1].time)
    return Sightings(path, models.estimator.observed, count)


@contextmanager
def _hidden(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes its name when it is whole, and is removed if it never is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _one_opencv_thread() -> Iterator[None]:
    """Cut regions on one thread: for so few pixels, calling up others takes more than they save."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _batches(frames: Iterable[VideoFrame]) -> Iterator[list[VideoFrame]]:
    """Group frames, fewer where they are large."""
    batch: list[VideoFrame] = []
    size = 0
    for frame in frames:
        batch.append(frame)
        size += frame.image.nbytes
        if len(batch) == FRAMES_AT_ONCE or size >= _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _records(frames: list[VideoFrame], models: Models) -> np.ndarray:
    """Look at some frames: a record for each."""
    seen = [models.faces.seen(frame) for frame in frames]
    records = np.zeros(len(frames), record_type(models.estimator.observed))
    for name in ("confidence", "pitch", "yaw", "observations"):
        records[name] = np.nan
    records["time"] = [frame.time for frame in frames]
    records["faces"] = [one.faces for one in seen]
    found = [place for place, one in enumerate(seen) if one.face is not None]
    if found:
        with_face = [frames[place] for place in found]
        faces = models.landmarked(with_face, [one.face for one in seen if one.face is not None])
        records["confidence"][found] = [face.score for face in faces]
        records["pitch"][found], records["yaw"][found] = models.head_ratios(faces).T
        records["observations"][found] = models.estimator.observations(with_face, faces)
    return records
