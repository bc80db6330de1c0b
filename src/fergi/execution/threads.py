"""Tasks in threads of this process, which share what was prepared once: for work on one GPU.

Each process would hold the models, and a graphics card's own memory, once more; threads can share
them. A task that ends its process ends them all; the run is then to be started again.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

from fergi.execution.protocol import Hear, Perform, Prepare, Tell, outcome, unheard
from fergi.execution.waiting import Waiting

_News = tuple[int, Any, bool]
"""Place of a task, what is told of it, and whether that is its outcome."""


class _LeftError(Exception):
    """Nobody waits for the task any more."""


class Threads:
    """Does tasks in several threads.

    Args:
        prepare: Called once; what it gives must bear to be called by several threads.
        workers: How many threads.
    """

    def __init__(self, prepare: Prepare, workers: int) -> None:
        self._prepare = prepare
        self._count = workers
        self._is_left = False

    def __enter__(self) -> "Threads":
        self._perform: Perform = self._prepare()
        self._pool = ThreadPoolExecutor(self._count)
        return self

    def __exit__(self, *exception: object) -> None:
        self._is_left = True  # tasks at work end when they next tell something
        self._pool.shutdown(cancel_futures=True)
        del self._perform

    def outcomes(self, tasks: Iterable[Any], hear: Hear = unheard) -> Iterator[Any]:
        """Do tasks, several at a time; see `Executor.outcomes`."""
        waiting = Waiting(tasks, hear)
        told: SimpleQueue[_News] = SimpleQueue()
        while True:
            self._give_work(waiting, told)
            yield from waiting.in_order()
            if not waiting.given:
                return
            place, content, is_outcome = told.get()
            if is_outcome:
                waiting.finish(place, content)
            else:
                waiting.tell(place, content)

    def _give_work(self, waiting: Waiting, told: "SimpleQueue[_News]") -> None:
        """Give tasks to the threads that are free."""
        while len(waiting.given) < self._count and (place := waiting.next_place()) is not None:
            self._pool.submit(self._do, waiting.given[place], place, told)

    def _do(self, task: Any, place: int, told: "SimpleQueue[_News]") -> None:
        found = outcome(self._perform, task, self._telling(place, told))
        told.put((place, found, True))

    def _telling(self, place: int, told: "SimpleQueue[_News]") -> Tell:
        def tell(news: Any) -> None:
            if self._is_left:
                raise _LeftError
            told.put((place, news, False))

        return tell
