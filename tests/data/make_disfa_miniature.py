"""Make the miniatures of DISFA and DISFA+: as trees in one file, and as prepared faces in another.

Needs `fergi fetch ict-facekit` and `fergi fetch face-landmarker`.
Run: python tests/data/make_disfa_miniature.py
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from fergi.datasets.disfa import read_disfa, read_disfa_plus
from fergi.datasets.prepared_faces import prepared_faces
from fergi.files import write_table
from fergi.synthesis.camera import jpeg
from fergi.synthesis.disfa_miniature import (
    DISFA_FOLDER,
    DISFA_PLUS_FOLDER,
    MiniaturePlan,
    write_disfa_miniature,
)
from fergi.synthesis.morphable_face import known_morphable_face, morphable_face
from fergi.synthesis.rendering import Renderer
from fergi.training.action_units.preparation import prepare_faces
from fergi.weights.fetched import fetched_model

OUT = Path(__file__).parent
QUALITY = 80
FACE_QUALITY = 90


def packed(path: Path) -> bytes:
    """Read a file; of a picture, a JPEG."""
    content = path.read_bytes()
    if path.suffix == ".txt":
        return content
    picture = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    return jpeg(np.ascontiguousarray(picture[..., ::-1]), QUALITY)


def prepared_table(root: Path) -> pl.DataFrame:
    """Prepare all faces: the table of a store, with the pictures as JPEGs."""
    sets = (read_disfa(root / DISFA_FOLDER), read_disfa_plus(root / DISFA_PLUS_FOLDER))
    sequences = [sequence for one in sets for sequence in one.sequences]
    prepare_faces(sequences, [], root / "store", fetched_model("face-landmarker"))
    faces = prepared_faces(root / "store")
    pictures = [jpeg(picture, FACE_QUALITY) for picture in faces.pictures(np.arange(len(faces)))]
    return faces.table.with_columns(pl.Series("picture", pictures))


def main() -> None:
    """Draw, prepare and pack."""
    renderer = Renderer(morphable_face(known_morphable_face()))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_disfa_miniature(renderer, root, MiniaturePlan())
        files = sorted(path for path in root.rglob("*") if path.is_file())
        rows = [(path.relative_to(root).as_posix(), packed(path)) for path in files]
        faces = prepared_table(root)
    trees = pl.DataFrame(rows, schema=["path", "content"], orient="row")
    write_table(trees, OUT / "disfa_miniature.parquet")
    write_table(faces, OUT / "disfa_miniature_faces.parquet")


if __name__ == "__main__":
    main()
