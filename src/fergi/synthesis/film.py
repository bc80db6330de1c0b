"""Videos of invented people whose faces do what a series of action units says."""

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import Float, UInt8

from fergi.datasets.synthetic import Filming, StudySize, write_synthetic_study
from fergi.files import replacing
from fergi.progress import Progress, unreported
from fergi.records.action_units import ActionUnitSeries
from fergi.seeds import random_stream
from fergi.synthesis.expressions import FULL_INTENSITY, Expression
from fergi.synthesis.morphable_face import morphable_face
from fergi.synthesis.people import invented_person
from fergi.synthesis.rendering import Renderer
from fergi.synthesis.scene import Framing, Pose, random_light

FILM_SIZE = (240, 320)
"""Height and width of films, as of a small webcam."""

_EXPRESSIVENESS = 2.2
"""Reactions that a person who watches a film of 240 lines can see."""

_DEGREES_PER_YAW_RATIO = 130.0
"""How far a head has turned that shows this much more of one cheek."""
_TURNED_AWAY = 45.0
_BLINK_SECONDS = 0.2
_SECONDS_BETWEEN_BLINKS = 3.0
_FACE_SHARE = 0.6
_OUT_OF_SIGHT = 3.0


def filmed(
    renderer: Renderer, *, seed: int, size: tuple[int, int]
) -> Callable[[Path, str, ActionUnitSeries], None]:
    """Make what films participants, as `Filming` wants it.

    Args:
        renderer: Draws them.
        seed: The same seed invents the same people.
        size: Height and width of the videos, even numbers of pixels.

    Returns:
        A function of a path, a participant and planted action units, which writes an MP4.
    """

    def film(path: Path, participant: str, series: ActionUnitSeries) -> None:
        blinks = random_stream(seed, participant, path.parent.name, path.stem, "blinks")
        pictures = film_frames(renderer, participant, series, blinks, seed=seed, size=size)
        write_video(path, pictures, Fraction(round(series.frame_rate)), size)

    return film


def film_study(
    root: Path,
    face: Path,
    invented: StudySize,
    *,
    clip_seconds: float,
    progress: Progress = unreported,
) -> None:
    """Film an invented study, whole or not at all: `write_synthetic_study` with videos.

    Args:
        root: The folder to make; not there yet, or empty.
        face: The morphable face.
        invented: All of `participants`, `sessions`, `images` and `seed`.
        clip_seconds: How long each clip lasts.
        progress: Told after each clip.

    Raises:
        UsageError: If the folder is not empty.
        WeightsError: If the morphable face cannot be read.
        OutputError: If a file cannot be written.
    """
    film = filmed(Renderer(morphable_face(face)), seed=invented["seed"], size=FILM_SIZE)
    total = 2 * invented["participants"] * invented["sessions"] * invented["images"]
    done = itertools.count(1)

    def film_and_tell(path: Path, participant: str, series: ActionUnitSeries) -> None:
        film(path, participant, series)
        progress(next(done), total)

    write_synthetic_study(
        root, filming=Filming(film_and_tell, clip_seconds, _EXPRESSIVENESS), **invented
    )


def film_frames(
    renderer: Renderer,
    participant: str,
    series: ActionUnitSeries,
    blinks: np.random.Generator,
    *,
    seed: int,
    size: tuple[int, int],
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Draw a participant, frame by frame.

    The head turns as the series' `yaw_ratio` says, and leaves the picture where the series has
    no face. Eyes blink about every three seconds.

    Args:
        renderer: Draws them.
        participant: Whose name invents the person, the room and the light.
        series: What the face does; intensities outside 0 to 5 are cut.
        blinks: Draws when the eyes blink.
        seed: The same seed invents the same people.
        size: Height and width of the pictures.

    Yields:
        RGB pictures.
    """
    person = invented_person(participant, seed)
    room = random_stream(seed, participant, "room")
    light, backdrop = random_light(room), int(room.integers(1 << 31))
    lids = _blinks(series.times, blinks)
    for frame, intensities in enumerate(series.intensities):
        is_seen = not np.isnan(series.face_confidence[frame])
        units = np.clip(np.nan_to_num(intensities), 0, FULL_INTENSITY)
        blink = {"eyeBlink_L": lids[frame], "eyeBlink_R": lids[frame]}
        yield renderer.picture(
            person,
            Expression(units, units, blink),
            pose=_pose(series, frame),
            light=light,
            framing=Framing(
                face_share=_FACE_SHARE,
                across=0.0 if is_seen else _OUT_OF_SIGHT,
                backdrop=backdrop,
            ),
            size=size,
        )


def _pose(series: ActionUnitSeries, frame: int) -> Pose:
    yaw = (series.yaw_ratio[frame] - 0.5) * _DEGREES_PER_YAW_RATIO
    return Pose(yaw=float(np.clip(np.nan_to_num(yaw), -_TURNED_AWAY, _TURNED_AWAY)))


def _blinks(
    times: Float[np.ndarray, " frames"], stream: np.random.Generator
) -> Float[np.ndarray, " frames"]:
    """Give how far the lids are closed, 0 to 1."""
    first = stream.uniform(0.2, _SECONDS_BETWEEN_BLINKS)
    middles = np.arange(first, times[-1] + 1, _SECONDS_BETWEEN_BLINKS)
    away = np.abs(times[:, None] - middles).min(axis=1)
    return np.clip(1 - away / (_BLINK_SECONDS / 2), 0, 1)


def write_video(
    path: Path,
    pictures: Iterator[UInt8[np.ndarray, "height width 3"]],
    frame_rate: Fraction,
    size: tuple[int, int],
) -> None:
    """Write RGB pictures as H.264 in MP4, whole or not at all.

    Raises:
        OutputError: If the file cannot be written.
    """
    with replacing(path) as file, av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=frame_rate)
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        # One thread gives the same bytes on every machine; films are made clip by clip anyway.
        stream.options = {"crf": "27", "preset": "slow", "threads": "1"}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
