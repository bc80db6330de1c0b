import numpy as np
import pytest

from fergi.synthesis.rasteriser import visible_surface

SIZE = (12, 16)


def _square(left: float, top: float, side: float) -> np.ndarray:
    """Corners in the order that shows the front: anticlockwise to the eye, rows going down."""
    return np.array(
        [[left, top], [left, top + side], [left + side, top + side], [left + side, top]]
    )


TWO = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)


def test_a_square_covers_the_pixels_whose_centres_lie_in_it() -> None:
    seen = visible_surface(_square(2.5, 1.5, 4.0), np.ones(4), TWO, SIZE)
    assert set(zip(seen.rows.tolist(), seen.columns.tolist(), strict=True)) == {
        (row, column) for row in range(2, 6) for column in range(3, 7)
    }


def test_the_nearer_surface_hides_the_other() -> None:
    points = np.concatenate([_square(1.5, 1.5, 8), _square(3.5, 3.5, 3)])
    depths = np.array([5.0] * 4 + [2.0] * 4)
    seen = visible_surface(points, depths, np.concatenate([TWO + 4, TWO]), SIZE)
    assert (seen.depths == 2).sum() == 9
    assert set(seen.triangles[seen.depths == 2]) == {0, 1}


def test_the_back_of_a_triangle_is_not_seen() -> None:
    seen = visible_surface(_square(1.5, 1.5, 8), np.ones(4), TWO[:, ::-1], SIZE)
    assert not len(seen.rows)


def test_what_lies_outside_the_picture_is_cut_off() -> None:
    seen = visible_surface(_square(-3.5, -3.5, 40), np.ones(4), TWO, SIZE)
    assert len(seen.rows) == SIZE[0] * SIZE[1]
    assert len(visible_surface(_square(50.0, 50.0, 4.0), np.ones(4), TWO, SIZE).rows) == 0


def test_values_at_corners_are_spread_as_a_plane() -> None:
    points = _square(0.2, 0.3, 10.0)
    seen = visible_surface(points, np.ones(4), TWO, SIZE)
    shown = seen.interpolated(points.astype(np.float32), TWO)
    # Planes are kept in single precision, whose steps near 10 are 1e-6.
    assert shown == pytest.approx(np.stack([seen.columns, seen.rows], axis=1), abs=1e-4)
