import hashlib
import os
from pathlib import Path

import pytest

from fergi.errors import WeightsError
from fergi.weights import fetched
from fergi.weights.fetched import (
    FetchedEntry,
    WebFile,
    WheelMember,
    fetched_file,
    fetched_model,
    fetched_registry,
    models_folder,
)
from fergi.weights.store import registry

CONTENT = b"the model" * 1000
ENTRY = FetchedEntry(
    name="a-model",
    file="a.task",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size=len(CONTENT),
    purpose="nothing",
    licence="MIT",
    citation="none",
    sources=(
        WebFile(address="https://invalid.example/a.task"),
        WheelMember(wheel="carrier==1.2", member="carrier/a.task"),
    ),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder, and a register with one model."""
    monkeypatch.setenv("FERGI_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setattr(fetched, "fetched_registry", lambda: {"a-model": ENTRY})
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def test_a_model_that_is_here_is_read(folder: Path) -> None:
    (folder / "a.task").write_bytes(CONTENT)
    assert fetched_model("a-model") == CONTENT
    assert fetched_file("a-model") == folder / "a.task"


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "is not there"),
        (b"", "has 0 bytes instead of 9,000"),
        (CONTENT[:-1], "has 8,999 bytes instead of 9,000: cut off"),
        (CONTENT + b"\0", "has 9,001 bytes instead of 9,000"),
        (b"T" + CONTENT[1:], "is altered: its SHA-256 is [0-9a-f]{64}"),
    ],
    ids=["absent", "empty", "truncated", "too long", "altered"],
)
def test_any_other_file_is_refused(folder: Path, content: bytes | None, fault: str) -> None:
    if content is not None:
        (folder / "a.task").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"a\.task {fault}.*; bring it with"):
        fetched_model("a-model")


def test_a_folder_in_the_place_of_a_model_is_refused(folder: Path) -> None:
    (folder / "a.task").mkdir()
    with pytest.raises(WeightsError, match=r"a\.task (cannot be read|has)"):
        fetched_model("a-model")


def test_the_message_says_all_that_is_needed_without_a_network(folder: Path) -> None:
    with pytest.raises(WeightsError) as caught:
        fetched_model("a-model")
    message = str(caught.value)
    for needed in (
        "a.task",
        ENTRY.sha256,
        str(folder),
        "fergi fetch a-model",
        "https://invalid.example/a.task",
        "carrier/a.task in the wheel carrier==1.2",
    ):
        assert needed in message


def test_the_models_folder_is_the_users_unless_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("FERGI_MODELS_DIR", raising=False)
    assert models_folder().name == "models"
    assert Path(os.environ["HOME"]) in models_folder().parents
    monkeypatch.setenv("FERGI_MODELS_DIR", str(tmp_path))
    assert models_folder() == tmp_path


def test_the_register_names_the_official_face_networks() -> None:
    entry = fetched_registry()["face-landmarker"]
    assert entry.size == 3_758_596
    assert entry.sha256.startswith("64184e229b263107")
    first, *others = entry.sources
    assert isinstance(first, WebFile)
    assert first.address.startswith("https://storage.googleapis.com/mediapipe-models/")
    assert all(isinstance(source, WheelMember) for source in others)
    assert len(others) >= 2


def test_no_model_is_both_shipped_and_fetched() -> None:
    assert not set(registry()) & set(fetched_registry())


def test_every_entry_pins_its_bytes_and_has_a_source() -> None:
    for entry in fetched_registry().values():
        assert len(entry.sha256) == 64
        assert entry.size > 0
        assert entry.sources
        assert entry.file == Path(entry.file).name
        assert all([entry.purpose, entry.licence, entry.citation])
