"""OpenFace 2: `FeatureExtraction` and `FaceLandmarkVidMulti`.

`frame` (from 1), `face_id`, `timestamp` (s), `confidence`, `success`, 2-D landmarks in pixels
`x_0 … x_67, y_0 … y_67`, 3-D ones in millimetres `X_0 … Z_67`, `AU01_r … AU45_r` (0–5). Names
have a space before them in older versions. A frame without a face has success 0 and zeros.

Source: github.com/TadasBaltrusaitis/OpenFace/wiki/Output-Format.
"""

import numpy as np
from jaxtyping import Float

from fergi.datasets.importers.tool_frames import (
    MissingFacts,
    ToolFrames,
    frame_numbers,
    unit_columns,
    widest_faces,
    without_gaps,
)
from fergi.datasets.importers.tool_table import ToolTable
from fergi.errors import FeatureFileError
from fergi.records.action_units import ACTION_UNITS
from fergi.records.landmarks import LANDMARKS

SIGNATURE = ("frame", "timestamp", "confidence", "success", "AU01_r")
UNITS = ACTION_UNITS

_FIRST_FRAME = 1


def openface2_frames(table: ToolTable, facts: MissingFacts) -> ToolFrames:  # noqa: ARG001 (others need them)
    """Read the frames of a file.

    Raises:
        FeatureFileError: If it has no landmarks, so that nobody can say where the face looks.
    """
    plain = table.numbers(("frame", "timestamp", "confidence", "success"))
    number, times, confidence, success = plain.T
    landmarks = _landmarks(table)
    frames = ToolFrames(
        numbers=frame_numbers(number),
        times=times,
        widths=np.where(success == 1, np.ptp(landmarks[..., 0], axis=1), np.nan),
        confidence=np.where(success == 1, confidence, np.nan),
        landmarks=landmarks,
        intensities=unit_columns(table.numbers([f"AU{unit:02}_r" for unit in UNITS]), UNITS),
    )
    return without_gaps(widest_faces(frames), _FIRST_FRAME)


def _landmarks(table: ToolTable) -> Float[np.ndarray, "rows 68 2"]:
    if "x_0" in table.columns:
        return _points(table, "x", "y")
    if "X_0" in table.columns:
        # As a camera sees points in space; a frame without a face has them all at 0.
        depth = table.numbers([f"Z_{point}" for point in range(LANDMARKS)])
        with np.errstate(divide="ignore", invalid="ignore"):
            return _points(table, "X", "Y") / depth[..., np.newaxis]
    raise FeatureFileError(
        "has no landmarks, so nobody can say whether the face looks ahead; "
        "run OpenFace again with -2Dfp beside -aus"
    )


def _points(table: ToolTable, across: str, down: str) -> Float[np.ndarray, "rows 68 2"]:
    columns = [
        table.numbers([f"{axis}_{point}" for point in range(LANDMARKS)]) for axis in (across, down)
    ]
    return np.stack(columns, axis=-1)
