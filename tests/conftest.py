"""What tests share: an invented study, the authors' release where it is at hand, no home."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import polars as pl
import pytest

from fergi.datasets.synthetic import write_synthetic_study
from fergi.records.action_units import ACTION_UNITS, ActionUnitSeries

# Nothing is remembered between runs, and a slow machine is no failure.
hypothesis.settings.register_profile("fergi", database=None, deadline=None, max_examples=50)
hypothesis.settings.load_profile("fergi")

PARTICIPANTS, SESSIONS, IMAGES = 3, 2, 5


def pytest_configure() -> None:
    """Keep workers from fighting over processors: one thread each, here and in subprocesses."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # for tests that run it themselves


@pytest.fixture(autouse=True, scope="session")
def _empty_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give tests, and the processes that they start, a home without anything in it."""
    with pytest.MonkeyPatch.context() as patch:
        home = str(tmp_path_factory.mktemp("home"))
        for name in ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            patch.setenv(name, home)
        yield


@pytest.fixture(scope="session")
def pristine_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An invented study that tests only read: 3 participants, 2 sessions of 5 images."""
    root = tmp_path_factory.mktemp("studies") / "invented"
    write_synthetic_study(root, participants=PARTICIPANTS, sessions=SESSIONS, images=IMAGES, seed=0)
    return root


@pytest.fixture
def invented_study(pristine_study: Path, tmp_path: Path) -> Path:
    """A copy of the invented study that a test may spoil."""
    return shutil.copytree(pristine_study, tmp_path / "study")


@pytest.fixture(scope="session")
def release() -> Path:
    """The authors' public release."""
    return _folder_named_by("FERGI_RELEASE_DIR", "the authors' public release")


@pytest.fixture(scope="session")
def expected() -> Path:
    """Values that the authors' code computed from the release."""
    return _folder_named_by("FERGI_EXPECTED_DIR", "the expected values")


@pytest.fixture(scope="session")
def media() -> Path:
    """The folder of `single_face.mp4`, a real face: neutral, then a grin."""
    return _folder_named_by("FERGI_MEDIA_DIR", "the video of a face")


@pytest.fixture(scope="session")
def face_task() -> bytes:
    """The official face networks, from the folder that FERGI_MODELS_DIR names."""
    from fergi.errors import WeightsError
    from fergi.weights.fetched import fetched_model

    try:
        return fetched_model("face-landmarker")
    except WeightsError as error:
        pytest.skip(str(error).partition(";")[0])


def _folder_named_by(variable: str, what: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"{variable} does not say where {what} lies")
    return Path(os.environ[variable])


@pytest.fixture
def make_series() -> Callable[..., ActionUnitSeries]:
    """Builds a series in which every frame is valid, unless told otherwise."""

    def make(frames: int = 30, frame_rate: float = 30.0, **changes: np.ndarray) -> ActionUnitSeries:
        parts = {
            "times": np.arange(frames) / frame_rate,
            "face_confidence": np.full(frames, 0.97),
            "pitch_ratio": np.full(frames, 0.7),
            "yaw_ratio": np.full(frames, 0.5),
            "intensities": np.zeros((frames, len(ACTION_UNITS))),
        }
        return ActionUnitSeries(**(parts | changes))

    return make


@pytest.fixture
def make_reactions() -> Callable[..., Any]:
    """Builds ranked reactions: a frown says worse, a smile says better, with some noise."""
    from fergi.training.ranked_reactions import RankedReactions

    def make(seed: int = 0, participants: int = 4, images: int = 12) -> RankedReactions:
        stream = np.random.default_rng(seed)
        count = participants * images
        felt = stream.normal(size=count)
        activations = stream.exponential(0.1, (count, len(ACTION_UNITS)))
        noisy = felt + stream.normal(scale=0.3, size=count)
        activations[:, ACTION_UNITS.index(4)] += np.maximum(-noisy, 0)
        activations[:, ACTION_UNITS.index(12)] += np.maximum(noisy, 0)
        owners = np.repeat(np.arange(participants), images)
        pairs = [
            (first, second) if felt[first] > felt[second] else (second, first)
            for first in range(count)
            for second in range(first + 1, count)
            if owners[first] == owners[second]
        ]
        names = tuple(f"p{number}" for number in range(participants))
        table = pl.DataFrame(
            {
                "participant": [names[owner] for owner in owners],
                "session": np.ones(count, dtype=np.int64),
                "image": np.tile(np.arange(1, images + 1), participants),
                "rank": [
                    1 + sum(felt[other] > felt[row] for other in np.flatnonzero(owners == owner))
                    for row, owner in enumerate(owners)
                ],
            }
        )
        return RankedReactions(table, activations, names, owners, np.array(pairs, dtype=np.int64))

    return make
