"""A z-buffer in NumPy: which triangle each pixel shows, and where on it.

It needs no graphics driver, and gives the same picture on every machine. Fast because faces are
many small triangles: every pixel of every bounding box is tried at once.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

_DEPTH_STEPS = 2**31


@dataclass(frozen=True, slots=True, eq=False)
class VisibleSurface:
    """What the pixels of a picture show, for those that show anything.

    Attributes:
        rows: Row of each such pixel.
        columns: Its column.
        triangles: The triangle that it shows.
        weights: Barycentric coordinates of its centre, one for each corner.
        depths: Distance from the camera.
    """

    rows: Int[np.ndarray, " pixels"]
    columns: Int[np.ndarray, " pixels"]
    triangles: Int[np.ndarray, " pixels"]
    weights: Float[np.ndarray, "pixels 3"]
    depths: Float[np.ndarray, " pixels"]

    def interpolated(
        self,
        values: Float[np.ndarray, "points channels"],
        triangles: Int[np.ndarray, "faces 3"],
    ) -> Float[np.ndarray, "pixels channels"]:
        """Spread values at the corners over the pixels between them."""
        corners = triangles[self.triangles]
        shown = values[corners[:, 0]] * self.weights[:, :1]
        shown += values[corners[:, 1]] * self.weights[:, 1:2]
        shown += values[corners[:, 2]] * self.weights[:, 2:]
        return shown


def visible_surface(
    points: Float[np.ndarray, "points 2"],
    depths: Float[np.ndarray, " points"],
    triangles: Int[np.ndarray, "faces 3"],
    size: tuple[int, int],
) -> VisibleSurface:
    """Find the nearest triangle under the centre of every pixel.

    Args:
        points: Column and row of each corner, in pixels; the centre of the first pixel is 0, 0.
        depths: Distance of each corner from the camera.
        triangles: Corners, anticlockwise where the triangle shows its front; only fronts are
            seen.
        size: Height and width of the picture.

    Returns:
        The pixels that show a triangle, in reading order.
    """
    planes, front = _planes(points, depths, triangles)
    corners = points[triangles[front]]
    owners, columns, rows = _candidates(corners, size)
    # The first coordinate rules out half of the tries, so that the second is cheaper.
    first = _at(planes[0], owners, columns, rows)
    owners, columns, rows, first = _kept((first >= 0) & (first <= 1), owners, columns, rows, first)
    second = _at(planes[1], owners, columns, rows)
    owners, columns, rows, first, second = _kept(
        (second >= 0) & (first + second <= 1), owners, columns, rows, first, second
    )
    distances = _at(planes[2], owners, columns, rows)
    nearest = _nearest(rows * size[1] + columns, distances, size[0] * size[1])
    weights = np.stack([first[nearest], second[nearest]], axis=1)
    return VisibleSurface(
        rows=rows[nearest],
        columns=columns[nearest],
        triangles=front[owners[nearest]],
        weights=np.concatenate([weights, 1 - weights.sum(axis=1, keepdims=True)], axis=1),
        depths=distances[nearest],
    )


def _at(
    plane: Float[np.ndarray, "3 fronts"],
    owners: Int[np.ndarray, " tries"],
    columns: Int[np.ndarray, " tries"],
    rows: Int[np.ndarray, " tries"],
) -> Float[np.ndarray, " tries"]:
    across, down, offset = plane
    return across[owners] * columns.astype(np.float32) + (
        down[owners] * rows.astype(np.float32) + offset[owners]
    )


def _kept(is_kept: Bool[np.ndarray, " tries"], *parts: np.ndarray) -> list[np.ndarray]:
    chosen = np.flatnonzero(is_kept)
    return [part[chosen] for part in parts]


def _planes(
    points: Float[np.ndarray, "points 2"],
    depths: Float[np.ndarray, " points"],
    triangles: Int[np.ndarray, "faces 3"],
) -> tuple[Float[np.ndarray, "3 3 fronts"], Int[np.ndarray, " fronts"]]:
    """Write two barycentric coordinates and the depth of each front as planes over the picture."""
    corners = points.astype(np.float64)[triangles]  # products of columns and rows lose digits
    (ax, ay), (bx, by), (cx, cy) = (corners[:, corner].T for corner in range(3))
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    front = np.flatnonzero(area < -1e-9)  # rows grow downwards, so fronts turn the other way
    ax, ay, bx, by, cx, cy, area = (part[front] for part in (ax, ay, bx, by, cx, cy, area))
    first = np.stack([by - cy, cx - bx, bx * cy - cx * by]) / area
    second = np.stack([cy - ay, ax - cx, cx * ay - ax * cy]) / area
    za, zb, zc = (depths[triangles[front, corner]] for corner in range(3))
    depth = first * (za - zc) + second * (zb - zc)
    depth[2] += zc
    return np.stack([first, second, depth]).astype(np.float32), front


def _candidates(
    corners: Float[np.ndarray, "fronts 3 2"], size: tuple[int, int]
) -> tuple[Int[np.ndarray, " tries"], Int[np.ndarray, " tries"], Int[np.ndarray, " tries"]]:
    """List the pixels of every triangle's bounding box: owner, column, row."""
    one, two, three = corners[:, 0], corners[:, 1], corners[:, 2]
    low, high = np.minimum(np.minimum(one, two), three), np.maximum(np.maximum(one, two), three)
    low = np.maximum(np.ceil(low), 0).astype(np.int32)
    high = np.minimum(np.floor(high), (size[1] - 1, size[0] - 1)).astype(np.int32)
    extent = np.maximum(high - low + 1, 0)
    counts = extent[:, 0] * extent[:, 1]
    owners = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    starts = np.cumsum(counts, dtype=np.int32) - counts
    places = np.arange(len(owners), dtype=np.int32) - starts[owners]
    widths = extent[owners, 0]
    rows = places // widths
    return owners, places - rows * widths + low[owners, 0], rows + low[owners, 1]


def _nearest(
    pixels: Int[np.ndarray, " tries"], distances: Float[np.ndarray, " tries"], count: int
) -> Int[np.ndarray, " pixels"]:
    """Choose, for every pixel that is tried, the try of the smallest distance."""
    if not len(pixels):
        return np.empty(0, dtype=np.int64)
    near = distances.min()
    steps = (distances - near) * (_DEPTH_STEPS / max(float(np.ptp(distances)), 1e-9))
    keys = (steps.astype(np.uint64) << np.uint64(32)) | np.arange(len(pixels), dtype=np.uint64)
    best = np.full(count, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(best, pixels, keys)
    best = best[best != np.iinfo(np.uint64).max]
    return (best & np.uint64(0xFFFFFFFF)).astype(np.int64)
