"""Image files, decoded with bounded memory into upright RGB pictures."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP")

MAX_PIXELS = 178_956_970
"""Twice what Pillow takes for an ordinary picture, and where it refuses; 716 MB when decoded."""

EXACT_PIXELS = 32 * 1024 * 1024
"""Larger pictures are reduced by a whole factor before anything else."""

WHITE = (255, 255, 255)

_STRIP_ROWS = 256
_DECODING_ERRORS = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


class UnreadablePictureError(Exception):
    """An image file that cannot be scored, with the reason; never leaves this package."""


def read_picture(path: Path) -> tuple[Image.Image, bytes]:
    """Decode an image file.

    Transparent parts become white, CMYK, palettes and 16 bits become 8-bit RGB, and the
    orientation that a camera noted is applied. A picture of more than 32 megapixels is
    reduced by the smallest whole factor that brings it below, JPEG while it is decoded
    (then by 2, 4 or 8), others by averaging.

    Args:
        path: A PNG, JPEG or WebP file, whatever its name ends in.

    Returns:
        The picture, and the bytes of the file.

    Raises:
        UnreadablePictureError: If there is no such file, or it does not decode to its last
            pixel, or is larger than 178 megapixels.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UnreadablePictureError(f"cannot be read ({reason}); give the image") from error
    return decoded_picture(content), content


def decoded_picture(content: bytes) -> Image.Image:
    """Decode the bytes of an image file, as `read_picture` does.

    Raises:
        UnreadablePictureError: If they do not decode.
    """
    try:
        with warnings.catch_warnings():
            # Pillow warns of what the bound below allows, and of harmless damage to metadata.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                return _upright(_rgb(_reduced(image)), _orientation(image))
    except UnidentifiedImageError as error:
        raise UnreadablePictureError("is no PNG, JPEG or WebP image; replace the file") from error
    except _DECODING_ERRORS as error:
        reason = str(error).strip().splitlines()[:1] or ["no reason given"]
        raise UnreadablePictureError(
            f"does not decode as PNG, JPEG or WebP ({reason[0][:120]}); replace the file"
        ) from error


def _reduced(image: Image.Image) -> Image.Image:
    """Decode to the last pixel, and bring huge pictures below the bound."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ValueError(f"{width} × {height} pixels are more than {MAX_PIXELS:,}")
    factor = _factor(image)
    if factor > 1:
        image.draft(None, (width // factor, height // factor))  # JPEG alone
    image.load()
    factor = _factor(image)
    return image if factor == 1 else _averaged(image, factor)


def _factor(image: Image.Image) -> int:
    """Find the smallest whole factor that brings a picture below the bound."""
    factor = 1
    while (image.width // factor) * (image.height // factor) > EXACT_PIXELS:
        factor += 1
    return factor


def _averaged(image: Image.Image, factor: int) -> Image.Image:
    """Average blocks of `factor` by `factor` pixels, strip by strip.

    Colours are only known after a conversion, which would double the memory if it were done
    for the whole picture.
    """
    factors = (min(factor, image.width), min(factor, image.height))
    width = -(-image.width // factors[0])
    small = Image.new("RGB", (width, -(-image.height // factors[1])))
    rows = factors[1] * max(1, _STRIP_ROWS // factors[1])
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        strip.info = image.info
        small.paste(_rgb(strip).reduce(factors), (0, top // factors[1]))
    return small


def _rgb(image: Image.Image) -> Image.Image:
    """Bring any mode to 8-bit RGB, on white."""
    if image.mode.startswith("I") or image.mode == "F":
        return _from_16_bits(image)
    if image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        on_white = Image.new("RGB", image.size, WHITE)
        on_white.paste(with_alpha, mask=with_alpha.getchannel("A"))
        return on_white
    return image.convert("RGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Scale 0 … 65,535 to 0 … 255; Pillow's own conversion would cut off at 255."""
    values = np.asarray(image).astype(np.float64)
    grey = np.clip(np.round(values / 257), 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _orientation(image: Image.Image) -> int:
    """Read how the camera was held; 1, upright, where the note is broken."""
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except (*_DECODING_ERRORS, TypeError, KeyError, OverflowError):
        return 1


_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
