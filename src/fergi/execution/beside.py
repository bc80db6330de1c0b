"""One piece of work in another process, while this one goes on."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from fergi.errors import ExecutionError
from fergi.execution.processes import Processes
from fergi.execution.protocol import Failure, Hear, Prepare, unheard


@contextmanager
def beside(prepare: Prepare, task: Any, hear: Hear = unheard) -> Iterator[Callable[[], Any]]:
    """Do a task in a process of its own while the block goes on, which ends no sooner than it.

    Args:
        prepare: Called once there.
        task: What to do.
        hear: Told news of it, in another thread.

    Yields:
        A function that waits for the result. It raises ExecutionError if the task failed.
    """
    with Processes(prepare, 1) as process, ThreadPoolExecutor(1) as waiting:
        outcome = waiting.submit(lambda: next(process.outcomes([task], hear)))

        def result() -> Any:
            found = outcome.result()
            if isinstance(found, Failure):
                raise ExecutionError(f"{found.name}: {found.reason}")
            return found

        yield result
