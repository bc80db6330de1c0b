"""Pictures of invented people."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

from fergi.synthesis.expressions import Expression
from fergi.synthesis.glasses import glasses_on
from fergi.synthesis.morphable_face import MorphableFace
from fergi.synthesis.painting import face_regions, hair_cover, painted
from fergi.synthesis.people import InventedPerson
from fergi.synthesis.rasteriser import visible_surface
from fergi.synthesis.scene import DAYLIGHT, FRONTAL, PORTRAIT, Framing, Light, Pose
from fergi.synthesis.shading import Surface, backdrop, creases, shaded, with_eyes

_SUPERSAMPLING = 1.5
_FACE_HEIGHT = 18.0  # centimetres from under the chin to the hairline
_FACE_CENTRE = np.array([0.0, 1.0, 4.0], dtype=np.float32)
_PEOPLE_KEPT = 4
_NO_EYE, _EYES = 9.0, ("M_ScleraLeft", "M_ScleraRight")
_GLOSS = {"M_Face": 0.22, "M_BackHead": 0.12, "M_Teeth": 0.6, "M_GumsTongue": 0.5}
_EYE_GLOSS, _FRAME_GLOSS, _FRAME = 0.95, 0.5, np.float32(0.03)
_LIGHT_REACHES = 1.3  # centimetres into the mouth
_UPPER_LIP, _LOWER_LIP = 62, 66
_LIDS_FOLLOW = {"eyeLookUp": 30.0, "eyeLookDown": 35.0, "eyeLookOut": 35.0, "eyeLookIn": 35.0}


@dataclass(frozen=True, slots=True, eq=False)
class _BuiltPerson:
    """A person's face at rest, with hair and glasses, ready to be moved."""

    shape: Float[np.ndarray, "points 3"]
    glasses: Float[np.ndarray, "frame 3"]
    triangles: Int[np.ndarray, "faces 3"]
    colours: Float[np.ndarray, "all 3"]
    gloss: Float[np.ndarray, " all"]


class Renderer:
    """Draws invented people, about twenty pictures a second on one core.

    A person's shape and colours are made once and kept while others of a few are drawn, so
    that a clip of one person costs no more than its pictures.
    """

    def __init__(self, face: MorphableFace) -> None:
        self._face = face
        self._regions = face_regions(face)
        self._mouth = np.concatenate([face.materials["M_GumsTongue"], face.materials["M_Teeth"]])
        self._built = lru_cache(_PEOPLE_KEPT)(self._person)

    def picture(
        self,
        person: InventedPerson,
        expression: Expression,
        pose: Pose = FRONTAL,
        light: Light = DAYLIGHT,
        framing: Framing = PORTRAIT,
        *,
        size: tuple[int, int] = (256, 256),
    ) -> UInt8[np.ndarray, "height width 3"]:
        """Draw a person.

        Args:
            person: Who is seen.
            expression: What the face does.
            pose: How the head is held.
            light: What it is lit by.
            framing: How it is filmed.
            size: Height and width in pixels.

        Returns:
            RGB.
        """
        large = (round(size[0] * _SUPERSAMPLING), round(size[1] * _SUPERSAMPLING))
        image = backdrop(framing.backdrop, large, light)
        self._draw(image, person, expression, pose, light, framing)
        image = cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA)
        return np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)

    def _draw(
        self,
        image: Float[np.ndarray, "height width 3"],
        person: InventedPerson,
        expression: Expression,
        pose: Pose,
        light: Light,
        framing: Framing,
    ) -> None:
        built = self._built(person)
        face_points = self._face.moved(built.shape, _all_weights(person, expression))
        turn = pose.rotation().astype(np.float32)
        points = (np.concatenate([face_points, built.glasses]) - _FACE_CENTRE) @ turn.T
        size = (image.shape[0], image.shape[1])
        places, depths, scale = _projected(points, framing, size)
        seen = visible_surface(places, depths, built.triangles, size)
        if not len(seen.rows):
            return
        values = np.concatenate(
            [
                _normals(points, built.triangles),
                self._lit_mouth(built.colours, face_points),
                built.gloss[:, None],
                self._gaze_distances(len(points), face_points, expression)[:, None],
            ],
            axis=1,
        )
        shown = seen.interpolated(values, built.triangles)
        surface = Surface(
            normals=shown[:, :3],
            albedo=with_eyes(shown[:, 3:6], shown[:, 7], person.appearance.iris),
            gloss=shown[:, 6],
            creases=creases(seen, size, scale),
        )
        image[seen.rows, seen.columns] = shaded(surface, light)

    def _person(self, person: InventedPerson) -> _BuiltPerson:
        face, look = self._face, person.appearance
        shape = face.shape(person.identity)
        marks = shape[face.landmarks]
        colours, gloss = painted(face, self._regions, person), self._gloss()
        outwards = shape / (np.linalg.norm(shape, axis=1, keepdims=True) + 1e-6)
        depths = look.hair_depth * hair_cover(self._regions, look)
        shape += depths[:, None].astype(np.float32) * outwards
        triangles, frame = face.triangles, np.empty((0, 3), dtype=np.float32)
        if look.glasses is not None:
            glasses = glasses_on(marks, look.glasses)
            frame = glasses.points
            triangles = np.concatenate([triangles, glasses.triangles + np.int32(len(shape))])
        return _BuiltPerson(
            shape=shape,
            glasses=frame,
            triangles=triangles,
            colours=np.concatenate([colours, np.full_like(frame, _FRAME)]),
            gloss=np.concatenate([gloss, np.full(len(frame), _FRAME_GLOSS, dtype=np.float32)]),
        )

    def _gloss(self) -> Float[np.ndarray, " points"]:
        gloss = np.zeros(len(self._face.neutral), dtype=np.float32)
        for material, value in _GLOSS.items():
            gloss[self._face.materials[material]] = value
        for material in _EYES:
            gloss[self._face.materials[material]] = _EYE_GLOSS
        return gloss

    def _lit_mouth(
        self, colours: Float[np.ndarray, "all 3"], points: Float[np.ndarray, "points 3"]
    ) -> Float[np.ndarray, "all 3"]:
        """Darken what lies deep in the mouth."""
        marks = self._face.landmarks
        opening = min(points[marks[_UPPER_LIP], 2], points[marks[_LOWER_LIP], 2])
        depths = np.maximum(opening - points[self._mouth, 2], 0)
        colours = colours.copy()
        colours[self._mouth] *= np.exp(-depths / _LIGHT_REACHES)[:, None]
        return colours

    def _gaze_distances(
        self, count: int, points: Float[np.ndarray, "points 3"], expression: Expression
    ) -> Float[np.ndarray, " all"]:
        """Measure how far each point of an eye lies from the middle of its pupil."""
        left, up = np.radians(expression.gaze)
        axis = np.array([np.sin(left) * np.cos(up), np.sin(up), np.cos(left) * np.cos(up)])
        distances = np.full(count, _NO_EYE, dtype=np.float32)
        for material in _EYES:
            at = self._face.materials[material]
            centre = (points[at].min(axis=0) + points[at].max(axis=0)) / 2
            rays = points[at] - centre
            rays /= np.linalg.norm(rays, axis=1, keepdims=True)
            distances[at] = np.linalg.norm(rays - axis, axis=1)
        return distances


def _all_weights(person: InventedPerson, expression: Expression) -> dict[str, float]:
    """Add what the face does to its resting set, and let the lids follow the gaze."""
    weights = dict(person.resting)
    for name, weight in (*expression.shape_weights().items(), *_lid_weights(expression.gaze)):
        weights[name] = weights.get(name, 0.0) + weight
    return weights


def _lid_weights(gaze: tuple[float, float]) -> list[tuple[str, float]]:
    left, up = gaze
    moves = {
        "eyeLookUp_L": up, "eyeLookUp_R": up, "eyeLookDown_L": -up, "eyeLookDown_R": -up,
        "eyeLookOut_L": left, "eyeLookIn_R": left, "eyeLookIn_L": -left, "eyeLookOut_R": -left,
    }  # fmt: skip
    return [
        (name, degrees / _LIDS_FOLLOW[name[:-2]]) for name, degrees in moves.items() if degrees > 0
    ]


def _projected(
    points: Float[np.ndarray, "points 3"], framing: Framing, size: tuple[int, int]
) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, " points"], float]:
    """Photograph points: column and row, distance, and the pixels of a centimetre."""
    height, width = size
    focal = height / 2 / np.tan(np.radians(framing.field_of_view) / 2)
    scale = framing.face_share * height / _FACE_HEIGHT
    depths = np.float32(focal / scale) - points[:, 2]
    columns = width * (0.5 + framing.across) - 0.5 + focal * points[:, 0] / depths
    rows = height * (0.5 + framing.down) - 0.5 - focal * points[:, 1] / depths
    return np.stack([columns, rows], axis=1).astype(np.float32), depths, scale


def _normals(
    points: Float[np.ndarray, "points 3"], triangles: Int[np.ndarray, "faces 3"]
) -> Float[np.ndarray, "points 3"]:
    """Average the triangles around each point, larger ones counting for more."""
    corners = points[triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    owners = triangles.ravel()
    sums = [
        np.bincount(owners, np.repeat(across[:, axis], 3), minlength=len(points))
        for axis in range(3)
    ]
    normals = np.stack(sums, axis=1)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return (normals / np.maximum(lengths, 1e-12)).astype(np.float32)
