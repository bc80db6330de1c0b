"""Reference values of the paper's path, where they are at hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

FRAMES = ("f0", "f30", "f60")


@pytest.fixture(scope="session", params=FRAMES)
def reference(request: pytest.FixtureRequest, expected: Path) -> Callable[[str], np.ndarray]:
    """Arrays that the authors' code computed of a frame, by name."""
    with np.load(expected / "alignment.npz") as arrays:
        found = {name: arrays[name] for name in arrays.files}

    def array(name: str) -> np.ndarray:
        return found[f"{request.param}_{name}"]

    return array


@pytest.fixture(scope="session")
def reference_landmarks(reference: Callable[[str], np.ndarray]) -> np.ndarray:
    """Landmarks of a frame, in pixels of its crop."""
    return reference("landmarks68") * reference("crop").shape[1::-1]
