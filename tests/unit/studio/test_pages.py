import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from fergi.studio import served_models as module
from fergi.studio.application import application
from fergi.studio.studio import Studio
from fergi.weights.fetched import MODELS_DIR_VARIABLE, fetched_registry
from fergi.weights.store import shipped_model


@pytest.fixture
def built(studio: Studio, tmp_path: Path) -> Iterator[TestClient]:
    """A studio with one page and one asset."""
    pages = tmp_path / "pages"
    (pages / "assets").mkdir(parents=True)
    (pages / "try.html").write_bytes(b"<!doctype html><title>Try</title>")
    (pages / "assets" / "try-abc123.js").write_bytes(b"1")
    (pages.parent / "secret.js").write_bytes(b"2")
    with TestClient(application(studio, pages=pages), base_url="http://127.0.0.1") as client:
        yield client


def test_pages_are_served_and_asked_for_anew(built: TestClient) -> None:
    answer = built.get("/try")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    assert b"Try" in answer.content


def test_the_start_leads_to_what_anybody_may_try(built: TestClient) -> None:
    answer = built.get("/", follow_redirects=False)
    assert answer.headers["location"] == "/try"


def test_assets_are_kept_for_a_year(built: TestClient) -> None:
    answer = built.get("/assets/try-abc123.js")
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "javascript" in answer.headers["content-type"]


@pytest.mark.parametrize("name", ["..%2fsecret.js", "%2e%2e/secret.js", "....//secret.js"])
def test_nothing_outside_the_pages_is_served(built: TestClient, name: str) -> None:
    assert built.get(f"/assets/{name}").status_code == 404


def test_a_page_that_is_not_built_says_how_to_build_it(built: TestClient) -> None:
    answer = built.get("/join")
    assert answer.status_code == 404
    assert "make web" in answer.json()["detail"]


@pytest.fixture
def no_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of models."""
    module._model.cache_clear()
    monkeypatch.setenv(MODELS_DIR_VARIABLE, str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    yield tmp_path / "models"
    module._model.cache_clear()


def test_the_valence_network_is_served_with_its_hash(client: TestClient) -> None:
    answer = client.get("/api/models/fau-net.safetensors")
    digest = hashlib.sha256(answer.content).hexdigest()
    assert digest == shipped_model("fau-net").sha256
    assert answer.headers["etag"] == f'"{digest}"'
    again = client.get("/api/models/fau-net.safetensors", headers={"If-None-Match": f'"{digest}"'})
    assert again.status_code == 304
    assert again.content == b""


def test_a_model_that_was_not_fetched_is_said_to_be_missing(
    no_models: Path, client: TestClient
) -> None:
    answer = client.get("/api/models/face_landmarker.task")
    assert answer.json()["type"] == "urn:fergi:studio:model-missing"
    assert "fergi fetch" in answer.json()["detail"]


def test_a_model_that_is_another_file_is_not_served(no_models: Path, client: TestClient) -> None:
    (no_models / fetched_registry()["face-landmarker"].file).write_bytes(b"something else")
    assert client.get("/api/models/face_landmarker.task").status_code == 404


def test_the_study_says_which_models_are_here(visitor: Any) -> None:
    models = visitor.study()["models"]
    assert models["fau-net.safetensors"]["sha256"] == shipped_model("fau-net").sha256
