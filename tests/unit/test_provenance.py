import json
from pathlib import Path

import polars as pl
import pytest

import fergi
from fergi.provenance import (
    fergi_version,
    fingerprint,
    provenance_path,
    read_provenance,
    settings_hash,
    write_provenance,
)

TABLE = pl.DataFrame({"image": [1, 2], "score": [0.5, None], "name": ["a", "雪"]})


def test_the_record_lies_beside_its_file_and_tells_all(tmp_path: Path) -> None:
    settings = {"valence": "au4", "min_confidence": 0.5}
    write_provenance(
        tmp_path / "result.csv",
        settings=settings,
        models={"fusion": "ab" * 32},
        input_fingerprint=fingerprint(TABLE),
        summary={"prompt": "雪"},
    )
    path = tmp_path / "result.csv.json"
    assert provenance_path(tmp_path / "result.csv") == path
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["file"] == "result.csv"
    assert record["fergi"] == fergi.__version__
    assert record["settings"] == settings
    assert record["settings_sha256"] == settings_hash(settings)
    assert record["models"] == {"fusion": "ab" * 32}
    assert record["input_fingerprint"] == fingerprint(TABLE)
    assert record["summary"] == {"prompt": "雪"}
    assert read_provenance(tmp_path / "result.csv") == record
    assert {"numpy", "polars"} <= set(record["packages"])


@pytest.mark.parametrize("content", [None, b"{", b"[1]", b"\xff"])
def test_without_a_sound_record_nothing_is_read(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "result.csv.json").write_bytes(content)
    assert read_provenance(tmp_path / "result.csv") == {}


def test_the_same_run_gives_the_same_record(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_provenance(
            tmp_path / name / "r.csv", settings={}, models={}, input_fingerprint=fingerprint(TABLE)
        )
    records = [(tmp_path / name / "r.csv.json").read_bytes() for name in ("one", "two")]
    assert records[0] == records[1]
    assert b"summary" not in records[0]


def test_a_fingerprint_tells_every_change_of_the_evidence() -> None:
    changed = [
        TABLE,
        TABLE.reverse(),
        TABLE.rename({"score": "rating"}),
        TABLE.with_columns(score=pl.Series([0.5, 0.0])),
        TABLE.with_columns(score=pl.Series([0.5000000000000001, None])),
        TABLE.head(1),
    ]
    prints = [fingerprint(table) for table in changed]
    assert len(set(prints)) == len(prints)
    assert all(len(one) == 64 for one in prints)


def test_the_same_evidence_has_the_same_fingerprint() -> None:
    assert fingerprint(TABLE, TABLE.head(1)) == fingerprint(TABLE.clone(), TABLE.head(1))
    assert fingerprint(TABLE, TABLE.head(1)) != fingerprint(TABLE.head(1), TABLE)


def test_the_hash_of_settings_does_not_depend_on_their_order() -> None:
    assert settings_hash({"a": 1, "b": 2}) == settings_hash({"b": 2, "a": 1})
    assert settings_hash({"a": 1, "b": 2}) != settings_hash({"a": 1, "b": 3})


def test_the_version_is_that_of_the_package() -> None:
    assert fergi_version() == fergi.__version__
