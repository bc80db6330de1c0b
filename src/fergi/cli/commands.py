"""Which commands there are; each is loaded when it is asked for, which halves the start."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import typer

PLACES = {
    "demo": "demo:demo",
    "annotate": "annotate:annotate",
    "extract": "extract:extract",
    "import": "imports:import_command",
    "plot": "plot:plot",
    "export": "export:export_annotations",
    "evaluate": "evaluate:evaluate",
    "reproduce": "reproduce:reproduce",
    "score": "score:score_command",
    "train": "train:app",
    "au": "au:app",
    "studio": "studio:app",
    "fetch": "fetch:fetch",
    "list": "inventory:inventory",
}
"""Name of each command → its module in this package, and what there is the command."""


class Commands(Mapping[str, Any]):
    """Commands by name, as the parser knows them."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = _command(name, PLACES[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(PLACES)

    def __len__(self) -> int:
        return len(PLACES)


def _command(name: str, place: str) -> Any:
    """Load a command, or a group of commands."""
    module, _, attribute = place.partition(":")
    found = getattr(importlib.import_module(f"fergi.cli.{module}"), attribute)
    group = typer.Typer(add_completion=False)
    group.callback()(lambda: None)  # a group, also of one command
    if isinstance(found, typer.Typer):
        group.add_typer(found, name=name)
    else:
        group.command(name)(found)
    parsed: Any = typer.main.get_command(group)
    return parsed.commands[name]
