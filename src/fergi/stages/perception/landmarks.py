"""The 68 landmarks that the paper's alignment needs, taken from the face mesh.

Source:
    The order is that of Sagonas et al. (2013), 300 Faces in-the-Wild. The points of the mesh
    are those that the reference values of the alignment were computed with, found by matching
    them with the mesh of the same frames: all 68 coincide in all three frames.
"""

import numpy as np
from jaxtyping import Float

_POINTS = np.array(
    [
        *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),  # jaw
        *(71, 63, 105, 66, 107),  # brow on the left of the picture
        *(336, 296, 334, 293, 301),  # the other brow
        *(168, 197, 5, 4),  # bridge of the nose
        *(75, 97, 2, 326, 305),  # nostrils
        *(33, 160, 158, 133, 153, 144),  # eye on the left of the picture
        *(362, 385, 387, 263, 373, 380),  # the other eye
        *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),  # outer edge of the lips
        *(78, 82, 13, 312, 308, 317, 14, 87),  # inner edge of the lips
    ]
)


def mesh_landmarks68(mesh: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "68 2"]:
    """Take the 68 landmarks from a mesh.

    Args:
        mesh: In pixels of the frame.

    Returns:
        x and y of each landmark, in pixels of the frame.
    """
    return mesh[_POINTS, :2]
