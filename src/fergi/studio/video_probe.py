"""What kind of video some bytes are, and how long it lasts, without decoding a picture."""

from dataclasses import dataclass
from pathlib import Path

import av

from fergi.studio.refusals import RequestRefusedError

_WEBM_START = b"\x1a\x45\xdf\xa3"
_MP4_MARK = b"ftyp"
_BYTES_LOOKED_AT = 64
_DEMUXERS = {"video/webm": "matroska", "video/mp4": "mp4"}


@dataclass(frozen=True, slots=True)
class VideoProbe:
    """What a video is.

    Attributes:
        type: `video/webm` or `video/mp4`.
        seconds: From its first frame to the end of its last.
        frames: How many there are.
    """

    type: str
    seconds: float
    frames: int


def probe_video(path: Path) -> VideoProbe:
    """Look what a file is by its bytes, and count its frames.

    Only the demuxer of the type that the first bytes show is ever tried, so no file can make it
    open another one.

    Raises:
        RequestRefusedError: If it is no WebM or MP4 with a video in it.
    """
    video_type = _sniffed(path)
    try:
        with av.open(str(path), format=_DEMUXERS[video_type]) as container:
            times = _times(container)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise RequestRefusedError(
            "wrong-type", f"The video cannot be read ({type(error).__name__}); record it again."
        ) from error
    if len(times) < 2:
        raise RequestRefusedError(
            "wrong-type", f"The video has {len(times)} frames, so nothing moves; record it again."
        )
    return VideoProbe(video_type, max(times) - min(times), len(times))


def _sniffed(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(_BYTES_LOOKED_AT)
    if start.startswith(_WEBM_START) and b"webm" in start:
        return "video/webm"
    if start[4:8] == _MP4_MARK:
        return "video/mp4"
    raise RequestRefusedError(
        "wrong-type", "The bytes are neither WebM nor MP4; record with MediaRecorder."
    )


def _times(container: av.container.InputContainer) -> list[float]:
    """List the times of all frames, in seconds."""
    if not container.streams.video:
        return []
    stream = container.streams.video[0]
    if stream.time_base is None:
        return []
    tick = float(stream.time_base)
    return [one.pts * tick for one in container.demux(stream) if one.pts is not None]
