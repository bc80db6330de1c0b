from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from fergi.records.action_units import ACTION_UNITS
from fergi.records.labelled_faces import FaceSequence
from fergi.training.action_units.sequence_pictures import opened_picture, sequence_pictures

SHAPE = (37, 53, 3)


@pytest.fixture
def picture() -> np.ndarray:
    """Smooth and noisy parts, so that every filter of PNG is used somewhere."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    smooth = np.stack([rows * 3, columns * 4, rows + columns], axis=2)
    noise = np.random.default_rng(0).integers(0, 40, SHAPE)
    return (smooth + noise * (columns > 25)[..., None]).astype(np.uint8)


def test_a_png_gives_the_pixels_that_were_written(picture: np.ndarray, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "opencv.png"), picture[..., ::-1])
    Image.fromarray(picture).save(tmp_path / "pillow.png", optimize=True)
    for path in tmp_path.iterdir():
        opened = opened_picture(path)
        assert opened is not None
        np.testing.assert_array_equal(opened, picture)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "I;16"])
def test_a_png_of_another_kind_is_opened_as_opencv_does(
    picture: np.ndarray, tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "picture.png"
    if mode == "I;16":
        Image.fromarray(picture[..., 0].astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(picture).convert(mode).save(path)
    opened = opened_picture(path)
    assert opened is not None
    np.testing.assert_array_equal(opened, cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1])


def test_a_jpeg_is_opened_in_rgb(tmp_path: Path) -> None:
    Image.new("RGB", (16, 16), (200, 40, 10)).save(tmp_path / "red.jpg")
    opened = opened_picture(tmp_path / "red.jpg")
    assert opened is not None
    # JPEG stores colours to within a few levels.
    np.testing.assert_allclose(opened.mean(axis=(0, 1)), (200, 40, 10), atol=3)


@pytest.mark.parametrize("spoil", ["empty", "cut off", "damaged", "only a header", "text"])
def test_what_is_no_picture_does_not_open(
    picture: np.ndarray, tmp_path: Path, capfd: pytest.CaptureFixture[str], spoil: str
) -> None:
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), picture)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    spoilt = {
        "empty": b"",
        "cut off": path.read_bytes()[:-200],
        "damaged": bytes(content),
        "only a header": path.read_bytes()[:20],
        "text": b"no picture",
    }
    path.write_bytes(spoilt[spoil])
    assert opened_picture(path) is None
    told = capfd.readouterr().err.splitlines()
    assert all(line.startswith("libpng error") for line in told)  # which nobody can prevent


@pytest.mark.parametrize(
    ("frames", "kinds"), [([0, 1, 2], [str, np.ndarray, np.ndarray]), ([0], [str])]
)
def test_a_label_before_the_first_frame_of_a_video_is_named(
    tmp_path: Path, frames: list[int], kinds: list[type]
) -> None:
    video = tmp_path / "LeftVideoSN001_comp.avi"
    _write_video(video, pictures=3)
    labels = np.zeros((len(frames), len(ACTION_UNITS)))
    sequence = FaceSequence("disfa", "SN001", "left", video, (), np.array(frames), labels)
    found = list(sequence_pictures(sequence, range(len(frames))))
    assert [position for position, _ in found] == list(range(len(frames)))
    assert [type(image) for _, image in found] == kinds
    assert found[0][1] == "the first frame of LeftVideoSN001_comp.avi is number 1"


def _write_video(path: Path, pictures: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=20)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuvj420p"
        for _ in range(pictures):
            picture = np.zeros((32, 32, 3), dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
