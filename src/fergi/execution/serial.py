"""One task after the other, in this process: what the other executors are compared with."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from fergi.execution.protocol import Hear, Perform, Prepare, outcome, unheard


class Serial:
    """Does tasks in this process.

    Nothing protects it from a task that ends the process, as a broken codec may.
    """

    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare

    def __enter__(self) -> "Serial":
        self._perform: Perform = self._prepare()
        return self

    def __exit__(self, *exception: object) -> None:
        del self._perform

    def outcomes(self, tasks: Iterable[Any], hear: Hear = unheard) -> Iterator[Any]:
        """Do tasks one after the other; see `Executor.outcomes`."""
        for task in tasks:
            found = outcome(self._perform, task, partial(hear, task))
            hear(task, found)
            yield found
