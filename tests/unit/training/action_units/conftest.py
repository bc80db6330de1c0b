"""Prepared faces without faces: discs whose size and place say the intensities."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fergi.datasets.face_shards import Shard, write_shard
from fergi.datasets.prepared_faces import FaceStore, PreparedFaces, prepared_faces
from fergi.records.action_units import ACTION_UNITS
from fergi.records.labelled_faces import FaceSequence


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Sums of several threads may differ from run to run."""
    torch.set_num_threads(1)


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., Path]:
    """Writes a store: of each person a resting face first, then AU12 and AU26 as planted."""

    def make(people: int = 3, pictures: int = 8, name: str = "store", seed: int = 0) -> Path:
        store = FaceStore(tmp_path / name)
        store.begin({"invented": True})
        shards = []
        for number in range(people):
            stream = np.random.default_rng([seed, number])
            labels = np.zeros((pictures, len(ACTION_UNITS)))
            labels[1:, ACTION_UNITS.index(12)] = stream.integers(0, 6, pictures - 1)
            labels[1:, ACTION_UNITS.index(26)] = stream.integers(0, 6, pictures - 1)
            sequence = FaceSequence(
                "disfa", f"P{number}", "left", tmp_path, (), np.arange(pictures), labels
            )
            shard = Shard(
                pictures=np.stack([_face(row, stream) for row in labels]),
                frames=sequence.frames,
                labels=labels,
                measures=np.tile([0.95, 0.7, 0.5], (pictures, 1)),
            )
            path = store.shard_path(sequence, 0)
            write_shard(path, shard, {"inputs": "none"})
            shards.append((sequence, path))
        store.finish(shards, [])
        return store.root

    return make


@pytest.fixture
def faces(make_store: Callable[..., Path]) -> PreparedFaces:
    """Three people, eight pictures each."""
    return prepared_faces(make_store())


def _face(labels: np.ndarray, stream: np.random.Generator) -> np.ndarray:
    """Draw a grey square with a bar as wide as AU12 and another as high as AU26."""
    picture = np.full((112, 112, 3), 90 + int(stream.integers(40)), dtype=np.uint8)
    wide, high = (int(6 * labels[ACTION_UNITS.index(unit)]) for unit in (12, 26))
    picture[80:86, 56 - wide : 56 + wide + 1] = 250
    picture[30 : 31 + high, 50:62] = 10
    noise = stream.integers(0, 8, picture.shape)
    return (picture + noise).clip(0, 255).astype(np.uint8)
