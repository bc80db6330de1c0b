"""Where scores come from: which code, which weights, which numbers, which libraries."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from fergi.scorers.catalogue import scorer_places, traits_of
from fergi.scorers.protocol import ScorerFactory, ScorerOptions
from fergi.scorers.provided import named_path, provided_files
from fergi.weights.scorer_weights import file_hash

_LIBRARIES = ("fergi", "numpy", "pillow", "tokenizers", "torch", "transformers")

SAME_SCORES = ("code", "weights", "dtype", "preparation", "formula")
"""What must be equal for two scores to be comparable; libraries and device may differ."""


def scorer_origin(name: str, factory: ScorerFactory, options: ScorerOptions) -> dict[str, Any]:
    """Describe how a scorer is about to compute its scores, for the JSON beside them.

    Args:
        name: Of the scorer.
        factory: What makes it.
        options: How it is made.

    Returns:
        What JSON can hold: the code, each file of the weights with its SHA-256, its source
        and revision, the form in which images are given, the formula, and versions.

    Raises:
        WeightsError: If a file of the weights cannot be read.
    """
    traits = traits_of(factory)
    place = scorer_places().get(name)
    weights: dict[str, Any] = {
        entry: provided_files(entry, options).record() for entry in traits.weights
    }
    named = named_path(name, options)
    if named is not None and not traits.weights:
        weights[name] = _named_files(named)
    return {
        "code": place.value if place else f"{type(factory).__module__}",
        "package": _package(place.dist if place else None),
        "weights": weights,
        "dtype": options.dtype,
        "device": options.device,
        "preparation": traits.preparation.value,
        "formula": traits.formula,
        "libraries": _versions(),
    }


def _named_files(path: Path) -> dict[str, dict[str, object]]:
    """Describe all files of a folder, or the one."""
    files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
    return {
        one.relative_to(path).as_posix() if one != path else one.name: {"sha256": file_hash(one)}
        for one in files
    }


def _package(distribution: Any) -> str:
    if distribution is None:
        return f"fergi {version('fergi')}"
    return f"{distribution.name} {distribution.version}"


def _versions() -> dict[str, str]:
    installed = {}
    for name in _LIBRARIES:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def is_same_origin(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Tell whether scores of two origins belong into one column."""
    return all(_hashes(one.get(part)) == _hashes(other.get(part)) for part in SAME_SCORES)


def _hashes(part: Any) -> Any:
    """Reduce the description of weights to the hashes in it."""
    if not isinstance(part, Mapping):
        return part
    return {
        name: inner.get("sha256") if "sha256" in inner else _hashes(inner)
        for name, inner in part.items()
        if isinstance(inner, Mapping)
    }


def model_hashes(origins: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """List every file of the weights of some scorers → its SHA-256."""
    return {
        f"{entry}/{file}": record["sha256"]
        for origin in origins.values()
        for entry, files in origin.get("weights", {}).items()
        for file, record in files.items()
    }


def image_hash(path: Path) -> str | None:
    """Give the SHA-256 of an image file; None if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return None
