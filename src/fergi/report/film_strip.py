"""A few frames of a clip, as a page shows them."""

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from fergi.errors import ClipError
from fergi.records.face import VideoFrame
from fergi.stages.perception.video import video_frames

_WIDTH = 120
_QUALITY = 80


def film_strip(video: Path, pictures: int) -> list[str]:
    """Take frames that are evenly spaced over a clip.

    Args:
        video: The clip; a few seconds, since all its frames pass by.
        pictures: How many frames; each is the middle one of its share of the clip.

    Returns:
        Data addresses of small JPEG pictures, in the order of time; none where the clip
        cannot be read.
    """
    try:
        small = [_small(frame) for frame in video_frames(video)]
    except ClipError:
        return []
    middles = (np.arange(pictures) + 0.5) * len(small) / pictures
    return [_data_address(small[int(middle)]) for middle in middles]


def _small(frame: VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
    height, width = frame.image.shape[:2]
    return np.asarray(Image.fromarray(frame.image).resize((_WIDTH, round(height * _WIDTH / width))))


def _data_address(picture: UInt8[np.ndarray, "height width 3"]) -> str:
    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
