import os
from pathlib import Path
from typing import Any

import pytest

from fergi.errors import ExecutionError
from fergi.execution.beside import beside

FOLDER = str(Path(__file__).parent)


@pytest.fixture(autouse=True)
def _importable_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process import the tasks; it is given this process's search path."""
    monkeypatch.syspath_prepend(FOLDER)


def test_a_task_is_done_in_another_process_and_told_of() -> None:
    from workers import Square, Squares

    news: list[Any] = []
    with beside(Squares, Square(7, "tells its pid"), lambda _, told: news.append(told)) as result:
        pid, _ = result()
        assert result() == (pid, 1)  # as often as one likes
    assert pid != os.getpid()
    assert news[0] == "begins 7"


def test_the_block_ends_no_sooner_than_the_task() -> None:
    from workers import Square, Squares

    news: list[Any] = []
    with beside(Squares, Square(7, "takes its time"), lambda _, told: news.append(told)):
        pass
    assert news[-1][0] == 49


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
