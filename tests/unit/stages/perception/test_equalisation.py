from collections.abc import Callable

import numpy as np
import pytest

from fergi.stages.perception.equalisation import equalised, padded

Reference = Callable[[str], np.ndarray]


def test_equalising_an_aligned_face_gives_the_authors_picture(reference: Reference) -> None:
    difference = np.abs(equalised(reference("aligned")).astype(int) - reference("equalized"))
    assert difference.max() <= 1  # equal on OpenCV 5; a level for other versions


def test_padding_gives_the_authors_picture(reference: Reference) -> None:
    assert np.array_equal(padded(reference("equalized")), reference("padded"))


def test_a_dull_grey_picture_gets_the_full_range() -> None:
    levels = np.linspace(100, 150, 64 * 64).astype(np.uint8).reshape(64, 64)
    picture = np.repeat(levels[:, :, np.newaxis], 3, axis=2)
    even = equalised(picture)
    assert even.min() == 0
    assert even.max() == 255
    assert np.array_equal(np.argsort(even[..., 0].ravel(), kind="stable")[:5], np.arange(5))


def test_red_and_blue_count_as_if_they_were_swapped() -> None:
    red, blue = np.zeros((2, 2, 3), dtype=np.uint8), np.zeros((2, 2, 3), dtype=np.uint8)
    red[..., 0], blue[..., 2] = [[255, 0], [0, 0]], [[255, 0], [0, 0]]
    # Blue is taken for red, the brighter of the two by the conversion's weights.
    assert equalised(blue)[0, 0, 1] != equalised(red)[0, 0, 1]


@pytest.mark.parametrize("level", [0, 77, 255])
def test_a_picture_of_one_colour_stays_as_it_is(level: int) -> None:
    picture = np.full((5, 4, 3), level, dtype=np.uint8)
    assert np.array_equal(equalised(picture), picture)


def test_the_picture_given_is_not_changed() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    before = picture.copy()
    equalised(picture)
    assert np.array_equal(picture, before)


def test_a_wide_picture_is_padded_above_and_below() -> None:
    square = padded(np.full((3, 6, 3), 9, dtype=np.uint8))
    assert square.shape == (6, 6, 3)
    # An odd row goes below.
    assert square.any(axis=(1, 2)).tolist() == [False, True, True, True, False, False]
