"""What commands share that extract videos: their options, the bar, and what is said at the end."""

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from fergi.extraction.run import ExtractionRun
    from fergi.extraction.tally import SoFar, Watch

Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Clips at a time, each on one thread; by default as many as there are processors.",
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Work on a Ray cluster: auto, local or HOST:PORT (extra: ray). "
        "Clips must have the same paths on every machine of it.",
    ),
]

_PEOPLE_SHOWN = 12
_CLIPS_SHOWN = 3


class Stopwatch:
    """Frames per second of an extraction."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.frames = 0

    @property
    def frames_per_second(self) -> float:
        """Since the start."""
        return self.frames / (time.perf_counter() - self._start)


@contextmanager
def extraction_bar(*, quiet: bool) -> Iterator[tuple["Watch", Stopwatch]]:
    """Show how far an extraction is, on standard error, if that is a terminal.

    Yields:
        A function to call with news, and a watch that knows the speed.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("Extracting"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[done]}"),
        TimeRemainingColumn(),
    )
    stopwatch = Stopwatch()
    with (
        _termination_as_interruption(),
        Progress(
            *columns, console=console, transient=True, disable=quiet or not console.is_terminal
        ) as bar,
    ):
        task = bar.add_task("", total=None, done="")

        def watch(so_far: "SoFar") -> None:
            stopwatch.frames = so_far.frames
            bar.update(
                task,
                completed=so_far.clips,
                total=so_far.of,
                done=f"{int(so_far.clips)} of {so_far.of} clips, "
                f"{stopwatch.frames_per_second:.0f} frames/s",
            )

        yield watch, stopwatch


@contextmanager
def _termination_as_interruption() -> Iterator[None]:
    """Clean up when a scheduler ends the run, as when a person does by Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def extraction_facts(
    run: "ExtractionRun", stopwatch: Stopwatch, *, shortened: bool
) -> dict[str, Any]:
    """Say what an extraction did.

    Args:
        run: The extraction.
        stopwatch: That ran with it.
        shortened: Whether to name only some of the people who were seen worst, and of the clips
            that show nobody, if there are many.
    """
    shares = {name: round(run.people[name].valid_share, 3) for name in sorted(run.people)}
    label = "valid_frames_by_participant"
    if shortened and len(shares) > _PEOPLE_SHOWN:
        worst = sorted(shares, key=lambda name: shares[name])[:_PEOPLE_SHOWN]
        shares, label = {name: shares[name] for name in worst}, "least_valid_frames"
    return {
        "estimator": run.identity.estimator,
        "scale": run.identity.scale,
        "clips_extracted": run.done,
        "clips_already_there": run.skipped + run.others,
        "clips_failed": len(run.failed),
        "frames": stopwatch.frames,
        "frames_per_second": round(stopwatch.frames_per_second, 1),
        **({label: shares} if shares else {}),
        **_clips_named("clips_without_any_face", run.faceless, shortened),
        **_clips_named("clips_never_frontal", run.turned_away, shortened),
    }


def _clips_named(label: str, clips: Sequence[str], shortened: bool) -> dict[str, Any]:
    return {label: _named(clips, shortened)} if clips else {}


def _named(clips: Sequence[str], shortened: bool) -> str | list[str]:
    if not shortened:
        return sorted(clips)
    rest = len(clips) - _CLIPS_SHOWN
    shown = ", ".join(sorted(clips)[:_CLIPS_SHOWN])
    return f"{shown} and {rest} more" if rest > 0 else shown
