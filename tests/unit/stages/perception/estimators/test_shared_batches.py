import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fergi.stages.perception.estimators.shared_batches import SharedBatches


class _Held:
    """Doubles numbers, one batch after the other; the first waits until it is let go."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.has_begun, self.may_go = threading.Event(), threading.Event()

    def __call__(self, given: np.ndarray) -> np.ndarray:
        self.batches.append(len(given))
        self.has_begun.set()
        assert self.may_go.wait(20)
        return 2 * given


def _asked(sizes: list[int], largest: int) -> tuple[_Held, list[np.ndarray], list[np.ndarray]]:
    """Ask for so many pictures from as many threads, all while a first batch is evaluated."""
    network, given = _Held(), [np.full((size, 3), size, dtype=np.float32) for size in sizes]
    shared = SharedBatches(network, largest)
    with ThreadPoolExecutor(len(sizes)) as pool:
        answers = [pool.submit(shared, given[0])]
        assert network.has_begun.wait(20)
        for place, one in enumerate(given[1:], start=1):
            answers.append(pool.submit(shared, one))
            while len(shared._waiting) < place:  # the order of waiting is that of asking
                pass
        network.may_go.set()
        return network, given, [answer.result(timeout=20) for answer in answers]


def test_what_threads_ask_for_at_the_same_time_is_one_batch() -> None:
    network, given, answers = _asked([4, 2, 3, 1], largest=100)
    assert network.batches == [4, 6]
    for asked, answer in zip(given, answers, strict=True):
        np.testing.assert_array_equal(answer, 2 * asked)


def test_a_batch_is_no_larger_than_told_unless_one_thread_asks_for_more() -> None:
    network, given, answers = _asked([1, 3, 2, 2, 9, 0, 4], largest=5)
    assert network.batches == [1, 5, 2, 9, 4]
    for asked, answer in zip(given, answers, strict=True):
        np.testing.assert_array_equal(answer, 2 * asked)


def test_a_network_that_fails_tells_all_who_asked_and_serves_the_next() -> None:
    def evaluate(given: np.ndarray) -> np.ndarray:
        if np.isnan(given).any():
            raise ValueError("not a number")
        return given

    shared = SharedBatches(evaluate, 8)
    with pytest.raises(ValueError, match="not a number"):
        shared(np.full((2, 3), np.nan))
    assert shared(np.zeros((2, 3))).shape == (2, 3)
