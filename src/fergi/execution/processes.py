"""Tasks in processes of this machine, each with one thread.

The standard library's pool gives up when one process dies. Here a process that dies costs
at most its own task, which is tried once more in another.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from fergi.errors import ExecutionError, FergiError
from fergi.execution.protocol import Failure, Hear, Prepare, outcome, unheard
from fergi.execution.waiting import Waiting

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


class _Message(Enum):
    READY = auto()
    UNREADY = auto()
    NEWS = auto()
    OUTCOME = auto()


@dataclass(slots=True)
class _Worker:
    """A process, the line to it, and the place of the task that it has."""

    process: BaseProcess
    line: Connection
    place: int | None = None
    is_ready: bool = False


class Processes:
    """Does tasks in several processes.

    Args:
        prepare: Called once in each process.
        workers: How many processes.
    """

    def __init__(self, prepare: Prepare, workers: int) -> None:
        self._prepare = prepare
        self._count = workers
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def __enter__(self) -> "Processes":
        self._workers = [self._started() for _ in range(self._count)]
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.line.close()  # a worker that waits for a task ends by itself
            if exception[0] is not None or worker.place is not None:
                worker.process.terminate()
        for worker in self._workers:
            _join(worker.process)
        self._workers = []

    def outcomes(self, tasks: Iterable[Any], hear: Hear = unheard) -> Iterator[Any]:
        """Do tasks, several at a time; see `Executor.outcomes`."""
        waiting = Waiting(tasks, hear)
        while True:
            is_all_given = self._give_work(waiting)
            yield from waiting.in_order()
            if is_all_given and not waiting.given:
                return
            self._listen(waiting)

    def _give_work(self, waiting: Waiting) -> bool:
        """Give tasks to the workers that are free; tell whether none was left for one of them."""
        for worker in self._workers:
            if worker.is_ready and worker.place is None:
                worker.place = waiting.next_place()
                if worker.place is None:
                    return True
                with suppress(OSError):  # a dead worker is noticed when it is listened to
                    worker.line.send(waiting.given[worker.place])
        return False

    def _listen(self, waiting: Waiting) -> None:
        """Wait until any worker says something, or dies."""
        lines = {worker.line: worker for worker in self._workers}
        for line in wait(list(lines)):
            worker = lines[line]  # type: ignore[index]
            try:
                kind, content = worker.line.recv()
            except (EOFError, OSError):
                self._replace(worker, waiting)
            else:
                self._receive(worker, kind, content, waiting)

    def _receive(self, worker: _Worker, kind: _Message, content: Any, waiting: Waiting) -> None:
        match kind:
            case _Message.READY:
                worker.is_ready = True
                self._failed_starts = 0
            case _Message.UNREADY:
                raise ExecutionError(content)
            case _Message.NEWS if worker.place is not None:
                waiting.tell(worker.place, content)
            case _Message.OUTCOME if worker.place is not None:
                waiting.finish(worker.place, content)
                worker.place = None

    def _replace(self, worker: _Worker, waiting: Waiting) -> None:
        """Start another worker in the place of one that died."""
        worker.line.close()
        worker.process.join()
        if worker.place is not None:
            waiting.bury(worker.place, _cause(worker.process.exitcode))
        elif not worker.is_ready:
            self._failed_starts += 1
        if self._failed_starts > self._count:
            raise ExecutionError(
                f"workers die before they can work ({_cause(worker.process.exitcode)}); "
                "give them more memory, or take fewer with --workers"
            )
        self._workers[self._workers.index(worker)] = self._started()

    def _started(self) -> _Worker:
        return _Worker(*_started_process(self._prepare))


@contextmanager
def beside(prepare: Prepare, task: Any) -> Iterator[Callable[..., Any]]:
    """Do one task in a process of its own while the block goes on.

    Args:
        prepare: Called once there.
        task: What to do. Pickled, it should be small: a few kilobytes are sent without waiting.

    Yields:
        A function that waits for the result, and may be given what is to hear news of the task
        meanwhile. It raises ExecutionError if the task fails, or the process dies.
    """
    process, line = _started_process(prepare)
    try:
        line.send(task)
        yield lambda hear=unheard: _awaited(process, line, task, hear)
    finally:
        line.close()
        process.terminate()
        _join(process)


def _awaited(process: BaseProcess, line: Connection, task: Any, hear: Hear) -> Any:
    kind, content = _Message.READY, None
    while kind is not _Message.OUTCOME:
        try:
            kind, content = line.recv()
        except (EOFError, OSError) as error:
            process.join()
            cause = _cause(process.exitcode)
            raise ExecutionError(f"{task.name}: the process that did it died ({cause})") from error
        if kind is _Message.UNREADY:
            raise ExecutionError(content)
        hear(task, content)
    if isinstance(content, Failure):
        raise ExecutionError(f"{content.name}: {content.reason}")
    return content


def _started_process(prepare: Prepare) -> tuple[BaseProcess, Connection]:
    """Start a process that does tasks, and give the line to it."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_work, args=(theirs, prepare), daemon=True)
    with _environment(ONE_THREAD), _interruption_held_back():
        process.start()
    theirs.close()
    return process, ours


def _join(process: BaseProcess) -> None:
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
    try:
        perform = prepare()
    except Exception as error:  # noqa: BLE001 (the parent tells it)
        is_told = isinstance(error, FergiError)
        reason = f"a worker cannot start: {type(error).__name__}: {error}"
        line.send((_Message.UNREADY, str(error) if is_told else reason))
        return
    with suppress(EOFError, OSError):
        line.send((_Message.READY, None))
        while True:
            task = line.recv()
            found = outcome(perform, task, lambda news: line.send((_Message.NEWS, news)))
            line.send((_Message.OUTCOME, found))


def _die_with_parent() -> None:
    """End this process as soon as its parent is gone, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _cause(exit_code: int | None) -> str:
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
