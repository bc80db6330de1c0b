"""Files of other tools → the feature files that a study holds."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fergi.datasets.feature_files import feature_csv
from fergi.datasets.importers.imported import ImportedSeries, Tool, imported_series
from fergi.datasets.session_folder import FEATURE_FILE_ENDING
from fergi.datasets.synthetic import TRUTH_FILE
from fergi.errors import OutputError, UsageError
from fergi.files import replacing
from fergi.provenance import write_provenance

_STUDY_TABLES = ("scores.csv", TRUTH_FILE)
"""Tables at the root of a study, which are nobody's action units."""


@dataclass(frozen=True, slots=True)
class ImportSettings:
    """What changes an imported file.

    Attributes:
        tool: Which wrote it; None: judged by its columns.
        frame_rate: Frames per second, where the tool writes no times.
        aspect_ratio: Width of the video by its height, where the tool does not write it.
    """

    tool: Tool | None = None
    frame_rate: float | None = None
    aspect_ratio: float | None = None


def files_to_import(path: Path, out: Path | None = None) -> list[tuple[Path, Path]]:
    """Pair the files of another tool with the feature files that they become.

    Args:
        path: A CSV file, or a folder that holds such files at any depth.
        out: A folder for the feature files, laid out as `path`; by default they go beside.

    Returns:
        Each file, and `<name>_features.csv`; feature files themselves are left out, and so
        are the tables of a study.

    Raises:
        UsageError: If there is nothing to import.
    """
    if not path.exists():
        raise UsageError(f"{path}: does not exist; give a CSV file of another tool, or a folder")
    root = path if path.is_dir() else path.parent
    found = sorted(path.rglob("*.csv")) if path.is_dir() else [path]
    pairs = [
        (file, (out or root) / file.relative_to(root).with_name(file.stem + FEATURE_FILE_ENDING))
        for file in found
        if not file.name.endswith(FEATURE_FILE_ENDING) and file.name not in _STUDY_TABLES
    ]
    if not pairs:
        raise UsageError(f"{path}: holds no CSV file of another tool; give such a file or folder")
    return pairs


def import_features(
    source: Path, features: Path, settings: ImportSettings, *, overwrite: bool = False
) -> ImportedSeries:
    """Turn one file of another tool into a feature file, with a JSON beside it.

    Args:
        source: What the tool wrote.
        features: The file to write.
        settings: What the file itself does not say.
        overwrite: Whether a feature file that is there may be replaced.

    Returns:
        What was read.

    Raises:
        FeatureFileError: If the file cannot be read.
        OutputError: If the feature file is there already, or cannot be written.
    """
    if features.exists() and not overwrite:
        raise OutputError(f"{features} is there already; --overwrite replaces it")
    imported = imported_series(
        source,
        settings.tool,
        frame_rate=settings.frame_rate,
        aspect_ratio=settings.aspect_ratio,
    )
    with replacing(features) as file:
        file.write(feature_csv(imported.series, units=imported.units))
        write_provenance(
            features,
            settings={
                "estimator": imported.tool.value,
                "scale": imported.scale.value,
                "licence": imported.licence,
                "units": [f"AU{unit}" for unit in imported.units],
                "frame_rate": settings.frame_rate,
                "aspect_ratio": settings.aspect_ratio,
            },
            models={},
            input_fingerprint=hashlib.sha256(source.read_bytes()).hexdigest(),
            summary=_summary(source, imported),
        )
    return imported


def _summary(source: Path, imported: ImportedSeries) -> dict[str, object]:
    is_seen = ~np.isnan(imported.series.face_confidence)
    return {
        "source": source.name,
        "frames": len(is_seen),
        "frames_with_a_face": int(is_seen.sum()),
        "remarks": list(imported.remarks),
    }
