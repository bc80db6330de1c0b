"""How long a video says that it is, to tell how much of it is left."""

from pathlib import Path

import av


def stated_seconds(path: Path) -> float | None:
    """Read the length that a container states, without decoding anything.

    Args:
        path: A video.

    Returns:
        Seconds; None where the container states none, as webm from a browser, or cannot be read.
    """
    options = {"format_whitelist": "mov,matroska,webm,avi", "protocol_whitelist": "file"}
    try:
        with av.open(f"file:{path}", options=options) as container:
            return container.duration / av.time_base if container.duration else None
    except (av.FFmpegError, OSError):
        return None
