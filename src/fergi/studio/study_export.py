"""What a researcher takes away: annotations so far, and the study without its videos."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from fergi.datasets.raw_study import is_raw_study
from fergi.datasets.session_folder import VIDEO_ENDINGS
from fergi.pipeline import AnnotationRun, annotate_study
from fergi.settings import AnnotationSettings, annotation_settings
from fergi.studio.clip_files import Uploads
from fergi.studio.dashboard_messages import AnnotationProblem, AnnotationTable
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.studio import Studio

_PIECE = 2**18


def annotations_so_far(studio: Studio, valence: str) -> AnnotationTable:
    """Annotate what is there now.

    Raises:
        RequestRefusedError: If clips lie elsewhere.
    """
    if not is_raw_study(_folder(studio)):
        return AnnotationTable(annotations=[], problems=[], facts={"participants": 0, "pairs": 0})
    run = _annotated(studio, valence)
    return AnnotationTable(
        annotations=run.annotations.to_dicts(),
        problems=[AnnotationProblem(place=one.place, reason=one.reason) for one in run.problems],
        facts=_facts(run),
    )


def annotation_archive(studio: Studio) -> Path:
    """Write annotations and their provenance into a zip under a hidden name.

    Raises:
        RequestRefusedError: If there is nothing yet, or clips lie elsewhere.
    """
    if not is_raw_study(_folder(studio)):
        raise RequestRefusedError("nothing-yet", "Nobody has sent a clip yet.")
    run = _annotated(studio, AnnotationSettings().valence.value)
    record = {
        "settings": run.settings.as_json(),
        "models": dict(run.models),
        "input_fingerprint": run.input_fingerprint,
        "summary": _facts(run),
    }
    contents = {
        "annotations.csv": run.annotations.write_csv().encode(),
        "annotations.csv.json": json.dumps(record, indent=2, ensure_ascii=False).encode(),
    }
    return _archive(studio.uploads, contents.items())


def study_archive(studio: Studio) -> Path:
    """Write the study into a zip under a hidden name: all but videos of faces."""
    folder = _folder(studio)
    files = (
        (path.relative_to(folder).as_posix(), path.read_bytes())
        for path in sorted(folder.glob("*/**/*"))
        if path.is_file() and _is_exported(path.relative_to(folder))
    )
    return _archive(studio.uploads, files)


def pieces(path: Path) -> Iterator[bytes]:
    """Read an archive piece by piece, and remove it at the end."""
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece
    finally:
        path.unlink()


def _is_exported(path: Path) -> bool:
    is_hidden = any(part.startswith(".") and part != ".stimuli" for part in path.parts)
    is_stimulus = ".stimuli" in path.parts
    in_session = len(path.parts) > 1 and path.parts[1].startswith("session_")
    is_video = path.suffix.lower() in VIDEO_ENDINGS
    return in_session and not is_hidden and (is_stimulus or not is_video)


def _archive(uploads: Uploads, contents: Any) -> Path:
    path = uploads.new()
    with zipfile.ZipFile(path, "x", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents:
            archive.writestr(name, content)
    return path


def _folder(studio: Studio) -> Path:
    if studio.files.folder is None:
        raise RequestRefusedError(
            "elsewhere",
            "The clips are not on this machine; copy them here, and run: fergi annotate",
        )
    return studio.files.folder


def _annotated(studio: Studio, valence: str) -> AnnotationRun:
    return annotate_study(_folder(studio), annotation_settings(valence=valence))


def _facts(run: AnnotationRun) -> dict[str, Any]:
    table = run.annotations
    return {
        "participants": table["participant"].n_unique(),
        "sessions": table.select(pl.struct("participant", "session").n_unique()).item(),
        "pairs": len(table),
        "decided": table["preferred"].count(),
        "by_source": dict(table["source"].value_counts(sort=True).iter_rows()),
    }
