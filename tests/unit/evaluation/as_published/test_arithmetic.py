import numpy as np
import pytest

from fergi.evaluation.as_published.arithmetic import printed_activation, read_back
from fergi.records.action_units import ACTION_UNITS, ActionUnitSeries
from fergi.stages.activation import PUBLISHED_CRITERIA, clip_activation


def _series(seed: int, missing: list[int]) -> ActionUnitSeries:
    generator = np.random.default_rng(seed)
    intensities = generator.normal(1, 0.5, (60, len(ACTION_UNITS))).round(2)
    confidence = np.full(60, 0.95)
    intensities[missing] = np.nan
    confidence[missing] = np.nan
    return ActionUnitSeries(
        times=np.arange(60) / 30,
        face_confidence=confidence,
        pitch_ratio=np.full(60, 0.7),
        yaw_ratio=np.full(60, 0.5),
        intensities=intensities,
    )


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (0.28600000000000003, 0.286),
        (-0.04899999999999949, -0.0489999999999994),
        (-0.39833333333333343, -0.3983333333333334),
        (1.2345678901234567, 1.2345678901234567),
        (12.345678901234567, 12.345678901234567),
        (0.0, 0.0),
        (3.0, 3.0),
        (1e-20, 1e-20),
    ],
)
def test_numbers_come_back_with_seventeen_digits(written: float, read: float) -> None:
    # As pandas 1.4.4 reads them.
    assert read_back(written) == read


def test_the_value_is_the_clean_one_but_for_rounding() -> None:
    series = _series(1, missing=[5, 6])
    printed = printed_activation(series, PUBLISHED_CRITERIA)
    clean = clip_activation(series, PUBLISHED_CRITERIA)
    assert printed.valid_share == clean.valid_share
    # The clean values are rounded to 9 decimals.
    np.testing.assert_allclose(printed.values, clean.values, rtol=0, atol=1e-9)


def test_a_clip_with_too_few_valid_frames_has_no_value() -> None:
    series = _series(2, missing=list(range(0, 60, 3)))
    assert printed_activation(series, PUBLISHED_CRITERIA).values is None
