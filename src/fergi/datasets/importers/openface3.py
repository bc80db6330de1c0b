"""OpenFace 3: `openface detect-video` of the package `openface-test`.

`timestamp` (when the computer was at work, of no use), `video_path`, `frame_index` (from 0),
`face_id`, and lists as text: `face_detection` (left, top, right, bottom, score, …), `landmarks`
(98 points of WFLW in pixels), `action_units` (8 values in a list). A frame without a face has
its other fields empty. The video's own times are nowhere. The units of every face in a frame
are those of face 0, the surest: the program crops no other.

The authors do not say which units the 8 are (github.com/CMU-MultiComp-Lab/OpenFace-3.0, issues
1 and 9). DISFA's usual protocol has 8, in the order below, and DISFA is what the units were
evaluated on (arXiv:2506.02891).

Source: openface-test 0.1.26, `openface/demo.py`.
"""

import json

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
from fergi.errors import FeatureFileError

SIGNATURE = ("frame_index", "face_id", "face_detection", "landmarks", "action_units")
UNITS = (1, 2, 4, 6, 9, 12, 25, 26)

_BOX_AND_SCORE = 5
_WFLW_POINTS = 98
_WFLW_OF_LANDMARKS = (
    *range(0, 33, 2),  # every other point of the jaw
    *range(33, 38),  # upper edges of the brows
    *range(42, 47),
    *range(51, 60),  # nose
    *(60, 61, 63, 64, 65, 67),  # eyes, without the points in the middle of their lids
    *(68, 69, 71, 72, 73, 75),
    *range(76, 96),  # mouth
)
"""The point of WFLW that lies where each of the 68 does (Wu et al. 2018, arXiv:1805.10483)."""


def openface3_frames(table: ToolTable, facts: MissingFacts) -> ToolFrames:
    """Read the frames of a file.

    Raises:
        FeatureFileError: If a list cannot be read, or the frame rate was not said.
    """
    frame_rate = facts.required_frame_rate()
    number, face = table.numbers(("frame_index", "face_id")).T
    first_faces = np.flatnonzero(np.isnan(face) | (face == 0))
    texts = table.texts[first_faces]
    boxes = _lists(texts["face_detection"].to_list(), _BOX_AND_SCORE, "face_detection")
    points = _lists(texts["landmarks"].to_list(), 2 * _WFLW_POINTS, "landmarks")
    units = _lists(texts["action_units"].to_list(), len(UNITS), "action_units")
    numbers = frame_numbers(number[first_faces])
    frames = ToolFrames(
        numbers=numbers,
        times=numbers / frame_rate,
        widths=boxes[:, 2] - boxes[:, 0],
        confidence=boxes[:, 4],
        landmarks=points.reshape(-1, _WFLW_POINTS, 2)[:, _WFLW_OF_LANDMARKS],
        intensities=unit_columns(units, UNITS),
    )
    return without_gaps(frames, first_number=0)


def _lists(texts: list[str | None], length: int, name: str) -> Float[np.ndarray, "rows length"]:
    """Parse lists of numbers, however nested; a row of NaN for an empty field."""
    return np.array([_list(text, length, name) for text in texts])


def _list(text: str | None, length: int, name: str) -> Float[np.ndarray, " length"]:
    if text is None or not text.strip():
        return np.full(length, np.nan)
    try:
        values = np.asarray(json.loads(text), dtype=np.float64).ravel()
    except ValueError as error:
        raise FeatureFileError(f"{name} is '{text[:40]}', not a list of numbers") from error
    # Behind the score, RetinaFace adds points of its own.
    if len(values) < length or (name != "face_detection" and len(values) != length):
        raise FeatureFileError(
            f"{name} has {len(values)} numbers, not {length}; only files of "
            "openface-test 0.1 are understood"
        )
    return values[:length]
