"""`fergi list`: which models are here, and whether they are what they claim to be."""

import json
from dataclasses import dataclass

import typer

from fergi.cli.console import AsJson, finish
from fergi.errors import WeightsError
from fergi.records.clip import Problem
from fergi.weights.fetched import FetchedEntry, fault_in_file, fetched_registry, models_folder
from fergi.weights.scorer_weights import ScorerWeights, found_files, scorer_weights
from fergi.weights.store import RegistryEntry, registry, shipped_model


@dataclass(frozen=True, slots=True)
class _Listed:
    """A model, and what was found of it.

    Attributes:
        entry: What the register says.
        state: Whether it is here, and intact.
        is_faulty: Whether something is here that is not the model.
    """

    entry: RegistryEntry | FetchedEntry
    state: str
    is_faulty: bool


def inventory(as_json: AsJson = False) -> None:
    """List the models: what they are, which are here, and whether they are intact.

    Example: fergi list
    """
    models = [_shipped(entry) for entry in registry().values()]
    models += [_fetched(entry) for entry in fetched_registry().values()]
    weights = [_scorer_weights(entry) for entry in scorer_weights().values()]
    if as_json:
        facts = {"models": [_facts(model) for model in models], "scorer_weights": weights}
        typer.echo(json.dumps(facts, ensure_ascii=False))
    else:
        for model in models:
            _print(model)
        for one in weights:
            typer.echo(f"{one['name']} (scorer): {one['state']}")
    finish([Problem(model.entry.name, model.state) for model in models if model.is_faulty])


def _shipped(entry: RegistryEntry) -> _Listed:
    try:
        shipped_model(entry.name)
    except WeightsError as error:
        return _Listed(entry, str(error), is_faulty=True)
    return _Listed(entry, "here, verified", is_faulty=False)


def _fetched(entry: FetchedEntry) -> _Listed:
    path = models_folder() / entry.file
    fault = fault_in_file(path, entry)
    if fault is None:
        return _Listed(entry, "here, verified", is_faulty=False)
    if not path.exists():
        return _Listed(entry, f"not here; bring it with: fergi fetch {entry.name}", is_faulty=False)
    state = f"{path} {fault}; bring it again with: fergi fetch {entry.name}"
    return _Listed(entry, state, is_faulty=True)


def _scorer_weights(entry: ScorerWeights) -> dict[str, object]:
    """Say where the weights of a scorer are; they are verified when they are used."""
    found = found_files(entry.name)
    missing = [file.name for file in entry.files if file.name not in found]
    folders = sorted({str(path.parent) for path in found.values()})
    state = (
        f"not here ({', '.join(missing)}); bring it with: fergi fetch {entry.name} "
        f"({entry.size_shown}, {entry.licence})"
        if missing
        else f"here, in {', '.join(folders)}"
    )
    return {
        "name": entry.name,
        "state": state,
        "licence": entry.licence,
        "citation": entry.citation,
        "files": {
            file.name: {"source": file.url, "size": file.size, "sha256": file.sha256}
            for file in entry.files
        },
    }


def _facts(model: _Listed) -> dict[str, object]:
    entry = model.entry
    facts = {
        "name": entry.name,
        "state": model.state,
        "purpose": entry.purpose,
        "size": entry.size,
        "sha256": entry.sha256,
        "licence": entry.licence,
        "citation": entry.citation,
    }
    return facts | _origin(entry)


def _origin(entry: RegistryEntry | FetchedEntry) -> dict[str, object]:
    """Say what a shipped model was trained on, or where another can be had."""
    if isinstance(entry, FetchedEntry):
        return {"sources": [str(source) for source in entry.sources]}
    return {"trained_on": entry.trained_on}


def _print(model: _Listed) -> None:
    entry = model.entry
    typer.echo(f"{entry.name}: {model.state}")
    origin = _origin(entry)
    shown = {"purpose": entry.purpose, **origin, "licence": entry.licence}
    for label, value in {**shown, "citation": entry.citation}.items():
        for line in value if isinstance(value, list) else [value]:
            typer.echo(f"  {label.replace('_', ' '):<10}  {line}")
    typer.echo(f"  {'file':<10}  {entry.size:,} bytes, SHA-256 {entry.sha256}")
