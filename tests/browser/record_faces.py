"""Record the landmarks of a few invented faces, for `web/tests/mesh_estimator.test.ts`.

The faces are rendered from the morphable face; nobody's face is in the file. Run in the
project's environment: python record_faces.py TASK PICTURES OUT
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from fergi.records.face import Face, VideoFrame
from fergi.stages.perception.faces import FaceLandmarker
from fergi.stages.perception.head_pose import HeadPose
from fergi.stages.perception.networks import face_networks

_FACES = 3
_DECIMALS = 2  # of a pixel: what is recorded is what both sides are given


def main(task: Path, pictures: Path, out: Path) -> None:
    """Write what the networks see in the first pictures of a folder."""
    landmarker = FaceLandmarker(task.read_bytes())
    pose = HeadPose(face_networks(task.read_bytes()).geometry)
    seen = (_face(landmarker, path) for path in sorted(pictures.iterdir()))
    faces = [face for face in seen if face is not None][:_FACES]
    meshes = [np.round(face.mesh, _DECIMALS) for face in faces]
    recorded = {
        "meshes": [mesh.ravel().tolist() for mesh in meshes],
        "blendshapes": [np.round(face.blendshapes, 6).tolist() for face in faces],
        "rotations": [pose.rotation(mesh).ravel().tolist() for mesh in meshes],
    }
    out.write_text(json.dumps(recorded, separators=(",", ":")) + "\n")


def _face(landmarker: FaceLandmarker, path: Path) -> Face | None:
    picture = cv2.imread(str(path))
    if picture is None:
        return None
    image = np.ascontiguousarray(picture[..., ::-1])
    return landmarker.seen(VideoFrame(0.0, image)).face


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
