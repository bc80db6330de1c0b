"""Variations of pictures: mirrored, and cut a little smaller, as the paper does it."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional

from fergi.datasets.face_shards import FACE_SIZE

_SHARES = (0.9, 1.0)
"""Of a picture's area that is kept."""
_WIDEST = 20 / 19
"""Ratio of the sides of what is kept, at most."""
_ATTEMPTS = 10
"""To find a rectangle that fits; then the whole picture is kept."""
_BRIGHTEST = 255


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """What is seen of each picture.

    Attributes:
        corners: Left and top pixel of the rectangle that is kept.
        sizes: Its width and height in pixels.
        is_mirrored: Whether left and right change places.
    """

    corners: Int[np.ndarray, "pictures 2"]
    sizes: Int[np.ndarray, "pictures 2"]
    is_mirrored: Bool[np.ndarray, " pictures"]

    def __getitem__(self, chosen: slice) -> "Views":
        return Views(self.corners[chosen], self.sizes[chosen], self.is_mirrored[chosen])


def random_views(stream: np.random.Generator, count: int) -> Views:
    """Draw a rectangle and a side for each picture.

    The area is drawn evenly from 90 to 100 %, the logarithm of the ratio evenly from 19 : 20
    to 20 : 19, the place evenly among those that fit.

    Source:
        Feng, Ma & de Sa (2023), arXiv:2312.03187; the rule is that of torchvision's
        RandomResizedCrop.
    """
    shape = (count, _ATTEMPTS)
    areas = stream.uniform(*_SHARES, shape) * FACE_SIZE**2
    ratios = np.exp(stream.uniform(-np.log(_WIDEST), np.log(_WIDEST), shape))
    sizes = np.sqrt(np.stack([areas * ratios, areas / ratios], axis=2)).round().astype(np.int64)
    fits = np.asarray((sizes <= FACE_SIZE).all(axis=2))
    rows, first = np.arange(count), fits.argmax(axis=1)
    chosen = np.where(fits[rows, first, np.newaxis], sizes[rows, first], FACE_SIZE)
    corners = stream.integers(0, FACE_SIZE - chosen + 1)
    return Views(corners, chosen, stream.random(count) < 0.5)


def whole_views(count: int) -> Views:
    """See every picture as it is."""
    return Views(
        np.zeros((count, 2), dtype=np.int64),
        np.full((count, 2), FACE_SIZE),
        np.zeros(count, dtype=bool),
    )


def seen_pictures(
    pictures: UInt8[Tensor, "pictures 112 112 3"], views: Views
) -> Float[Tensor, "pictures 3 112 112"]:
    """Cut and mirror pictures, on the device where they lie.

    Each rectangle is enlarged to the full size, bilinearly; beyond its edge nothing is seen.

    Returns:
        RGB, 0 to 1, channels first.
    """
    device = pictures.device
    values = pictures.permute(0, 3, 1, 2).float().div_(_BRIGHTEST)
    grid = torch.stack(
        [
            _positions(views.corners[:, 0], views.sizes[:, 0], views.is_mirrored, device)[
                :, None
            ].expand(-1, FACE_SIZE, -1),
            _positions(views.corners[:, 1], views.sizes[:, 1], None, device)[:, :, None].expand(
                -1, -1, FACE_SIZE
            ),
        ],
        dim=3,
    )
    return functional.grid_sample(values, grid, mode="bilinear", align_corners=True)


def _positions(
    starts: Int[np.ndarray, " pictures"],
    sizes: Int[np.ndarray, " pictures"],
    is_mirrored: Bool[np.ndarray, " pictures"] | None,
    device: torch.device,
) -> Float[Tensor, "pictures 112"]:
    """Tell where along one axis each new pixel is taken from: −1 at the first, 1 at the last."""
    shares = (np.arange(FACE_SIZE) + 0.5) / FACE_SIZE
    places = np.clip(shares * sizes[:, None] - 0.5, 0, sizes[:, None] - 1) + starts[:, None]
    if is_mirrored is not None:
        places[is_mirrored] = places[is_mirrored, ::-1]
    scaled = places * (2 / (FACE_SIZE - 1)) - 1
    return torch.tensor(scaled, dtype=torch.float32, device=device)
