import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from fergi.errors import ExecutionError
from fergi.execution.processes import beside

FOLDER = str(Path(__file__).parent)


@pytest.fixture(autouse=True)
def _importable_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process import the tasks; it is given this process's search path."""
    monkeypatch.syspath_prepend(FOLDER)


def test_a_task_is_done_in_another_process_and_told_of() -> None:
    from workers import Square, Squares

    news: list[Any] = []
    with beside(Squares, Square(7, "tells its pid")) as result:
        pid, _ = result(lambda _, told: news.append(told))
    assert pid != os.getpid()
    assert "begins 7" in news


def test_a_block_that_fails_does_not_wait_for_the_task(tmp_path: Path) -> None:
    from workers import Square, Squares

    class SomethingElseError(Exception):
        pass

    marks = tmp_path
    with (
        pytest.raises(SomethingElseError),
        beside(Squares, Square(7, "waits", marks)),  # for ever
    ):
        raise SomethingElseError
    assert not multiprocessing.active_children()


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [("refuses", "square 3: no such square"), ("breaks", "ZeroDivisionError"), ("dies", "SIGKILL")],
)
def test_a_task_that_fails_says_so_where_its_result_is_asked_for(trouble: str, reason: str) -> None:
    from workers import Square, Squares

    with (
        beside(Squares, Square(3, trouble)) as result,
        pytest.raises(ExecutionError, match=reason),
    ):
        result()
