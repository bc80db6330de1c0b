"""Head pose: how far the mesh is turned from the canonical face."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from fergi.stages.perception.networks import not_the_task

_NUMBERS_OF_A_VERTEX = 5
"""x, y, z and two coordinates of its texture."""


class HeadPose:
    """Finds the head's rotation by laying the canonical face over the mesh.

    The fit is weighted and rigid, over the 33 points that MediaPipe's face geometry uses,
    which expressions move little.
    """

    def __init__(self, geometry: bytes) -> None:
        """Read the canonical face.

        Args:
            geometry: The protocol buffer of the task file.

        Raises:
            WeightsError: If it cannot be read as that.
        """
        try:
            vertices, points, weights = _canonical_face(geometry)
        except (IndexError, KeyError, StopIteration, TypeError, ValueError) as error:
            raise not_the_task(f"its canonical face cannot be read: {error}") from error
        self._points = points
        self._weights = weights / weights.sum()
        basis = vertices[points]
        self._weighted_basis = (basis - self._weights @ basis) * self._weights[:, None]

    def rotation(self, mesh: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "3 3"]:
        """Give the rotation that turns the face's own axes into the camera's.

        Both have x to the right of the picture, y up and z towards the viewer, so a face that
        looks straight into the camera gives the identity.

        Args:
            mesh: In pixels of the picture, y down, z smaller towards the camera.
        """
        seen = mesh[self._points] * np.array([1.0, -1.0, -1.0])
        covariance = (seen - self._weights @ seen).T @ self._weighted_basis
        left, _, right = np.linalg.svd(covariance)
        left[:, 2] *= np.sign(np.linalg.det(left) * np.linalg.det(right))  # no mirror image
        return left @ right


def _canonical_face(
    geometry: bytes,
) -> tuple[Float[np.ndarray, "468 3"], Int[np.ndarray, " basis"], Float[np.ndarray, " basis"]]:
    """Read the vertices, and which of them the pose is fitted to, with their weights.

    Raises:
        ValueError: If the protocol buffer holds something else.
    """
    fields = list(_fields(geometry))
    mesh = next(value for number, value in fields if number == 1 and isinstance(value, bytes))
    numbers = b"".join(value for number, value in _fields(mesh) if number == 3)
    vertices = np.frombuffer(numbers, "<f4").reshape(-1, _NUMBERS_OF_A_VERTEX)[:, :3]
    basis = [dict(_fields(value)) for number, value in fields if number == 2]
    points = np.array([entry[1] for entry in basis])
    weights = np.frombuffer(b"".join(entry[2] for entry in basis), "<f4")
    return vertices.astype(np.float64), points, weights.astype(np.float64)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Give number and value of each field of a protocol buffer.

    Values are integers, or bytes for what is nested or has four bytes.
    """
    place = 0
    while place < len(message):
        key, place = _integer(message, place)
        match key & 7:
            case 0:
                value, place = _integer(message, place)
                yield key >> 3, value
                continue
            case 2:
                size, place = _integer(message, place)
            case 5:
                size = 4
            case other:
                raise ValueError(f"unknown wire type {other}")
        yield key >> 3, message[place : place + size]
        place += size


def _integer(message: bytes, place: int) -> tuple[int, int]:
    """Read a variable-length integer; give it, and where the next thing begins."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[place]
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place
    raise ValueError("an integer without an end")
