"""Tasks that are waited for: given out as workers become free, handed over in order."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from fergi.execution.protocol import Failure, Hear

ATTEMPTS = 2
"""How often a task is tried whose worker is lost."""


class Waiting:
    """The tasks of one call, by their place in it.

    Attributes:
        given: Place → task, of those that a worker has.
    """

    def __init__(self, tasks: Iterable[Any], hear: Hear) -> None:
        self.given: dict[int, Any] = {}
        self._tasks = enumerate(tasks)
        self._hear = hear
        self._losses: dict[int, int] = {}
        self._again: deque[int] = deque()
        self._done: dict[int, Any] = {}
        self._next = 0

    def next_place(self) -> int | None:
        """Take the next task: one to be tried again, or a new one; None if there is none."""
        if self._again:
            return self._again.popleft()
        place, task = next(self._tasks, (None, None))
        if place is not None:
            self.given[place] = task
        return place

    def tell(self, place: int, news: Any) -> None:
        """Pass on the news of a task."""
        self._hear(self.given[place], news)

    def finish(self, place: int, found: Any) -> None:
        """Take the outcome of a task."""
        self._done[place] = found
        self._hear(self.given.pop(place), found)

    def bury(self, place: int, cause: str) -> None:
        """Note that a worker was lost at a task: it is tried again, or given up."""
        self._losses[place] = self._losses.get(place, 0) + 1
        if self._losses[place] < ATTEMPTS:
            self._again.append(place)
            return
        reason = (
            f"ended its worker {ATTEMPTS} times ({cause}); the file may be broken, or memory too "
            "small: try it alone, or with fewer --workers"
        )
        self.finish(place, Failure(self.given[place].name, reason))

    def in_order(self) -> Iterator[Any]:
        """Hand over the outcomes that no earlier task is missing for."""
        while self._next in self._done:
            yield self._done.pop(self._next)
            self._next += 1
