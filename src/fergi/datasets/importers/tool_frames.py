"""What the importers share: rows of a tool → one row for each frame of a clip."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from fergi.errors import FeatureFileError
from fergi.records.action_units import ACTION_UNITS, ActionUnitSeries
from fergi.records.landmarks import head_ratios


@dataclass(frozen=True, slots=True, eq=False)
class ToolFrames:
    """Faces as a tool saw them, a row each. A row without a face is NaN where it matters.

    Attributes:
        numbers: Of the frames, as the tool counts.
        times: Seconds from the first frame.
        widths: Of the faces, on any scale.
        confidence: That there is a face, 0 to 1.
        landmarks: x and y, on a scale that is equal in both.
        intensities: Of `ACTION_UNITS`, on the tool's scale; NaN for units it does not provide.
    """

    numbers: Int[np.ndarray, " rows"]
    times: Float[np.ndarray, " rows"]
    widths: Float[np.ndarray, " rows"]
    confidence: Float[np.ndarray, " rows"]
    landmarks: Float[np.ndarray, "rows 68 2"]
    intensities: Float[np.ndarray, "rows units"]

    def rows(self, where: Int[np.ndarray, " some"]) -> "ToolFrames":
        """Take some rows, in the order of `where`."""
        return ToolFrames(
            self.numbers[where],
            self.times[where],
            self.widths[where],
            self.confidence[where],
            self.landmarks[where],
            self.intensities[where],
        )


@dataclass(frozen=True, slots=True)
class MissingFacts:
    """What some tools leave out of their files, and a user must say.

    Attributes:
        frame_rate: Frames per second of the video.
        aspect_ratio: Width of the video by its height.
    """

    frame_rate: float | None = None
    aspect_ratio: float | None = None

    def required_frame_rate(self) -> float:
        """Give the frame rate.

        Raises:
            FeatureFileError: If it was not said.
        """
        return _required(self.frame_rate, "when its frames were filmed", "the frame rate")

    def required_aspect_ratio(self) -> float:
        """Give the aspect ratio.

        Raises:
            FeatureFileError: If it was not said.
        """
        return _required(
            self.aspect_ratio,
            "how wide the video is, by its height",
            "the aspect ratio (as 640/360 = 1.778)",
        )


def unit_columns(
    provided: Float[np.ndarray, "rows some"], units: tuple[int, ...]
) -> Float[np.ndarray, "rows units"]:
    """Put the units that a tool provides under those of `ACTION_UNITS`; NaN for the others."""
    intensities = np.full((len(provided), len(ACTION_UNITS)), np.nan)
    for column, unit in enumerate(ACTION_UNITS):
        if unit in units:
            intensities[:, column] = provided[:, units.index(unit)]
    return intensities


def frame_numbers(numbers: Float[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
    """Check that numbers of frames are whole.

    Raises:
        FeatureFileError: If one is not, or is missing.
    """
    whole = np.nan_to_num(numbers, nan=-1).astype(np.int64)
    wrong = np.flatnonzero((whole != numbers) | (whole < 0))
    if len(wrong):
        raise FeatureFileError(
            f"line {int(wrong[0]) + 2}: {numbers[wrong[0]]:g} is no number of a frame; "
            "let the tool write the file again"
        )
    return whole


def widest_faces(frames: ToolFrames) -> ToolFrames:
    """Keep the widest face of each frame, in the order of the frames."""
    # A row without a face is the last resort.
    order = np.lexsort((-np.nan_to_num(frames.widths, nan=-1), frames.numbers))
    _, first = np.unique(frames.numbers[order], return_index=True)
    return frames.rows(order[first])


def without_gaps(frames: ToolFrames, first_number: int) -> ToolFrames:
    """Add a row without a face for each frame that the tool left out.

    Args:
        frames: One row a frame, in their order.
        first_number: How the tool numbers the first frame of a video.

    Returns:
        A row for every frame up to the last one that the tool wrote; the times of those added
        lie evenly between their neighbours.
    """
    numbers = np.arange(min(first_number, frames.numbers[0]), frames.numbers[-1] + 1)
    if len(numbers) == len(frames.numbers):
        return frames
    nearest = np.minimum(np.searchsorted(frames.numbers, numbers), len(frames.numbers) - 1)
    is_there = frames.numbers[nearest] == numbers
    filled = frames.rows(nearest)
    return replace(
        filled,
        numbers=numbers,
        times=_times_between(numbers, frames),
        confidence=np.where(is_there, filled.confidence, np.nan),
    )


def series_of(frames: ToolFrames) -> ActionUnitSeries:
    """Turn frames into a series.

    Raises:
        FeatureFileError: If there is but one frame, or times do not increase.
    """
    _require_increasing(frames)
    ratios = head_ratios(frames.landmarks)
    no_face = np.isnan(frames.confidence)
    ratios[no_face] = np.nan
    return ActionUnitSeries(
        times=frames.times,
        face_confidence=frames.confidence,
        pitch_ratio=ratios[:, 0],
        yaw_ratio=ratios[:, 1],
        intensities=np.where(no_face[:, np.newaxis], np.nan, frames.intensities),
    )


def _require_increasing(frames: ToolFrames) -> None:
    if len(frames.times) < 2:
        raise FeatureFileError("has 1 frame, so its frame rate is unknown; at least 2 are needed")
    wrong = np.flatnonzero(~(np.diff(frames.times) > 0))
    if len(wrong):
        place = int(wrong[0])
        raise FeatureFileError(
            f"the time {frames.times[place + 1]:g} s of frame {frames.numbers[place + 1]} does not "
            f"follow {frames.times[place]:g} s; let the tool write the file again"
        )


def _times_between(
    numbers: Int[np.ndarray, " frames"], frames: ToolFrames
) -> Float[np.ndarray, " frames"]:
    if len(frames.times) < 2:
        raise FeatureFileError("has 1 frame, so its frame rate is unknown; at least 2 are needed")
    steps = np.diff(frames.times) / np.diff(frames.numbers)
    before = frames.times[0] - steps[0] * (frames.numbers[0] - numbers)
    return np.where(
        numbers < frames.numbers[0], before, np.interp(numbers, frames.numbers, frames.times)
    )


def _required(fact: float | None, what: str, name: str) -> float:
    if fact is None:
        raise FeatureFileError(f"does not say {what}, for its tool never writes it; give {name}")
    if not (np.isfinite(fact) and fact > 0):
        raise FeatureFileError(f"cannot be read with {fact:g} for {name}; give a number above 0")
    return fact
