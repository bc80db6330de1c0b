from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fergi.datasets.face_shards import Shard, shard_description, write_shard
from fergi.datasets.prepared_faces import (
    FaceStore,
    PreparedFaces,
    joined_faces,
    prepared_faces,
)
from fergi.errors import DatasetError, UsageError
from fergi.files import read_table
from fergi.records.action_units import ACTION_UNITS
from fergi.records.labelled_faces import FaceSequence, Oddity, OddityKind

RECIPE = {"steps": ["draw"]}


def _shard(seed: int, pictures: int = 3) -> Shard:
    stream = np.random.default_rng(seed)
    labels = stream.integers(0, 6, (pictures, len(ACTION_UNITS))).astype(np.float64)
    labels[0, 0] = np.nan
    return Shard(
        pictures=stream.integers(0, 256, (pictures, 112, 112, 3), dtype=np.uint8),
        frames=np.arange(10, 10 + pictures),
        labels=labels,
        measures=stream.random((pictures, 3)),
    )


def _written(root: Path, people: dict[str, Shard], recipe: dict[str, object] = RECIPE) -> Path:
    store = FaceStore(root)
    store.begin(recipe)
    shards = []
    for person, shard in people.items():
        sequence = FaceSequence("disfa", person, "left", root, (), shard.frames, shard.labels)
        path = store.shard_path(sequence, 0)
        write_shard(path, shard, {"inputs": person})
        shards.append((sequence, path))
    store.finish(shards, [Oddity(OddityKind.NO_FACE, "disfa/a/left", 2, "frames 1, 2")])
    return root


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return _written(tmp_path / "store", {"a": _shard(1), "b": _shard(2, 4)})


def test_what_is_written_is_read(store: Path) -> None:
    faces = prepared_faces(store)
    first, second = _shard(1), _shard(2, 4)
    assert len(faces) == 7
    assert faces.people == ("a", "b")
    pictures = np.concatenate([first.pictures, second.pictures])
    np.testing.assert_array_equal(faces.pictures(np.arange(7)), pictures)
    np.testing.assert_array_equal(faces.pictures(np.array([6, 0])), pictures[[6, 0]])
    np.testing.assert_array_equal(faces.labels, np.concatenate([first.labels, second.labels]))
    assert faces.table["frame"].to_list() == [10, 11, 12, 10, 11, 12, 13]
    assert faces.table["AU1"][0] is None
    assert read_table(store / "oddities.csv")["count"].to_list() == [2]


def test_arrays_of_any_order_in_memory_are_read_as_they_were(tmp_path: Path) -> None:
    shard = _shard(1)
    turned = Shard(
        np.asfortranarray(shard.pictures),
        shard.frames,
        np.asfortranarray(shard.labels),
        np.asfortranarray(shard.measures),
    )
    faces = prepared_faces(_written(tmp_path / "store", {"a": turned}))
    np.testing.assert_array_equal(faces.labels, shard.labels)
    np.testing.assert_array_equal(faces.pictures(np.arange(3)), shard.pictures)


def test_a_part_of_the_pictures_keeps_pictures_and_labels_together(store: Path) -> None:
    faces = prepared_faces(store).where(pl.col("person") == "b")
    np.testing.assert_array_equal(faces.pictures(np.arange(4)), _shard(2, 4).pictures)
    np.testing.assert_array_equal(faces.labels, _shard(2, 4).labels)


def test_stores_can_be_joined(store: Path, tmp_path: Path) -> None:
    other = _written(tmp_path / "other", {"c": _shard(3)})
    stores = [prepared_faces(one) for one in (store, other)]
    faces = joined_faces(stores)
    assert faces.people == ("a", "b", "c")
    np.testing.assert_array_equal(faces.pictures(np.arange(7, 10)), _shard(3).pictures)
    np.testing.assert_array_equal(faces.labels[7:], _shard(3).labels)
    assert faces.fingerprint == "+".join(one.fingerprint for one in stores)


def test_a_picture_that_is_in_two_stores_counts_once(store: Path, tmp_path: Path) -> None:
    larger = _written(tmp_path / "larger", {"c": _shard(3), "b": _shard(2, 4)})
    faces = joined_faces([prepared_faces(one) for one in (store, larger)])
    assert faces.table["person"].to_list() == [*"aaabbbbccc"]
    np.testing.assert_array_equal(faces.pictures(np.arange(7, 10)), _shard(3).pictures)


def test_a_store_that_is_given_twice_is_refused(store: Path) -> None:
    with pytest.raises(UsageError, match="give each store once"):
        joined_faces([prepared_faces(store), prepared_faces(store)])


def test_stores_that_were_prepared_in_other_ways_are_not_joined(
    store: Path, tmp_path: Path
) -> None:
    other = _written(tmp_path / "other", {"c": _shard(3)}, {"steps": ["draw", "spoil"]})
    with pytest.raises(UsageError, match="not prepared in the same way"):
        joined_faces([prepared_faces(one) for one in (store, other)])


def test_other_labels_have_another_fingerprint(store: Path, tmp_path: Path) -> None:
    other = _written(tmp_path / "other", {"a": _shard(1), "b": _shard(4, 4)})
    assert prepared_faces(store).fingerprint != prepared_faces(other).fingerprint


def test_another_recipe_is_refused(store: Path) -> None:
    FaceStore(store).begin(RECIPE)
    with pytest.raises(UsageError, match="prepared in another way"):
        FaceStore(store).begin({"steps": ["draw", "spoil"]})


@pytest.mark.parametrize("name", ["recipe.json", "faces.parquet"])
def test_a_store_that_is_not_complete_is_refused(store: Path, name: str) -> None:
    (store / name).unlink()
    with pytest.raises(DatasetError, match="fergi au prepare"):
        prepared_faces(store)


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
def test_a_recipe_that_is_damaged_is_told_to_be(store: Path, content: str) -> None:
    (store / "recipe.json").write_text(content)
    for use in (prepared_faces, lambda root: FaceStore(root).begin(RECIPE)):
        with pytest.raises(DatasetError, match=r"recipe\.json: cannot be read, or is damaged"):
            use(store)


def test_a_shard_that_is_missing_or_cut_off_is_refused(store: Path) -> None:
    shard = next((store / "shards").glob("*-b-*"))
    content = shard.read_bytes()
    for spoilt in (content[:-1], content[:100], b""):
        shard.write_bytes(spoilt)
        assert shard_description(shard) is None
        with pytest.raises(DatasetError, match="no whole shard"):
            _all(prepared_faces(store))
    shard.unlink()
    with pytest.raises(DatasetError, match="no whole shard"):
        prepared_faces(store)


def test_a_shard_of_other_pictures_than_the_table_says_is_refused(store: Path) -> None:
    path = next((store / "shards").glob("*-b-*"))
    whole = _shard(2, 4)
    fewer = Shard(whole.pictures[:3], whole.frames[:3], whole.labels[:3], whole.measures[:3])
    others = replace(whole, frames=whole.frames[::-1]), replace(whole, labels=whole.labels[::-1])
    for shard in (fewer, *others):
        write_shard(path, shard, {"inputs": "b"})
        with pytest.raises(DatasetError, match=r"is not complete \(disfa-b-left.*prepare again"):
            prepared_faces(store)
    write_shard(path, whole, {"inputs": "b"})
    assert len(prepared_faces(store)) == 7


@pytest.mark.parametrize("content", [b"no table", b""])
def test_a_table_that_is_damaged_is_refused(store: Path, content: bytes) -> None:
    (store / "faces.parquet").write_bytes(content)
    with pytest.raises(DatasetError, match=r"faces\.parquet cannot be read.*prepare again"):
        prepared_faces(store)


def _all(faces: PreparedFaces) -> np.ndarray:
    return faces.pictures(np.arange(len(faces)))


def test_a_whole_shard_describes_itself(store: Path) -> None:
    assert shard_description(next((store / "shards").glob("*-a-*"))) == {"inputs": "a"}


def test_a_store_without_a_picture_is_refused(tmp_path: Path) -> None:
    empty = Shard(
        np.empty((0, 112, 112, 3), np.uint8),
        np.empty(0, np.int64),
        np.empty((0, 12)),
        np.empty((0, 3)),
    )
    with pytest.raises(DatasetError, match=r"the reasons are in oddities\.csv"):
        _written(tmp_path, {"a": empty})
    assert read_table(tmp_path / "oddities.csv")["kind"].to_list() == ["pictures without a face"]
    assert not (tmp_path / "faces.parquet").exists()
