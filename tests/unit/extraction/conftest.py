"""Videos of invented faces, and the models that see them."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fergi.extraction.run import Existing, ExtractionRun, Way, extract_videos
from fergi.extraction.videos import find_videos
from fergi.settings import ExtractionSettings

sys.path.append(str(Path(__file__).parent))


@pytest.fixture
def invented() -> Any:
    """The module of invented faces, which workers import by name too."""
    import invented_faces

    return invented_faces


@pytest.fixture
def extract(invented: Any) -> Callable[..., ExtractionRun]:
    """Extracts all videos at a path, in this process unless told otherwise."""

    def run(path: Path, out: Path | None = None, **options: Any) -> ExtractionRun:
        settings = options.pop("settings", ExtractionSettings())
        watch = options.pop("watch", lambda _so_far: None)
        way = Way(**{"load": invented.load_invented, "existing": Existing.CHECK, **options})
        return extract_videos(find_videos(path, out).clips, settings, way, watch)

    return run


@pytest.fixture
def filmed_study(tmp_path: Path, invented: Any) -> Iterator[Path]:
    """Two people: at rest while they wait, and anna smiles by 2 at what she is shown."""
    root = tmp_path / "study"
    for person, rest, smile in (("anna", 80, 160), ("ben", 100, 100)):
        for image in (1, 2):
            folder = root / person / "session_1"
            waiting = [invented.grey(rest)] * 20
            invented.write_film(folder / f"baseline_clip_{image}.mp4", waiting)
            looking = [invented.grey(rest)] * 10 + [invented.grey(smile)] * 10
            invented.write_film(folder / f"reaction_clip_{image}.mp4", looking)
    return root
