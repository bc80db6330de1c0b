"""What a poor camera makes of a picture: dim light, blur, few pixels, noise, compression."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from fergi.errors import DatasetError


@dataclass(frozen=True, slots=True)
class Camera:
    """How a camera spoils pictures.

    Attributes:
        brightness: Share of the light that is left, 0 to 1.
        blur: Standard deviation of the blur, in pixels.
        shrink: Share of the resolution that is left, 0 to 1.
        noise: Standard deviation of the noise, in grey levels of 255.
        quality: Of the JPEG compression, 1 to 100.
    """

    brightness: float
    blur: float
    shrink: float
    noise: float
    quality: int

    def spoiled(
        self, image: UInt8[np.ndarray, "height width 3"], stream: np.random.Generator
    ) -> UInt8[np.ndarray, "height width 3"]:
        """Take a picture with this camera."""
        height, width = image.shape[:2]
        small = (max(1, round(width * self.shrink)), max(1, round(height * self.shrink)))
        shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA).astype(np.float32)
        if self.blur:
            shrunk = np.asarray(cv2.GaussianBlur(shrunk, (0, 0), self.blur * self.shrink))
        picture = shrunk * np.float32(self.brightness) + self._grain(shrunk.shape, stream)
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LINEAR)
        return compressed(np.clip(picture, 0, 255).astype(np.uint8), self.quality)

    def _grain(
        self, shape: tuple[int, ...], stream: np.random.Generator
    ) -> Float[np.ndarray, "height width 3"]:
        return np.float32(self.noise) * stream.standard_normal(shape, dtype=np.float32)


def random_camera(stream: np.random.Generator) -> Camera:
    """Draw a camera that is poor in each way, from a little to badly."""
    return Camera(
        brightness=float(stream.uniform(0.4, 0.95)),
        blur=float(stream.uniform(0.0, 1.0)),
        shrink=float(stream.uniform(0.75, 1.0)),
        noise=float(stream.uniform(1, 6)),
        quality=int(stream.integers(40, 90)),
    )


def compressed(
    image: UInt8[np.ndarray, "height width 3"], quality: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Compress a picture as JPEG, and open it again."""
    return opened(jpeg(image, quality))


def jpeg(image: UInt8[np.ndarray, "height width 3"], quality: int) -> bytes:
    """Write an RGB picture as JPEG."""
    _, content = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return content.tobytes()


def opened(content: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Read a picture as RGB.

    Raises:
        DatasetError: If it is none.
    """
    image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise DatasetError("holds a picture that cannot be read; remove the folder, and draw anew")
    return np.ascontiguousarray(image[..., ::-1])
