"""Tasks in processes of this machine, each with one thread.

The standard library's pool gives up when one process dies. Here a process that dies costs
at most its own task, which is tried once more in another.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from fergi.errors import ExecutionError
from fergi.execution.protocol import Hear, Prepare, unheard
from fergi.execution.waiting import Waiting
from fergi.execution.worker import Message, cause, join, started_process


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
            join(worker.process)
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

    def _receive(self, worker: _Worker, kind: Message, content: Any, waiting: Waiting) -> None:
        match kind:
            case Message.READY:
                worker.is_ready = True
                self._failed_starts = 0
            case Message.UNREADY:
                raise ExecutionError(content)
            case Message.NEWS if worker.place is not None:
                waiting.tell(worker.place, content)
            case Message.OUTCOME if worker.place is not None:
                waiting.finish(worker.place, content)
                worker.place = None

    def _replace(self, worker: _Worker, waiting: Waiting) -> None:
        """Start another worker in the place of one that died."""
        worker.line.close()
        worker.process.join()
        if worker.place is not None:
            waiting.bury(worker.place, cause(worker.process.exitcode))
        elif not worker.is_ready:
            self._failed_starts += 1
        if self._failed_starts > self._count:
            raise ExecutionError(
                f"workers die before they can work ({cause(worker.process.exitcode)}); "
                f"{_advice(worker.process.exitcode)}"
            )
        self._workers[self._workers.index(worker)] = self._started()

    def _started(self) -> _Worker:
        return _Worker(*started_process(self._prepare))


def _advice(exit_code: int | None) -> str:
    if exit_code == 1:  # of Python, after an error that it printed
        return (
            "the error is printed above; in a script of your own, call fergi below "
            'if __name__ == "__main__": only, since each worker begins by running the script'
        )
    return "give them more memory, or take fewer with --workers"
