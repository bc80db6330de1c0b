import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fergi.stages.perception.neutral import (
    Stretch,
    first_valid_frame,
    frame_movements,
    resting_stretch,
)

RATE = 30


def _stretch(movements: list[float], is_valid: list[bool] | None = None, **options):
    count = len(movements)
    valid = np.ones(count, dtype=bool) if is_valid is None else np.array(is_valid)
    return resting_stretch(np.arange(count) / RATE, valid, np.array(movements), **options)


def test_the_quiet_part_of_a_clip_is_found() -> None:
    found = _stretch([5.0] * 30 + [0.1] * 20 + [5.0] * 30)
    assert found is not None
    # The movement of a frame is that from the one before, so the first quiet frame is the 30th.
    assert (found.first, found.last) == (29, 44)
    assert found.movement == pytest.approx(0.1)


def test_a_grin_that_is_held_to_the_end_is_not_taken_for_rest() -> None:
    found = _stretch([0.11] * 20 + [4.0] * 10 + [0.1] * 60)
    assert found is not None
    assert found.last < 20


def test_a_clip_that_begins_in_movement_is_at_rest_later() -> None:
    found = _stretch([4.0] * 20 + [0.1] * 60)
    assert found is not None
    assert found.first >= 19


def test_no_stretch_touches_an_invalid_frame() -> None:
    is_valid = [True] * 10 + [False] + [True] * 40
    found = _stretch([0.0] * 30 + [1.0] * 21, is_valid)
    assert found is not None
    assert found.first > 10


def test_where_no_run_of_valid_frames_is_long_enough_the_longest_is_taken() -> None:
    is_valid = [False] * 3 + [True] * 2 + [False] + [True] * 5 + [False] * 9
    assert _stretch([np.nan] + [1.0] * 19, is_valid) == Stretch(6, 10, 1.0)
    assert _stretch([np.nan] + [1.0] * 19, [False] * 20) is None
    assert _stretch([np.nan, 1.0], [False, True]) == Stretch(1, 1, 0.0)


def test_stretches_last_as_long_by_the_clock_where_the_frame_rate_varies() -> None:
    times = np.concatenate([np.arange(10) * 0.01, 0.1 + np.arange(30) * 0.05])
    found = resting_stretch(times, np.full(40, True), np.full(40, 1.0), seconds=0.5)
    assert found is not None
    assert times[found.last] - times[found.first] >= 0.5 - 1e-9


def test_the_first_valid_frame_is_found() -> None:
    assert first_valid_frame(np.array([False, False, True, True])) == Stretch(2, 2, 0.0)
    assert first_valid_frame(np.array([False, False])) is None


def test_movement_is_the_mean_change_and_unknown_next_to_a_lost_face() -> None:
    observations = np.array([[0.0, 0], [1, 3], [np.nan, np.nan], [2, 2], [2, 1]], np.float32)
    np.testing.assert_equal(frame_movements(observations), [np.nan, 2.0, np.nan, np.nan, 0.5])


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.integers(0, 2**32 - 1))
def test_what_is_found_is_always_a_run_of_valid_frames(is_valid: list[bool], seed: int) -> None:
    movements = np.random.default_rng(seed).exponential(size=len(is_valid))
    found = _stretch(movements.tolist(), is_valid)
    assert (found is None) == (not any(is_valid))
    if found is not None:
        assert found.first <= found.last
        assert all(is_valid[found.first : found.last + 1])
