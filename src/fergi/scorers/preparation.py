"""What becomes of a picture before a network sees it."""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float
from PIL import Image

from fergi.scorers.protocol import Preparation

SIDE = 224
"""Pixels of a side, for every built-in scorer of this project."""

WHOLE_PIXELS = 4 * 1024 * 1024

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of the colours, red, green and blue, that CLIP, BLIP and all that come from them expect."""

_ELONGATED = 16
_SMALL = (Preparation.SHORT_SIDE, Preparation.LONG_SIDE)


def prepared(image: Image.Image, preparation: Preparation) -> Image.Image:
    """Bring a picture into the form that a scorer wants.

    Args:
        image: An upright RGB picture, prepared before or not.
        preparation: Which form.

    Returns:
        Another picture, or the same one.

    Source:
        `SHORT_SIDE`: the transform of CLIP and BLIP, with the rounding of transformers'
        CLIPImageProcessorPil. `LONG_SIDE`: that of HPSv2.
    """
    match preparation:
        case Preparation.SHORT_SIDE:
            return _middle_square(image)
        case Preparation.LONG_SIDE:
            return _bordered_square(image)
        case Preparation.WHOLE:
            return _at_most(image, WHOLE_PIXELS)


def prepared_forms(
    image: Image.Image, preparations: Iterable[Preparation]
) -> dict[Preparation, Image.Image]:
    """Bring a picture into several forms; a square one is brought to 224 pixels but once.

    Args:
        image: An upright RGB picture.
        preparations: Which forms.

    Returns:
        A picture for each; the same one for two forms that do not differ.
    """
    forms: dict[Preparation, Image.Image] = {}
    for preparation in preparations:
        alike = _SMALL if image.width == image.height and preparation in _SMALL else ()
        known = next((forms[other] for other in alike if other in forms), None)
        forms[preparation] = prepared(image, preparation) if known is None else known
    return forms


def _middle_square(image: Image.Image) -> Image.Image:
    if image.size == (SIDE, SIDE):
        return image
    short = min(image.size)
    width, height = (SIDE if side == short else int(SIDE * side / short) for side in image.size)
    left, top = (width - SIDE) // 2, (height - SIDE) // 2
    if max(width, height) > _ELONGATED * SIDE:
        # Resized whole, a picture 1 pixel wide and 12,000 high would take 2.4 GB. Its edges
        # differ a little from those of one that is resized and then cut.
        scale = short / SIDE
        box = (left * scale, top * scale, (left + SIDE) * scale, (top + SIDE) * scale)
        return image.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    return resized.crop((left, top, left + SIDE, top + SIDE))


def _bordered_square(image: Image.Image) -> Image.Image:
    if image.size == (SIDE, SIDE):
        return image
    scale = SIDE / max(image.size)
    width, height = (max(1, round(side * scale)) for side in image.size)
    square = Image.new("RGB", (SIDE, SIDE))
    resized = image.resize((width, height), Image.Resampling.BICUBIC)
    square.paste(resized, ((SIDE - width) // 2, (SIDE - height) // 2))
    return square


def _at_most(image: Image.Image, pixels: int) -> Image.Image:
    if image.width * image.height <= pixels:
        return image
    scale = math.sqrt(pixels / (image.width * image.height))
    width, height = (max(1, int(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


def normalised(
    images: Sequence[Image.Image], preparation: Preparation
) -> Float[np.ndarray, "images 3 224 224"]:
    """Prepare pictures, and standardise their colours.

    Args:
        images: Upright RGB pictures.
        preparation: `SHORT_SIDE` or `LONG_SIDE`.

    Returns:
        Colours first, in standard deviations from the mean.
    """
    pixels = np.stack([np.asarray(prepared(image, preparation)) for image in images])
    colours = pixels.astype(np.float32) / np.float32(255)
    mean, deviation = np.array(MEAN, np.float32), np.array(DEVIATION, np.float32)
    return np.ascontiguousarray(((colours - mean) / deviation).transpose(0, 3, 1, 2))
