"""Which executor does the work."""

import os
from dataclasses import dataclass

from fergi.execution.processes import Processes
from fergi.execution.protocol import Executor, Prepare
from fergi.execution.serial import Serial
from fergi.execution.threads import Threads


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where work is done; it changes no result.

    Attributes:
        workers: How many at a time. On a cluster None means as many as it has processors.
        cluster: Address of a Ray cluster; None for this machine.
        on_gpu: Whether workers share a GPU, on a cluster where there is any; on this machine
            they are threads then.
    """

    workers: int | None = 1
    cluster: str | None = None
    on_gpu: bool = False


def usable_processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def executor(prepare: Prepare, workplace: Workplace) -> Executor:
    """Choose what does the work.

    Args:
        prepare: Called once in each worker.
        workplace: Where; a single worker of this machine is this process itself.

    Raises:
        MissingExtraError: If a cluster is asked for, and Ray is not installed.
    """
    if workplace.cluster is not None:
        from fergi.execution.cluster import Cluster  # noqa: PLC0415 (Ray is an extra)

        return Cluster(prepare, workplace.cluster, workplace.workers, needs_gpu=workplace.on_gpu)
    workers = workplace.workers or usable_processors()
    if workers == 1:
        return Serial(prepare)
    return Threads(prepare, workers) if workplace.on_gpu else Processes(prepare, workers)
