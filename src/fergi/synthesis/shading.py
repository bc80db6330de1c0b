"""Light on a surface, and what is behind it."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float

from fergi.seeds import random_stream
from fergi.synthesis.rasteriser import VisibleSurface
from fergi.synthesis.scene import Light

_IRIS, _PUPIL = 0.41, 0.17  # radii as chords of a unit sphere
_SCLERA = np.array([0.68, 0.63, 0.60], dtype=np.float32)
_LIMBUS, _DARK = 0.035, np.float32(0.01)
_CREASE_REACH, _CREASE_DEPTH = 0.05, 0.28
_EXPOSURE, _ADAPTATION = 0.22, 0.55
_GAMMA = 1 / 2.2


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """What is known of each pixel that shows a surface.

    Attributes:
        normals: Away from the surface; x right, y up, z to the camera.
        albedo: Linear RGB.
        gloss: 0 (chalk) to 1 (a wet eye).
        creases: 1 in the open, less where the surface lies deeper than what is around it.
    """

    normals: Float[np.ndarray, "pixels 3"]
    albedo: Float[np.ndarray, "pixels 3"]
    gloss: Float[np.ndarray, " pixels"]
    creases: Float[np.ndarray, " pixels"]


def shaded(surface: Surface, light: Light) -> Float[np.ndarray, "pixels 3"]:
    """Light a surface, as a camera that adapts to the brightness of the face sees it.

    Returns:
        RGB, 0 to 1 and beyond, ready to be shown.
    """
    lengths = np.sqrt(np.einsum("pa,pa->p", surface.normals, surface.normals))
    normals = surface.normals / (lengths + np.float32(1e-9))[:, None]
    towards = light.direction().astype(np.float32)
    facing = np.maximum(normals @ towards + 0.15, 0) / 1.15
    halfway = towards + np.array([0, 0, 1], dtype=np.float32)
    mirrored = np.maximum(normals @ (halfway / np.linalg.norm(halfway)), 0)
    sky = light.ambient * (0.8 + 0.2 * normals[:, 1])
    arriving = sky[:, None] + facing[:, None] * light.colour().astype(np.float32)
    linear = surface.albedo * arriving * surface.creases[:, None]
    sharpness = 15 + 85 * surface.gloss**2
    linear += (light.strength * 0.35 * surface.gloss * mirrored**sharpness)[:, None]
    exposure = (_EXPOSURE / max(float(linear.mean()), 1e-3)) ** _ADAPTATION
    return np.maximum(linear * np.float32(exposure), 0) ** np.float32(_GAMMA)


def with_eyes(
    albedo: Float[np.ndarray, "pixels 3"],
    gaze_distances: Float[np.ndarray, " pixels"],
    iris: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "pixels 3"]:
    """Paint irises and pupils.

    Args:
        albedo: Of all pixels; changed where there is an eye.
        gaze_distances: From the middle of the pupil, as a chord of the unit sphere; beyond 2
            where there is no eye.
        iris: Linear RGB.
    """
    at = np.flatnonzero(gaze_distances < 2)
    distances = gaze_distances[at, None]
    inside = np.clip((_IRIS - distances) / _LIMBUS, 0, 1)
    pupil = np.clip((_PUPIL - distances) / _LIMBUS, 0, 1)
    ring = 1 - 0.6 * np.exp(-0.5 * ((distances - _IRIS) / _LIMBUS) ** 2)
    colours = _SCLERA + inside * (iris.astype(np.float32) - _SCLERA)
    albedo[at] = (colours + pupil * (_DARK - colours)) * ring
    return albedo


def creases(
    seen: VisibleSurface, size: tuple[int, int], scale: float
) -> Float[np.ndarray, " pixels"]:
    """Estimate how much of the light from everywhere each pixel gets, from depths alone.

    Args:
        seen: What the picture shows.
        size: Its height and width.
        scale: Pixels of a centimetre.

    Returns:
        0.35 (a deep fold) to 1.
    """
    depths = np.full(size, seen.depths.max(initial=0.0), dtype=np.float32)
    depths[seen.rows, seen.columns] = seen.depths
    reach = 2 * int(_CREASE_REACH * 12 * scale / 2) + 1
    around = cv2.blur(depths, (reach, reach))
    below = (depths - around)[seen.rows, seen.columns]
    return np.clip(1 - _CREASE_DEPTH / _CREASE_REACH / 12 * below, 0.35, 1).astype(np.float32)


def backdrop(number: int, size: tuple[int, int], light: Light) -> Float[np.ndarray, "h w 3"]:
    """Draw a blurred room."""
    stream = random_stream(number, "backdrop")
    patches = stream.uniform(0.02, 0.95, (*stream.integers(2, 9, 2), 3)).astype(np.float32)
    patches = 0.5 * patches + 0.5 * patches.mean(axis=2, keepdims=True)
    how = cv2.INTER_CUBIC if stream.random() < 0.6 else cv2.INTER_NEAREST
    room = cv2.resize(patches, size[::-1], interpolation=how)
    return np.clip(room * np.float32(0.3 + light.ambient), 0, 1)
