"""A morphable face small enough to be made up in a test."""

import os
from pathlib import Path

import numpy as np
import pytest

from fergi.synthesis.expressions import _NUISANCES, UNIT_SHAPES
from fergi.synthesis.morphable_face import MorphableFace, morphable_face
from fergi.synthesis.people import _RESTING_SHAPES, IDENTITY_MODES

_MATERIALS = ("M_Face", "M_BackHead", "M_GumsTongue", "M_Teeth", "M_ScleraLeft", "M_IrisLeft",
              "M_ScleraRight", "M_IrisRight", "M_EyeLashes")  # fmt: skip


def _ball(
    centre: tuple[float, float, float], radii: tuple[float, float, float], turns: int
) -> tuple[np.ndarray, np.ndarray]:
    """An ellipsoid of quads, each cut in two; anticlockwise from outside."""
    down, around = np.meshgrid(
        np.linspace(0.02, np.pi - 0.02, turns), np.linspace(0, 2 * np.pi, 2 * turns), indexing="ij"
    )
    ball = np.stack(
        [np.sin(down) * np.sin(around), np.cos(down), np.sin(down) * np.cos(around)], axis=-1
    )
    here = np.arange(turns * 2 * turns).reshape(turns, 2 * turns)
    a, b, c, d = here[:-1, :-1], here[1:, :-1], here[1:, 1:], here[:-1, 1:]
    triangles = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    return (ball * radii + centre).reshape(-1, 3), triangles


def _face_arrays() -> dict[str, np.ndarray]:
    """A head of balls: skull, back of the head, gums, teeth, eyes and lashes."""
    balls = {
        "M_Face": ((0, 0, 2), (7, 9, 9), 40),
        "M_BackHead": ((0, 2, -2), (7, 9, 7), 12),
        "M_GumsTongue": ((0, -3.5, 9), (1.5, 0.5, 1), 6),
        "M_Teeth": ((0, -3.5, 9.5), (1.5, 0.4, 0.6), 6),
        "M_ScleraLeft": ((3, 3.5, 9.2), (1.3, 1.3, 1.3), 12),
        "M_IrisLeft": ((3, 3.5, 9), (1, 1, 1), 6),
        "M_ScleraRight": ((-3, 3.5, 9.2), (1.3, 1.3, 1.3), 12),
        "M_IrisRight": ((-3, 3.5, 9), (1, 1, 1), 6),
        "M_EyeLashes": ((3, 5, 10), (0.5, 0.05, 0.1), 4),
    }
    points, triangles, material, start = [], [], [], 0
    for place, name in enumerate(_MATERIALS):
        corners, sides = _ball(*balls[name])
        points.append(corners)
        triangles.append(sides + start)
        material.append(np.full(len(sides), place, dtype=np.int8))
        start += len(corners)
    neutral = np.concatenate(points).astype(np.float32)
    names = _shape_names()
    stream = np.random.default_rng(0)
    expression = np.zeros((len(names), len(neutral), 3), dtype=np.float16)
    for place in range(len(names)):
        expression[place, stream.choice(len(neutral), 60), 1] = 0.4
    jaw = names.index("jawOpen")
    expression[jaw, (neutral[:, 1] < -4) & (neutral[:, 2] > 0), 1] = -3
    return {
        "neutral": neutral,
        "identity": stream.normal(0, 0.01, (IDENTITY_MODES, len(neutral), 3)).astype(np.float16),
        "expression": expression,
        "triangles": np.concatenate(triangles).astype(np.int32),
        "material": np.concatenate(material),
        "landmarks68": _landmarks(neutral),
        "expression_names": np.array(names),
        "material_names": np.array(_MATERIALS),
    }


def _shape_names() -> list[str]:
    looks = ("eyeLookUp_{}", "eyeLookDown_{}", "eyeLookIn_{}", "eyeLookOut_{}", "eyeBlink_{}")
    resting = tuple(f"{name}_{{}}" for name in _RESTING_SHAPES)
    units = tuple(shape for shapes in UNIT_SHAPES.values() for shape in shapes)
    other = tuple(name for names, _, _ in _NUISANCES for name in names)
    sided = {name.format(side) for name in (*looks, *resting, *units, *other) for side in "LR"}
    return sorted(sided)


def _landmarks(points: np.ndarray) -> np.ndarray:
    """The points nearest to where the 68 landmarks of a face would be."""
    jaw = [(7 * np.sin(a), -8 * np.cos(a) + 1, 2) for a in np.linspace(-1.5, 1.5, 17)]
    brows = [(x, 6, 9) for x in (-5, -4, -3, -2, -1, 1, 2, 3, 4, 5)]
    nose = [(0, y, 11) for y in (3.7, 2.6, 1.6, 0.4)] + [(x, -1, 11) for x in (-1, -0.5, 0, 0.5, 1)]
    eyes = [
        (side + x, 3.5 + y, 10)
        for side in (-3, 3)
        for x, y in ((-1.2, 0), (-0.5, 0.4), (0.5, 0.4), (1.2, 0), (0.5, -0.4), (-0.5, -0.4))
    ]
    lips = [(2 * np.cos(a), -3.5 + 0.8 * np.sin(a), 10.5) for a in np.linspace(np.pi, -np.pi, 20)]
    wanted = np.array([*jaw, *brows, *nose, *eyes, *lips])
    return np.linalg.norm(points[:, None] - wanted, axis=2).argmin(axis=0).astype(np.int32)


@pytest.fixture(scope="session")
def face_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An invented morphable face, packed."""
    path = tmp_path_factory.mktemp("face") / "face.npz"
    np.savez(path, **_face_arrays())
    return path


@pytest.fixture(scope="session")
def face(face_file: Path) -> MorphableFace:
    return morphable_face(face_file)


@pytest.fixture(scope="session")
def ict_face() -> MorphableFace:
    """The morphable face that users fetch."""
    if "FERGI_ICT_FACEKIT" not in os.environ:
        pytest.skip("FERGI_ICT_FACEKIT does not say where the morphable face lies")
    return morphable_face(Path(os.environ["FERGI_ICT_FACEKIT"]))
