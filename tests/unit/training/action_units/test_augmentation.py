import cv2
import numpy as np
import torch

from fergi.training.action_units.augmentation import (
    Views,
    random_views,
    seen_pictures,
    whole_views,
)


def _pictures(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 112, 112, 3), dtype=np.uint8)


def _seen(pictures: np.ndarray, views: Views) -> np.ndarray:
    return seen_pictures(torch.from_numpy(pictures), views).permute(0, 2, 3, 1).numpy()


def test_a_whole_view_is_the_picture() -> None:
    pictures = _pictures()
    # Positions are exact to single precision of numbers up to 112.
    np.testing.assert_allclose(_seen(pictures, whole_views(3)), pictures / 255, atol=1e-4)


def test_a_mirrored_view_is_the_mirrored_picture() -> None:
    pictures, whole = _pictures(), whole_views(3)
    views = Views(whole.corners, whole.sizes, np.array([True, False, True]))
    expected = pictures / 255
    expected[[0, 2]] = expected[[0, 2], :, ::-1]
    np.testing.assert_allclose(_seen(pictures, views), expected, atol=1e-4)  # as above


def test_a_view_is_the_rectangle_enlarged_as_opencv_does() -> None:
    (picture,) = _pictures(1)
    views = Views(np.array([[5, 2]]), np.array([[104, 109]]), np.array([False]))
    rectangle = picture[2 : 2 + 109, 5 : 5 + 104].astype(np.float32) / 255
    reference = cv2.resize(rectangle, (112, 112), interpolation=cv2.INTER_LINEAR)
    found = _seen(picture[np.newaxis], views)[0]
    # OpenCV's weights have 11 bits.
    np.testing.assert_allclose(found, reference, atol=2 / 2048)


def test_views_lie_within_the_picture_and_follow_the_published_ranges() -> None:
    views = random_views(np.random.default_rng(0), 5000)
    widths, heights = views.sizes.T
    assert (views.corners >= 0).all()
    assert (views.corners + views.sizes <= 112).all()
    shares, ratios = widths * heights / 112**2, widths / heights
    # Sides are whole pixels, so a limit can be missed by half of one: 0.5 %.
    assert shares.min() > 0.9 * 0.99
    assert shares.min() < 0.91
    assert ratios.min() > 19 / 20 * 0.99
    assert ratios.max() < 20 / 19 * 1.01
    assert abs(views.is_mirrored.mean() - 0.5) < 4 * 0.5 / np.sqrt(5000)  # four standard errors


def test_equal_streams_draw_equal_views_in_any_share() -> None:
    whole = random_views(np.random.default_rng(3), 8)
    again = random_views(np.random.default_rng(3), 8)[2:5]
    np.testing.assert_array_equal(whole.corners[2:5], again.corners)
    np.testing.assert_array_equal(whole.is_mirrored[2:5], again.is_mirrored)
