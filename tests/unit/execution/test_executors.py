import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fergi.errors import ExecutionError, FergiError
from fergi.execution.processes import Processes
from fergi.execution.protocol import Executor, Failure
from fergi.execution.serial import Serial
from fergi.execution.threads import Threads

FOLDER = str(Path(__file__).parent)


@pytest.fixture(params=["serial", "processes", "threads"])
def executor(request: pytest.FixtureRequest) -> Callable[..., Executor]:
    def make(prepare: Any = None) -> Executor:
        from workers import Squares

        if request.param == "serial":
            return Serial(prepare or Squares)
        kind = Processes if request.param == "processes" else Threads
        return kind(prepare or Squares, workers=2)

    return make


def squares(count: int, **trouble: Any) -> list[Any]:
    from workers import Square

    return [Square(number, **trouble) for number in range(count)]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_results_come_in_the_order_of_the_tasks(executor) -> None:
    with executor() as workers:
        assert list(workers.outcomes(squares(7))) == [0, 1, 4, 9, 16, 25, 36]
        assert list(workers.outcomes([])) == []
        assert list(workers.outcomes(iter(squares(2)))) == [0, 1]


def test_a_task_that_fails_is_a_failure_and_the_rest_goes_on(executor) -> None:
    from workers import Square

    tasks = [Square(1), Square(2, "refuses"), Square(3, "breaks"), Square(4)]
    with executor() as workers:
        assert list(workers.outcomes(tasks)) == [
            1,
            Failure("square 2", "no such square; give another"),
            Failure("square 3", "ZeroDivisionError: by nothing"),
            16,
        ]


def test_a_full_disk_is_told_with_the_file(executor) -> None:
    from workers import Square

    with executor() as workers:
        (found,) = workers.outcomes([Square(2, "finds no space")])
    assert found == Failure(
        "square 2", "f.csv: No space left on device; check the disk, then run the command again"
    )


def test_workers_that_are_done_end_without_a_word(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {FOLDER!r})
from fergi.execution.processes import Processes
from workers import Square, Squares
if __name__ == "__main__":
    with Processes(Squares, workers=2) as workers:
        list(workers.outcomes([Square(1)]))
""")
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_worker_that_is_ended_while_it_prepares_says_nothing(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {FOLDER!r})
from pathlib import Path
from fergi.errors import FergiError
from fergi.execution.processes import Processes
from workers import FirstWaits, Square
if __name__ == "__main__":
    try:
        with Processes(FirstWaits(Path({str(tmp_path)!r})), workers=2) as workers:
            list(workers.outcomes([Square(1)]))
    except FergiError as error:
        print(error)
""")
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("the model is missing; fetch it\n", "")


def test_a_script_without_a_guard_is_told_of_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"""
import sys
sys.path.insert(0, {FOLDER!r})
from fergi.execution.processes import Processes
from workers import Square, Squares
with Processes(Squares, workers=2) as workers:
    print(*workers.outcomes([Square(3)]))
""")
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    message = ended.stderr.splitlines()[-1]
    assert "workers die before they can work (exit status 1)" in message
    assert 'if __name__ == "__main__":' in message


def test_workers_do_not_hear_an_interruption_while_they_start(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"""
import os, signal, sys
sys.path.insert(0, {FOLDER!r})
if __name__ != "__main__":  # a worker begins by running its parent's script
    os.kill(os.getpid(), signal.SIGINT)
from fergi.execution.processes import Processes
from workers import Square, Squares
if __name__ == "__main__":
    with Processes(Squares, workers=2) as workers:
        print(*workers.outcomes([Square(3)]))
""")
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "9\n", "")


def test_news_and_outcomes_are_heard_with_their_task(executor) -> None:
    heard: list[tuple[Any, Any]] = []
    tasks = squares(4)
    with executor() as workers:
        list(workers.outcomes(tasks, lambda task, news: heard.append((task, news))))
    for task in tasks:
        assert [news for whose, news in heard if whose == task] == [
            f"begins {task.number}",
            task.number**2,
        ]


def test_models_are_loaded_once_in_a_worker_that_serves_every_call(executor) -> None:
    with executor() as workers:
        told = [
            each for _ in range(2) for each in workers.outcomes(squares(6, trouble="tells its pid"))
        ]
    assert len({pid for pid, _ in told}) <= 2
    done = {pid: max(count for other, count in told if other == pid) for pid, _ in told}
    assert sum(done.values()) == 12


def test_workers_that_cannot_be_prepared_stop_everything(executor) -> None:
    from workers import no_worker

    with (
        pytest.raises(FergiError, match="the model is missing; fetch it"),
        executor(no_worker) as workers,
    ):
        list(workers.outcomes(squares(3)))


def test_a_worker_that_dies_costs_only_its_own_task(tmp_path: Path) -> None:
    from workers import Square, Squares

    tasks = [Square(1), Square(2, "dies"), Square(3, "dies once", tmp_path), *squares(6)]
    with Processes(Squares, workers=2) as workers:
        first, dead, *rest = workers.outcomes(tasks)
        assert list(workers.outcomes(squares(3))) == [0, 1, 4]
    assert first == 1
    assert isinstance(dead, Failure)
    assert dead.name == "square 2"
    assert "ended its worker 2 times (signal SIGKILL)" in dead.reason
    assert rest == [9, 0, 1, 4, 9, 16, 25]


def test_workers_that_die_before_they_are_ready_are_not_started_for_ever() -> None:
    from workers import dead_worker

    with (
        pytest.raises(ExecutionError, match="die before they can work"),
        Processes(dead_worker, workers=1) as workers,
    ):
        list(workers.outcomes(squares(1)))


def test_leaving_the_block_ends_workers_that_are_at_work(tmp_path: Path) -> None:
    from workers import Square, Squares

    waiting = Square(1, "waits", tmp_path)
    with Processes(Squares, workers=2) as workers:
        results = workers.outcomes([Square(5), waiting])
        assert next(results) == 25
        assert _eventually((tmp_path / "1").exists)
        pid = int((tmp_path / "1").read_text())
    assert not _alive(pid)


def test_threads_work_at_the_same_time_and_share_what_was_prepared() -> None:
    meeting = threading.Barrier(3, timeout=20)

    def meet(task: Any, tell: Any) -> int:
        return meeting.wait()

    prepared: list[Any] = []
    with Threads(lambda: prepared.append(meet) or meet, workers=3) as workers:
        assert sorted(workers.outcomes(squares(3))) == [0, 1, 2]
    assert prepared == [meet]


def test_leaving_the_block_ends_threads_when_they_next_tell_something() -> None:
    begun, ended = threading.Event(), threading.Event()

    def work(_task: Any, tell: Any) -> None:
        try:
            while True:
                tell("still at it")
                begun.set()
        finally:
            ended.set()

    def stop(_task: Any, _news: Any) -> None:
        assert begun.wait(20)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Threads(lambda: work, workers=1) as workers:
        list(workers.outcomes(squares(2), stop))
    assert ended.is_set()


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {FOLDER!r})
from pathlib import Path
from fergi.execution.processes import Processes
from workers import Square, Squares
if __name__ == "__main__":
    with Processes(Squares, workers=1) as workers:
        list(workers.outcomes([Square(1, "waits", Path({str(tmp_path)!r}))]))
"""
    script = tmp_path / "script.py"
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, script])
    assert _eventually(lambda: (tmp_path / "1").exists() and bool((tmp_path / "1").read_text()))
    pid = int((tmp_path / "1").read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert _eventually(lambda: not _alive(pid))


def test_workers_have_one_thread_and_this_process_keeps_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with Processes(_threads, workers=1) as workers:
        assert list(workers.outcomes(squares(1))) == ["1"]
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "MKL_NUM_THREADS" not in os.environ


def _threads() -> Any:
    return lambda _task, _tell: os.environ["OMP_NUM_THREADS"]
