from collections.abc import Callable

import numpy as np

from fergi.stages.perception.landmarks import mesh_landmarks68


def test_the_landmarks_are_those_of_the_reference(
    reference: Callable[[str], np.ndarray], reference_landmarks: np.ndarray
) -> None:
    mesh = np.column_stack([reference("mesh"), np.zeros(478)])
    # The crop begins a share of the box beyond it; margins are cut to whole pixels
    # (the method, section 2, step 1).
    x, y, width, height = reference("box")
    corner = np.array([x - int(0.125 * width), y - int(0.2 * height)])
    # Shares of the crop, times its size: exact but for rounding in double precision.
    np.testing.assert_allclose(mesh_landmarks68(mesh), reference_landmarks + corner, atol=1e-9)


def test_each_landmark_is_a_point_of_the_mesh_and_none_comes_twice() -> None:
    mesh = np.arange(478 * 3, dtype=np.float64).reshape(478, 3)
    landmarks = mesh_landmarks68(mesh)
    assert landmarks.shape == (68, 2)
    assert len(np.unique(landmarks[:, 0])) == 68
