import re
from dataclasses import replace

import numpy as np
import polars as pl

from fergi.datasets.disfa_protocol import neutral_rows, published_folds
from fergi.datasets.prepared_faces import PreparedFaces
from fergi.records.action_units import UNIT_NAMES


def _faces(rows: list[tuple[str, str, str, int, float]]) -> PreparedFaces:
    """Rows of data set, person, sequence, frame, and the intensity of AU12."""
    table = pl.DataFrame(
        rows, schema=["dataset", "person", "sequence", "frame", "AU12"], orient="row"
    )
    labels = np.zeros((len(rows), len(UNIT_NAMES)))
    labels[:, UNIT_NAMES.index("AU12")] = table["AU12"].to_numpy()
    return PreparedFaces(table, labels, "", (), np.zeros((len(rows), 2), dtype=np.int64))


def test_the_published_folds_hold_each_of_the_27_people_once() -> None:
    people = [person for fold in published_folds() for person in fold]
    assert len(people) == len(set(people)) == 27
    assert all(re.fullmatch(r"SN\d{3}", person) for person in people)
    assert [len(fold) for fold in published_folds()] == [9, 9, 9]


def test_the_published_frame_is_the_neutral_of_its_camera() -> None:
    faces = _faces(
        [("disfa", "SN002", camera, frame, 0.0) for camera in ("left", "right") for frame in (4, 5)]
    )
    assert neutral_rows(faces).tolist() == [1, 1, 3, 3]


def test_a_trial_of_disfa_plus_takes_the_neutral_of_another_trial() -> None:
    faces = _faces(
        [
            ("disfa+", "SN003", "A2_AU2_TrailNo_1", 0, 0.0),
            ("disfa+", "SN003", "A1_AU1_TrailNo_2", 0, 0.0),
            ("disfa+", "SN003", "A1_AU1_TrailNo_2", 1, 3.0),
        ]
    )
    assert neutral_rows(faces).tolist() == [1, 1, 1]


def test_without_a_published_frame_the_first_resting_picture_is_taken() -> None:
    faces = _faces(
        [
            ("invented", "a", "pictures", 0, 3.0),
            ("invented", "a", "pictures", 1, 0.0),
            ("invented", "a", "pictures", 2, 0.0),
            ("invented", "b", "pictures", 0, 0.0),
        ]
    )
    assert neutral_rows(faces).tolist() == [1, 1, 1, 3]


def test_a_sequence_without_rest_takes_another_of_the_person() -> None:
    faces = _faces(
        [
            ("disfa", "x", "left", 1, 2.0),
            ("disfa", "x", "right", 1, 0.0),
            ("disfa+", "x", "trial", 0, 4.0),
        ]
    )
    assert neutral_rows(faces).tolist() == [1, 1, 1]


def test_a_person_who_never_rests_has_no_neutral() -> None:
    faces = _faces([("disfa", "x", "left", 1, 2.0), ("disfa", "y", "left", 1, 0.0)])
    assert neutral_rows(faces).tolist() == [-1, 1]


def test_a_picture_without_any_label_is_no_neutral() -> None:
    faces = _faces([("disfa", "x", "left", 1, 0.0), ("disfa", "x", "left", 2, 0.0)])
    labels = faces.labels.copy()
    labels[0] = np.nan
    assert neutral_rows(replace(faces, labels=labels)).tolist() == [1, 1]
