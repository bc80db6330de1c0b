import base64
import http.server
import io
import json
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from fergi.errors import FergiError, MissingExtraError, StudyError
from fergi.studio.application import application
from fergi.studio.configuration import GeneratorSection
from fergi.studio.generators import generator
from fergi.studio.joining import make_links
from fergi.studio.studio import open_studio


def _picture(colour: str = "red", kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, kind)
    return file.getvalue()


def _kind(answer: Any) -> str:
    return str(answer.json()["type"].rpartition(":")[2])


class Painter:
    """A generator that paints at once, when it is let."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.content: bytes | Exception = _picture()
        self.may_paint = threading.Event()
        self.may_paint.set()

    def picture(self, prompt: str, seed: int) -> bytes:
        self.asked.append((prompt, seed))
        assert self.may_paint.wait(20)
        if isinstance(self.content, Exception):
            raise self.content
        return self.content


@pytest.fixture
def painter() -> Painter:
    return Painter()


def _with_generator(study: Path, extra: str = "") -> None:
    path = study / "study.toml"
    text = path.read_text(encoding="utf-8").replace("folder = ", "# folder = ")
    section = '[generator]\nkind = "endpoint"\naddress = "http://127.0.0.1:9/"\nimages = 3\n'
    path.write_text(f"{text}\n{section}{extra}", encoding="utf-8")


@pytest.fixture
def painted(
    study: Path, painter: Painter, make: Callable[..., Any], request: pytest.FixtureRequest
) -> Iterator[Any]:
    """Somebody in a study whose pictures are made while they wait."""
    _with_generator(study, getattr(request, "param", ""))
    studio = open_studio(study)
    with TestClient(application(studio, maker=painter), base_url="http://127.0.0.1") as client:
        visitor = make(client, make_links(studio, 1)[0].token)
        visitor.join()
        visitor.consent("features")
        yield visitor


@pytest.fixture
def make(make_visitor: Callable[..., Any]) -> Callable[..., Any]:
    """The class of visitors, for other studies than the shared one."""
    made: Callable[..., Any] = type(make_visitor(None))
    return made


def _until_ready(visitor: Any, path: str = "/sessions/1/images/1/stimulus") -> dict[str, Any]:
    """Ask as a browser does, until there is an answer."""
    end = time.monotonic() + 20
    while True:
        state: dict[str, Any] = visitor.ask("POST", path).json()
        if state["state"] != "waiting" or time.monotonic() > end:
            return state
        time.sleep(0.01)


def test_a_picture_of_the_folder_is_ready_at_once(visitor: Any) -> None:
    answer = visitor.ask("POST", "/sessions/1/images/1/stimulus").json()
    assert answer == {"state": "ready", "type": "image/png", "detail": None}


def test_a_picture_is_made_while_the_participant_waits(painted: Any, painter: Painter) -> None:
    path = "/sessions/1/images/1/stimulus"
    painter.may_paint.clear()
    assert painted.ask("POST", path).json()["state"] == "waiting"
    assert painted.ask("POST", path).json()["state"] == "waiting"
    assert _kind(painted.ask("GET", path)) == "stimulus-missing"
    painter.may_paint.set()
    assert _until_ready(painted) == {"state": "ready", "type": "image/png", "detail": None}
    assert painted.ask("GET", path).content == _picture()
    prompts = [session["prompt"] for session in painted.progress()["sessions"]]
    assert [prompt for prompt, _ in painter.asked] == prompts[:1]


def test_each_picture_of_a_prompt_has_a_seed_of_its_own(painted: Any, painter: Painter) -> None:
    for image in (1, 2, 3):
        _until_ready(painted, f"/sessions/1/images/{image}/stimulus")
    assert len({seed for _, seed in painter.asked}) == 3


def test_generated_pictures_lie_in_the_raw_layout(painted: Any, study: Path) -> None:
    _until_ready(painted, "/sessions/1/images/2/stimulus")
    assert (study / painted.name / "session_1" / "image2.png").read_bytes() == _picture()


def test_a_failure_is_told_once_and_may_be_tried_again(painted: Any, painter: Painter) -> None:
    painter.content = FergiError("out of memory")
    failed = _until_ready(painted)
    assert failed["state"] == "failed"
    assert "out of memory" in failed["detail"]
    painter.content = _picture()
    assert _until_ready(painted)["state"] == "ready"


@pytest.mark.parametrize("content", [b"<html>", b"", _picture(kind="BMP")])
def test_what_is_no_picture_is_a_failure(painted: Any, painter: Painter, content: bytes) -> None:
    painter.content = content
    assert _until_ready(painted)["state"] == "failed"


def test_a_picture_that_comes_after_a_withdrawal_is_thrown_away(
    painted: Any, painter: Painter, study: Path
) -> None:
    painter.may_paint.clear()
    painted.ask("POST", "/sessions/1/images/1/stimulus")
    assert painted.ask("DELETE").status_code == 204
    painter.may_paint.set()
    painted.client.app.state.context.generation.close()
    assert not (study / painted.name).exists()


@pytest.mark.parametrize(
    "painted", ["prompts_by_participant = true\nsessions = 2\n"], indirect=True
)
def test_a_participant_may_write_the_prompts(painted: Any, painter: Painter) -> None:
    study = painted.study()
    assert study["prompts_by_participant"]
    assert [session["prompt"] for session in study["sessions"]] == [None, None]
    path = "/sessions/1/images/1/stimulus"
    assert _kind(painted.ask("POST", path)) == "stimulus-missing"
    written = painted.ask("PUT", "/sessions/1/prompt", json={"prompt": "  a blue dog "})
    assert written.status_code == 204
    assert _until_ready(painted)["state"] == "ready"
    assert [prompt for prompt, _ in painter.asked] == ["a blue dog"]
    again = painted.ask("PUT", "/sessions/1/prompt", json={"prompt": "another"})
    assert _kind(again) == "conflict"


def test_a_study_with_prompts_takes_none(visitor: Any) -> None:
    answer = visitor.ask("PUT", "/sessions/1/prompt", json={"prompt": "mine"})
    assert _kind(answer) == "conflict"


@pytest.mark.parametrize(
    ("name", "content", "kind", "content_type"),
    [
        ("a.txt", "春".encode(), "text", "text/plain; charset=utf-8"),
        ("a.mp3", b"ID3", "audio", "audio/mpeg"),
        ("a.webm", b"\x1a\x45\xdf\xa3", "video", "video/webm"),
    ],
)
def test_texts_audio_and_videos_are_shown_too(
    study: Path,
    make: Callable[..., Any],
    record: Any,
    name: str,
    content: bytes,
    kind: str,
    content_type: str,
) -> None:
    for number in (1, 2):
        (study / f"stimuli/fox/{number}{name}").write_bytes(content + bytes([48 + number]))
    settings = study / "study.toml"
    text = settings.read_text(encoding="utf-8")
    text = text.replace(
        'folder = "stimuli/fox"', f'stimuli = ["stimuli/fox/1{name}", "stimuli/fox/2{name}"]'
    ).replace(
        'folder = "stimuli/lighthouse"', f'stimuli = ["stimuli/fox/1{name}", "stimuli/fox/2{name}"]'
    )
    settings.write_text(text, encoding="utf-8")
    studio = open_studio(study)
    with TestClient(application(studio), base_url="http://127.0.0.1") as client:
        visitor = make(client, make_links(studio, 1)[0].token)
        visitor.join()
        visitor.consent("features")
        shown = visitor.study()["sessions"][0]["images"][0]
        assert (shown["kind"], shown["type"]) == (kind, content_type)
        answer = visitor.ask("GET", "/sessions/1/images/1/stimulus")
        assert answer.headers["content-type"] == content_type
        assert answer.content[:-1] == content
        visitor.send("1/1/reaction", record())
    # A video that was shown must never be taken for one of the face.
    folder = study / visitor.name / "session_1"
    assert [path.name for path in folder.glob("*") if path.suffix == Path(name).suffix] == []
    assert len(list((folder / ".stimuli").iterdir())) == 1


def test_a_stimulus_that_has_gone_is_said_to_be_missing(visitor: Any, study: Path) -> None:
    for path in study.glob("stimuli/*/*.png"):
        path.unlink()
    answer = visitor.ask("GET", "/sessions/1/images/1/stimulus")
    assert _kind(answer) == "stimulus-missing"
    assert str(study) not in answer.text


@contextmanager
def _endpoint(content: bytes, status: int = 200, **headers: str) -> Iterator[tuple[str, list[Any]]]:
    asked: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            asked.append((self.headers, json.loads(self.rfile.read(length))))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    "wrap",
    [
        lambda picture: picture,
        lambda picture: json.dumps(
            {"created": 1, "data": [{"b64_json": base64.b64encode(picture).decode()}]}
        ).encode(),
        lambda picture: json.dumps(
            ["data:image/png;base64," + base64.b64encode(picture).decode()]
        ).encode(),
    ],
    ids=["bytes", "json", "data address"],
)
def test_an_endpoint_is_sent_prompt_and_seed_and_answers_with_a_picture(
    tmp_path: Path, wrap: Callable[[bytes], bytes]
) -> None:
    picture = _picture(kind="JPEG")
    with _endpoint(wrap(picture)) as (address, asked):
        section = GeneratorSection(
            kind="endpoint",
            address=address,
            headers={"Authorization": "Bearer x"},
            body={"input": ["draw {prompt}"], "seed": "{seed}", "steps": 4},
        )
        assert generator(section, tmp_path).picture("a fox", 7) == picture
    headers, body = asked[0]
    assert body == {"input": ["draw a fox"], "seed": 7, "steps": 4}
    assert headers["Authorization"] == "Bearer x"


@pytest.mark.enable_socket
@pytest.mark.parametrize(
    ("content", "status", "headers"),
    [
        (b'{"data": []}', 200, {}),
        (b'{"data": "' + b"!" * 200 + b'"}', 200, {}),
        (b"", 500, {}),
        (b"", 302, {"Location": "http://127.0.0.1:9/elsewhere"}),
    ],
    ids=["no picture", "no base64", "failure", "elsewhere"],
)
def test_an_endpoint_that_makes_no_picture_is_a_failure(
    tmp_path: Path, content: bytes, status: int, headers: dict[str, str]
) -> None:
    with _endpoint(content, status, **headers) as (address, _):
        section = GeneratorSection(kind="endpoint", address=address)
        with pytest.raises(FergiError, match="generator"):
            generator(section, tmp_path).picture("a fox", 7)


def test_diffusers_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    section = GeneratorSection(kind="diffusers", model="model")
    with pytest.raises(MissingExtraError, match="diffusers"):
        generator(section, tmp_path).picture("a fox", 7)


def test_a_diffusers_pipeline_is_loaded_from_this_machine_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[tuple[str, dict[str, Any]]] = []

    class Pipeline:
        @classmethod
        def from_pretrained(cls, path: str, **options: Any) -> "Pipeline":
            loaded.append((path, options))
            return cls()

        def to(self, _: str) -> "Pipeline":
            return self

        def __call__(self, prompt: str, **options: Any) -> Any:
            assert prompt == "a fox"
            assert options["generator"].initial_seed() == 7
            assert options["num_inference_steps"] == 3
            return types.SimpleNamespace(images=[Image.new("RGB", (8, 8), "red")])

    stand_in = types.SimpleNamespace(DiffusionPipeline=Pipeline)
    monkeypatch.setitem(sys.modules, "diffusers", stand_in)
    section = GeneratorSection(kind="diffusers", model="model", options={"num_inference_steps": 3})
    made = generator(section, tmp_path)
    with pytest.raises(StudyError, match="no folder"):
        made.picture("a fox", 7)
    (tmp_path / "model").mkdir()
    assert made.picture("a fox", 7) == made.picture("a fox", 7) == _picture()
    options = {"local_files_only": True, "use_safetensors": True}
    assert loaded == [(str(tmp_path / "model"), options)]
