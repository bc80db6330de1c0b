"""A process of this machine that does tasks, with one thread: how it starts, talks and ends."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from fergi.errors import FergiError
from fergi.execution.protocol import Prepare, outcome

ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENCV_FOR_THREADS_NUM",
        "POLARS_MAX_THREADS",
    ),
    "1",
)
_SECONDS_TO_END = 5.0
_SPAWN = multiprocessing.get_context("spawn")  # a fork would copy locks that other threads hold


class Message(Enum):
    """What a process says, with a content."""

    READY = auto()
    """It can do tasks."""
    UNREADY = auto()
    """It cannot: the reason."""
    NEWS = auto()
    """Of the task at work."""
    OUTCOME = auto()
    """Of a task that is done: its result, or a `Failure`."""


def started_process(prepare: Prepare) -> tuple[BaseProcess, Connection]:
    """Start a process that does tasks, and give the line to it: tasks go, messages come.

    Args:
        prepare: Called once there.
    """
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_work, args=(theirs, prepare), daemon=True)
    with _environment(ONE_THREAD), _interruption_held_back():
        process.start()
    theirs.close()
    return process, ours


def join(process: BaseProcess) -> None:
    """Wait for the end of a process that was told to end, and enforce it."""
    process.join(_SECONDS_TO_END)
    if process.is_alive():
        process.kill()
        process.join()


def _end_all_the_same(unraisable: "sys.UnraisableHookArgs") -> None:
    """End this process when the signal to end came where Python swallows exceptions."""
    if unraisable.exc_type is SystemExit:
        os._exit(1)
    sys.__unraisablehook__(unraisable)


def _work(line: Connection, prepare: Prepare) -> None:
    """Serve one line, in a worker's process, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, who ends us
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing half-done stays
    sys.unraisablehook = _end_all_the_same
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        _serve(line, prepare)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _serve(line: Connection, prepare: Prepare) -> None:
    with suppress(EOFError, OSError):  # the parent closed the line, and wants nothing more
        try:
            perform = prepare()
        except Exception as error:  # noqa: BLE001 (the parent tells it)
            line.send((Message.UNREADY, _told(error)))
            return
        line.send((Message.READY, None))
        while True:
            task = line.recv()
            found = outcome(perform, task, lambda news: line.send((Message.NEWS, news)))
            line.send((Message.OUTCOME, found))


def _told(error: Exception) -> str:
    if isinstance(error, FergiError):
        return str(error)
    return f"a worker cannot start: {type(error).__name__}: {error}"


def _die_with_parent() -> None:
    """End this process as soon as its parent is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def cause(exit_code: int | None) -> str:
    """Say what ended a process."""
    if exit_code is not None and exit_code < 0:
        return f"signal {signal.Signals(-exit_code).name}"
    return f"exit status {exit_code}"


@contextmanager
def _interruption_held_back() -> Iterator[None]:
    """Let processes that are started in the block never hear Ctrl-C, also while they start."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # of Python; it would let the signal through as it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set variables for processes that are started in the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
