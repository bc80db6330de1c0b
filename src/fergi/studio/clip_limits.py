"""What a clip must be like to be taken."""

import math

from fergi.studio.clip_messages import ClipRecord, VideoFacts
from fergi.studio.configuration import MEGABYTE
from fergi.studio.places import ClipPlace
from fergi.studio.refusals import RequestRefusedError
from fergi.studio.studio import Studio
from fergi.studio.uploading import ReceivedVideo
from fergi.studio.video_probe import probe_video

_SECONDS_OF_GRACE = 1.0
"""How much longer than said a clip may be: recorders end with a whole chunk."""


def require_within_limits(studio: Studio, record: ClipRecord) -> None:
    """Check that a clip is neither too long nor too large.

    Raises:
        RequestRefusedError: If it is.
    """
    limits = studio.configuration.limits
    longest = limits.clip_seconds + _SECONDS_OF_GRACE
    series_seconds = record.series.times[-1] if record.series else 0.0
    if max(record.seconds, series_seconds) > longest:
        raise RequestRefusedError(
            "invalid",
            f"The clip lasts {max(record.seconds, series_seconds):.1f} s; at most "
            f"{limits.clip_seconds:g} s are taken.",
        )
    if record.video is not None and record.video.bytes > limits.clip_megabytes * MEGABYTE:
        raise RequestRefusedError(
            "too-large",
            f"The video has {record.video.bytes} bytes; at most {limits.clip_megabytes} MB "
            "are taken: record with a lower bit rate.",
        )


def require_onset(place: ClipPlace, record: ClipRecord) -> None:
    """Check that a reaction says when the stimulus appeared.

    Raises:
        RequestRefusedError: If it does not.
    """
    if place.kind == "reaction" and math.isnan(record.onset()):
        raise RequestRefusedError(
            "invalid", "A reaction needs the event 'stimulus-onset', in the clock of its frames."
        )


def require_fitting_video(
    studio: Studio, record: ClipRecord, received: ReceivedVideo
) -> VideoFacts:
    """Check that a video is of the announced type, and no longer than is taken.

    Returns:
        What was announced.

    Raises:
        RequestRefusedError: If it is not.
    """
    announced = record.video
    found = probe_video(received.path)
    if announced is None or found.type != announced.type:
        raise RequestRefusedError(
            "wrong-type", f"The video is {found.type}, another type than announced."
        )
    longest = studio.configuration.limits.clip_seconds + _SECONDS_OF_GRACE
    if found.seconds > longest:
        raise RequestRefusedError(
            "invalid",
            f"The video lasts {found.seconds:.1f} s; at most {longest - 1:g} s are taken.",
        )
    return announced
