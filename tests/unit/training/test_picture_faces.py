"""Looking at pictures of invented people with the official networks."""

import os
from pathlib import Path

import numpy as np
import pytest

from fergi.errors import TrainingError
from fergi.synthesis.picture_set import PicturePlan, synthesize
from fergi.training.picture_faces import seen_pictures

PLAN = PicturePlan(seed=2, neutrals=1, expressions=1)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people, drawn from the morphable face that users fetch."""
    if "FERGI_ICT_FACEKIT" not in os.environ:
        pytest.skip("FERGI_ICT_FACEKIT does not say where the morphable face lies")
    out = tmp_path_factory.mktemp("people") / "set"
    assert synthesize(Path(os.environ["FERGI_ICT_FACEKIT"]), out, 2, PLAN) == []
    return out


def test_every_picture_is_seen_and_those_of_good_cameras_in_the_mirror_too(
    people: Path, face_task: bytes
) -> None:
    seen, failures = seen_pictures(people, face_task)
    assert failures == []
    # Of each person 3 pictures by a good camera, twice, and 3 by a poor one.
    assert np.bincount(seen.people).tolist() == [9, 9]
    assert np.bincount(seen.cameras).tolist() == [6, 6, 6]
    assert np.isfinite(seen.observations).all()


def test_the_mirror_exchanges_the_sides(people: Path, face_task: bytes) -> None:
    seen, _ = seen_pictures(people, face_task)
    plain, mirrored = (seen.chosen(seen.cameras == camera) for camera in (0, 2))
    assert (plain.truths == mirrored.truths[:, ::-1]).all()


def test_what_was_seen_once_is_not_looked_at_again(people: Path, face_task: bytes) -> None:
    first, _ = seen_pictures(people, face_task)
    for picture in people.glob("*/*.jpg"):
        picture.write_bytes(b"gone")
    again, failures = seen_pictures(people, face_task)
    assert failures == []
    assert again.fingerprint() == first.fingerprint()


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="fergi au synthesize"):
        seen_pictures(tmp_path, b"no networks are needed")
