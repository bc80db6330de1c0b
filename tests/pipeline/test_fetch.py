"""`fergi fetch` and a model: only from a server on this machine."""

import hashlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from fergi.cli import fetch as command
from fergi.errors import DownloadError, UsageError
from fergi.weights.fetched import FetchedEntry, WebFile

Run = Callable[..., Result]
CONTENT = b"the model" * 1000

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """What was asked of the only source of the only model."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            content = CONTENT if self.path == "/a.task" else b"another"
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        entry = FetchedEntry(
            name="a-model",
            file="a.task",
            sha256=hashlib.sha256(CONTENT).hexdigest(),
            size=len(CONTENT),
            purpose="nothing",
            licence="MIT",
            citation="none",
            sources=(WebFile(address=f"http://127.0.0.1:{server.server_port}/a.task"),),
        )
        monkeypatch.setattr(command, "fetched_registry", lambda: {"a-model": entry})
        monkeypatch.setenv("FERGI_MODELS_DIR", str(tmp_path / "models"))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield paths
        server.shutdown()
        thread.join()


def test_a_model_is_brought_and_size_licence_and_source_are_said_first(
    fergi: Run, asked: list[str], tmp_path: Path
) -> None:
    result = fergi("fetch", "a-model")
    assert result.exit_code == 0
    assert (tmp_path / "models" / "a.task").read_bytes() == CONTENT
    assert "a.task: 9,000 bytes, MIT" in result.stderr
    assert "from http://127.0.0.1" in result.stderr
    assert hashlib.sha256(CONTENT).hexdigest() in result.stdout


def test_what_is_here_is_not_brought_again(fergi: Run, asked: list[str]) -> None:
    fergi("fetch", "a-model")
    result = fergi("fetch", "a-model", "--json")
    assert json.loads(result.stdout)["source"] == "here before"
    assert asked == ["/a.task"]


def test_what_is_altered_is_brought_again(fergi: Run, asked: list[str], tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.task").write_bytes(CONTENT[:-1] + b"x")
    assert fergi("fetch", "a-model").exit_code == 0
    assert (tmp_path / "models" / "a.task").read_bytes() == CONTENT


def test_another_address_and_another_folder_can_be_named(
    fergi: Run, asked: list[str], tmp_path: Path
) -> None:
    source = command.fetched_registry()["a-model"].sources[0]
    assert isinstance(source, WebFile)
    other = source.address.replace("a.task", "other")
    result = fergi("fetch", "a-model", "--address", other, "--out", tmp_path / "here")
    assert result.exit_code == DownloadError.exit_status
    assert "gives another file" in result.stderr
    result = fergi("fetch", "a-model", "--out", tmp_path / "here", "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "here" / "a.task").read_bytes() == CONTENT
    assert asked == ["/other", "/a.task"]


def test_an_unknown_name_is_refused(fergi: Run, asked: list[str]) -> None:
    result = fergi("fetch", "another")
    assert result.exit_code == UsageError.exit_status
    assert "choose one of release, ict-facekit, a-model" in result.stderr
    assert asked == []


def test_several_are_brought_and_one_that_fails_costs_no_other(
    fergi: Run, asked: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound = command.fetched_registry()["a-model"]
    (source,) = sound.sources
    assert isinstance(source, WebFile)
    elsewhere = WebFile(address=source.address.replace("a.task", "other"))
    broken = sound.model_copy(update={"name": "broken", "file": "b.task", "sources": (elsewhere,)})
    monkeypatch.setattr(command, "fetched_registry", lambda: {"broken": broken, "a-model": sound})
    result = fergi("fetch", "broken", "a-model")
    assert result.exit_code == DownloadError.exit_status
    assert "b.task" in result.stderr
    assert (tmp_path / "models" / "a.task").read_bytes() == CONTENT
    assert fergi("fetch", "broken", "a-model", "--address", source.address).exit_code == 2
    assert fergi("fetch", "a-model", "unknown").exit_code == UsageError.exit_status
