"""An extraction opens no connection: the operating system would end it on the spot."""

import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from fergi.stages.perception.estimators.networks.layout import iresnet_layout

SOCKET_CALLS = {"x86_64": 41, "aarch64": 198}
"""Number of the system call that opens a socket."""

NEEDS_SECCOMP = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in SOCKET_CALLS,
    reason="only Linux can be told to end a process that opens a socket",
)

# A filter of system calls holds for native code and for all processes that are started later.
# Sockets of the Unix family are let through: they only join processes of one machine.
GUARDED = """
import ctypes, struct, sys

ALLOW, KILL = 0x7FFF0000, 0x80000000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
call, unix = int(sys.argv.pop(1)), 1
program = b"".join(struct.pack("HBBI", *step) for step in (
    (LOAD, 0, 0, 0),  # the number of the call
    (EQUAL, 0, 3, call),
    (LOAD, 0, 0, 16),  # its first argument: the family
    (EQUAL, 1, 0, unix),
    (RETURN, 0, 0, KILL),
    (RETURN, 0, 0, ALLOW),
))
buffer = ctypes.create_string_buffer(program)
described = ctypes.create_string_buffer(struct.pack("HxxxxxxP", 6, ctypes.addressof(buffer)))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0  # no new privileges
assert libc.prctl(22, 2, described, 0, 0) == 0, ctypes.get_errno()
"""

EXTRACT = """
from fergi.cli import main
if __name__ == "__main__":
    main()
"""

CONNECT = """
import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
"""


@pytest.fixture
def guarded(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs a script in a process that ends where it or a child opens a socket of the network."""

    def run(script: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        guard, path = tmp_path / "guard.py", tmp_path / "script.py"
        path.write_text(script)
        guard.write_text(
            f"{GUARDED}\nimport os\nos.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
        )
        call = str(SOCKET_CALLS[platform.machine()])
        command = [sys.executable, guard, call, path, *arguments]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=200,
            env=_as_on_a_laptop(tmp_path / "home"),
        )

    return run


def _as_on_a_laptop(home: Path) -> dict[str, str]:
    """Leave out of the environment what tells libraries that they are being tested."""
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if name.startswith("FERGI_")}
    return kept | {"HOME": str(home), "PATH": os.environ["PATH"]}


@pytest.fixture
def filmed(tmp_path: Path) -> Path:
    """Two clips of a person who does not exist."""
    folder = tmp_path / "study" / "anna" / "session_1"
    folder.mkdir(parents=True)
    session = resources.files("fergi.datasets.demo_study") / "films" / "p01" / "session_2"
    with resources.as_file(session) as films:
        for name in ("baseline_clip_1.mp4", "reaction_clip_2.mp4"):
            shutil.copyfile(films / name, folder / name)
    return tmp_path / "study"


@pytest.fixture
def small_network(tmp_path: Path) -> Path:
    """Weights of a small iResNet, not trained."""
    stream, path = np.random.default_rng(0), tmp_path / "ir18.safetensors"
    tensors = {
        name: np.abs(stream.normal(0, 0.1, shape)).astype(np.float32)
        for name, shape in iresnet_layout(18, 384, 4).items()
    }
    path.write_bytes(safetensors.numpy.save(tensors))
    return path


@NEEDS_SECCOMP
def test_the_guard_ends_what_opens_a_socket(
    guarded: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    assert guarded(CONNECT).returncode == -signal.SIGSYS
    assert guarded("import socket; socket.socketpair()").returncode == 0


@NEEDS_SECCOMP
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("estimator", ["mesh", "fergi-ir50"])
def test_an_extraction_opens_no_socket_of_the_network_and_leaves_no_mark_of_the_device(
    guarded: Callable[..., "subprocess.CompletedProcess[str]"],
    face_task: bytes,
    filmed: Path,
    tmp_path: Path,
    small_network: Path,
    estimator: str,
    workers: str,
) -> None:
    options = ["--estimator", estimator, "--workers", workers]
    if estimator == "fergi-ir50":
        options += ["--weights", str(small_network)]
    ended = guarded(EXTRACT, "extract", filmed, *options)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(list(filmed.rglob("*_features.csv"))) == 2
    # Telemetry would begin with an identifier of the device, and be sent at some later time.
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []
