"""Tasks that tests give to workers; here, since a worker's process imports them by name."""

import errno
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fergi.errors import FergiError
from fergi.execution.protocol import Tell


@dataclass(frozen=True)
class Square:
    """A number to be squared; some numbers are trouble."""

    number: int
    trouble: str = ""
    marks: Path | None = None

    @property
    def name(self) -> str:
        return f"square {self.number}"


class Squares:
    """Squares numbers, unless there is trouble."""

    def __init__(self) -> None:
        self.prepared_by = os.getpid()
        self.squared = 0

    def __call__(self, task: Square, tell: Tell) -> Any:
        tell(f"begins {task.number}")
        self.squared += 1
        match task.trouble:
            case "refuses":
                raise FergiError("no such square; give another")
            case "breaks":
                raise ZeroDivisionError("by nothing")
            case "finds no space":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "f.csv")
            case "dies":
                os.kill(os.getpid(), signal.SIGKILL)
            case "dies once" if not self._was_here(task):
                os.kill(os.getpid(), signal.SIGKILL)
            case "tells its pid":
                return self.prepared_by, self.squared
            case "takes its time":
                time.sleep(0.2)
                return task.number**2, os.getpid()
            case "waits":
                self._was_here(task)
                signal.pause()
        return task.number**2

    @staticmethod
    def _was_here(task: Square) -> bool:
        """Tell whether an earlier attempt left its mark; leave one."""
        assert task.marks is not None
        mark = task.marks / f"{task.number}"
        was_here = mark.exists()
        mark.write_text(str(os.getpid()))
        return was_here


def no_worker() -> Squares:
    raise FergiError("the model is missing; fetch it")


@dataclass(frozen=True)
class FirstWaits:
    """The first worker waits to be ended, and fails then as an import may; others fail at once."""

    marks: Path

    def __call__(self) -> Squares:
        try:
            (self.marks / "first").touch(exist_ok=False)
            signal.pause()
        except FileExistsError:
            no_worker()
        except SystemExit:
            raise ImportError("initialization failed") from None
        return Squares()


def dead_worker() -> Squares:
    os.kill(os.getpid(), signal.SIGKILL)
    return Squares()
