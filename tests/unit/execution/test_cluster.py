import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fergi.errors import MissingExtraError
from fergi.execution.choice import Workplace, executor

FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "extraction")]
NEEDS_RAY = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed (extra: ray)"
)

# In a process of its own, since Ray opens sockets on this machine, and starts threads.
ON_A_CLUSTER = """
import json, os, signal, sys
from pathlib import Path
from fergi.execution.cluster import Cluster
from fergi.execution.protocol import Failure
from workers import Square, Squares, no_worker

facts = {}
with Cluster(Squares, "local", 2) as workers:
    facts["in order"] = list(workers.outcomes([Square(number) for number in range(6)]))
    slow = [Square(number, "takes its time") for number in range(12)]
    found, killed = [], None
    for squared, pid in workers.outcomes(slow):
        found.append(squared)
        if killed is None:
            killed = pid
            os.kill(pid, signal.SIGKILL)
    facts["one killed in the middle"] = found
    tasks = [Square(1), Square(2, "dies"), Square(3, "refuses"), Square(4)]
    facts["with trouble"] = [
        [one.name, one.reason] if isinstance(one, Failure) else one
        for one in workers.outcomes(tasks)
    ]
    facts["usage reports"] = os.environ["RAY_USAGE_STATS_ENABLED"]

from fergi.extraction.run import Way, extract_videos
from fergi.extraction.videos import find_videos
from fergi.execution.choice import Workplace
from fergi.settings import ExtractionSettings
from invented_faces import load_invented

import ray

# A GPU that is only said to be there: Ray counts shares, and looks at no device.
options = {"num_cpus": 2, "num_gpus": 1, "include_dashboard": False, "log_to_driver": False}
ray.init(address="local", **options)
with Cluster(Squares, "local", 2, needs_gpu=True) as workers:
    facts["on a share of a GPU"] = list(workers.outcomes([Square(n) for n in range(4)]))
with Cluster(Squares, "local", 5) as workers:
    facts["more workers than room"] = list(workers.outcomes([Square(n) for n in range(9)]))
study, out = map(Path, sys.argv[1:])
run = extract_videos(
    find_videos(study, out).clips,
    ExtractionSettings(),
    Way(Workplace(2, cluster="local"), load=load_invented),
)
facts["extracted"] = [run.done, [str(problem) for problem in run.problems]]
try:
    with Cluster(no_worker, "local", 1) as none:
        list(none.outcomes([Square(1)]))
except Exception as error:
    facts["without a model"] = str(error)
print(json.dumps(facts))
"""

TERMINATED = """
import os, signal, sys
from fergi.execution.cluster import Cluster
from workers import Square, Squares

def interrupt(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGTERM, interrupt)
try:
    with Cluster(Squares, "local", 2) as workers:
        for _ in workers.outcomes([Square(n, "takes its time") for n in range(40)]):
            os.kill(os.getpid(), signal.SIGTERM)
except KeyboardInterrupt:
    sys.exit(130)
"""

NOBODY_THERE = """
import os, sys
from fergi.errors import ExecutionError
from fergi.execution.cluster import Cluster

for address in sys.argv[1:]:
    try:
        Cluster(None, address, 2).__enter__()
    except ExecutionError as error:
        print(error)
"""
NO_CLUSTER = "127.0.0.1:1"


def _film(root: Path, invented: Any) -> Path:
    for name in ("anna/session_1/baseline", "anna/session_1/reaction", "ben/session_1/reaction"):
        path = root / f"{name}_clip_1.mp4"
        invented.write_film(path, [invented.grey(80)] * 20 + [invented.grey(120)] * 13)
    return root


def _run(
    script: str, *arguments: str | Path, **variables: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(FOLDERS)} | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@NEEDS_RAY
def test_a_cluster_does_what_processes_do_and_loses_nothing_with_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in FOLDERS:
        monkeypatch.syspath_prepend(folder)
    import invented_faces

    study = _film(tmp_path / "study", invented_faces)
    ended = _run(ON_A_CLUSTER, study, tmp_path / "cluster")
    assert ended.returncode == 0, ended.stderr
    facts = json.loads(ended.stdout)  # Ray, which tells of lost workers there, adds nothing
    assert facts["in order"] == [0, 1, 4, 9, 16, 25]
    assert facts["one killed in the middle"] == [number**2 for number in range(12)]
    first, dead, refused, last = facts["with trouble"]
    assert (first, last) == (1, 16)
    assert dead[0] == "square 2"
    assert "ended its worker 2 times" in dead[1]
    assert refused == ["square 3", "no such square; give another"]
    assert facts["on a share of a GPU"] == [0, 1, 4, 9]
    assert facts["more workers than room"] == [number**2 for number in range(9)]
    assert facts["extracted"] == [3, []]
    assert facts["usage reports"] == "0"
    assert "the model is missing; fetch it" in facts["without a model"]
    assert _by_processes(study, tmp_path / "processes") == _contents(tmp_path / "cluster")


@NEEDS_RAY
def test_termination_means_on_a_cluster_what_it_meant_before() -> None:
    ended = _run(TERMINATED)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@NEEDS_RAY
def test_a_cluster_that_does_not_answer_is_told_at_once() -> None:
    addresses = [NO_CLUSTER, f"ray://{NO_CLUSTER}", "auto"]
    ended = _run(NOBODY_THERE, *addresses, RAY_ADDRESS=NO_CLUSTER)
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = ended.stdout.splitlines()
    assert len(lines) == len(addresses)
    for address, line in zip(addresses, lines, strict=True):
        assert line.startswith(f"no Ray cluster answers at '{address}' (")
        assert ":1: Connection refused)" in line


def _by_processes(study: Path, out: Path) -> dict[str, bytes]:
    from invented_faces import load_invented

    from fergi.extraction.run import Way, extract_videos
    from fergi.extraction.videos import find_videos
    from fergi.settings import ExtractionSettings

    way = Way(Workplace(2), load=load_invented)
    extract_videos(find_videos(study, out).clips, ExtractionSettings(), way)
    return _contents(out)


def _contents(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "fergi.execution.cluster", raising=False)
    with pytest.raises(MissingExtraError, match=r"fergi\[ray\]"):
        executor(lambda: None, Workplace(2, cluster="local"))
