"""A study that is being run in this process, and people who visit it."""

import hashlib
import io
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import httpx2
import numpy as np
import pytest
from starlette.testclient import TestClient

from fergi.records.action_units import ACTION_UNITS
from fergi.studio.application import application
from fergi.studio.example import write_example
from fergi.studio.joining import make_links, researcher_token
from fergi.studio.studio import Studio, open_studio

ORIGIN = "http://127.0.0.1:8765"


@dataclass
class Time:
    """A clock that stands until it is moved."""

    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The folder of the study that `fergi studio init` makes: 2 prompts, 3 images each."""
    write_example(tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def studio(study: Path, clock: Time) -> Iterator[Studio]:
    opened = open_studio(study, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def client(studio: Studio) -> Iterator[TestClient]:
    with TestClient(application(studio), base_url=ORIGIN) as client:
        yield client


def clip_record(
    frames: int = 30, *, video: bytes | None = None, series: bool = True, rise: float = 0.0
) -> dict[str, Any]:
    """Invent a record; AU12 rises by `rise` in its second half."""
    intensities = np.full((frames, len(ACTION_UNITS)), 0.1)
    intensities[frames // 2 :, ACTION_UNITS.index(12)] += rise
    return {
        "recorded": "2026-01-01T00:00:00Z",
        "seconds": (frames - 1) / 30,
        "events": [{"name": "stimulus-onset", "seconds": 0.0}],
        "camera": {"width": 64, "height": 48, "frame_rate": 30.0, "label": None},
        "quality": {"frames": frames, "dropped_frames": 0, "light": 0.5},
        "series": {
            "estimator": {"name": "mesh", "sha256": "0" * 64, "scale": "proxy"},
            "neutral": True,
            "times": [frame / 30 for frame in range(frames)],
            "face_confidence": [0.97] * frames,
            "pitch_ratio": [0.7] * frames,
            "yaw_ratio": [0.5] * frames,
            "units": list(ACTION_UNITS),
            "intensities": intensities.tolist(),
        }
        if series
        else None,
        "video": {
            "sha256": hashlib.sha256(video).hexdigest(),
            "bytes": len(video),
            "type": "video/webm",
        }
        if video
        else None,
    }


def filmed(frames: int = 30, *, seed: int = 0, kind: str = "webm") -> bytes:
    """Film noise: a real video of 64 × 48 at 30 frames a second."""
    stream = np.random.default_rng(seed)
    file = io.BytesIO()
    options = {"fflags": "+bitexact"}  # the same film every time
    with av.open(file, "w", format=kind, options=options) as container:
        video = container.add_stream("libvpx" if kind == "webm" else "mpeg4", rate=30)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for _ in range(frames):
            pixels = stream.integers(0, 255, (48, 64, 3), dtype=np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(video.encode())
    return file.getvalue()


@dataclass
class Visitor:
    """A participant's browser."""

    client: TestClient
    link: str
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    name: str = ""
    cookie: str = ""

    def join(self) -> httpx2.Response:
        body = {"link": self.link, "key": self.key, "language": "en"}
        answer = self.client.post("/api/participants", json=body)
        if answer.is_success:
            self.name = answer.json()["participant"]
            self.cookie = answer.cookies["fergi_participant"]
        self.client.cookies.clear()  # each visitor brings a cookie of their own
        return answer

    @property
    def home(self) -> str:
        return f"/api/participants/{self.name}"

    def ask(self, method: str, path: str = "", **parts: Any) -> httpx2.Response:
        headers = {"Cookie": f"fergi_participant={self.cookie}"} | parts.pop("headers", {})
        return self.client.request(method, self.home + path, headers=headers, **parts)

    def progress(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET").json()
        return found

    def study(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", "/study").json()
        return found

    def consent(self, choice: str) -> httpx2.Response:
        asked = self.study()["consent"]
        given = {"version": asked["version"], "sha256": asked["texts"]["en"]["sha256"]}
        return self.ask("PUT", "/consent", json=given | {"language": "en", "choice": choice})

    def send(self, path: str, record: dict[str, Any]) -> httpx2.Response:
        return self.ask("PUT", f"/clips/{path}", json=record)

    def send_video(
        self, path: str, video: bytes, headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        headers = {"Content-Type": "video/webm"} | (headers or {})
        return self.ask("PUT", f"/clips/{path}/video", content=video, headers=headers)

    def film(self, path: str, video: bytes, *, series: bool = True) -> httpx2.Response:
        """Send a record with its video."""
        answer = self.send(path, clip_record(video=video, series=series))
        assert answer.is_success, answer.text
        return self.send_video(path, video)

    def do_session(self, number: int, images: int = 3) -> None:
        """Do all of a session; the later images please more, and are ranked so."""
        for image in range(1, images + 1):
            rise = {"baseline": 0.0, "reaction": float(image)}
            for kind in ("baseline", "reaction"):
                path = f"{number}/{image}/{kind}"
                assert self.send(path, clip_record(rise=rise[kind])).is_success
            answers = {"overall_rating": image, "reactions": ["amused"]}
            path = f"/sessions/{number}/images/{image}/survey"
            assert self.ask("PUT", path, json=answers).is_success
        best_first = list(range(images, 0, -1))
        path = f"/sessions/{number}/ranking"
        assert self.ask("PUT", path, json={"best_first": best_first}).is_success


@pytest.fixture
def make_visitor(client: TestClient, studio: Studio) -> Callable[..., Visitor]:
    """Brings somebody in who agreed to a choice."""

    def make(choice: str | None = "features") -> Visitor:
        visitor = Visitor(client, make_links(studio, 1)[0].token)
        assert visitor.join().is_success
        if choice is not None:
            assert visitor.consent(choice).is_success
        return visitor

    return make


@pytest.fixture
def visitor(make_visitor: Callable[..., Visitor]) -> Visitor:
    """Somebody who agreed to features."""
    return make_visitor("features")


@pytest.fixture
def filmed_visitor(make_visitor: Callable[..., Visitor]) -> Visitor:
    """Somebody who agreed to video."""
    return make_visitor("video")


@dataclass
class Researcher:
    """The researcher's browser."""

    client: TestClient
    cookie: str

    def ask(self, method: str, path: str, **parts: Any) -> httpx2.Response:
        headers = {"Cookie": f"fergi_admin={self.cookie}"} | parts.pop("headers", {})
        return self.client.request(method, f"/api/admin{path}", headers=headers, **parts)

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path)
        assert answer.is_success, answer.text
        return answer.json()


@pytest.fixture
def researcher(client: TestClient, studio: Studio) -> Researcher:
    token = researcher_token(studio)
    answer = client.post("/api/admin/session", json={"token": token})
    assert answer.status_code == 204
    cookie = answer.cookies["fergi_admin"]
    client.cookies.clear()
    return Researcher(client, cookie)


@pytest.fixture
def record() -> Callable[..., dict[str, Any]]:
    return clip_record


@pytest.fixture
def film() -> Callable[..., bytes]:
    return filmed


@pytest.fixture
def session_record(study: Path) -> Callable[[str, int], dict[str, Any]]:
    """Reads the `data.json` of a session."""

    def read(participant: str, number: int) -> dict[str, Any]:
        path = study / participant / f"session_{number}" / "data.json"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found

    return read
