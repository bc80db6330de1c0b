"""The 68 landmarks that the paper's alignment and head ratios need.

Source:
    The order is that of Sagonas et al. (2013), 300 Faces in-the-Wild. The points of the mesh
    are those that the reference values of the alignment were computed with, found by matching
    them with the mesh of the same frames: all 68 coincide in all three frames.
"""

import numpy as np
from jaxtyping import Float

from fergi.records.face import Face
from fergi.records.landmarks import MESH_POINTS_OF_LANDMARKS


def face_landmarks(face: Face) -> Float[np.ndarray, "68 2"]:
    """Give the landmarks of a face: those of a network of their own, else those of its mesh.

    Returns:
        x and y of each landmark, in pixels of the frame.
    """
    return mesh_landmarks68(face.mesh) if face.landmarks is None else face.landmarks


def mesh_landmarks68(mesh: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "68 2"]:
    """Take the 68 landmarks from a mesh.

    Args:
        mesh: In pixels of the frame.

    Returns:
        x and y of each landmark, in pixels of the frame.
    """
    return mesh[list(MESH_POINTS_OF_LANDMARKS), :2]
