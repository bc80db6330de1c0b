from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fergi.datasets.invented_faces import read_invented_faces
from fergi.errors import DatasetError
from fergi.records.action_units import ACTION_UNITS, UNIT_NAMES
from fergi.records.labelled_faces import OddityKind

PERSON = "invented/person-00000"
AU4 = ACTION_UNITS.index(4)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """One person, three pictures, as fergi au synthesize leaves them."""
    folder = tmp_path / "person-00000"
    folder.mkdir()
    for name in ("1.jpg", "2.jpg", "3.jpg", "truth.parquet"):
        (folder / name).touch()
    (tmp_path / "truth.parquet.json").touch()
    pl.DataFrame({"seed": [0]}).write_csv(tmp_path / "plan.csv")
    _write_truth(tmp_path, [1.25, 0.0, 5.0])
    return tmp_path


def _write_truth(root: Path, intensities: list[object]) -> None:
    pictures = [f"{number}.jpg" for number in range(1, 4)]
    truth = pl.DataFrame({"person": ["person-00000"] * 3, "picture": pictures})
    units = {name: pl.Series(intensities) for name in UNIT_NAMES}
    truth.with_columns(**units).write_parquet(root / "truth.parquet")


def test_what_was_synthesized_is_read_and_nothing_of_it_is_odd(people: Path) -> None:
    faces = read_invented_faces(people)
    (sequence,) = faces.sequences
    assert faces.oddities == ()
    assert sequence.files == ("1.jpg", "2.jpg", "3.jpg")
    np.testing.assert_array_equal(sequence.labels[:, AU4], [1.25, 0.0, 5.0])


@pytest.mark.parametrize(
    ("extra", "kind", "place"),
    [
        ("person-00000/4.jpg", OddityKind.NO_LABEL, PERSON),
        ("person-00000/notes.txt", OddityKind.EXTRA_FILE, PERSON),
        ("person-00001", OddityKind.EXTRA_FILE, "invented"),
        ("list.txt", OddityKind.EXTRA_FILE, "invented"),
    ],
)
def test_whatever_the_table_does_not_tell_of_is_named(
    people: Path, extra: str, kind: OddityKind, place: str
) -> None:
    (people / extra).touch()
    faces = read_invented_faces(people)
    (oddity,) = faces.oddities
    assert (oddity.kind, oddity.place, oddity.count) == (kind, place, 1)
    assert oddity.detail.startswith(extra.rpartition("/")[2])
    assert len(faces.sequences[0].files) == 3


def test_a_picture_that_is_not_there_or_no_file_is_named(people: Path) -> None:
    (people / "person-00000" / "1.jpg").unlink()
    (people / "person-00000" / "2.jpg").unlink()
    (people / "person-00000" / "2.jpg").mkdir()
    faces = read_invented_faces(people)
    assert faces.sequences[0].files == ("3.jpg",)
    assert [str(oddity.problem()) for oddity in faces.oddities] == [
        f"{PERSON}: 2 labels without pictures: 1.jpg, 2.jpg; left out"
    ]


@pytest.mark.parametrize("wrong", [7.0, -0.5, float("inf")])
def test_a_label_that_is_no_intensity_is_named_and_missing(people: Path, wrong: float) -> None:
    _write_truth(people, [1.25, wrong, None])
    faces = read_invented_faces(people)
    np.testing.assert_array_equal(faces.sequences[0].labels[:, AU4], [1.25, np.nan, np.nan])
    (oddity,) = faces.oddities
    assert (oddity.kind, oddity.count) == (OddityKind.OUT_OF_RANGE, 12)
    assert oddity.detail == "of 2.jpg; counted as not labelled"


def test_labels_that_are_no_numbers_are_refused(people: Path) -> None:
    _write_truth(people, ["none", "weak", "strong"])
    with pytest.raises(DatasetError, match="as numbers"):
        read_invented_faces(people)


def test_of_a_picture_that_is_labelled_twice_the_first_row_counts(people: Path) -> None:
    truth = pl.read_parquet(people / "truth.parquet")
    again = truth.head(1).with_columns(AU4=pl.lit(3.0))
    pl.concat([truth, again]).write_parquet(people / "truth.parquet")
    faces = read_invented_faces(people)
    np.testing.assert_array_equal(faces.sequences[0].labels[:, AU4], [1.25, 0.0, 5.0])
    (oddity,) = faces.oddities
    assert (oddity.kind, oddity.count) == (OddityKind.REPEATED_FRAME, 1)
