"""One network for several threads: what they ask for at the same time is one batch."""

import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from fergi.stages.perception.estimators.protocol import Network


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What one thread asks for, and where its answer is put."""

    given: Float[np.ndarray, "pictures ..."]
    answer: "Future[Float[np.ndarray, 'pictures ...']]" = field(default_factory=Future)


class SharedBatches:
    """Evaluates a network for several threads, each of which works at a clip of its own.

    While one batch is evaluated, what other threads ask for waits; the next batch is all of it.
    So batches grow with the load, nothing waits for a batch to fill, and a clip that ends leaves
    none half empty.

    Args:
        evaluate: The network; called by one thread at a time.
        largest: No more pictures are put together than these, unless one thread asks for more.
    """

    def __init__(self, evaluate: Network, largest: int) -> None:
        self._evaluate = evaluate
        self._largest = largest
        self._waiting: deque[_Asked] = deque()
        self._turn = threading.Lock()

    def __call__(
        self, given: Float[np.ndarray, "pictures ..."]
    ) -> Float[np.ndarray, "pictures ..."]:
        """Evaluate pictures, together with those of other threads."""
        asked = _Asked(given)
        self._waiting.append(asked)
        while not asked.answer.done():
            with self._turn:
                # Another thread may have answered while this one waited for its turn.
                if not asked.answer.done():
                    self._serve(self._next_batch())
        return asked.answer.result()

    def _next_batch(self) -> list[_Asked]:
        """Take the next that wait, the longest waiting first."""
        batch = [self._waiting.popleft()]
        count = len(batch[0].given)
        while self._waiting and count + len(self._waiting[0].given) <= self._largest:
            batch.append(self._waiting.popleft())
            count += len(batch[-1].given)
        return batch

    def _serve(self, batch: list[_Asked]) -> None:
        try:
            found = self._evaluate(np.concatenate([asked.given for asked in batch]))
        except Exception as error:  # noqa: BLE001 (it is raised where each answer is waited for)
            for asked in batch:
                asked.answer.set_exception(error)
            return
        ends = np.cumsum([len(asked.given) for asked in batch])[:-1]
        for asked, answer in zip(batch, np.split(found, ends), strict=True):
            asked.answer.set_result(answer)
