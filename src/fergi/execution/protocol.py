"""What all executors promise: equal results in the order of the tasks, however they run."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from fergi.errors import FergiError


class Task(Protocol):
    """A piece of work; it can be pickled, and carries all that its result depends on."""

    @property
    def name(self) -> str:
        """What messages call it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that could not be done, while the rest went on.

    Attributes:
        name: Of the task.
        reason: What was found, what was needed, what to do.
    """

    name: str
    reason: str


Tell = Callable[[Any], None]
"""Called by a task at work with news of itself, such as how far it is."""


def untold(_news: Any) -> None:
    """Tell nobody."""


Perform = Callable[[Any, Tell], Any]
"""Does one task, and returns what can be pickled."""

Prepare = Callable[[], Perform]
"""Called once in each worker, to load what all its tasks need. It can be pickled."""

Hear = Callable[[Any, Any], None]
"""Called with a task and its news, and at its end with the task and its outcome."""


def unheard(_task: Any, _news: Any) -> None:
    """Listen to nothing."""


@runtime_checkable
class Executor(Protocol):
    """Does tasks by workers that stay ready between them. Used in a `with` block.

    Whether in this process, in others, or on other machines: outcomes are equal.
    """

    def __enter__(self) -> "Executor":
        """Start the workers."""

    def __exit__(self, *exception: object) -> None:
        """End the workers, also those at work."""

    def outcomes(self, tasks: Iterable[Any], hear: Hear = unheard) -> Iterator[Any]:
        """Do tasks.

        Args:
            tasks: Taken only when a worker is free for them.
            hear: Told news as they come, in no order.

        Yields:
            For each task, in order, its result or a `Failure`.

        Raises:
            ExecutionError: If workers cannot be started.
        """


def outcome(perform: Perform, task: Any, tell: Tell) -> Any:
    """Do one task; whatever goes wrong in it costs no other."""
    try:
        return perform(task, tell)
    except FergiError as error:
        return Failure(task.name, str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        cause = error.strerror or error
        return Failure(task.name, f"{where}{cause}; check the disk, then run the command again")
    except Exception as error:  # noqa: BLE001 (of a thousand clips, one may break anything)
        return Failure(task.name, f"{type(error).__name__}: {error}")
