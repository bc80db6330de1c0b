"""Film an invented person for the pictures of the documentation, where no real face may be.

Run in the project's environment, with the extra `report`:
python invented_camera.py ICT_FACEKIT OUT.y4m
"""

import sys
from pathlib import Path

import av
import numpy as np
from scipy.ndimage import gaussian_filter1d

from fergi.records.action_units import ACTION_UNITS
from fergi.synthesis.expressions import Expression
from fergi.synthesis.morphable_face import morphable_face
from fergi.synthesis.people import invented_person
from fergi.synthesis.rendering import Renderer
from fergi.synthesis.scene import Framing, Light, Pose

PERSON, SEED = "p11", 7
_SIZE = (360, 480)
_FRAME_RATE = 15
_SECONDS = 12
_SMOOTHING_SECONDS = 0.25

_SCRIPT = (
    (5.0, 7.6, {6: 3.6, 12: 4.4, 25: 3.0}),
    (8.6, 10.2, {4: 4.0, 15: 2.5, 17: 2.0}),
    (10.8, 11.6, {1: 3.0, 2: 3.5, 5: 2.5, 26: 2.0}),
)
"""From when to when the face does what, in seconds and intensities: joy, a frown, surprise."""


def planted_intensities() -> np.ndarray:
    """Give the intensities of each frame, as smooth as faces are."""
    frames = np.zeros((_SECONDS * _FRAME_RATE, len(ACTION_UNITS)))
    for start, end, units in _SCRIPT:
        for unit, intensity in units.items():
            at = slice(round(start * _FRAME_RATE), round(end * _FRAME_RATE))
            frames[at, ACTION_UNITS.index(unit)] = intensity
    return gaussian_filter1d(frames, _SMOOTHING_SECONDS * _FRAME_RATE, axis=0, mode="wrap")


def main(face: Path, out: Path) -> None:
    """Write the film; each picture is shown twice, which makes 30 frames a second."""
    renderer = Renderer(morphable_face(face))
    person = invented_person(PERSON, SEED)
    framing = Framing(face_share=0.62, backdrop=2)
    sway = np.linspace(0, 2 * np.pi, _SECONDS * _FRAME_RATE, endpoint=False)
    height, width = _SIZE
    with out.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (width, height, 2 * _FRAME_RATE))
        for units, phase in zip(planted_intensities(), sway, strict=True):
            picture = renderer.picture(
                person,
                Expression(units, units, {}),
                pose=Pose(yaw=2.5 * np.sin(phase), pitch=1.5 * np.sin(2 * phase)),
                light=Light(azimuth=25.0, elevation=35.0, strength=0.75, ambient=0.5, warmth=0.3),
                framing=framing,
                size=_SIZE,
            )
            planes = av.VideoFrame.from_ndarray(picture, "rgb24").to_ndarray(format="yuv420p")
            file.write(2 * (b"FRAME\n" + planes.tobytes()))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
