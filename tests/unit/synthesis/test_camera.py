import numpy as np
import pytest

from fergi.errors import DatasetError
from fergi.synthesis.camera import Camera, jpeg, opened

GREY = np.full((64, 64, 3), 128, dtype=np.uint8)
FINE = Camera(brightness=1.0, blur=0.0, shrink=1.0, noise=0.0, quality=95)


def _taken(image: np.ndarray = GREY, **changes: float) -> np.ndarray:
    camera = Camera(**{**{name: getattr(FINE, name) for name in FINE.__slots__}, **changes})
    return camera.spoiled(image, np.random.default_rng(0))


def test_a_good_camera_changes_little() -> None:
    # JPEG at 95 keeps an even grey to one level.
    assert np.abs(_taken().astype(int) - 128).max() <= 1


def test_dim_light_darkens() -> None:
    assert abs(_taken(brightness=0.5).mean() - 64) < 1.5


def test_noise_has_the_spread_that_was_asked_for() -> None:
    # JPEG smooths noise, colour more than brightness.
    assert 2 < _taken(noise=6.0).std() < 6.5


@pytest.mark.parametrize("change", [{"blur": 1.5}, {"shrink": 0.5}])
def test_blur_and_few_pixels_soften_edges(change: dict[str, float]) -> None:
    edge = np.zeros((64, 64, 3), dtype=np.uint8)
    edge[:, 32:] = 255
    steps = [
        np.abs(np.diff(taken[32, :, 1].astype(int))).max()
        for taken in (_taken(edge), _taken(edge, **change))
    ]
    assert steps[1] < 0.8 * steps[0]


def test_what_is_no_picture_is_refused() -> None:
    assert opened(jpeg(GREY, 95)).shape == GREY.shape
    with pytest.raises(DatasetError, match="cannot be read"):
        opened(b"no picture")
