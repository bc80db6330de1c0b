import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fergi.records.landmarks import face_axes, head_ratios


@pytest.fixture
def face() -> np.ndarray:
    """An upright face: eyes 40 apart at height 100, jaw from 40 to 160, nostrils 28 below."""
    landmarks = np.zeros((68, 2))
    landmarks[0], landmarks[16], landmarks[9] = (40, 100), (160, 100), (100, 180)
    landmarks[31:36] = (100, 128)
    landmarks[36:42], landmarks[42:48] = (80, 100), (120, 100)
    landmarks[48], landmarks[54] = (85, 150), (115, 150)
    return landmarks


def test_ratios_are_the_planted_ones(face: np.ndarray) -> None:
    assert head_ratios(face) == pytest.approx([28 / 40, 0.5])


def test_a_face_turned_to_one_side_is_narrower_there(face: np.ndarray) -> None:
    face[0, 0] = 60  # 20 left of the eye instead of 40
    assert head_ratios(face)[1] == pytest.approx(20 / (20 + 40))


@given(
    angle=st.floats(-1.0, 1.0),
    scale=st.floats(0.01, 100),
    shift=st.tuples(st.floats(-500, 500), st.floats(-500, 500)),
)
def test_ratios_ignore_where_and_how_large_and_how_tilted_a_face_is(
    angle: float, scale: float, shift: tuple[float, float]
) -> None:
    stream = np.random.default_rng(0)
    face = stream.normal(size=(68, 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = scale * face @ turn.T + shift
    # Shifts of 500 on faces of size 0.01 cost half of the 16 digits, and random points
    # divide by small numbers.
    assert head_ratios(moved) == pytest.approx(head_ratios(face), rel=1e-6)


def test_axes_are_those_of_a_tilted_face(face: np.ndarray) -> None:
    quarter_turn = face[:, ::-1] * (-1, 1)  # clockwise, as seen where y points down
    axes = face_axes(quarter_turn)
    assert axes.across == pytest.approx([0, 1])
    assert axes.down == pytest.approx([-1, 0])
    assert axes.origin == pytest.approx([-100, 100])


def test_faces_at_once_are_the_faces_one_by_one(face: np.ndarray) -> None:
    faces = face + np.random.default_rng(0).normal(size=(5, 68, 2))
    assert np.array_equal(head_ratios(faces), np.array([head_ratios(one) for one in faces]))


def test_points_that_coincide_have_no_ratios() -> None:
    assert np.isnan(head_ratios(np.ones((68, 2)))).all()
