import numpy as np

from fergi.records.action_units import ACTION_UNITS
from fergi.synthesis.expressions import (
    PROTOTYPES,
    UNIT_SHAPES,
    Expression,
    plain_expression,
    random_expression,
    random_neutral,
)


def _drawn(count: int = 400) -> list[Expression]:
    return [random_expression(np.random.default_rng(seed)) for seed in range(count)]


def test_full_intensity_is_weight_one_on_both_sides() -> None:
    weights = plain_expression({12: 5.0, 26: 2.5}).shape_weights()
    assert weights == {"mouthSmile_L": 1.0, "mouthSmile_R": 1.0, "jawOpen": 0.5}


def test_one_side_moves_the_shapes_of_that_side_alone() -> None:
    left = np.zeros(12)
    left[ACTION_UNITS.index(12)] = 5
    expression = Expression(left=left, right=np.zeros(12))
    assert expression.shape_weights() == {"mouthSmile_L": 1.0}
    assert expression.intensities[ACTION_UNITS.index(12)] == 2.5


def test_planted_units_stay_between_0_and_5() -> None:
    sides = np.array([[one.left, one.right] for one in _drawn()])
    assert sides.min() >= 0
    assert sides.max() <= 5


def test_every_unit_is_drawn_and_mostly_rests() -> None:
    is_active = np.array([one.intensities > 0.3 for one in _drawn()])
    assert (is_active.mean(axis=0) > 0.08).all()
    assert (is_active.mean(axis=0) < 0.5).all()


def test_units_without_sides_are_even() -> None:
    unsided = [ACTION_UNITS.index(unit) for unit in (17, 26)]
    assert all((one.left == one.right)[unsided].all() for one in _drawn())


def test_a_resting_face_has_no_unit() -> None:
    resting = random_neutral(np.random.default_rng(0))
    assert not resting.intensities.any()
    assert set(resting.shape_weights()) <= {"eyeBlink_L", "eyeBlink_R"}


def test_shapes_and_combinations_are_of_the_twelve_units() -> None:
    assert tuple(UNIT_SHAPES) == ACTION_UNITS
    assert {unit for units in PROTOTYPES.values() for unit in units} <= set(ACTION_UNITS)
