"""Neutral faces: found in a clip, and chosen among the clips of a person."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from fergi.extraction.sightings import Sightings
from fergi.records.action_units import ACTION_UNITS, ActionUnitSeries
from fergi.settings import NeutralSource
from fergi.stages.activation import PUBLISHED_CRITERIA, valid_frames
from fergi.stages.perception.neutral import (
    STRETCH_SECONDS,
    Stretch,
    first_valid_frame,
    frame_movements,
    resting_stretch,
)


@dataclass(frozen=True, slots=True, eq=False)
class NeutralFace:
    """A person's face at rest.

    Attributes:
        observation: What the estimator observed, averaged over the stretch.
        clip: Name of the clip that it comes from.
        start: Where the stretch begins in there, in seconds.
        end: Where it ends.
        movement: Mean change from frame to frame.
    """

    observation: Float[np.ndarray, " observed"]
    clip: str
    start: float
    end: float
    movement: float

    def described(self, source: NeutralSource) -> dict[str, Any]:
        """Say which it is, as JSON holds it; what was observed itself is never written."""
        origin = "itself" if source is NeutralSource.AUTO else source.value
        facts = {"source": origin, "clip": self.clip}
        return facts | {"from_seconds": round(self.start, 3), "to_seconds": round(self.end, 3)}


def shared_neutral(stated: Mapping[str, Any] | None) -> tuple[str, float, float] | None:
    """Give the clip and the seconds of a neutral face that all clips of a person share.

    Args:
        stated: What `described` said of it, as JSON holds it.

    Returns:
        None for a face that each clip has for itself, one that the user named, and none at all.
    """
    if stated is None or stated["source"] != NeutralSource.BASELINE.value:
        return None
    return stated["clip"], stated["from_seconds"], stated["to_seconds"]


def is_same_neutral(
    one: tuple[str, float, float] | None, other: tuple[str, float, float] | None
) -> bool:
    """Compare what `shared_neutral` gives; names of clips may lack the folders before them."""
    if one is None or other is None:
        return one is other
    has_same_end = one[0].endswith(other[0]) or other[0].endswith(one[0])
    return has_same_end and one[1:] == other[1:]


def neutral_face(
    sightings: Sightings, clip: str, *, is_first_frame: bool = False
) -> NeutralFace | None:
    """Find the face at rest in a clip.

    Args:
        sightings: What was seen in it.
        clip: Its name.
        is_first_frame: Whether to take the first valid frame, not a stretch at rest.

    Returns:
        None where no frame shows the face surely and frontally.
    """
    times = sightings.column("time")
    is_valid = seen_well(sightings)
    if is_first_frame:
        stretch = first_valid_frame(is_valid)
    else:
        stretch = resting_stretch(times, is_valid, _movements(sightings))
    return None if stretch is None else _face(sightings, clip, times, stretch)


def steadiest(faces: Iterable[NeutralFace | None]) -> NeutralFace | None:
    """Choose among those found in the clips of one person; the first of equals."""
    found = [face for face in faces if face is not None]
    return min(found, key=_unrest, default=None)


def seen_well(sightings: Sightings) -> Bool[np.ndarray, " frames"]:
    """Tell which frames show the face surely and frontally, by the published criteria."""
    return np.concatenate([_is_valid(part) for part in sightings.parts()])


def _is_valid(records: np.ndarray) -> Bool[np.ndarray, " frames"]:
    units = np.zeros((len(records), len(ACTION_UNITS)))
    return valid_frames(series_of(records, units), PUBLISHED_CRITERIA)


def series_of(
    records: np.ndarray, intensities: Float[np.ndarray, "frames units"]
) -> ActionUnitSeries:
    """Join what was seen with the units that were estimated from it."""
    return ActionUnitSeries(
        times=records["time"],
        face_confidence=records["confidence"],
        pitch_ratio=records["pitch"],
        yaw_ratio=records["yaw"],
        intensities=intensities,
    )


def _movements(sightings: Sightings) -> Float[np.ndarray, " frames"]:
    """Measure movement from frame to frame, a part of the clip at a time."""
    moved = []
    before = np.full((1, sightings.observed), np.nan, np.float32)
    for part in sightings.parts():
        observations = np.concatenate([before, part["observations"]])
        moved.append(frame_movements(observations)[1:])
        before = observations[-1:]
    return np.concatenate(moved)


def _face(
    sightings: Sightings, clip: str, times: Float[np.ndarray, " frames"], stretch: Stretch
) -> NeutralFace:
    observation = sightings.mean_observation(stretch.first, stretch.last)
    start, end = float(times[stretch.first]), float(times[stretch.last])
    return NeutralFace(observation, clip, start, end, stretch.movement)


def _unrest(face: NeutralFace) -> tuple[bool, float]:
    """Order by movement, stretches that are too short to tell after all others."""
    return face.end - face.start < STRETCH_SECONDS - 1e-6, face.movement
