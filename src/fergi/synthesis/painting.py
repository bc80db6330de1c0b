"""What colour each point of an invented face has."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from jaxtyping import Float

from fergi.seeds import random_stream
from fergi.synthesis.morphable_face import MorphableFace
from fergi.synthesis.people import Appearance, InventedPerson

_BROWS = (slice(17, 22), slice(22, 27))
_EYES = (slice(36, 42), slice(42, 48))
_BELOW_THE_EDGE = 0.5  # the landmarks of a brow lie on its upper edge, in centimetres
_LID_WIDTH = 0.11
_OUTER_LIPS, _CHEEKS, _NOSE_TIP = slice(48, 60), ((48, 36), (54, 45)), 30
_COLLAR = -13.5
_GUMS, _TEETH = np.array([0.28, 0.07, 0.06]), np.array([0.62, 0.58, 0.48])
_LASHES = np.array([0.015, 0.012, 0.01])
_BLOOD = np.array([0.75, 0.22, 0.20])


@dataclass(frozen=True, slots=True, eq=False)
class FaceRegions:
    """Where on the mean face things lie, from 0 (not there) to 1 or in centimetres.

    Attributes:
        brow_distances: From the middle line of the nearer brow, centimetres.
        lids: Distance from the edge of the nearer lids, in widths of that edge.
        lips: 1 on the lips.
        cheeks: 1 where cheeks and nose redden.
        beard: 1 where a beard grows.
        hair_height: Height of each point in centimetres, more towards temples and back, so
            that one threshold is a hairline.
        is_skin: Whether a point is on the face or the head behind it.
    """

    brow_distances: Float[np.ndarray, " points"]
    lids: Float[np.ndarray, " points"]
    lips: Float[np.ndarray, " points"]
    cheeks: Float[np.ndarray, " points"]
    beard: Float[np.ndarray, " points"]
    hair_height: Float[np.ndarray, " points"]
    is_skin: np.ndarray


def face_regions(face: MorphableFace) -> FaceRegions:
    """Find the regions of the face on its mean shape, once for all people."""
    points, marks = face.neutral, face.neutral[face.landmarks]
    is_face = _covered(face, "M_Face")
    lips = _signed_distances(points[:, :2], marks[_OUTER_LIPS, :2])
    is_front = points[:, 2] > marks[48, 2] - 1
    cheeks = [(marks[low] + marks[high]) / 2 for low, high in _CHEEKS]
    brows = [marks[brow] - [0, _BELOW_THE_EDGE, 0] for brow in _BROWS]
    eyes = [np.concatenate([marks[eye], marks[eye][:1]]) for eye in _EYES]
    return FaceRegions(
        brow_distances=np.min([_distances(points, brow) for brow in brows], axis=0),
        lids=(np.min([_distances(points, eye) for eye in eyes], axis=0) / _LID_WIDTH),
        lips=np.where(is_face & is_front, _ramp(lips, -0.15, 0.15), 0).astype(np.float32),
        cheeks=np.sum(
            [_bump(points, at, 1.8) for at in (*cheeks, marks[_NOSE_TIP])], axis=0
        ).astype(np.float32),
        beard=_beard(points, marks, lips),
        hair_height=_hair_height(points),
        is_skin=is_face | _covered(face, "M_BackHead"),
    )


def painted(
    face: MorphableFace, regions: FaceRegions, person: InventedPerson
) -> Float[np.ndarray, "points 3"]:
    """Colour every point of a person's face, in linear RGB."""
    look = person.appearance
    colours = _skin(face, regions, person)
    colours = _blended(colours, _LASHES, 0.6 * look.lashes * np.exp(-0.5 * regions.lids**2))
    colours = _blended(colours, look.hair, _brows(regions, look))
    colours = _blended(colours, look.hair, hair_cover(regions, look))
    colours = _blended(
        colours, look.clothes, _ramp(_COLLAR - face.neutral[:, 1], 0.0, 0.3) * regions.is_skin
    )
    colours[face.materials["M_GumsTongue"]] = _GUMS
    colours[face.materials["M_Teeth"]] = _TEETH
    lashes = face.materials["M_EyeLashes"]
    colours[lashes] = look.skin + look.lashes * (_LASHES - look.skin)
    return colours.astype(np.float32)


def hair_cover(regions: FaceRegions, look: Appearance) -> Float[np.ndarray, " points"]:
    """Tell how much hair covers each point, 0 to 1."""
    return _ramp(regions.hair_height - look.hairline, -0.3, 0.3) * regions.is_skin


def _skin(
    face: MorphableFace, regions: FaceRegions, person: InventedPerson
) -> Float[np.ndarray, "points 3"]:
    look = person.appearance
    blotches = _mottling(face.neutral, person.name) * look.mottling
    colours = look.skin * (1 + blotches[:, None])
    blood = _BLOOD * look.skin.mean() * 1.6
    colours = _blended(colours, blood, 0.35 * look.redness * np.minimum(regions.cheeks, 1))
    colours = _blended(colours, blood * 0.9, (0.35 + 0.5 * look.redness) * regions.lips)
    return _blended(colours, look.hair, look.beard_density * regions.beard)


def _brows(regions: FaceRegions, look: Appearance) -> Float[np.ndarray, " points"]:
    fade = np.exp(-0.5 * (regions.brow_distances / look.brow_width) ** 4)
    return look.brow_density * fade


def _mottling(points: Float[np.ndarray, "points 3"], name: str) -> Float[np.ndarray, " points"]:
    """Draw a field of about unit size over the face: a few waves, from broad to fine."""
    stream = random_stream(0, "mottling", name)
    waves = stream.normal(size=(24, 3)) * np.geomspace(0.4, 6, 24)[:, None]
    phases = stream.uniform(0, 2 * np.pi, 24)
    return np.sin(points @ waves.T + phases).sum(axis=1) / np.sqrt(12)


def _beard(
    points: Float[np.ndarray, "points 3"],
    marks: Float[np.ndarray, "68 3"],
    lips: Float[np.ndarray, " points"],
) -> Float[np.ndarray, " points"]:
    """Tell where a beard grows: under the line from the ears to under the nose, not on lips."""
    heights = marks[[33, 48, 48, 1], 1] + np.array([-0.3, 0.6, 0, 0])
    line = np.interp(np.abs(points[:, 0]), [0, 1.5, 4, 7], heights)
    below = _ramp(line - points[:, 1], 0.0, 0.6) * _ramp(points[:, 1] - marks[8, 1] + 4, 0.0, 2.0)
    return (below * _ramp(-lips, 0.1, 0.35) * (points[:, 2] > 0)).astype(np.float32)


def _hair_height(points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, " points"]:
    """Give y, higher towards the temples and the back, so that one threshold is a hairline."""
    x, y, z = points.T
    behind = np.maximum(3.0 - z, 0)
    return y + 0.05 * x**2 + 1.6 * behind


def _covered(face: MorphableFace, material: str) -> np.ndarray:
    is_covered = np.zeros(len(face.neutral), dtype=bool)
    is_covered[face.materials[material]] = True
    return is_covered


def _blended(
    colours: Float[np.ndarray, "points 3"],
    colour: Float[np.ndarray, "3"],
    cover: Float[np.ndarray, " points"],
) -> Float[np.ndarray, "points 3"]:
    return colours + cover[:, None] * (colour - colours)


def _ramp(
    values: Float[np.ndarray, " points"], low: float, high: float
) -> Float[np.ndarray, " points"]:
    return np.clip((values - low) / (high - low), 0, 1)


def _bump(
    points: Float[np.ndarray, "points 3"], centre: Float[np.ndarray, "3"], width: float
) -> Float[np.ndarray, " points"]:
    return np.exp(-0.5 * (np.linalg.norm(points - centre, axis=1) / width) ** 2)


def _distances(
    points: Float[np.ndarray, "points 3"], line: Float[np.ndarray, "corners 3"]
) -> Float[np.ndarray, " points"]:
    """Measure how far each point lies from a line of several pieces."""
    nearest = np.full(len(points), np.inf, dtype=np.float32)
    for start, end in pairwise(line):
        along = np.clip((points - start) @ (end - start) / np.sum((end - start) ** 2), 0, 1)
        gap = np.linalg.norm(points - start - along[:, None] * (end - start), axis=1)
        nearest = np.minimum(nearest, gap)
    return nearest


def _signed_distances(
    points: Float[np.ndarray, "points 2"], polygon: Float[np.ndarray, "corners 2"]
) -> Float[np.ndarray, " points"]:
    """Measure how far inside a polygon each point lies; negative outside."""
    contour = np.ascontiguousarray(polygon[:, None])
    inside = [cv2.pointPolygonTest(contour, (float(x), float(y)), True) for x, y in points]
    return np.array(inside, dtype=np.float32)
