"""The face mesh: 478 points of one face, and the 52 blendshapes that follow from them.

Source:
    Grishchenko et al. (2020), arXiv:2006.10962; regions and options as in MediaPipe's face
    landmarker task, whose models these are.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fergi.records.face import MESH_POINTS
from fergi.stages.perception.blazeface import Detection
from fergi.stages.perception.networks import FaceNetworks, Network, Region

_SIDE = 256
_MARGIN = 1.5
"""Side of the region that the network looks at, in sides of the face's box."""
_OUTER_EYE_CORNERS = (33, 263)
_BLENDSHAPE_POINTS = np.array(
    [
        *(0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63),
        *(65, 66, 67, 70, 78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132),
        *(133, 136, 144, 145, 146, 148, 149, 150, 152, 153, 154, 155, 157, 158, 159, 160, 161),
        *(162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249, 251, 263),
        *(267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310),
        *(311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373),
        *(374, 375, 377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398),
        *(400, 402, 405, 409, 415, 454, 466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477),
    ]
)
"""The points of the mesh that the blendshape network was trained on, in its order."""

BLENDSHAPE_NAMES = (
    *("_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft"),
    *("browOuterUpRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft"),
    *("eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight"),
    *("eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft"),
    *("eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen"),
    *("jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft"),
    *("mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight"),
    *("mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower"),
    *("mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft"),
    *("mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft"),
    *("mouthUpperUpRight", "noseSneerLeft", "noseSneerRight"),
)
"""Name of each coefficient of the blendshape network, in its order."""


class FaceMesh:
    """Places the mesh on one face, and reads its blendshapes."""

    def __init__(self, networks: FaceNetworks) -> None:
        self._mesh = Network(networks.mesh, _SIDE, _SIDE, 3)
        self._blendshapes = Network(networks.blendshapes, len(_BLENDSHAPE_POINTS), 2)

    def mesh(
        self, image: UInt8[np.ndarray, "height width 3"], region: Region
    ) -> tuple[Float[np.ndarray, "478 3"], float]:
        """Place the mesh on the face in a region.

        Args:
            image: RGB.
            region: Of the face, with the margin that the network knows.

        Returns:
            x and y in pixels of the picture and z on the same scale; and how sure the network
            is that there is a face, 0 to 1.
        """
        crop = region.cut_from(image, _SIDE, cv2.BORDER_REPLICATE)
        raw, presence, *_ = self._mesh.outputs(crop, factor=1 / 255)
        shares = raw.reshape(MESH_POINTS, 3) / _SIDE
        to_picture = region.to_picture()
        points = shares[:, :2] @ to_picture[:, :2].T + to_picture[:, 2]
        depths = shares[:, 2:] * region.size[0]
        return np.hstack([points, depths]), float(1 / (1 + np.exp(-presence.item())))

    def blendshapes(self, mesh: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "52"]:
        """Read the 52 coefficients, 0 to 1, from a mesh in pixels."""
        return self._blendshapes.outputs(mesh[_BLENDSHAPE_POINTS, :2])[0]


def region_of_detection(detection: Detection) -> Region:
    """Give the region of a face that the detector found, turned so that the eyes are level."""
    box = detection.box
    return Region(box[:2] + box[2:] / 2, _MARGIN * box[2:], _slope(*detection.eyes))


def region_of_mesh(mesh: Float[np.ndarray, "478 3"]) -> Region:
    """Give the region in which a face should be in the frame after this one."""
    points = mesh[:, :2]
    low, high = points.min(axis=0), points.max(axis=0)
    side = _MARGIN * float((high - low).max())
    return Region((low + high) / 2, np.full(2, side), _slope(*points[list(_OUTER_EYE_CORNERS)]))


def _slope(left: Float[np.ndarray, "2"], right: Float[np.ndarray, "2"]) -> float:
    across, down = right - left
    return float(np.arctan2(down, across))
