import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fergi.errors import DownloadError, WeightsError
from fergi.scorers.protocol import ScorerOptions
from fergi.scorers.provided import provided_files
from fergi.weights.scorer_download import fetch_file, missing_files, published_at, told_size
from fergi.weights.scorer_weights import (
    PublishedFile,
    fetched_folder,
    file_hash,
    found_files,
    pins,
    scorer_weights,
)

LOCAL = pytest.mark.enable_socket
CONTENT = b"weights" * 1000
HEAD = "sac+logos+ava1-l14-linearMSE.pth"


@pytest.fixture(autouse=True)
def _nothing_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FERGI_WEIGHTS_DIR", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FERGI_MODELS_DIR", str(tmp_path / "models"))


@pytest.fixture
def server() -> Iterator[Callable[..., str]]:
    """Serves one content on this machine, or less of it than it promises."""
    servers = []

    def start(content: bytes = CONTENT, promised: int | None = None) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(promised or len(content)))
                self.end_headers()

            def do_GET(self) -> None:
                self.do_HEAD()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        one = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=one.serve_forever, daemon=True).start()
        servers.append(one)
        return f"http://127.0.0.1:{one.server_port}"

    yield start
    for one in servers:
        one.shutdown()
        one.server_close()


def test_every_entry_names_its_files_and_where_they_are_published() -> None:
    for entry in scorer_weights().values():
        assert entry.files
        assert entry.licence
        assert entry.citation
        assert all(file.url.startswith("https://") for file in entry.files)
        assert all(file.sha256 is None or len(file.sha256) == 64 for file in entry.files)


def test_files_of_the_hub_are_pinned_to_a_revision() -> None:
    on_hub = [f for e in scorer_weights().values() for f in e.files if "huggingface" in f.url]
    assert on_hub
    assert all(file.revision for file in on_hub)


def test_the_place_that_the_user_names_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [tmp_path / name for name in ("named", "folder/hpsv2", "variable/hpsv2")]
    monkeypatch.setenv("FERGI_WEIGHTS_DIR", str(tmp_path / "variable"))
    places.append(fetched_folder("hpsv2"))
    for place in reversed(places):
        place.mkdir(parents=True)
        (place / "HPS_v2_compressed.pt").touch()
        found = found_files(
            "hpsv2",
            places[0] if places[0].exists() else None,
            tmp_path / "folder",
        )
        assert found == {"HPS_v2_compressed.pt": place / "HPS_v2_compressed.pt"}


def test_a_file_may_be_named_in_place_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.pt").touch()
    (tmp_path / "vocab.txt").touch()
    found = found_files("imagereward", tmp_path / "mine.pt")
    assert found == {"ImageReward.pt": tmp_path / "mine.pt", "vocab.txt": tmp_path / "vocab.txt"}


def test_the_cache_of_the_hugging_face_libraries_is_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    place = (
        tmp_path / "hub/models--openai--clip-vit-large-patch14/snapshots"
        "/32bd64288804d66eefd0ccbe215aa642df71cc41"
    )
    place.mkdir(parents=True)
    (place / "config.json").touch()
    assert found_files("clip") == {"config.json": place / "config.json"}


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="check the path of clip"):
        found_files("clip", tmp_path / "nothing")


def test_a_folder_without_the_model_is_not_passed_over_for_another(tmp_path: Path) -> None:
    fetched_folder("clip").mkdir(parents=True)
    (fetched_folder("clip") / "model.safetensors").touch()
    (tmp_path / "vocab.json").touch()
    with pytest.raises(WeightsError, match=r"has no model\.safetensors; name the folder of clip"):
        found_files("clip", tmp_path)


@LOCAL
def test_a_file_that_comes_is_kept_and_pinned(server: Callable[..., str], tmp_path: Path) -> None:
    file = PublishedFile("a.bin", f"{server()}/a.bin")
    told: list[tuple[int, int]] = []
    digest = fetch_file(file, tmp_path, lambda done, total: told.append((done, total)))
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert digest == hashlib.sha256(CONTENT).hexdigest() == file_hash(tmp_path / "a.bin")
    assert pins("clip", tmp_path)["a.bin"] == digest
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told_size(file) == "7,000 bytes"


def test_what_is_missing_is_told_with_its_own_size(tmp_path: Path) -> None:
    (tmp_path / "ImageReward.pt").touch()
    with pytest.raises(WeightsError, match=r"lacks vocab\.txt \(0\.2 MB"):
        provided_files("imagereward", ScorerOptions(weights={"imagereward": tmp_path}))


def test_a_size_that_is_known_is_told_without_asking() -> None:
    model = scorer_weights()["pickscore"].files[0]
    assert told_size(model) == "about 3.94 GB"
    assert told_size(scorer_weights()["clip"].files[0]) == "1,710,540,580 bytes"


@LOCAL
def test_another_file_than_the_registered_one_leaves_no_trace(
    server: Callable[..., str], tmp_path: Path
) -> None:
    file = PublishedFile("a.bin", f"{server()}/a.bin", sha256="0" * 64)
    with pytest.raises(DownloadError, match="nothing was kept"):
        fetch_file(file, tmp_path)
    assert list(tmp_path.iterdir()) == []


@LOCAL
def test_a_download_that_breaks_off_leaves_no_trace(
    server: Callable[..., str], tmp_path: Path
) -> None:
    address = server(promised=2 * len(CONTENT))
    with pytest.raises(DownloadError, match=r"7,000 of 14,000|breaks off"):
        fetch_file(PublishedFile("a.bin", f"{address}/a.bin"), tmp_path)
    assert list(tmp_path.iterdir()) == []


@LOCAL
def test_an_address_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:1/a cannot be reached"):
        fetch_file(PublishedFile("a", "http://127.0.0.1:1/a"), tmp_path)
    with pytest.raises(DownloadError, match="no web address"):
        fetch_file(PublishedFile("a", "file:///etc/hostname"), tmp_path)


def test_a_mirror_takes_the_place_of_the_address() -> None:
    file = published_at(scorer_weights()["laion_aesthetic"].files[0], "https://mirror.example/x/")
    assert file.url == "https://mirror.example/x/sac%2Blogos%2Bava1-l14-linearMSE.pth"
    assert published_at(file, None) is file


def test_what_is_here_and_intact_is_not_fetched_again(tmp_path: Path) -> None:
    entry = scorer_weights()["laion_aesthetic"]
    assert [file.name for file in missing_files(entry, tmp_path)] == [HEAD]
    (tmp_path / HEAD).write_bytes(b"another file")
    assert [file.name for file in missing_files(entry, tmp_path)] == [HEAD]


def test_a_fetched_file_that_has_changed_is_refused() -> None:
    folder = fetched_folder("laion_aesthetic")
    folder.mkdir(parents=True)
    (folder / HEAD).write_bytes(b"altered")
    with pytest.raises(WeightsError, match="remove it and run: fergi fetch laion_aesthetic"):
        provided_files("laion_aesthetic", ScorerOptions()).record()


def test_a_file_of_the_user_s_own_is_described_as_such(tmp_path: Path) -> None:
    (tmp_path / HEAD).write_bytes(b"my own")
    options = ScorerOptions(weights={"laion_aesthetic": tmp_path})
    (described,) = provided_files("laion_aesthetic", options).record().values()
    assert described["is_the_pinned_one"] is False
    assert described["sha256"] == hashlib.sha256(b"my own").hexdigest()


def test_the_model_of_hps_2_1_is_not_taken_for_that_of_2_0(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HPS_v2_compressed.pt", "vocab.json", "merges.txt"):
        (tmp_path / name).touch()
    options = ScorerOptions(weights={"hpsv2": tmp_path})
    newer = scorer_weights()["hpsv2_1"].files[0].sha256
    monkeypatch.setattr("fergi.scorers.provided.file_hash", lambda _: newer)
    with pytest.raises(WeightsError, match=r"is the model of hpsv2_1, not of hpsv2"):
        provided_files("hpsv2", options).record()
