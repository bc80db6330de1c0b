"""The morphable face of USC ICT, brought from its authors' repository and packed.

`fergi fetch ict-facekit` reads the .obj files of the archive as they pass by, and keeps their
points as arrays in one file, with the licence beside it.

See `descriptions/ict-facekit.md`.
"""

import hashlib
import itertools
import tarfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float, Int

from fergi.errors import DownloadError
from fergi.files import replacing
from fergi.progress import Progress, unreported

COMMIT = "da5f95a607f5e6b37755b38d3385d7f2853732e5"
ADDRESS = f"https://github.com/ICT-VGL/ICT-FaceKit/archive/{COMMIT}.tar.gz"
FILE_NAME = "ict-facekit.npz"
DOWNLOAD_MEGABYTES = 150
"""About; the archive is made on request, so its size is not known before."""

SHAPES = 158
"""The face at rest, 100 ways to differ, 57 expressions."""

_FOLDER = "FaceXModel"
_NEUTRAL = "generic_neutral_mesh"
_IDENTITY = "identity"
_LICENCE = "LICENSE"
_TIMEOUT_SECONDS = 60
_SHAPE_TOLERANCE = 1e-3

# The points of the 68 landmarks of Multi-PIE, from the repository's vertex_indices.json.
_LANDMARKS = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088,
    3443, 268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140,
    2075, 1147, 4269, 3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732,
    5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216,
    6207, 6470, 5517, 5966,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PinnedFace:
    """What the packed face must be.

    Attributes:
        mesh_sha256: Of neutral points, triangles and materials.
        spread: Name of an array of offsets → the root mean square of its numbers.
    """

    mesh_sha256: str
    spread: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Mesh:
    """An .obj file; corners of its triangles, from 0, and the material of each."""

    points: Float[np.ndarray, "points 3"]
    triangles: Int[np.ndarray, "triangles 3"]
    materials: list[str]


def fetch_ict_facekit(
    folder: Path,
    address: str = ADDRESS,
    pinned: PinnedFace | None = None,
    progress: Progress = unreported,
) -> Path:
    """Bring the morphable face, verify it, and pack it.

    Args:
        folder: Where to put `ict-facekit.npz` and its licence.
        address: Of a gzipped tar archive of the repository, with one folder at its top.
        pinned: What the result must be; by default the face at the pinned commit.
        progress: Told after each .obj file.

    Returns:
        The packed file.

    Raises:
        DownloadError: If the address cannot be reached, or holds another face.
        OutputError: If a file cannot be written.
    """
    try:
        texts = dict(_texts(address, progress))
    except (urllib.error.URLError, tarfile.TarError, EOFError, TimeoutError) as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(
            f"{address} cannot be read ({reason}); check the connection, or give the address "
            "of a copy of the archive with --address"
        ) from error
    face = packed_face({name: text for name, text in texts.items() if name != _LICENCE})
    _verify(face, pinned or ICT_FACEKIT, address)
    with replacing(folder / FILE_NAME) as file:
        np.savez_compressed(file, **face)  # type: ignore[arg-type]
    with replacing(folder / f"{Path(FILE_NAME).stem}-LICENSE") as file:
        file.write(texts.get(_LICENCE, b""))
    return folder / FILE_NAME


def _texts(address: str, progress: Progress) -> Iterator[tuple[str, bytes]]:
    """Stream the archive: name of each .obj file, and its contents."""
    if not address.startswith(("https://", "http://")):
        raise DownloadError(f"{address} is no web address")
    read = 0
    with (
        urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as response,  # noqa: S310
        tarfile.open(fileobj=response, mode="r|gz") as archive,
    ):
        for member in archive:
            path = PurePosixPath(*PurePosixPath(member.name).parts[1:])
            is_shape = path.parent == PurePosixPath(_FOLDER) and path.suffix == ".obj"
            content = archive.extractfile(member) if is_shape or str(path) == _LICENCE else None
            if content is not None:
                yield path.stem, content.read()
                read += is_shape
                progress(read, SHAPES)


def packed_face(shapes: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """Turn .obj files into arrays.

    Args:
        shapes: Name of each shape → its .obj file. `generic_neutral_mesh` is the face at rest,
            `identity…` are ways in which people differ, all others expressions.

    Returns:
        `neutral` (points × 3, float32), `identity` and `expression` (shapes × points × 3,
        float16 offsets from neutral) with their names, `triangles` with their `material`, and
        `landmarks68`.

    Raises:
        DownloadError: If a shape is missing or has other points.
    """
    if _NEUTRAL not in shapes:
        raise DownloadError(
            f"the archive has no {_FOLDER}/{_NEUTRAL}.obj; it is of another project"
        )
    mesh = _mesh(shapes[_NEUTRAL])
    names = sorted(set(shapes) - {_NEUTRAL})
    identities = [name for name in names if name.startswith(_IDENTITY)]
    expressions = [name for name in names if not name.startswith(_IDENTITY)]
    material_names = list(dict.fromkeys(mesh.materials))
    return {
        "neutral": mesh.points.astype(np.float32),
        "identity": _offsets(mesh, shapes, identities),
        "expression": _offsets(mesh, shapes, expressions),
        "triangles": mesh.triangles.astype(np.int32),
        "material": np.array([material_names.index(name) for name in mesh.materials], np.int8),
        "landmarks68": np.array(_LANDMARKS, np.int32),
        "identity_names": np.array(identities),
        "expression_names": np.array(expressions),
        "material_names": np.array(material_names),
    }


def _offsets(mesh: _Mesh, shapes: Mapping[str, bytes], names: list[str]) -> np.ndarray:
    offsets = np.empty((len(names), *mesh.points.shape), np.float16)
    for place, name in enumerate(names):
        points = _points(shapes[name])
        if points.shape != mesh.points.shape:
            raise DownloadError(
                f"{name}.obj has {len(points):,} points, not {len(mesh.points):,} as the "
                "neutral face; the archive is damaged"
            )
        offsets[place] = points - mesh.points
    return offsets


def _points(text: bytes) -> Float[np.ndarray, "points 3"]:
    rows = [line[2:] for line in text.splitlines() if line.startswith(b"v ")]
    return np.array([row.split()[:3] for row in rows], dtype=np.float64).reshape(-1, 3)


def _mesh(text: bytes) -> _Mesh:
    """Read points, and faces cut into fans of triangles."""
    triangles: list[tuple[int, int, int]] = []
    materials: list[str] = []
    material = ""
    for line in text.splitlines():
        if line.startswith(b"usemtl "):
            material = line.split()[1].decode()
        elif line.startswith(b"f "):
            first, *others = (int(corner.split(b"/")[0]) - 1 for corner in line.split()[1:])
            fan = [(first, *pair) for pair in itertools.pairwise(others)]
            triangles += fan
            materials += [material] * len(fan)
    return _Mesh(_points(text), np.array(triangles, dtype=np.int64).reshape(-1, 3), materials)


def face_facts(face: Mapping[str, np.ndarray]) -> PinnedFace:
    """Say what tells a packed face from another.

    The mesh is told by its hash. Offsets are differences of decimals kept in 16 bits, whose last
    bit depends on how they were subtracted, so they are told by their spread.
    """
    digest = hashlib.sha256()
    for name in ("neutral", "triangles", "material"):
        digest.update(np.ascontiguousarray(face[name]).tobytes())
    spread = {
        name: float(np.sqrt(np.mean(face[name].astype(np.float32) ** 2, dtype=np.float64)))
        for name in ("identity", "expression")
    }
    return PinnedFace(digest.hexdigest(), spread)


def _verify(face: Mapping[str, np.ndarray], pinned: PinnedFace, address: str) -> None:
    found = face_facts(face)
    is_same = found.mesh_sha256 == pinned.mesh_sha256 and all(
        np.isclose(found.spread[name], value, rtol=_SHAPE_TOLERANCE)
        for name, value in pinned.spread.items()
    )
    if not is_same:
        raise DownloadError(
            f"{address} holds another face (mesh {found.mesh_sha256}, wanted "
            f"{pinned.mesh_sha256}); nothing was kept"
        )


ICT_FACEKIT = PinnedFace(
    mesh_sha256="8e1f05b6b5abed58391431affba44db66b99dfb22990a6bcfa38d45ac27fa419",
    spread={"identity": 0.0340962, "expression": 0.1464131},
)
"""The face at `COMMIT`."""
