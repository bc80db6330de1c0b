"""LibreFace: `libreface --input_path VIDEO`.

`frame_idx` (from 0), `frame_time_in_ms` (milliseconds; version 0.2 writes seconds, against the
name), `pitch, yaw, roll`, MediaPipe's mesh `lm_mp_<point>_x` and `_y` as shares of the width and
height of the frame, `au_<unit>` (seen or not) and `au_<unit>_intensity` (0–5). Frames without a
face are left out. There is no score of the face.

Source: libreface 0.2.0, `libreface/__init__.py`, `utils.py`, `detect_mediapipe_image.py`.
"""

import numpy as np
from jaxtyping import Float

from fergi.datasets.importers.tool_frames import (
    MissingFacts,
    ToolFrames,
    frame_numbers,
    unit_columns,
    without_gaps,
)
from fergi.datasets.importers.tool_table import ToolTable
from fergi.records.action_units import ACTION_UNITS
from fergi.records.landmarks import MESH_POINTS_OF_LANDMARKS

SIGNATURE = ("frame_idx", "frame_time_in_ms", "lm_mp_0_x", "au_1_intensity")
UNITS = ACTION_UNITS

_MILLISECONDS = 1000
_LONGEST_STEP = 1.0
"""No video has a second between frames, and none less than a millisecond."""


def libreface_frames(table: ToolTable, facts: MissingFacts) -> ToolFrames:
    """Read the frames of a file.

    Raises:
        FeatureFileError: If a column is missing, or the aspect ratio was not said.
    """
    aspect_ratio = facts.required_aspect_ratio()
    number, times = table.numbers(("frame_idx", "frame_time_in_ms")).T
    landmarks = _landmarks(table, aspect_ratio)
    frames = ToolFrames(
        numbers=frame_numbers(number),
        times=_seconds(times),
        widths=np.ptp(landmarks[..., 0], axis=1),
        # A row is written only where a face was found, and says no more of it.
        confidence=np.ones(len(number)),
        landmarks=landmarks,
        intensities=unit_columns(table.numbers([f"au_{unit}_intensity" for unit in UNITS]), UNITS),
    )
    return without_gaps(frames, first_number=0)


def _landmarks(table: ToolTable, aspect_ratio: float) -> Float[np.ndarray, "rows 68 2"]:
    across, down = (
        table.numbers([f"lm_mp_{point}_{axis}" for point in MESH_POINTS_OF_LANDMARKS])
        for axis in ("x", "y")
    )
    return np.stack([across * aspect_ratio, down], axis=-1)


def _seconds(times: Float[np.ndarray, " rows"]) -> Float[np.ndarray, " rows"]:
    steps = np.diff(times)
    is_milliseconds = len(steps) > 0 and np.nanmedian(steps) > _LONGEST_STEP
    return times / _MILLISECONDS if is_milliseconds else times
