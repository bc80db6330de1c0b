"""Networks with weights that anyone can draw again."""

import zlib
from collections.abc import Callable

import numpy as np
import pytest

Tensors = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def draw_weights() -> Callable[[dict[str, tuple[int, ...]]], Tensors]:
    """Draws weights by the rule of the recorded values, from the name of each tensor."""

    def drawn(layout: dict[str, tuple[int, ...]]) -> Tensors:
        return {name: _drawn(name, shape) for name, shape in layout.items()}

    return drawn


def _drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
    normal = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_var"):
        values = 1 + 0.1 * np.abs(normal)
    elif name.endswith(("running_mean", "bias")):
        values = 0.1 * normal
    elif len(shape) >= 2:
        values = normal * np.sqrt(1 / np.prod(shape[1:]))
    elif "prelu" in name:
        values = 0.25 + 0.05 * normal
    else:
        values = 1 + 0.1 * normal
    return values.astype(np.float32)


@pytest.fixture(scope="session")
def pictures() -> np.ndarray:
    """The input of the recorded values."""
    return np.random.default_rng(7).random((2, 3, 112, 112)).astype(np.float32)
