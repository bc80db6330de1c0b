"""py-feat: a `Fex` of `Detector`, `Detectorv2` or `MPDetector`, as `to_csv` writes it.

`frame` (from 0), `FaceRectX … FaceRectHeight` (pixels), `FaceScore`, landmarks in pixels
(`x_0 … x_67, y_0 … y_67`, or 478 of the mesh), `AU01 … AU43` (0–1). `approx_time` is cut to
whole seconds, so it says nothing of a frame. A frame without a face has NaN.

Source: py-feat 2.1.5, `feat/utils/__init__.py`, `feat/pretrained.py`, `feat/data.py`.
"""

import numpy as np
from jaxtyping import Float

from fergi.datasets.importers.tool_frames import (
    MissingFacts,
    ToolFrames,
    frame_numbers,
    unit_columns,
    widest_faces,
)
from fergi.datasets.importers.tool_table import ToolTable
from fergi.records.action_units import ACTION_UNITS
from fergi.records.face import MESH_POINTS
from fergi.records.landmarks import LANDMARKS, MESH_POINTS_OF_LANDMARKS

SIGNATURE = ("frame", "FaceRectWidth", "FaceScore", "AU01")
UNITS = ACTION_UNITS


def py_feat_frames(table: ToolTable, facts: MissingFacts) -> ToolFrames:
    """Read the frames of a file; where frames were skipped, those that were not.

    Raises:
        FeatureFileError: If a column is missing, or the frame rate was not said.
    """
    frame_rate = facts.required_frame_rate()
    number, width, score = table.numbers(("frame", "FaceRectWidth", "FaceScore")).T
    numbers = frame_numbers(number)
    frames = ToolFrames(
        numbers=numbers,
        times=numbers / frame_rate,
        widths=width,
        confidence=score,
        landmarks=_landmarks(table),
        intensities=unit_columns(table.numbers([f"AU{unit:02}" for unit in UNITS]), UNITS),
    )
    return widest_faces(frames)


def _landmarks(table: ToolTable) -> Float[np.ndarray, "rows 68 2"]:
    is_mesh = f"x_{MESH_POINTS - 1}" in table.columns
    points = MESH_POINTS_OF_LANDMARKS if is_mesh else range(LANDMARKS)
    axes = [table.numbers([f"{axis}_{point}" for point in points]) for axis in ("x", "y")]
    return np.stack(axes, axis=-1)
