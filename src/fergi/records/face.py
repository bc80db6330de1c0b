"""A face in one frame of a video, as the face networks see it."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

MESH_POINTS = 478
"""Points of the face mesh: 468 of the skin, 5 of each iris."""

BLENDSHAPES = 52
"""Blendshape coefficients of the face network."""


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One decoded picture.

    Attributes:
        time: Seconds from the first frame, by the container's own timestamps.
        image: Upright RGB picture.
    """

    time: float
    image: UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face.

    Attributes:
        box: x, y, width and height of the detector's box, in pixels of the frame.
        score: The detector's confidence, 0 to 1.
        mesh: x and y of each mesh point in pixels of the frame, and z on the same scale,
            smaller towards the camera.
        blendshapes: Coefficients, 0 to 1, in the network's own order.
        rotation: Turns the face's own axes (x to its left, y up, z out of the face) into the
            camera's: the head's pose.
        landmarks: The 68 landmarks that a network of their own found, in pixels of the frame;
            None where points of the mesh stand for them.
    """

    box: Float[np.ndarray, "4"]
    score: float
    mesh: Float[np.ndarray, "478 3"]
    blendshapes: Float[np.ndarray, "52"]
    rotation: Float[np.ndarray, "3 3"]
    landmarks: Float[np.ndarray, "68 2"] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SeenFrame:
    """What was found in one frame.

    Attributes:
        frame: The picture and its time.
        face: The widest face, or None where none was found.
        faces: How many faces were found.
    """

    frame: VideoFrame
    face: Face | None
    faces: int
