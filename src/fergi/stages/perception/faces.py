"""Faces in the frames of a video: box, mesh, blendshapes and head pose of the widest one.

The networks are those of the official `face_landmarker.task`, run on LiteRT. MediaPipe itself
is not used, since it reports usage to its makers.
"""

import numpy as np
from jaxtyping import Float

from fergi.records.face import Face, SeenFrame, VideoFrame
from fergi.stages.perception.blazeface import FaceDetector
from fergi.stages.perception.face_mesh import FaceMesh, region_of_detection, region_of_mesh
from fergi.stages.perception.head_pose import HeadPose
from fergi.stages.perception.networks import face_networks

_MIN_PRESENCE = 0.5
"""The mesh network must be this sure that it looks at a face."""


class FaceLandmarker:
    """Finds the widest face of each frame.

    By default each frame is searched anew, so what is found in it does not depend on other
    frames. When tracking, a face once found is looked for where it was in the frame before,
    and a frame is searched only where that fails: faster, but a wider face that joins is not
    noticed before the followed one is lost. The detector's box then moves and grows with the
    mesh, the score is the lower of the last search's and the mesh network's own, and the
    number of faces is that of the last search.
    """

    def __init__(self, task: bytes, *, is_tracking: bool = False) -> None:
        """Load the networks.

        Args:
            task: The bytes of `face_landmarker.task`.
            is_tracking: Whether to follow a face from frame to frame.

        Raises:
            WeightsError: If `task` is not that file.
        """
        networks = face_networks(task)
        self._detector = FaceDetector(networks.detector)
        self._mesh = FaceMesh(networks)
        self._pose = HeadPose(networks.geometry)
        self._is_tracking = is_tracking
        self._last: SeenFrame | None = None

    def seen(self, frame: VideoFrame) -> SeenFrame:
        """Look at one frame.

        Args:
            frame: When tracking: the one after that of the last call. One that is not later
                begins another clip.

        Returns:
            The widest face. What the detector takes for a face and the mesh network does not
            is none, and does not count.
        """
        seen = self._followed(frame) or self._searched(frame)
        self._last = seen if self._is_tracking else None
        return seen

    def _searched(self, frame: VideoFrame) -> SeenFrame:
        detections = self._detector.detections(frame.image)
        for denied, detection in enumerate(detections):
            mesh, presence = self._mesh.mesh(frame.image, region_of_detection(detection))
            if presence >= _MIN_PRESENCE:
                face = self._face(detection.box, detection.score, mesh)
                return SeenFrame(frame, face, len(detections) - denied)
        return SeenFrame(frame, None, 0)

    def _followed(self, frame: VideoFrame) -> SeenFrame | None:
        last = self._last
        if last is None or last.face is None or frame.time <= last.frame.time:
            return None
        mesh, presence = self._mesh.mesh(frame.image, region_of_mesh(last.face.mesh))
        if presence < _MIN_PRESENCE:
            return None
        box = _moved(last.face.box, last.face.mesh, mesh)
        face = self._face(box, min(last.face.score, presence), mesh)
        return SeenFrame(frame, face, last.faces)

    def _face(
        self, box: Float[np.ndarray, "4"], score: float, mesh: Float[np.ndarray, "478 3"]
    ) -> Face:
        return Face(box, score, mesh, self._mesh.blendshapes(mesh), self._pose.rotation(mesh))


def _moved(
    box: Float[np.ndarray, "4"],
    before: Float[np.ndarray, "478 3"],
    after: Float[np.ndarray, "478 3"],
) -> Float[np.ndarray, "4"]:
    """Move a box as the smallest box around the mesh moved, keeping its shape."""
    (old_corner, old_size), (corner, size) = _bounds(before), _bounds(after)
    growth = float(np.sqrt(size.prod() / old_size.prod()))
    centre = corner + size / 2 + growth * (box[:2] + box[2:] / 2 - old_corner - old_size / 2)
    return np.concatenate([centre - growth * box[2:] / 2, growth * box[2:]])


def _bounds(
    mesh: Float[np.ndarray, "478 3"],
) -> tuple[Float[np.ndarray, "2"], Float[np.ndarray, "2"]]:
    low = mesh[:, :2].min(axis=0)
    return low, mesh[:, :2].max(axis=0) - low
