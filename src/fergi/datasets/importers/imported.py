"""One function for the files of all tools: which tool wrote it, and what its numbers mean."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fergi.datasets.importers import libreface, openface2, openface3, py_feat
from fergi.datasets.importers.tool_frames import MissingFacts, ToolFrames, series_of
from fergi.datasets.importers.tool_table import ToolTable, tool_table
from fergi.errors import FeatureFileError
from fergi.records.action_units import ActionUnitSeries
from fergi.records.scale import Scale


class Tool(StrEnum):
    """A tool whose files are understood."""

    OPENFACE2 = "openface2"
    OPENFACE3 = "openface3"
    PY_FEAT = "py-feat"
    LIBREFACE = "libreface"


@dataclass(frozen=True, slots=True, eq=False)
class ImportedSeries:
    """Action units that another tool estimated.

    Attributes:
        series: Of the clip; a unit that the tool does not provide is NaN in every frame.
        tool: Which wrote the file.
        scale: What its numbers mean.
        units: Which of `ACTION_UNITS` it provides.
        licence: Of the tool's weights, in a few words.
        remarks: What a reader of the numbers must know, in sentences.
    """

    series: ActionUnitSeries
    tool: Tool
    scale: Scale
    units: tuple[int, ...]
    licence: str
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Format:
    """How the files of a tool are read.

    Attributes:
        signature: Columns that only this tool writes together.
        frames: Reads them.
    """

    signature: tuple[str, ...]
    frames: Callable[[ToolTable, MissingFacts], ToolFrames]
    scale: Scale
    units: tuple[int, ...]
    licence: str
    remarks: tuple[str, ...]


_UNNAMED_UNITS = (
    "Which unit each of the 8 values is, its authors do not say; they are read as "
    "1, 2, 4, 6, 9, 12, 25, 26, the usual order for DISFA."
)
_NO_TIMES = "Times are frame numbers divided by the frame rate that was given."
_FORMATS = {
    Tool.OPENFACE2: _Format(
        openface2.SIGNATURE,
        openface2.openface2_frames,
        Scale.INTENSITY,
        openface2.UNITS,
        "academic or non-profit research only",
        ("The confidence is that of OpenFace's landmarks, not of a face detector.",),
    ),
    Tool.OPENFACE3: _Format(
        openface3.SIGNATURE,
        openface3.openface3_frames,
        Scale.PROBABILITY,
        openface3.UNITS,
        "academic or non-profit research only",
        (_UNNAMED_UNITS, _NO_TIMES),
    ),
    Tool.PY_FEAT: _Format(
        py_feat.SIGNATURE,
        py_feat.py_feat_frames,
        Scale.PROBABILITY,
        py_feat.UNITS,
        "code MIT, weights non-commercial",
        (_NO_TIMES,),
    ),
    Tool.LIBREFACE: _Format(
        libreface.SIGNATURE,
        libreface.libreface_frames,
        Scale.INTENSITY,
        libreface.UNITS,
        "USC Research Licence",
        (
            "It keeps no score of a face: a frame that it found one in counts as sure.",
            "Frames at the end in which it found no face are unknown.",
        ),
    ),
}


def imported_series(
    path: Path,
    tool: Tool | None = None,
    *,
    frame_rate: float | None = None,
    aspect_ratio: float | None = None,
) -> ImportedSeries:
    """Read the action units of one clip from a file of another tool.

    Where a frame has several faces the widest counts, or the only one that the tool measured.
    Pitch and yaw ratio are computed from the tool's landmarks.

    Args:
        path: A CSV file.
        tool: Which wrote it; None: judged by its columns.
        frame_rate: Frames per second; OpenFace 3 and py-feat do not write when a frame was filmed.
        aspect_ratio: Width of the video by its height; LibreFace does not write it.

    Returns:
        The series, and what its numbers mean.

    Raises:
        FeatureFileError: If the file cannot be read, or lacks what was not given either.
    """
    try:
        table = tool_table(path.read_bytes())
        found = tool or _recognised(table)
        shape = _FORMATS[found]
        table.require(shape.signature)
        series = series_of(shape.frames(table, MissingFacts(frame_rate, aspect_ratio)))
    except OSError as error:
        raise FeatureFileError(f"{path.name}: cannot be read: {error.strerror or error}") from error
    except FeatureFileError as error:
        raise FeatureFileError(f"{path.name}: {error}") from error
    return ImportedSeries(series, found, shape.scale, shape.units, shape.licence, shape.remarks)


def _recognised(table: ToolTable) -> Tool:
    for tool, shape in _FORMATS.items():
        if set(shape.signature) <= set(table.columns):
            return tool
    raise FeatureFileError(
        f"is of no tool that is understood ({', '.join(_FORMATS)}); its columns begin with "
        f"{', '.join(table.columns[:4])}; give a file as one of them wrote it"
    )
