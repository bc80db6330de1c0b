"""Speed and memory of the main job, each measured in a process of its own.

Run `make bench`. With FERGI_RELEASE_DIR set, the authors' release is measured too. The
invented studies are written once, into bench-out/ (the large one takes a few minutes and 2 GB).
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fergi import write_synthetic_study

OUT = Path("bench-out")
SESSIONS = 17
PARTICIPANTS = 33
SCALE = 20

READ_ALL = "import fergi, sys; t, _ = fergi.activation_table(fergi.read_study(sys.argv[1]).clips)"


@dataclass(frozen=True)
class Cost:
    """What one process took."""

    wall_seconds: float
    cpu_seconds: float
    peak_megabytes: float


def cost(command: list[str]) -> Cost:
    """Run a command, and ask the operating system what it took."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in (0, 1):  # 1: something in the data was named
        sys.exit(f"{command} failed")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def median_cost(command: list[str], runs: int = 5) -> Cost:
    """Take the median of several runs, after one that does not count."""
    cost(command)
    costs = [cost(command) for _ in range(runs)]
    return Cost(
        *(
            statistics.median(getattr(one, name) for one in costs)
            for name in Cost.__dataclass_fields__
        )
    )


def invented_study(participants: int) -> Path:
    """Write an invented study, unless an earlier run has."""
    folder = OUT / f"invented-{participants}"
    if not folder.exists():
        print(f"inventing {participants} participants …", flush=True)
        write_synthetic_study(
            folder, participants=participants, sessions=SESSIONS, with_pictures=False
        )
    return folder


def annotate(study: Path) -> list[str]:
    """Name the command that does the main job."""
    return [sys.executable, "-m", "fergi", "annotate", str(study), "-o", f"{OUT}/a.parquet", "-q"]


def reproduce(release: str) -> list[str]:
    """Name the command that redoes the paper."""
    return [sys.executable, "-m", "fergi", "reproduce", release, "-o", f"{OUT}/paper", "-q"]


def measured_by(script: str, *options: str) -> dict[str, Any]:
    """Run another benchmark of this folder, and read what it found."""
    command = [sys.executable, str(Path(__file__).parent / script), *options]
    ended = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return dict(json.loads(ended.stdout))


def action_unit_network() -> dict[str, dict[str, Any]]:
    """Measure what brings pictures to the action-unit network: preparation and loader."""
    return {
        "prepare": measured_by("au_training.py", "prepare", "--pictures", "1152"),
        "loader": measured_by("au_training.py", "loader"),
    }


def main() -> None:
    """Measure, print and save."""
    OUT.mkdir(exist_ok=True)
    python = [sys.executable, "-c"]
    small, large = invented_study(PARTICIPANTS), invented_study(PARTICIPANTS * SCALE)
    costs = {
        "python starts": median_cost([*python, "pass"]),
        "import fergi": median_cost([*python, "import fergi"]),
        "invented study: activation values of all clips": median_cost(
            [*python, READ_ALL, str(small)]
        ),
        "invented study: annotate": median_cost(annotate(small)),
        f"{SCALE} times that study: annotate": median_cost(annotate(large), runs=3),
    }
    release = os.environ.get("FERGI_RELEASE_DIR")
    if release:
        costs["release: activation values of all clips"] = median_cost([*python, READ_ALL, release])
        costs["release: annotate"] = median_cost(annotate(Path(release)))
        costs["release: reproduce the paper"] = median_cost(reproduce(release), runs=3)
    once, many = costs["invented study: annotate"], costs[f"{SCALE} times that study: annotate"]
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}\n")  # fmt: skip
    print(f"{'':<48}{'wall s':>8}{'CPU s':>8}{'peak MB':>9}")
    for name, one in costs.items():
        print(f"{name:<48}{one.wall_seconds:8.2f}{one.cpu_seconds:8.2f}{one.peak_megabytes:9.0f}")
    print(f"\n{SCALE} times the study: {many.wall_seconds / once.wall_seconds:.1f} times the time, "
          f"{many.peak_megabytes / once.peak_megabytes:.2f} times the memory")  # fmt: skip
    rates = action_unit_network()
    for name, found in rates.items():
        print(f"au {name}: {found['pictures_per_second']:,.0f} pictures a second")
    record = {name: one.__dict__ for name, one in costs.items()} | rates
    (OUT / "costs.json").write_text(json.dumps(record, indent=2))


if __name__ == "__main__":
    main()
