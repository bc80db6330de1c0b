import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fergi.scorers.pictures import UnreadablePictureError, decoded_picture, read_picture

Paint = Callable[..., Image.Image]


def _bytes(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def _corner(content: bytes) -> tuple[int, ...]:
    picture = decoded_picture(content)
    assert picture.mode == "RGB"
    return picture.getpixel((0, 0))  # type: ignore[return-value]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_lossless_picture_keeps_every_pixel(kind: str, make_image: Paint) -> None:
    image = make_image(0)
    options = {"lossless": True} if kind == "WEBP" else {}
    assert decoded_picture(_bytes(image, kind, **options)).tobytes() == image.tobytes()


def test_a_jpeg_picture_is_what_pillow_decodes(make_image: Paint) -> None:
    content = _bytes(make_image(0), "JPEG")
    with Image.open(io.BytesIO(content)) as expected:
        assert decoded_picture(content).tobytes() == expected.tobytes()


@pytest.mark.parametrize(("alpha", "expected"), [(0, 255), (255, 100), (51, 224)])
def test_transparent_parts_become_white(alpha: int, expected: int) -> None:
    """255 · (1 − alpha) + 100 · alpha."""
    content = _bytes(Image.new("RGBA", (3, 3), (100, 100, 100, alpha)))
    assert _corner(content) == (expected,) * 3


def test_transparency_of_grey_palette_and_single_colours_becomes_white_too() -> None:
    grey = Image.new("LA", (3, 3), (0, 0))
    palette = Image.new("P", (3, 3), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert _corner(_bytes(grey)) == (255, 255, 255)
    assert _corner(_bytes(palette)) == (10, 20, 30)
    assert _corner(_bytes(palette, transparency=1)) == (255, 255, 255)
    rgb = Image.new("RGB", (3, 3), (10, 20, 30))
    assert _corner(_bytes(rgb, transparency=(10, 20, 30))) == (255, 255, 255)


def test_cmyk_becomes_rgb() -> None:
    content = _bytes(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)
    red, green, blue = _corner(content)
    # JPEG rounds colours a little
    assert red > 245
    assert max(green, blue) < 10


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (257, 1), (32768, 128), (65535, 255)])
def test_sixteen_bits_are_scaled_not_cut_off(value: int, expected: int) -> None:
    image = Image.fromarray(np.full((3, 3), value, dtype=np.uint16))
    assert _corner(_bytes(image)) == (expected,) * 3


def test_one_bit_is_black_or_white() -> None:
    assert _corner(_bytes(Image.new("1", (3, 3), 1))) == (255, 255, 255)


def test_the_orientation_of_the_camera_is_applied() -> None:
    image = Image.new("RGB", (2, 4), (0, 0, 0))
    image.putpixel((0, 0), (255, 255, 255))
    for orientation, size, white in (
        (1, (2, 4), (0, 0)),
        (2, (2, 4), (1, 0)),
        (3, (2, 4), (1, 3)),
        (4, (2, 4), (0, 3)),
        (5, (4, 2), (0, 0)),
        (6, (4, 2), (3, 0)),
        (7, (4, 2), (3, 1)),
        (8, (4, 2), (0, 1)),
        (99, (2, 4), (0, 0)),
    ):
        exif = Image.Exif()
        exif[0x0112] = orientation
        upright = decoded_picture(_bytes(image, exif=exif))
        assert upright.size == size, orientation
        assert upright.getpixel(white) == (255, 255, 255), orientation


def test_one_pixel_is_a_picture() -> None:
    assert decoded_picture(_bytes(Image.new("RGB", (1, 1), (1, 2, 3)))).getpixel((0, 0)) == (
        1,
        2,
        3,
    )


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(20)])
def test_what_is_no_image_has_a_reason(content: bytes) -> None:
    with pytest.raises(UnreadablePictureError, match="replace the file"):
        decoded_picture(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_a_truncated_image_has_a_reason(kind: str, share: float) -> None:
    stream = np.random.default_rng(0)
    noise = Image.fromarray(stream.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    content = _bytes(noise, kind)
    with pytest.raises(UnreadablePictureError, match="replace the file"):
        decoded_picture(content[: round(share * len(content))])


def test_a_missing_file_has_a_reason(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePictureError, match="No such file"):
        read_picture(tmp_path / "nothing.png")
    with pytest.raises(UnreadablePictureError, match="cannot be read"):
        read_picture(tmp_path)


def test_more_than_178_megapixels_are_refused_before_they_are_decoded() -> None:
    content = bytearray(_bytes(Image.new("1", (1, 1))))
    content[16:24] = (20_000).to_bytes(4, "big") * 2
    content[29:33] = __import__("zlib").crc32(bytes(content[12:29])).to_bytes(4, "big")
    with pytest.raises(UnreadablePictureError, match="pixels"):
        decoded_picture(bytes(content))


def test_huge_pictures_are_reduced_without_changing_their_colours() -> None:
    """6,000 × 6,000 is above the bound: left half red, right half blue."""
    image = Image.new("P", (6000, 6000), 0)
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.paste(1, (3000, 0, 6000, 6000))
    small = decoded_picture(_bytes(image, compress_level=1))
    assert small.size == (3000, 3000)
    assert small.getpixel((10, 10)) == (200, 0, 0)
    assert small.getpixel((2990, 2990)) == (0, 0, 200)
    jpeg = decoded_picture(_bytes(image.convert("RGB"), "JPEG"))
    assert jpeg.size == (3000, 3000)
    # JPEG rounds colours a little
    assert np.allclose(jpeg.getpixel((10, 10)), (200, 0, 0), atol=3)


MEASURE = """
import resource, sys
from pathlib import Path
from fergi.scorers.pictures import read_picture
from fergi.scorers.preparation import prepared
from fergi.scorers.protocol import Preparation
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
picture, _ = read_picture(Path(sys.argv[1]))
assert picture.width * picture.height <= 2**25, picture.size
prepared(picture, Preparation.SHORT_SIDE)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux alone")
@pytest.mark.parametrize(("kind", "megabytes"), [("JPEG", 320), ("PNG", 320)])
def test_a_picture_of_144_megapixels_takes_bounded_memory(
    tmp_path: Path, kind: str, megabytes: int
) -> None:
    """12,000 × 12,000 grey: as RGB it would take 576 MB, and twice that while converted.

    The PNG takes its 144 MB of grey, and what it is reduced to, 16 megapixels in four bytes
    each; the JPEG is never decoded at full size.
    """
    path = tmp_path / "huge"
    Image.new("L", (12_000, 12_000), 90).save(path, kind)
    ended = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert float(ended.stdout) < megabytes
