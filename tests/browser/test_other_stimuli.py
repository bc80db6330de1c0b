"""Studies of videos, sounds and texts, and of images that are made while people wait."""

import json
import sys
import threading
import time
import wave
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))  # this folder is no package
from walk import Walk

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("mesh_weights")]

_MIXED = """
[[prompts]]
text = "a wave"
stimuli = ["stimuli/wave/wave.webm", "stimuli/wave/wave.wav", "stimuli/wave/wave.txt"]
"""

_GENERATED = """
[generator]
kind = "endpoint"
address = "http://127.0.0.1:{port}/make"
images = 3
prompts_by_participant = true
sessions = 1
"""


_SECONDS_A_PICTURE = 2.5
"""Longer than a baseline clip lasts."""


class FakeGenerator(ThreadingHTTPServer):
    """Makes a plain picture of each seed; it refuses the second seed that it is asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Making)
        self.prompts: list[str] = []
        self.seeds: list[int] = []


class _Making(BaseHTTPRequestHandler):
    server: FakeGenerator

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        seeds = self.server.seeds
        self.server.prompts.append(asked["prompt"])
        if asked["seed"] not in seeds:
            seeds.append(asked["seed"])
        time.sleep(_SECONDS_A_PICTURE)
        is_refused = seeds.index(asked["seed"]) == 1
        picture = BytesIO()
        Image.new("RGB", (64, 64), (40 * len(seeds), 90, 120)).save(picture, "PNG")
        self.send_response(500 if is_refused else 200)
        self.end_headers()
        self.wfile.write(b"" if is_refused else picture.getvalue())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def fake_generator() -> Iterator[FakeGenerator]:
    with FakeGenerator() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def mixed_study(study: Path) -> None:
    """Puts a video, a sound and a text into the short study."""
    folder = study / "stimuli" / "wave"
    folder.mkdir(exist_ok=True)
    (folder / "wave.txt").write_text("A wave comes in.\nIt goes out again.", encoding="utf-8")
    with wave.open(str(folder / "wave.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(np.zeros(8000, np.int16).tobytes())
    with av.open(str(folder / "wave.webm"), "w") as film:
        stream = film.add_stream("vp8", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for level in range(20):
            picture = np.full((120, 160, 3), 10 * level, np.uint8)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        film.mux(stream.encode())


@pytest.mark.usefixtures("mixed_study")
def test_videos_sounds_and_texts_are_shown_ranked_and_annotated(
    visit: Callable[..., Any], serve: Callable[..., Any], tmp_path: Path
) -> None:
    studio = serve(_MIXED)
    seen = visit()
    page = seen.page
    played: dict[str, float] = {}
    walk = Walk(page)
    walk.begin(studio.link(), "features")
    while (screen := walk.screen()) != "ranking":
        if screen == "survey":
            kind = page.evaluate("document.querySelector('.survey :is(audio, video)')?.tagName")
            if kind:
                played[kind] = page.evaluate(
                    "document.querySelector('.survey :is(audio, video)').currentTime"
                )
        walk.step()
    assert set(played) == {"AUDIO", "VIDEO"}
    assert min(played.values()) > 0.5
    names = {card.get_attribute("aria-label") for card in page.query_selector_all(".rank-card")}
    assert {name.split()[0] for name in names} == {"Video", "Sound", "Text"}
    walk.finish()
    assert seen.problems == []
    assert seen.addresses() == {studio.origin}
    rows = studio.annotations(tmp_path, "--no-extract")
    assert [row["source"] for row in rows] == ["face"] * 3


@pytest.mark.enable_socket
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_participants_write_prompts_and_wait_for_their_images(
    visit: Callable[..., Any],
    serve: Callable[..., Any],
    fake_generator: FakeGenerator,
    tmp_path: Path,
) -> None:
    studio = serve(_GENERATED.format(port=fake_generator.server_port))
    seen = visit()
    page = seen.page
    walk = Walk(page)
    walk.begin(studio.link(), "features")
    walk.step()
    page.fill("#prompt", "a cat on the moon")
    page.click("form .primary")
    walk.until("ranking")
    # The image that could not be made is left out, and said to be.
    assert page.locator(".rank-card").count() == 2
    walk.finish()
    assert seen.problems == []
    assert seen.addresses() == {studio.origin}
    assert set(fake_generator.prompts) == {"a cat on the moon"}
    (participant,) = studio.participants()
    data = json.loads((participant / "session_1" / "data.json").read_text(encoding="utf-8"))
    assert data["prompt"] == "a cat on the moon"
    assert len([*participant.glob("session_1/image*.png")]) == 2
    assert len(data["ranking"]) == 2
    for recording in participant.glob("session_1/baseline_clip_*_recording.json"):
        assert json.loads(recording.read_text(encoding="utf-8"))["seconds"] < _SECONDS_A_PICTURE
    rows = studio.annotations(tmp_path, "--no-extract")
    assert [row["source"] for row in rows] == ["face"]
