from collections.abc import Callable

import numpy as np
import pytest

from fergi.stages.perception.alignment import (
    FACE_SIZE,
    aligned_face,
    crop_origin,
    face_crop,
    head_ratios,
)

Reference = Callable[[str], np.ndarray]


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (120, 160, 3), dtype=np.uint8)


@pytest.fixture
def landmarks() -> np.ndarray:
    """An upright face, 80 wide; chin 40 below the eyes, so the picture is 62 high."""
    points = np.full((68, 2), 50.0)
    points[0], points[16], points[9] = (10, 40), (90, 40), (50, 80)
    points[36:42], points[42:48] = (35, 40), (65, 40)
    points[48], points[54] = (40, 65), (60, 65)
    return points


def test_the_crop_is_the_authors(reference: Reference) -> None:
    crop = face_crop(reference("frame"), reference("box").astype(np.float64))
    assert np.array_equal(crop, reference("crop"))


def test_the_ratios_are_the_authors(reference: Reference, reference_landmarks: np.ndarray) -> None:
    # Computed in another order: 16 digits, less a few of rounding.
    assert head_ratios(reference_landmarks) == pytest.approx(reference("ratios"), abs=1e-12)


def test_the_aligned_face_is_the_authors(
    reference: Reference, reference_landmarks: np.ndarray
) -> None:
    aligned = aligned_face(reference("crop"), reference_landmarks)
    assert aligned.shape == reference("aligned").shape
    # Equal on Pillow 13; a grey level for versions that round otherwise.
    difference = np.abs(aligned.astype(int) - reference("aligned"))
    assert np.mean(difference <= 1) >= 0.99


def test_a_box_inside_the_image_is_cut_out_with_its_margins(image: np.ndarray) -> None:
    crop = face_crop(image, np.array([40.0, 50.0, 24.0, 30.0]))
    # 20 % of 30 above, 5 % (1.5, truncated) below, 12.5 % of 24 at each side.
    assert np.array_equal(crop, image[50 - 6 : 80 + 1, 40 - 3 : 64 + 3])


def test_a_crop_is_black_where_it_leaves_the_image(image: np.ndarray) -> None:
    box = np.array([-20.0, 100.0, 80.0, 80.0])
    crop = face_crop(image, box)
    left, top = crop_origin(box).astype(int)
    assert (left, top) == (-30, 84)
    assert np.array_equal(crop[: 120 - top, -left:], image[top:, : 60 + 10])
    assert not crop[120 - top :].any()
    assert not crop[:, :-left].any()


def test_a_box_beyond_the_image_gives_a_black_crop(image: np.ndarray) -> None:
    assert not face_crop(image, np.array([500.0, 500.0, 40.0, 40.0])).any()


def test_the_longer_side_has_112_pixels(landmarks: np.ndarray) -> None:
    aligned = aligned_face(np.full((100, 100, 3), 200, dtype=np.uint8), landmarks)
    assert aligned.shape == (int(FACE_SIZE * 62 / 80), FACE_SIZE, 3)


def test_an_upright_face_is_only_scaled(landmarks: np.ndarray) -> None:
    ramp = np.repeat(np.arange(100, dtype=np.uint8)[np.newaxis, :, np.newaxis], 100, axis=0)
    ramp = np.repeat(ramp, 3, axis=2)
    aligned = aligned_face(ramp, landmarks)
    # Columns 10 to 90 in 112 steps, each sampled in its middle; truncated to grey levels. The
    # last lies beyond the cut, and is black.
    columns = 10 + 80 * (np.arange(112) + 0.5) / 112
    assert np.abs(aligned[40, :-1, 0] - columns[:-1]).max() <= 1


def test_a_tilted_face_becomes_upright(landmarks: np.ndarray) -> None:
    crop = np.zeros((100, 100, 3), dtype=np.uint8)
    crop[38:43, 30:71] = 255  # a bar across the eyes
    turned = np.ascontiguousarray(np.rot90(crop, k=-1))  # clockwise
    turned_landmarks = np.column_stack([99 - landmarks[:, 1], landmarks[:, 0]])
    upright, again = aligned_face(crop, landmarks), aligned_face(turned, turned_landmarks)
    # Bilinear samples half a pixel apart differ only along the bar's edges.
    assert np.mean(np.abs(upright.astype(int) - again) > 1) < 0.1
    assert upright.mean() == pytest.approx(again.mean(), rel=0.05)


def test_a_large_face_is_shrunk_without_aliasing(landmarks: np.ndarray) -> None:
    stripes = np.zeros((800, 800, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    aligned = aligned_face(stripes, landmarks * 8)
    # Stripes of one pixel, more than five times too large, blur to grey.
    assert np.abs(aligned[10:-10, 10:-10].astype(int) - 127).max() <= 40


def test_a_face_seen_edge_on_still_gives_a_picture(landmarks: np.ndarray) -> None:
    landmarks[0, 0] = landmarks[16, 0] = 50
    aligned = aligned_face(np.zeros((100, 100, 3), dtype=np.uint8), landmarks)
    assert aligned.shape == (FACE_SIZE, 1, 3)


def test_landmarks_far_apart_still_give_a_picture(landmarks: np.ndarray) -> None:
    assert max(aligned_face(np.zeros((40, 30, 3), np.uint8), landmarks * 500).shape) == 112


def test_landmarks_beyond_the_crop_give_a_black_picture(landmarks: np.ndarray) -> None:
    aligned = aligned_face(np.full((100, 100, 3), 255, dtype=np.uint8), landmarks + 500)
    assert not aligned.any()
