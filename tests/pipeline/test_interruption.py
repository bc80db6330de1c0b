import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from fergi import files

Run = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]

# A shell lets what it runs in the background ignore Ctrl-C; this undoes it.
HEAR_CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from fergi.cli import main
main()
"""
# No file can grow beyond 4 KB; the annotations of 60 pairs are larger.
SMALL_DISK = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
ENDED = "fergi: interrupted; nothing half-done was left behind\n"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("place", ["activation_table", "write_table"])
def test_ctrl_c_leaves_the_earlier_result_and_one_line(
    fergi: Run,
    pristine_study: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"fergi.pipeline.{place}", interrupt)
    (tmp_path / "a.csv").write_text("earlier", encoding="utf-8")
    result = fergi("annotate", pristine_study, "-o", tmp_path / "a.csv")
    assert result.exit_code == 130
    assert result.stderr == ENDED
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "earlier"
    assert _names(tmp_path) == ["a.csv"]


def test_ctrl_c_in_the_middle_of_a_file_leaves_no_part_of_it(
    fergi: Run, pristine_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half_of_it(_: object, file) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setitem(files._WRITERS, ".csv", half_of_it)
    result = fergi("annotate", pristine_study, "-o", tmp_path / "a.csv")
    assert result.exit_code == 130
    assert _names(tmp_path) == []


def test_ctrl_c_in_the_middle_of_a_demo_leaves_no_trace(
    fergi: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fergi.cli.demo.annotate_study", interrupt)
    options = ["--from-units", "--participants", "1", "--sessions", "1"]
    result = fergi("demo", "--out", tmp_path / "demo", *options)
    assert result.exit_code == 130
    assert result.stderr == ENDED
    assert _names(tmp_path) == []


def test_a_signal_ends_a_process_with_one_line(invented_study: Path, tmp_path: Path) -> None:
    # A clip that tells when it is being read, and never ends: a named pipe.
    pipe = invented_study / "p01" / "session_1" / "reaction_clip_1_features.csv"
    pipe.unlink()
    os.mkfifo(pipe)
    command = [
        sys.executable,
        "-c",
        HEAR_CTRL_C,
        "annotate",
        invented_study,
        "-o",
        tmp_path / "a.csv",
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    # Opening the pipe waits until the process reads from it, so it is at work now.
    with contextlib.suppress(BrokenPipeError), pipe.open("w"):
        process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == ENDED
    assert output == ""
    assert _names(tmp_path) == ["study"]


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_a_full_disk_leaves_the_earlier_result_and_one_line(
    fergi_process: Process, pristine_study: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"a.{ending}"
    out.write_text("earlier", encoding="utf-8")
    ended = fergi_process("annotate", pristine_study, "-o", out, prelude=SMALL_DISK)
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.startswith(f"fergi: cannot write {out}: ")
    assert "File too large" in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert out.read_text(encoding="utf-8") == "earlier"
    assert _names(tmp_path) == [out.name]


def test_a_full_disk_leaves_no_trace_of_a_demo(fergi_process: Process, tmp_path: Path) -> None:
    ended = fergi_process("demo", "--out", tmp_path / "demo", prelude=SMALL_DISK)
    assert ended.returncode == 1
    assert ended.stderr.startswith("fergi: cannot write ")
    assert ended.stderr.count("\n") == 1
    assert _names(tmp_path) == []
