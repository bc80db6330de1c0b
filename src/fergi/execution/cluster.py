"""Tasks on a Ray cluster, and the only module that knows Ray.

Each worker is an actor, which loads its models once. Ray lets a lost actor's task fail; here it is
tried once more, on an actor that takes the lost one's place.
"""

import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from fergi.errors import ExecutionError, MissingExtraError
from fergi.execution.protocol import Failure, Hear, Prepare, outcome, unheard
from fergi.execution.waiting import Waiting
from fergi.execution.worker import ONE_THREAD

# Read when Ray is imported and started.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_DISABLE_FAILURE_SIGNAL_HANDLER"] = "1"  # it aborts 3 s after SIGTERM, with a dump
os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."  # what Ray says of lost workers goes to our output
try:
    import ray
    from ray.exceptions import RayActorError, RayError, RayTaskError
except ImportError as error:
    raise MissingExtraError("--ray", "ray") from error

_SECONDS_TO_ANSWER = 5.0
_SECONDS_TO_LISTEN = 60.0
_BROKEN_START = "error raised in its creation task"
"""How Ray says that an actor's own code failed, and would fail again."""


class _Actor:
    """A worker on the cluster."""

    def __init__(self, prepare: Prepare) -> None:
        self._perform = prepare()

    def ready(self) -> None:
        """Return once everything is loaded."""

    def outcome(self, task: Any) -> Any:
        """Do one task."""
        return outcome(self._perform, task, lambda _news: None)


class Cluster:
    """Does tasks on a Ray cluster.

    Args:
        prepare: Called once in each worker; the cluster's machines must have this package.
        address: `auto` (the cluster of this machine), `local` (one for this run alone) or
            `host:port`.
        workers: How many at a time; None for one on each processor, or on a GPU's share.
        needs_gpu: Whether a worker wants a share of a GPU, where there are any.
    """

    def __init__(
        self, prepare: Prepare, address: str, workers: int | None = None, *, needs_gpu: bool = False
    ) -> None:
        self._prepare = prepare
        self._address = address
        self._asked = workers
        self._needs_gpu = needs_gpu
        self._actors: list[Any] = []
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._failed_starts = 0

    def __enter__(self) -> "Cluster":
        self._was_connected = ray.is_initialized()
        if not self._was_connected:
            _connect(self._address, self._asked)
        found = ray.cluster_resources()  # type: ignore[no-untyped-call]
        count = self._asked or max(1, int(found.get("CPU", 1)))
        gpus = found.get("GPU", 0.0) if self._needs_gpu else 0.0
        self._options = {
            "num_cpus": 1,
            "num_gpus": _share(gpus, count),
            "runtime_env": {"env_vars": ONE_THREAD},
        }
        for _ in range(count):
            self._start()
        return self

    def __exit__(self, *exception: object) -> None:
        for actor in self._actors:
            ray.kill(actor)
        self._actors, self._idle, self._starting = [], [], {}
        if not self._was_connected:
            ray.shutdown()

    def outcomes(self, tasks: Iterable[Any], hear: Hear = unheard) -> Iterator[Any]:
        """Do tasks, several at a time; see `Executor.outcomes`. Of news only the end is told."""
        waiting = Waiting(tasks, hear)
        running: dict[Any, tuple[Any, int]] = {}
        while True:
            is_all_given = self._give_work(waiting, running)
            yield from waiting.in_order()
            if is_all_given and not running:
                return
            awaited = [*running, *self._starting]
            ready, _ = ray.wait(awaited, timeout=_SECONDS_TO_LISTEN)
            for future in ready:
                if future in running:
                    self._receive(future, *running.pop(future), waiting)
                else:
                    self._welcome(future)

    def _give_work(self, waiting: Waiting, running: dict[Any, tuple[Any, int]]) -> bool:
        """Give tasks to actors that are free; tell whether none was left for one of them."""
        while self._idle:
            place = waiting.next_place()
            if place is None:
                return True
            actor = self._idle.pop()
            running[actor.outcome.remote(waiting.given[place])] = actor, place
        return False

    def _receive(self, future: Any, actor: Any, place: int, waiting: Waiting) -> None:
        """Take what came of a task."""
        try:
            waiting.finish(place, ray.get(future))
        except RayTaskError as error:  # the result could not be sent
            waiting.finish(place, Failure(waiting.given[place].name, _first_line(error)))
        except RayActorError:
            waiting.bury(place, "its machine or process was lost")
            self._replace(actor)
            return
        self._idle.append(actor)

    def _welcome(self, future: Any) -> None:
        """Let an actor work that has started: others may wait for room on the cluster for ever."""
        actor = self._starting.pop(future)
        try:
            ray.get(future)
        except RayActorError as error:
            self._failed_starts += 1
            if _BROKEN_START in str(error) or self._failed_starts > len(self._actors):
                raise ExecutionError(f"a worker cannot start: {_last_line(error)}") from error
            self._replace(actor)
        else:
            self._failed_starts = 0
            self._idle.append(actor)

    def _replace(self, actor: Any) -> None:
        self._actors.remove(actor)
        self._start()

    def _start(self) -> None:
        actor: Any = ray.remote(_Actor).options(**self._options).remote(self._prepare)
        self._actors.append(actor)
        self._starting[actor.ready.remote()] = actor


def _connect(address: str, workers: int | None) -> None:
    own: dict[str, Any] = {}
    if address == "local":
        own = {"num_cpus": workers, "include_dashboard": False}
    try:
        _knock(address)
        with _termination_as_before():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except (ConnectionError, RayError, RuntimeError, ValueError) as error:
        raise ExecutionError(
            f"no Ray cluster answers at '{address}' ({_first_line(error)}); start one with "
            "'ray start --head', or take --ray local"
        ) from error


def _knock(address: str) -> None:
    """Ask for any answer where Ray would look for the cluster, since Ray asks for minutes.

    Raises:
        ConnectionError: If there is none.
    """
    head = _head_of(address.removeprefix("ray://"))
    if head is None:
        return
    place = urlsplit(f"//{head}")
    try:
        socket.create_connection((place.hostname, place.port), _SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise ConnectionError(f"{head}: {error.strerror or error}") from error


def _head_of(address: str) -> str | None:
    """Tell where Ray would look; None where it would start a cluster, or where this is unknown."""
    try:
        # Ray has no public name for where `auto` leads, and may give this one up.
        from ray._private.services import canonicalize_bootstrap_address  # noqa: PLC0415
    except ImportError:
        return address if ":" in address else None
    head: str | None = canonicalize_bootstrap_address(address)
    return head


@contextmanager
def _termination_as_before() -> Iterator[None]:
    """Let SIGTERM do in the block, and after it, what it did before: Ray sets a handler."""
    handler = signal.getsignal(signal.SIGTERM)
    if not callable(handler) or threading.current_thread() is not threading.main_thread():
        yield
        return
    try:
        yield
    except SystemExit:  # by Ray's handler
        handler(signal.SIGTERM, None)
        raise
    finally:
        signal.signal(signal.SIGTERM, handler)


def _share(gpus: float, workers: int) -> float:
    """Give each worker its part of a GPU; Ray puts no actor across two of them.

    Example:
        >>> _share(2.0, 4), _share(2.0, 5), _share(4.0, 2), _share(0.0, 3)
        (0.5, 0.3333, 1.0, 0.0)
    """
    if not gpus:
        return 0.0
    on_each = math.ceil(workers / gpus)
    return math.floor(10_000 / on_each) / 10_000  # the finest that Ray counts


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1]
