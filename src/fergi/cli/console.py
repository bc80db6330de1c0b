"""What a person sees while a command runs, and what it says at the end."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from fergi import progress
from fergi.records.clip import Problem

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the summary as one JSON object, for scripts.")
]

_PROBLEMS_SHOWN = 10


@contextmanager
def progress_bar(what: str, *, quiet: bool) -> Iterator[progress.Progress]:
    """Show a bar on standard error while work goes on, if that is a terminal.

    Yields:
        A function to call with how many pieces are done, and of how many.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=quiet or not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def print_summary(
    facts: Mapping[str, Any], problems: Sequence[Problem], *, quiet: bool, as_json: bool
) -> None:
    """Say what was done, and name what could not be.

    Problems go to standard error unless the summary is JSON, which holds them all.

    Args:
        facts: What to say, by label.
        problems: What could not be used.
        quiet: Whether to say only the problems.
        as_json: Whether to print one JSON object instead, in which an unknown number is null.
    """
    if as_json:
        record = {**facts, "problems": [asdict(problem) for problem in problems]}
        typer.echo(json.dumps(_strict(record), ensure_ascii=False, default=str, allow_nan=False))
        return
    if not quiet:
        _print_facts(facts)
    _print_problems(problems)


def finish(problems: Sequence[Problem]) -> None:
    """Leave with status 1 if anything could not be used.

    Raises:
        typer.Exit: If there are problems.
    """
    if problems:
        raise typer.Exit(1)


def _strict(value: Any) -> Any:
    """Give null for numbers that JSON does not have: NaN and the infinite."""
    match value:
        case Mapping():
            return {name: _strict(one) for name, one in value.items()}
        case list() | tuple():
            return [_strict(one) for one in value]
        case float() if not math.isfinite(value):
            return None
        case _:
            return value


def _print_facts(facts: Mapping[str, Any]) -> None:
    width = max(len(label) for label in facts)
    for label, value in facts.items():
        typer.echo(f"{label.replace('_', ' '):<{width}}  {_shown(value)}")


def _shown(value: object) -> str:
    match value:
        case Mapping() if value:
            return ", ".join(f"{_shown(number)} {name}" for name, number in value.items())
        case list() if value:
            return " ".join(map(_shown, value))
        case Mapping() | list():
            return "none"
        case int() if not isinstance(value, bool):
            return f"{value:,}"
        case float():
            return "unknown" if math.isnan(value) else f"{value:.3f}"
        case _:
            return str(value)


def _print_problems(problems: Sequence[Problem]) -> None:
    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    for problem in problems[:_PROBLEMS_SHOWN]:
        console.print(f"fergi: {problem}")
    if len(problems) > _PROBLEMS_SHOWN:
        rest = len(problems) - _PROBLEMS_SHOWN
        console.print(f"fergi: and {rest} more problems; --json lists them all")
