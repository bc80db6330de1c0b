"""The labelled pictures of a sequence, out of files or out of a video."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import kornia_rs.io
import numpy as np
from jaxtyping import UInt8

from fergi.errors import VideoError
from fergi.records.labelled_faces import FaceSequence
from fergi.stages.perception.video import video_frames

Image = UInt8[np.ndarray, "height width 3"]

NoPicture = str | OSError
"""Why there is none: what is known of it, which may be nothing, or that the disk refused it."""

_PNG = b"\x89PNG\r\n\x1a\n"
_EIGHT_BITS_RGB = b"\x08\x02"


def sequence_pictures(
    sequence: FaceSequence, positions: Sequence[int]
) -> Iterator[tuple[int, Image | NoPicture]]:
    """Open pictures of a sequence.

    Args:
        sequence: Where they are.
        positions: Which of them.

    Yields:
        Each position, and its picture in RGB, or why there is none. Positions of a video come in
        the order of its frames.
    """
    if not positions:
        return
    if sequence.files:
        for position in positions:
            yield position, _picture(sequence.source / sequence.files[position])
        return
    yield from _video_pictures(sequence, positions)


def _picture(path: Path) -> Image | NoPicture:
    try:
        picture = opened_picture(path)
    except OSError as error:
        return error
    return "" if picture is None else picture


def opened_picture(path: Path) -> Image | None:
    """Open a picture in RGB; None if it is none.

    Raises:
        OSError: If the file cannot be read.
    """
    content = path.read_bytes()
    picture = _plain_png(content) if content.startswith(_PNG) else None
    return _any_picture(content) if picture is None else picture


def _plain_png(content: bytes) -> Image | None:
    """Decode a PNG of 8-bit RGB, to the same pixels as OpenCV does in three times the time."""
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    if content[24:26] != _EIGHT_BITS_RGB:
        return None
    try:
        return np.asarray(kornia_rs.io.decode_image_png_u8(content, (height, width), "rgb"))
    except Exception:  # noqa: BLE001 (it raises no other kind for a damaged file)
        return None


def _any_picture(content: bytes) -> Image | None:
    if not content:
        return None
    # It would tell of a broken picture on standard error, where we name it.
    before = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    finally:
        cv2.utils.logging.setLogLevel(before)


def _video_pictures(
    sequence: FaceSequence, positions: Sequence[int]
) -> Iterator[tuple[int, Image | NoPicture]]:
    """Take the labelled frames out of a video, whose first frame has number 1."""
    position_of = {int(sequence.frames[position]): position for position in positions}
    for early in sorted(frame for frame in position_of if frame < 1):
        yield position_of.pop(early), f"the first frame of {sequence.source.name} is number 1"
    if not position_of:
        return
    last, reason = max(position_of), f"{sequence.source.name} ends before them"
    try:
        for number, frame in enumerate(video_frames(sequence.source), start=1):
            if number in position_of:
                yield position_of.pop(number), frame.image
            if number >= last:
                return
    except VideoError as error:
        reason = str(error)
    for position in position_of.values():
        yield position, reason
