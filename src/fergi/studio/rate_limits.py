"""How many requests one sender may make: a bucket of tokens each, filled steadily."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from fergi.studio.refusals import RequestRefusedError

_SENDERS_REMEMBERED = 10_000
_SECONDS_A_MINUTE = 60.0


class RateLimit:
    """A limit on requests a minute, for each sender apart."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, sender: str) -> None:
        """Count a request.

        Raises:
            RequestRefusedError: If there were too many in the last minute.
        """
        wait = self._taken(sender, 1.0)
        if wait > 0:
            raise RequestRefusedError(
                "too-many-requests", f"Wait {wait:.0f} s.", retry_after=max(1.0, wait)
            )

    def require(self, sender: str) -> None:
        """Check that a sender has requests left, without counting one.

        Raises:
            RequestRefusedError: If there are none.
        """
        wait = self._taken(sender, 0.0)
        if wait > 0:
            raise RequestRefusedError(
                "too-many-requests", f"Wait {wait:.0f} s.", retry_after=max(1.0, wait)
            )

    def _taken(self, sender: str, count: float) -> float:
        """Take some tokens; 0 if they were there, else the seconds until they are."""
        now = self._clock()
        with self._lock:
            left, since = self._buckets.pop(sender, (self._most, now))
            left = min(self._most, left + (now - since) * self._most / _SECONDS_A_MINUTE)
            is_free = left >= 1.0
            self._buckets[sender] = (left - count if is_free else left, now)
            while len(self._buckets) > _SENDERS_REMEMBERED:
                self._buckets.popitem(last=False)
        return 0.0 if is_free else (1.0 - left) * _SECONDS_A_MINUTE / self._most
