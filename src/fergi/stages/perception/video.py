"""Videos, decoded frame by frame with the times that their containers give.

Nothing but the named file is opened: only the kinds of container below are recognised, so that
a playlist in disguise cannot make the decoder fetch anything.
"""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import UInt8

from fergi.errors import VideoError
from fergi.records.face import VideoFrame
from fergi.stages.perception.container_files import fault_in_container, what_is_found

_ONE_FILE_ONLY = {"format_whitelist": "mov,matroska,webm,avi", "protocol_whitelist": "file"}
"""FFmpeg's names; mp4 is of the first kind."""
_MOST_PIXEL_ASPECT = 4.0
"""Of anamorphic video it is 2 at most; what is far off is an error in the file."""


class _BreakError(Exception):
    """The video does not go on as it should."""


def video_frames(path: Path) -> Iterator[VideoFrame]:
    """Decode a video frame by frame, upright, in RGB, on one thread.

    Frames are yielded as they are decoded and none is kept, so memory does not grow with the
    length of the video. Times are the container's, counted from the first frame; of frames
    with the same time, to the millisecond, the first is taken. A video that
    breaks off raises when the break is reached; what was yielded before is a part of the clip,
    and to be thrown away.

    Args:
        path: An mp4, mov, webm, mkv or avi, whatever its name says.

    Yields:
        Each frame, in the order in which they are shown.

    Raises:
        VideoError: If the file is missing, empty, no video, damaged or cut off, or its times
            go back. For a break the message says how much could be decoded before.
    """
    decoded, seconds = 0, 0.0
    try:
        with _opened(path) as container:
            for frame in _frames(container, _video_stream(path, container)):
                yield frame
                decoded, seconds = decoded + 1, frame.time
        _require_whole(path, decoded)
    except _BreakError as error:
        raise VideoError(
            f"{path.name}: {fault_in_container(path) or error}; "
            f"{decoded:,} frames ({seconds:.2f} s) could be decoded before that, and are not "
            "used; get the whole file, or leave the clip out"
        ) from error


def stated_seconds(path: Path) -> float | None:
    """Read the length that a container states, without decoding anything.

    Args:
        path: A video.

    Returns:
        Seconds; None where the container states none, as webm from a browser, or cannot be read.
    """
    try:
        with _opened(path) as container:
            return container.duration / av.time_base if container.duration else None
    except (VideoError, OSError):
        return None


def _opened(path: Path) -> InputContainer:
    try:
        # The prefix keeps a name such as "a:b.mp4" from being read as an address.
        return av.open(f"file:{path}", options=_ONE_FILE_ONLY, metadata_errors="replace")
    except FileNotFoundError as error:
        raise VideoError(f"{path}: there is no such file; check the path") from error
    except av.FFmpegError as error:
        raise VideoError(
            f"{path.name}: {what_is_found(path)} ({error.strerror}); record it again, convert it "
            "to mp4, mov, webm, mkv or avi, or leave the clip out"
        ) from error


def _video_stream(path: Path, container: InputContainer) -> VideoStream:
    """Choose the first stream that is a video and no cover picture."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            _use_one_thread(path, stream)
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams.get()})) or "nothing"
    raise VideoError(f"{path.name}: holds no video, only {kinds}; leave the clip out")


def _use_one_thread(path: Path, stream: VideoStream) -> None:
    """Decode on one thread: clips are decoded side by side, where more threads only cost."""
    if stream.codec_context is None:
        raise VideoError(
            f"{path.name}: its video is in a code that is not known here; "
            "convert it to H.264, VP8 or VP9, or leave the clip out"
        )
    stream.codec_context.thread_count = 1


def _frames(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    to_rgb, pixel = VideoReformatter(), _pixel_aspect(stream)
    first, last = None, -1.0
    for picture in _decoded(container, stream):
        if picture.is_corrupt:
            raise _BreakError("is damaged")
        if picture.time is None:
            raise _BreakError("has a frame without a time")
        first = picture.time if first is None else first
        time = picture.time - first
        if time < last:
            raise _BreakError(f"its times go back after {last:g} s")
        # Browsers set a time that would go back to that of the frame before. Times are told
        # apart by milliseconds, which feature files keep.
        if round(time, 3) > round(last, 3):
            yield VideoFrame(time, _upright(picture, to_rgb, pixel))
        last = time


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    in_avi = container.format.name == "avi"
    try:
        yield from _timed_by_place(container, stream) if in_avi else container.decode(stream)
    except av.FFmpegError as error:
        raise _BreakError(f"is damaged ({error.strerror})") from error


def _timed_by_place(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Decode an avi, which says only when a picture is decoded, not when it is shown.

    Where pictures are stored out of order (B-frames), what FFmpeg guesses goes back and forth.
    Each is shown at a time at which one is decoded, and these are in order.
    """
    due: deque[int] = deque()
    for packet in container.demux(stream):
        if packet.dts is not None:
            due.append(packet.dts)
        for picture in packet.decode():
            picture.pts = due.popleft() if due else None
            yield picture


def _pixel_aspect(stream: VideoStream) -> float:
    """Give how many times as wide as high pixels are to be shown; 1 where nothing is said."""
    aspect = float(stream.sample_aspect_ratio or 1)
    if not 1 / _MOST_PIXEL_ASPECT <= aspect <= _MOST_PIXEL_ASPECT:
        raise _BreakError(f"states pixels that are {aspect:g} times as wide as high")
    return aspect


def _upright(
    picture: av.VideoFrame, to_rgb: VideoReformatter, pixel: float
) -> UInt8[np.ndarray, "height width 3"]:
    """Convert to RGB in square pixels, and turn as the container says the camera was held."""
    # Stretched and never shrunk, so that nothing is lost.
    width, height = round(picture.width * max(pixel, 1)), round(picture.height / min(pixel, 1))
    image = to_rgb.reformat(picture, width, height, format="rgb24", threads=1).to_ndarray()
    quarters = round(picture.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


def _require_whole(path: Path, decoded: int) -> None:
    fault = fault_in_container(path)
    if fault or not decoded:
        raise _BreakError(fault or "holds no frame")
