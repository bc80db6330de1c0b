from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from fergi.scorers.checkpoints import transformers
from fergi.scorers.preparation import normalised, prepared, prepared_forms
from fergi.scorers.protocol import Preparation

Paint = Callable[..., Image.Image]
SIZES = [(224, 224), (300, 200), (640, 360), (300, 700), (225, 227), (1, 1), (20, 300), (512, 512)]


def _noise(width: int, height: int) -> Image.Image:
    stream = np.random.default_rng(width * height)
    return Image.fromarray(stream.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("size", SIZES)
def test_the_middle_square_is_that_of_clips_image_processor(size: tuple[int, int]) -> None:
    """Against transformers' PIL processor, which agrees with OpenAI's transform."""
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    transformers()
    image = _noise(*size)
    expected = CLIPImageProcessorPil()(image, return_tensors="pt")["pixel_values"]
    found = torch.from_numpy(normalised([image], Preparation.SHORT_SIDE))
    # one divides by 255 and the other multiplies by 1/255: a unit in the last place of float32
    assert torch.allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("size", [(8, 4000), (4000, 8)])
def test_a_very_long_picture_is_cut_before_it_is_enlarged(size: tuple[int, int]) -> None:
    image = _noise(*size)
    scale = 224 / min(size)
    width, height = (int(side * scale) if side != min(size) else 224 for side in size)
    whole = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - 224) // 2, (height - 224) // 2
    expected = np.asarray(whole.crop((left, top, left + 224, top + 224)), dtype=int)
    found = np.asarray(prepared(image, Preparation.SHORT_SIDE), dtype=int)
    # The cut is at most half an output pixel off, and reads nothing beyond itself; this noise,
    # enlarged 28 times, changes by up to 10 levels from one pixel to the next.
    assert np.abs(found - expected).mean() < 1


def test_a_needle_is_prepared_without_growing_huge() -> None:
    needle = Image.new("RGB", (1, 12_000), (9, 9, 9))
    for preparation in Preparation:
        square = prepared(needle, preparation)
        assert square.width * square.height <= 224 * 224


@pytest.mark.parametrize(
    ("size", "inside"),
    [
        ((448, 224), (0, 56, 224, 168)),
        ((100, 200), (56, 0, 168, 224)),
        ((3, 500), (111, 0, 112, 224)),
    ],
)
def test_the_long_side_fits_and_the_rest_is_black(
    size: tuple[int, int], inside: tuple[int, int, int, int]
) -> None:
    square = prepared(Image.new("RGB", size, (80, 90, 100)), Preparation.LONG_SIDE)
    assert square.size == (224, 224)
    expected = Image.new("RGB", (224, 224))
    expected.paste((80, 90, 100), inside)
    assert square.tobytes() == expected.tobytes()


@pytest.mark.parametrize("preparation", list(Preparation))
def test_preparing_twice_changes_nothing(preparation: Preparation, make_image: Paint) -> None:
    once = prepared(make_image(0, 2500, 2000), preparation)
    assert prepared(once, preparation).tobytes() == once.tobytes()


def test_whole_pictures_have_four_megapixels_at_most(make_image: Paint) -> None:
    assert prepared(make_image(0, 300, 200), Preparation.WHOLE).size == (300, 200)
    large = prepared(Image.new("RGB", (5000, 2500)), Preparation.WHOLE)
    assert large.width * large.height <= 4 * 1024 * 1024
    assert large.width / large.height == pytest.approx(2, rel=0.01)  # whole pixels


@pytest.mark.parametrize("size", [(300, 300), (300, 200), (224, 224)])
def test_forms_that_are_made_together_are_those_that_are_made_alone(size: tuple[int, int]) -> None:
    image = _noise(*size)
    forms = prepared_forms(image, list(Preparation))
    for preparation, form in forms.items():
        assert form.tobytes() == prepared(image, preparation).tobytes()
    assert (forms[Preparation.SHORT_SIDE] is forms[Preparation.LONG_SIDE]) == (size[0] == size[1])
