import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fergi.extraction.neutral_faces import neutral_face, seen_well
from fergi.extraction.sightings import Sightings, record_type, see
from fergi.records.face import VideoFrame
from fergi.settings import ExtractionSettings

OBSERVED = 1500


def _sightings(folder: Path, frames: int) -> Sightings:
    """What was seen in a clip in which a face, at rest from the 40th frame on, turns away once."""
    records = np.zeros(frames, record_type(OBSERVED))
    records["time"] = np.arange(frames) / 30
    records["confidence"], records["pitch"], records["yaw"] = 0.95, 0.7, 0.5
    records["yaw"][100] = 0.9
    stream = np.random.default_rng(0)
    unrest = np.where(np.arange(frames) < 40, 1.0, 0.01)[:, None]
    records["observations"] = 3.0 + unrest * stream.normal(size=(frames, OBSERVED))
    (folder / "s").write_bytes(records.tobytes())
    return Sightings(folder / "s", OBSERVED, frames)


def test_the_neutral_face_is_the_mean_of_the_first_stretch_at_rest(tmp_path: Path) -> None:
    face = neutral_face(_sightings(tmp_path, 200), "a.mp4")
    assert face is not None
    assert face.start >= 40 / 30
    assert face.end - face.start == pytest.approx(0.5)
    # The mean of 16 observations with a deviation of 0.01.
    np.testing.assert_allclose(face.observation, 3.0, atol=6 * 0.01 / 4)


def test_frames_that_are_not_frontal_are_not_seen_well(tmp_path: Path) -> None:
    is_valid = seen_well(_sightings(tmp_path, 200))
    assert np.flatnonzero(~is_valid).tolist() == [100]


def test_memory_does_not_grow_with_what_is_kept_of_a_clip(tmp_path: Path) -> None:
    sightings = _sightings(tmp_path, 4000)
    assert sightings.path.stat().st_size > 24_000_000
    tracemalloc.start()
    neutral_face(sightings, "a.mp4")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A part of 32 records has 0.2 MB, and is held a few times; the columns have 32 KB each.
    assert peak < 4_000_000


def test_large_frames_are_looked_at_in_smaller_batches(tmp_path: Path, invented) -> None:
    models = invented.load_invented(ExtractionSettings(), "cpu")
    batches: list[int] = []
    image = np.full((3000, 4000, 3), 80, dtype=np.uint8)  # 36 MB

    def looked(frames: int, _last: float) -> None:
        batches.append(frames)

    frames = (VideoFrame(number / 30, image) for number in range(5))
    see(frames, models, tmp_path / "s", looked)
    assert batches == [2, 4, 5]


def test_what_breaks_off_leaves_no_file(tmp_path: Path, invented) -> None:
    def frames():
        yield VideoFrame(0.0, np.full((64, 64, 3), 80, dtype=np.uint8))
        raise ZeroDivisionError

    models = invented.load_invented(ExtractionSettings(), "cpu")
    with pytest.raises(ZeroDivisionError):
        see(frames(), models, tmp_path / "s", lambda _frames, _last: None)
    assert list(tmp_path.iterdir()) == []
