"""How a head is held, lit and filmed."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, slots=True)
class Pose:
    """How a head is held, in degrees.

    Attributes:
        yaw: Positive turns the face to its own left.
        pitch: Positive lowers the chin.
        roll: Positive tips the head to its own left shoulder.
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0

    def rotation(self) -> Float[np.ndarray, "3 3"]:
        """Give the matrix that turns the face's own axes into the camera's."""
        yaw, pitch, roll = np.radians([self.yaw, self.pitch, -self.roll])
        about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
        about_x = [
            [1, 0, 0],
            [0, np.cos(pitch), -np.sin(pitch)],
            [0, np.sin(pitch), np.cos(pitch)],
        ]
        about_z = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
        return np.array(about_z) @ np.array(about_y) @ np.array(about_x)


@dataclass(frozen=True, slots=True)
class Light:
    """A lamp, and the light that comes from everywhere.

    Attributes:
        azimuth: Where the lamp stands, in degrees; positive is to the right in the picture.
        elevation: How high it stands, in degrees.
        strength: Of the lamp, about 0.2 to 1.
        ambient: Of the light from everywhere, about 0.2 to 0.8.
        warmth: -1 (blue) to 1 (yellow).
    """

    azimuth: float = 20.0
    elevation: float = 30.0
    strength: float = 0.7
    ambient: float = 0.45
    warmth: float = 0.0

    def direction(self) -> Float[np.ndarray, "3"]:
        """Point from the face to the lamp."""
        azimuth, elevation = np.radians([self.azimuth, self.elevation])
        across = np.cos(elevation)
        return np.array([np.sin(azimuth) * across, np.sin(elevation), np.cos(azimuth) * across])

    def colour(self) -> Float[np.ndarray, "3"]:
        """Give the lamp's colour, linear RGB."""
        return self.strength * np.array([1 + 0.15 * self.warmth, 1.0, 1 - 0.25 * self.warmth])


@dataclass(frozen=True, slots=True)
class Framing:
    """How much of the picture the face fills, and where.

    Attributes:
        face_share: Height of the face, brow to chin and as much again above, as a share of
            the picture's height.
        across: How far right of the middle the head is, as a share of the width.
        down: How far below the middle, as a share of the height.
        field_of_view: Vertical opening of the lens in degrees; wide lenses swell noses.
        backdrop: Names the background.
    """

    face_share: float = 0.6
    across: float = 0.0
    down: float = 0.0
    field_of_view: float = 35.0
    backdrop: int = 0


FRONTAL = Pose()
DAYLIGHT = Light()
PORTRAIT = Framing()


def random_pose(stream: np.random.Generator) -> Pose:
    """Draw how someone sits: yaw within 20°, pitch within 12°, roll within 8° of straight."""
    yaw, pitch, roll = np.clip(stream.normal(0, [8, 5, 3]), [-20, -12, -8], [20, 12, 8])
    return Pose(float(yaw), float(pitch), float(roll))


def moved_pose(pose: Pose, stream: np.random.Generator) -> Pose:
    """Move a head a little: by 5° of yaw, 3° of pitch and 2.5° of roll, one standard deviation."""
    yaw, pitch, roll = stream.normal(0, [5, 3, 2.5])
    return Pose(
        yaw=float(np.clip(pose.yaw + yaw, -25, 25)),
        pitch=float(np.clip(pose.pitch + pitch, -15, 15)),
        roll=float(np.clip(pose.roll + roll, -12, 12)),
    )


def random_light(stream: np.random.Generator) -> Light:
    """Draw the light of a room."""
    return Light(
        azimuth=stream.uniform(-65, 65),
        elevation=stream.uniform(-10, 60),
        strength=stream.uniform(0.25, 0.9),
        ambient=stream.uniform(0.25, 0.7),
        warmth=stream.uniform(-0.6, 1.0),
    )


def random_framing(stream: np.random.Generator) -> Framing:
    """Draw the place of a face before a webcam."""
    return Framing(
        face_share=stream.uniform(0.6, 0.85),
        across=stream.uniform(-0.06, 0.06),
        down=stream.uniform(-0.05, 0.05),
        field_of_view=stream.uniform(22, 50),
        backdrop=int(stream.integers(1 << 31)),
    )
