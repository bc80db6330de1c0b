"""An invented study with planted truth, in the layout of a raw study.

Every image has a planted valence. It moves the faces of its viewers (a frown grows with
displeasure, a smile with pleasure, some more than others) and, less strongly, the scores of
three invented text-to-image scorers. Rankings follow the planted valence exactly. Some
clips are spoiled, as in life: the head turns away, or the face is lost.

See `descriptions/synthetic.md`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypedDict

import numpy as np
import polars as pl
from jaxtyping import Float
from PIL import Image

from fergi.datasets.feature_files import feature_csv
from fergi.datasets.session_folder import feature_file_name
from fergi.errors import UsageError
from fergi.files import complete_folder
from fergi.records.action_units import ACTION_UNITS, ActionUnitSeries
from fergi.records.clip import ClipKind
from fergi.seeds import random_stream

TRUTH_FILE = "truth.csv"
"""The planted valence of each image: participant, session, image, valence."""

FRAME_RATE = 30.0
CLIP_SECONDS = 5.0
SPOILED_SHARE = 0.12
"""Share of clips in which the head turns away for too long."""

# Rise of each unit for one standard deviation of displeasure and of pleasure, in FACS
# intensity: brows and nose against, cheeks and lip corners for (FERGI, Table 1, in kind).
_DISPLEASURE = dict.fromkeys(ACTION_UNITS, 0.0) | {4: 1.3, 9: 0.5, 5: 0.15, 15: 0.1}
_PLEASURE = dict.fromkeys(ACTION_UNITS, 0.0) | {12: 1.3, 6: 0.6, 25: 0.3, 2: 0.2, 1: 0.15}
_SCORERS = {"imagereward": (0.2, 1.0), "pickscore": (20.7, 1.2), "hpsv2": (0.27, 0.0143)}
"""Mean and standard deviation of each score, as in the authors' release."""
_SCORE_CORRELATION = 0.45

_SUBJECTS = ("a lighthouse", "a fox", "a violin", "a street market", "an astronaut", "a teapot")
_MANNERS = ("in the fog", "made of paper", "at dawn", "as an oil painting", "under water")


class StudySize(TypedDict, total=False):
    """What `write_synthetic_study` invents: `participants`, `sessions`, `images`, `seed`."""

    participants: int
    sessions: int
    images: int
    seed: int


@dataclass(frozen=True, slots=True)
class Filming:
    """How a study is filmed, rather than written down as action units.

    Attributes:
        write: Writes the video of a participant's face that shows these action units.
        clip_seconds: How long each clip lasts.
        expressiveness: How much more the faces show than those of a study without films.
    """

    write: Callable[[Path, str, ActionUnitSeries], None]
    clip_seconds: float
    expressiveness: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Session:
    """One invented session."""

    participant: str
    number: int
    prompt: str
    valence: Float[np.ndarray, " images"]

    @property
    def name(self) -> str:
        return f"{self.participant}/session_{self.number}"


def write_synthetic_study(
    root: str | Path,
    *,
    participants: int = 8,
    sessions: int = 6,
    images: int = 5,
    seed: int = 0,
    with_pictures: bool = True,
    filming: Filming | None = None,
) -> None:
    """Write an invented study, whole or not at all.

    Args:
        root: The folder to make; not there yet, or empty.
        participants: How many viewers.
        sessions: How many sessions each.
        images: How many images in a session.
        seed: The same seed gives the same study; a larger study begins with the smaller.
        with_pictures: Whether to draw the images too.
        filming: Makes videos of faces from their planted action units; without it, these
            themselves are written, as an estimator would have found them.

    Raises:
        UsageError: If the folder is not empty.
        OutputError: If it cannot be written.
    """
    if min(participants, sessions, images) < 1 or seed < 0:
        raise UsageError(
            f"{participants} participants, {sessions} sessions, {images} images, seed {seed} "
            "make no study; give at least 1 of each and no negative seed"
        )
    plan = [
        _session(f"p{number:02d}", session, images, seed)
        for number in range(1, participants + 1)
        for session in range(1, sessions + 1)
    ]
    with complete_folder(Path(root)) as folder:
        for session in plan:
            path = folder / session.name
            path.mkdir(parents=True)
            _write_record(path, session)
            if with_pictures:
                _write_pictures(path, session, seed)
            _write_clips(path, session, seed, filming)
        _truth(plan).write_csv(folder / TRUTH_FILE)
        _scores(plan, seed).write_csv(folder / "scores.csv")


def _session(participant: str, number: int, images: int, seed: int) -> _Session:
    stream = random_stream(seed, participant, number, "session")
    prompt = f"{stream.choice(_SUBJECTS)} {stream.choice(_MANNERS)}"
    return _Session(participant, number, prompt, stream.normal(size=images))


def _write_record(folder: Path, session: _Session) -> None:
    content = json.dumps(_session_record(session), indent=2, ensure_ascii=False)
    (folder / "data.json").write_text(content, encoding="utf-8")


def _write_pictures(folder: Path, session: _Session, seed: int) -> None:
    for image, valence in enumerate(session.valence, start=1):
        stream = random_stream(seed, session.participant, session.number, image, "picture")
        (folder / f"image{image}.png").write_bytes(_picture(valence, stream))


def _write_clips(folder: Path, session: _Session, seed: int, filming: Filming | None) -> None:
    seconds = CLIP_SECONDS if filming is None else filming.clip_seconds
    expressiveness = _expressiveness(session.participant, seed)
    expressiveness *= 1.0 if filming is None else filming.expressiveness
    for image, valence in enumerate(session.valence, start=1):
        for kind in ClipKind:
            stream = random_stream(seed, session.participant, session.number, image, kind.value)
            felt = valence if kind is ClipKind.REACTION else 0.0
            series = _series(felt, expressiveness, seconds, stream)
            if filming is None:
                (folder / feature_file_name(kind, image)).write_bytes(feature_csv(series))
            else:
                filming.write(
                    folder / f"{kind.value}_clip_{image}.mp4", session.participant, series
                )


def _session_record(session: _Session) -> dict[str, object]:
    """Make the session's `data.json`: ratings follow the planted valence, as ranks do."""
    ratings = np.clip(np.round(4 + 1.5 * session.valence), 1, 7).astype(int).tolist()
    return {
        "prompt": session.prompt,
        "survey": [
            {
                "overallRating": rating,
                "alignmentRating": rating,
                "fidelityRating": rating,
                "issuesList": {},
                "reactionList": {"disappointed": rating <= 2, "satisfied": rating >= 6},
            }
            for rating in ratings
        ],
        "ranking": [{"id": int(image)} for image in np.argsort(-session.valence)],
    }


def _expressiveness(participant: str, seed: int) -> float:
    """Tell how much a participant's face shows, 1 on average."""
    stream = random_stream(seed, participant, "expressiveness")
    return float(stream.lognormal(mean=-0.08, sigma=0.4))


def _series(
    valence: float, expressiveness: float, seconds: float, stream: np.random.Generator
) -> ActionUnitSeries:
    """Invent one face: a resting level, a rise some time after onset, and noise."""
    frames = round(FRAME_RATE * seconds)
    times = np.arange(frames) / FRAME_RATE
    onset = stream.uniform(0.7, 2.0)
    rise = 1 / (1 + np.exp(-(times - onset) / 0.15)) * np.exp(-np.maximum(times - onset, 0) / 6)
    peak = expressiveness * _peaks(valence + stream.normal(scale=0.5))
    fidget = stream.exponential(0.12, len(ACTION_UNITS)) * (stream.random(len(ACTION_UNITS)) < 0.4)
    resting = stream.normal(0.1, 0.08, len(ACTION_UNITS))
    noise = stream.normal(scale=0.025, size=(frames, len(ACTION_UNITS)))
    intensities = np.minimum(resting + rise[:, None] * (peak + fidget) + noise, 5.0)
    yaw = 0.5 + stream.normal(scale=0.02) + stream.normal(scale=0.004, size=frames)
    if stream.random() < SPOILED_SHARE:
        start = stream.integers(frames // 2)
        yaw[start : start + round(0.35 * frames)] += 0.3
    confidence = np.clip(stream.normal(0.965, 0.006, frames), 0.91, 0.999)
    confidence[_lost_frames(frames, stream)] = np.nan
    pitch = 0.7 + stream.normal(scale=0.02) + stream.normal(scale=0.004, size=frames)
    return ActionUnitSeries(times, confidence, pitch, yaw, intensities)


def _peaks(felt: float) -> Float[np.ndarray, " units"]:
    displeasure, pleasure = np.logaddexp(0, [-2 * felt - 1, 2 * felt - 1]) / 2
    return np.array(
        [displeasure * _DISPLEASURE[unit] + pleasure * _PLEASURE[unit] for unit in ACTION_UNITS]
    )


def _lost_frames(frames: int, stream: np.random.Generator) -> slice:
    """Lose the face for a moment in one clip of twenty."""
    if stream.random() > 0.05:
        return slice(0, 0)
    start = int(stream.integers(frames - 5))
    return slice(start, start + 5)


def _picture(valence: float, stream: np.random.Generator, size: int = 96) -> bytes:
    """Paint a picture that looks the worse, the less it pleases: discs in more and more noise."""
    y, x = np.mgrid[0:size, 0:size] / size
    top, bottom = stream.uniform(60, 220, (2, 3))
    canvas = top + (bottom - top) * y[:, :, None]
    for _ in range(4):
        centre_x, centre_y, radius = stream.uniform(0.15, 0.85, 3) * (1, 1, 0.35)
        inside = (x - centre_x) ** 2 + (y - centre_y) ** 2 < radius**2
        canvas[inside] = stream.uniform(20, 255, 3)
    noise = stream.normal(scale=90 / (1 + np.exp(1.5 * valence)), size=canvas.shape)
    pixels = np.clip(canvas + noise, 0, 255).astype(np.uint8)
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _truth(plan: list[_Session]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"participant": one.participant, "session": one.number, "image": i, "valence": valence}
            for one in plan
            for i, valence in enumerate(one.valence.tolist(), start=1)
        ]
    )


def _scores(plan: list[_Session], seed: int) -> pl.DataFrame:
    """Let three scorers judge each image: partly its valence, mostly their own taste."""
    truth = _truth(plan)
    own_weight = np.sqrt(1 - _SCORE_CORRELATION**2)
    columns = {}
    for name, (mean, deviation) in _SCORERS.items():
        taste = np.concatenate(
            [
                random_stream(seed, one.name, "scores", name).normal(size=len(one.valence))
                for one in plan
            ]
        )
        judged = _SCORE_CORRELATION * truth["valence"].to_numpy() + own_weight * taste
        columns[name] = mean + deviation * judged
    return truth.drop("valence").with_columns(**columns)
