"""What is done with the detector's numbers; its network is tested with the faces."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fergi.stages.perception.blazeface import _anchors, _merged


def _points(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    """Corners of boxes, and eyes at their upper third."""
    return np.array(
        [
            [
                [x, y],
                [x + width, y + height],
                [x + width / 3, y + height / 3],
                [x + 2 * width / 3, y + height / 3],
            ]
            for x, y, width, height in boxes
        ]
    )


def test_anchors_are_the_middles_of_two_grids() -> None:
    anchors = _anchors()
    assert anchors.shape == (896, 2)
    np.testing.assert_array_equal(anchors[:2], [[1 / 32, 1 / 32]] * 2)
    np.testing.assert_array_equal(anchors[2], [3 / 32, 1 / 32])  # rows come first
    np.testing.assert_array_equal(anchors[512:518], [[1 / 16, 1 / 16]] * 6)
    np.testing.assert_array_equal(anchors[-1], [15 / 16, 15 / 16])


def test_boxes_of_one_face_are_averaged_by_score_and_the_highest_score_counts() -> None:
    points = _points((0.1, 0.1, 0.4, 0.4), (0.12, 0.1, 0.4, 0.4))
    ((merged, score),) = _merged(points, np.array([0.6, 0.9]))
    assert score == 0.9
    # 0.12 - 0.02 * 0.6 / 1.5; exact but for rounding in double precision.
    np.testing.assert_allclose(merged, _points((0.112, 0.1, 0.4, 0.4))[0], atol=1e-12)


def test_boxes_of_two_faces_stay_apart_and_the_surer_comes_first() -> None:
    points = _points((0.1, 0.1, 0.2, 0.2), (0.6, 0.1, 0.3, 0.3))
    first, second = _merged(points, np.array([0.7, 0.8]))
    np.testing.assert_allclose(first[0], points[1])
    np.testing.assert_allclose(second[0], points[0])
    assert (first[1], second[1]) == (0.8, 0.7)


@given(st.integers(0, 2**32 - 1), st.integers(0, 30))
def test_however_odd_the_boxes_each_belongs_to_one_face(seed: int, count: int) -> None:
    stream = np.random.default_rng(seed)
    points = stream.normal(size=(count, 4, 2))  # even boxes of negative size
    scores = stream.uniform(0.5, 1, count)
    found = list(_merged(points, scores))
    assert len(found) <= count
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
