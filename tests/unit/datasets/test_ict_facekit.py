import http.server
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from fergi.datasets.ict_facekit import face_facts, fetch_ict_facekit, packed_face
from fergi.errors import DownloadError

NEUTRAL = b"""# a pyramid
mtllib x.mtl
v 0 0 1
v 1 0 0
v 0 1 0
v -1 0 0
v 0 -1 0
usemtl M_Face
f 1/1 2/2 3/3
f 1/1 3/3 4/4
usemtl M_BackHead
f 2/1/1 3/2/2 4/3/3 5/4/4
"""
MOVED = NEUTRAL.replace(b"v 0 0 1", b"v 0 0.5 1.25")
SHAPES = {
    "generic_neutral_mesh": NEUTRAL,
    "identity000": MOVED,
    "identity001": NEUTRAL,
    "jawOpen": NEUTRAL.replace(b"v 0 -1 0", b"v 0 -2 0"),
}


def _archive(shapes: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        files = {f"FaceXModel/{name}.obj": text for name, text in shapes.items()}
        for name, text in {**files, "LICENSE": b"MIT License", "Scripts/x.obj": b"v 1"}.items():
            member = tarfile.TarInfo(f"ICT-FaceKit-da5f95a/{name}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return file.getvalue()


@pytest.fixture
def served() -> Iterator[Callable[[bytes], str]]:
    """Serves bytes on this machine."""
    content = b""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None: ...

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    def serve(given: bytes) -> str:
        nonlocal content
        content = given
        return f"http://127.0.0.1:{server.server_port}/face.tar.gz"

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()


def test_points_faces_and_materials_are_those_of_the_files() -> None:
    face = packed_face(SHAPES)
    assert face["neutral"].shape == (5, 3)
    np.testing.assert_array_equal(face["triangles"], [[0, 1, 2], [0, 2, 3], [1, 2, 3], [1, 3, 4]])
    assert face["material"].tolist() == [0, 0, 1, 1]
    assert face["material_names"].tolist() == ["M_Face", "M_BackHead"]
    assert face["identity_names"].tolist() == ["identity000", "identity001"]
    assert face["expression_names"].tolist() == ["jawOpen"]
    np.testing.assert_array_equal(face["identity"][0, 0], [0, 0.5, 0.25])
    np.testing.assert_array_equal(face["expression"][0, 4], [0, -1, 0])
    assert face["identity"].dtype == np.float16


@pytest.mark.enable_socket
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_the_face_is_brought_packed_and_licensed(
    served: Callable[[bytes], str], tmp_path: Path
) -> None:
    pinned = face_facts(packed_face(SHAPES))
    path = fetch_ict_facekit(tmp_path, served(_archive(SHAPES)), pinned)
    with np.load(path, allow_pickle=False) as kept:
        np.testing.assert_array_equal(kept["neutral"], packed_face(SHAPES)["neutral"])
        assert len(kept["landmarks68"]) == 68
    assert (tmp_path / "ict-facekit-LICENSE").read_bytes() == b"MIT License"


@pytest.mark.enable_socket
@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.parametrize("name", ["generic_neutral_mesh", "jawOpen"])
def test_another_face_is_refused_and_nothing_is_kept(
    served: Callable[[bytes], str], tmp_path: Path, name: str
) -> None:
    pinned = face_facts(packed_face(SHAPES))
    altered = SHAPES | {name: SHAPES[name].replace(b"v 1 0 0", b"v 1 0.5 0")}
    with pytest.raises(DownloadError, match="holds another face"):
        fetch_ict_facekit(tmp_path, served(_archive(altered)), pinned)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.enable_socket
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_archives_of_other_projects_or_damaged_ones_are_refused(
    served: Callable[[bytes], str], tmp_path: Path
) -> None:
    with pytest.raises(DownloadError, match="of another project"):
        fetch_ict_facekit(tmp_path, served(_archive({"jawOpen": NEUTRAL})))
    with pytest.raises(DownloadError, match="cannot be read"):
        fetch_ict_facekit(tmp_path, served(_archive(SHAPES)[:200]))
    shorter = SHAPES | {"jawOpen": NEUTRAL.replace(b"v 0 -1 0\n", b"")}
    with pytest.raises(DownloadError, match="has 4 points, not 5"):
        fetch_ict_facekit(tmp_path, served(_archive(shorter)))
    assert list(tmp_path.iterdir()) == []
