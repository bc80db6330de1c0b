"""Another process that works beside this one."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fergi.errors import ExecutionError
from fergi.execution.protocol import Failure, Hear, Perform, Tell, unheard
from fergi.execution.worker import Message, cause, join, started_process

Work = Callable[[Tell], Any]
"""Does a piece of work, tells of it, and returns what can be pickled. It can be pickled."""


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """A task that knows how it is done."""

    name: str
    work: Work


class Companion:
    """Does one piece of work after the other while this process goes on.

    Used in a `with` block, which ends the companion, also when it is at work.
    """

    def __enter__(self) -> "Companion":
        self._process, self._line = started_process(_prepared)
        self._asked: _Piece | None = None
        return self

    def __exit__(self, *exception: object) -> None:
        self._line.close()
        if self._asked is None:
            self._process.kill()  # at rest it has nothing to tidy up, and Python takes a second to
        else:
            self._process.terminate()
        join(self._process)

    def ask(self, name: str, work: Work) -> None:
        """Give it a piece of work; that before must be answered.

        Args:
            name: What messages call it.
            work: What to do.

        Raises:
            ValueError: If the piece before is not answered yet.
        """
        if self._asked is not None:
            # Both might wait then for the other to read.
            raise ValueError(f"{self._asked.name}: wait for the answer before asking for {name}")
        self._asked = _Piece(name, work)
        with suppress(OSError):  # that it died is noticed when the answer is waited for
            self._line.send(self._asked)

    def answer(self, hear: Hear = unheard) -> Any:
        """Wait for the result of what was asked.

        Args:
            hear: Told news of it, also those that came before this call.

        Raises:
            ExecutionError: If it failed, or the process died.
            ValueError: If nothing was asked.
        """
        piece = self._asked
        if piece is None:
            raise ValueError("nothing was asked")
        kind, content = self._said(piece)
        while kind is not Message.OUTCOME:
            if kind is Message.NEWS:
                hear(piece, content)
            kind, content = self._said(piece)
        self._asked = None  # not before, since an interruption may leave it at work
        if isinstance(content, Failure):
            raise ExecutionError(f"{piece.name}: {content.reason}")
        return content

    def _said(self, piece: _Piece) -> tuple[Message, Any]:
        try:
            return self._line.recv()
        except (EOFError, OSError) as error:
            self._process.join()
            died = cause(self._process.exitcode)
            raise ExecutionError(f"{piece.name}: the process at work died ({died})") from error


def _prepared() -> Perform:
    return _perform


def _perform(piece: _Piece, tell: Tell) -> Any:
    return piece.work(tell)
