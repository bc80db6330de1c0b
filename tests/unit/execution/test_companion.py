import multiprocessing
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fergi.errors import ExecutionError
from fergi.execution.companion import Companion


def _square(number: int, trouble: str = "", marks: Path | None = None) -> partial[Any]:
    from workers import Square, Squares

    return partial(Squares(), Square(number, trouble, marks))


def test_pieces_are_done_one_after_the_other_in_another_process() -> None:
    news: list[Any] = []
    with Companion() as companion:
        companion.ask("a square", _square(7))
        assert companion.answer(lambda _, told: news.append(told)) == 49
        companion.ask("a pid", partial(_own_pid))
        assert companion.answer() != os.getpid()
    assert news == ["begins 7"]


def _own_pid(_tell: Any) -> int:
    return os.getpid()


def test_one_piece_at_a_time() -> None:
    with Companion() as companion:
        with pytest.raises(ValueError, match="nothing was asked"):
            companion.answer()
        companion.ask("one", _square(1))
        with pytest.raises(ValueError, match="one: wait for the answer before asking for two"):
            companion.ask("two", _square(2))
        assert companion.answer() == 1


def test_a_block_that_fails_does_not_wait_for_the_work(tmp_path: Path) -> None:
    def fail_beside_work() -> None:
        with Companion() as companion:
            companion.ask("for ever", _square(7, "waits", tmp_path))
            raise KeyError

    with pytest.raises(KeyError):
        fail_beside_work()
    assert not multiprocessing.active_children()


def test_work_that_is_interrupted_while_its_answer_is_waited_for_tidies_up(tmp_path: Path) -> None:
    """As a figure does that is half written when Ctrl-C comes."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def wait_and_be_interrupted() -> None:
        with Companion() as companion:
            companion.ask("for ever", partial(_wait_and_tidy_up, tmp_path / "tidy"))
            companion.answer(interrupt)

    with pytest.raises(KeyboardInterrupt):
        wait_and_be_interrupted()
    assert (tmp_path / "tidy").exists()


def _wait_and_tidy_up(mark: Path, tell: Any) -> None:
    try:
        tell("begins")
        signal.pause()
    finally:
        mark.touch()


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("refuses", "a square: no such square; give another"),
        ("breaks", "a square: ZeroDivisionError: by nothing"),
        ("dies", r"a square: the process at work died \(signal SIGKILL\)"),
    ],
)
def test_work_that_fails_says_so_where_its_answer_is_waited_for(trouble: str, reason: str) -> None:
    with Companion() as companion:
        companion.ask("a square", _square(3, trouble))
        with pytest.raises(ExecutionError, match=reason):
            companion.answer()
