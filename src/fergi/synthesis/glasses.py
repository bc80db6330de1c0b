"""Glasses: two rims, a bridge and two temples, as tubes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

_RADIUS, _CORNERS, _SEGMENTS = 0.13, 4, 28
_BEFORE_THE_EYES, _FLATNESS, _TO_THE_EARS = 1.1, 0.75, 9.0


@dataclass(frozen=True, slots=True, eq=False)
class Glasses:
    """A frame as triangles, on the same axes as the face.

    Attributes:
        points: Corners, in centimetres.
        triangles: Anticlockwise from outside.
    """

    points: Float[np.ndarray, "points 3"]
    triangles: Int[np.ndarray, "faces 3"]


def glasses_on(marks: Float[np.ndarray, "68 3"], half_width: float) -> Glasses:
    """Put glasses on a neutral face.

    Args:
        marks: Its 68 landmarks.
        half_width: Of one lens, in centimetres.
    """
    right, left = marks[36:42].mean(axis=0), marks[42:48].mean(axis=0)
    front = float(max(right[2], left[2])) + _BEFORE_THE_EYES
    half_width = min(half_width, 0.46 * float(np.linalg.norm(left - right)))
    lines = [_rim(eye, front, half_width) for eye in (right, left)]
    sides = ((right, -1), (left, 1))
    inner = [np.array([eye[0] - sign * half_width, eye[1], front]) for eye, sign in sides]
    lines.append(np.stack(inner))
    for eye, sign in sides:
        hinge = np.array([eye[0] + sign * half_width, eye[1] + 0.3, front])
        temple = hinge + np.array([sign * 1.6, 0, -1.2])
        ear = temple + np.array([sign * 0.8, 0, -_TO_THE_EARS])
        lines.append(np.stack([hinge, temple, ear]))
    return _joined([_tube(line) for line in lines])


def _rim(
    eye: Float[np.ndarray, "3"], front: float, half_width: float
) -> Float[np.ndarray, "corners 3"]:
    angles = np.linspace(0, 2 * np.pi, _SEGMENTS + 1)
    across, up = half_width * np.cos(angles), _FLATNESS * half_width * np.sin(angles)
    return np.stack([eye[0] + across, eye[1] + up - 0.2, np.full_like(across, front)], axis=1)


def _tube(line: Float[np.ndarray, "corners 3"]) -> Glasses:
    """Wrap a line in a tube of four sides."""
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, [0.05, 0.1, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True) + 1e-9
    up = np.cross(side, along)
    turns = np.arange(_CORNERS) * 2 * np.pi / _CORNERS
    rings = line[:, None] + _RADIUS * (
        np.cos(turns)[:, None] * side[:, None] + np.sin(turns)[:, None] * up[:, None]
    )
    return Glasses(rings.reshape(-1, 3).astype(np.float32), _tube_triangles(len(line)))


def _tube_triangles(rings: int) -> Int[np.ndarray, "faces 3"]:
    ring, corner = np.meshgrid(np.arange(rings - 1), np.arange(_CORNERS), indexing="ij")
    here = ring * _CORNERS + corner
    beside = ring * _CORNERS + (corner + 1) % _CORNERS
    one = np.stack([here, beside, here + _CORNERS], axis=-1)
    other = np.stack([beside, beside + _CORNERS, here + _CORNERS], axis=-1)
    return np.concatenate([one.reshape(-1, 3), other.reshape(-1, 3)]).astype(np.int32)


def _joined(parts: list[Glasses]) -> Glasses:
    starts = np.cumsum([0] + [len(part.points) for part in parts[:-1]])
    return Glasses(
        np.concatenate([part.points for part in parts]),
        np.concatenate(
            [part.triangles + start for part, start in zip(parts, starts, strict=True)]
        ).astype(np.int32),
    )
