"""Where a result comes from: a JSON beside every file that fergi writes."""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from fergi.files import replacing

_ROWS_HASHED_AT_ONCE = 10_000
_PACKAGES = (
    "ai-edge-litert",
    "av",
    "numpy",
    "opencv-python-headless",
    "polars",
    "safetensors",
    "scikit-learn",
    "torch",
)


def write_provenance(
    path: Path,
    *,
    settings: Mapping[str, Any],
    models: Mapping[str, str],
    input_fingerprint: str,
    summary: Mapping[str, Any] | None = None,
) -> None:
    """Write `<path>.json`: all that is needed to tell how a file came about.

    Args:
        path: The file that is described.
        settings: The settings that change the result.
        models: Name of each model used → SHA-256 of its file.
        input_fingerprint: What `fingerprint` gives for the evidence.
        summary: Counts and problems of the run.

    Raises:
        OutputError: If the file cannot be written.
    """
    record = {
        "file": path.name,
        "fergi": fergi_version(),
        "settings": dict(settings),
        "settings_sha256": settings_hash(settings),
        "models": dict(models),
        "input_fingerprint": input_fingerprint,
        "packages": _package_versions(),
        **({"summary": dict(summary)} if summary is not None else {}),
    }
    with replacing(provenance_path(path)) as file:
        file.write(json.dumps(record, indent=2, ensure_ascii=False).encode() + b"\n")


def read_provenance(path: Path) -> Mapping[str, Any]:
    """Read the JSON that lies beside a file; nothing if there is none, or none that is sound.

    Args:
        path: The file that is described.

    Returns:
        What `write_provenance` wrote, or any other JSON object.
    """
    try:
        record = json.loads(provenance_path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def fergi_version() -> str:
    """Give the version of the installed package."""
    return importlib.metadata.version("fergi")


def provenance_path(path: Path) -> Path:
    """Name the JSON that lies beside a file."""
    return path.with_name(path.name + ".json")


def fingerprint(*tables: pl.DataFrame) -> str:
    """Reduce the evidence that a result was computed from to one SHA-256.

    Args:
        tables: Tables without nested columns, in a fixed order of rows.

    Returns:
        64 hexadecimal digits: those of the tables written as CSV.
    """
    digest = hashlib.sha256()
    for table in tables:
        digest.update(",".join(table.columns).encode())
        for part in table.iter_slices(_ROWS_HASHED_AT_ONCE):
            digest.update(part.write_csv(include_header=False).encode())
    return digest.hexdigest()


def settings_hash(settings: Mapping[str, Any]) -> str:
    """Reduce settings to a SHA-256 that does not depend on their order."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


def _package_versions() -> dict[str, str]:
    installed = {}
    for name in _PACKAGES:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return installed
