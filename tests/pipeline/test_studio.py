"""`fergi studio` as a researcher runs it: a process, killed whenever we like."""

import hashlib
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pytest
from typer.testing import Result

from fergi.seeds import random_stream

Run = Callable[..., Result]
FILES_OF_A_CLIP = 6
"""Record, features, their origin, picture, video, data.json."""

UNITS = [1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26]
# Kills the server at its n-th naming of a file: after some files of a clip have their names, before
# the database knows of any.
KILL_AT_NAMING = """
import os, signal
from fergi.studio.clip_files import LocalFiles
named, name_one = [], LocalFiles._name
def dying(self, name, file):
    named.append(name)
    if len(named) == {place}:
        os.kill(os.getpid(), signal.SIGKILL)
    name_one(self, name, file)
LocalFiles._name = dying
"""


@pytest.fixture
def study(fergi: Run, tmp_path: Path) -> Path:
    assert fergi("studio", "init", tmp_path / "study").exit_code == 0
    return tmp_path / "study"


@dataclass
class Server:
    """A running `fergi studio run`."""

    process: subprocess.Popen[str]
    address: str
    lines: list[str]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def served(study: Path, *options: str, prelude: str = "") -> Iterator[Server]:
    code = f"{prelude}\nfrom fergi.cli import main\nmain()"
    command = ["-c", code, "studio", "run", str(study), "--port", "0", *options]
    process = subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    lines: list[str] = []
    try:
        for line in process.stdout:
            lines.append(line)
            if line.startswith("links"):
                break
        found = re.search(r"serving\s+(\S+)", "".join(lines))
        assert found, "".join(lines)
        yield Server(process, found[1], lines)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@dataclass
class Browser:
    """A participant's browser, which keeps what is not confirmed."""

    link: str
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    name: str = ""
    cookie: str = ""
    confirmed: dict[str, str] = field(default_factory=dict)

    def ask(
        self, address: str, method: str, path: str, body: object = None, kind: str = ""
    ) -> tuple[int, Any]:
        parts = urlsplit(address)
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": kind or "application/json", "Content-Length": str(len(content))}
        if self.cookie:
            headers["Cookie"] = f"fergi_participant={self.cookie}"
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            found = answer.read()
            cookie = re.match(r"fergi_participant=([^;]+)", answer.headers["set-cookie"] or "")
            self.cookie = cookie[1] if cookie else self.cookie
        finally:
            connection.close()
        return answer.status, json.loads(found) if found else None

    def join(self, address: str, choice: str) -> None:
        status, progress = self.ask(
            address, "POST", "/api/participants", {"link": self.link, "key": self.key}
        )
        assert status in (200, 201), progress
        self.name = progress["participant"]
        consent = self.ask(address, "GET", f"{self.home}/study")[1]["consent"]
        text = consent["texts"]["en"]["sha256"]
        given = {"version": consent["version"], "sha256": text, "language": "en", "choice": choice}
        assert self.ask(address, "PUT", f"{self.home}/consent", given)[0] == 200

    @property
    def home(self) -> str:
        return f"/api/participants/{self.name}"

    def send(self, address: str, clip: str, video: bytes | None) -> None:
        """Send a clip until it is confirmed, and only then forget it."""
        path = f"{self.home}/clips/{clip}"
        status, receipt = self.ask(address, "PUT", path, record(video))
        assert status == 200, receipt
        if video is not None:
            status, receipt = self.ask(address, "PUT", f"{path}/video", video, "video/webm")
            assert status == 200, receipt
            assert receipt["video_sha256"] == hashlib.sha256(video).hexdigest()
        assert receipt["state"] == "confirmed"
        self.confirmed[clip] = hashlib.sha256(video or b"").hexdigest()


def record(video: bytes | None) -> dict[str, Any]:
    frames = 60
    return {
        "recorded": "2026-01-01T00:00:00Z",
        "seconds": (frames - 1) / 30,
        "events": [{"name": "stimulus-onset", "seconds": 0}],
        "camera": {"width": 64, "height": 48},
        "quality": {"frames": frames, "light": 0.5},
        "series": {
            "estimator": {"name": "mesh", "sha256": "0" * 64, "scale": "proxy"},
            "neutral": True,
            "times": [frame / 30 for frame in range(frames)],
            "face_confidence": [0.97] * frames,
            "pitch_ratio": [0.7] * frames,
            "yaw_ratio": [0.5] * frames,
            "units": UNITS,
            "intensities": [[0.1] * len(UNITS)] * frames,
        },
        "video": video
        and {
            "sha256": hashlib.sha256(video).hexdigest(),
            "bytes": len(video),
            "type": "video/webm",
        },
    }


def _clips(images: int = 3) -> list[str]:
    return [
        f"{session}/{image}/{kind}"
        for session in (1, 2)
        for image in range(1, images + 1)
        for kind in ("baseline", "reaction")
    ]


def _links(fergi: Run, study: Path, count: int) -> list[str]:
    made = json.loads(fergi("studio", "link", study, "-n", str(count), "--json").stdout)
    return [address.partition("#")[2] for name, address in made.items() if name != "problems"]


def _states(browser: Browser, address: str) -> dict[str, str]:
    progress = browser.ask(address, "GET", browser.home)[1]
    return {
        f"{session['session']}/{clip['image']}/{clip['kind']}": clip["state"]
        for session in progress["sessions"]
        for clip in session["clips"]
    }


def _videos(study: Path, browser: Browser) -> dict[str, str]:
    """Find the videos in a participant's folder: clip → SHA-256."""
    found = {}
    for path in (study / browser.name).rglob("*.webm"):
        kind, image = re.fullmatch(r"(\w+)_clip_(\d+)\.webm", path.name).groups()  # type: ignore[union-attr]
        session = path.parent.name.removeprefix("session_")
        found[f"{session}/{image}/{kind}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@pytest.fixture
def videos() -> dict[str, bytes]:
    """A small real video for each clip, no two alike."""
    import io

    import av
    import numpy as np

    def filmed(seed: int) -> bytes:
        stream, file = np.random.default_rng(seed), io.BytesIO()
        with av.open(file, "w", format="webm") as container:
            video = container.add_stream("libvpx", rate=30)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
            for _ in range(15):
                pixels = stream.integers(0, 255, (48, 64, 3), dtype=np.uint8)
                container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(video.encode())
        return file.getvalue()

    return {clip: filmed(seed) for seed, clip in enumerate(_clips())}


@pytest.mark.enable_socket
def test_a_whole_study_from_init_to_annotations(fergi: Run, study: Path, tmp_path: Path) -> None:
    with served(study) as server:
        assert server.address.startswith("http://127.0.0.1:")
        browser = Browser(_links(fergi, study, 1)[0])
        browser.join(server.address, "features")
        for clip in _clips():
            browser.send(server.address, clip, None)
        for session in (1, 2):
            for image in (1, 2, 3):
                path = f"{browser.home}/sessions/{session}/images/{image}/survey"
                assert browser.ask(server.address, "PUT", path, {"overall_rating": image})[0] == 204
            path = f"{browser.home}/sessions/{session}/ranking"
            assert browser.ask(server.address, "PUT", path, {"best_first": [3, 2, 1]})[0] == 204
        assert browser.ask(server.address, "POST", f"{browser.home}/finish")[1]["finished"]
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(20) in (0, 130)
    result = fergi("annotate", study, "-o", tmp_path / "annotations.csv", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["pairs"] == 6
    assert len(pl.read_csv(tmp_path / "annotations.csv")) == 6


@pytest.mark.enable_socket
def test_with_a_certificate_it_is_encrypted_and_cookies_stay_so(
    fergi: Run, study: Path, tmp_path: Path
) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate of this test, is not installed here")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *name]
    subprocess.run([*make, "-keyout", key, "-out", cert], check=True, capture_output=True)
    options = ("--tls-cert", str(cert), "--tls-key", str(key))
    with served(study, *options) as server:
        parts = urlsplit(server.address)
        assert parts.scheme == "https"
        trusted = ssl.create_default_context(cafile=cert)
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, timeout=30, context=trusted
        )
        body = json.dumps({"link": _links(fergi, study, 1)[0], "key": secrets.token_urlsafe(32)})
        connection.request("POST", "/api/participants", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        connection.close()
        assert answer.status == 201
        assert "Secure" in (answer.headers["set-cookie"] or "")
        assert answer.headers["strict-transport-security"]


@pytest.mark.enable_socket
def test_a_start_that_fails_takes_no_token(fergi: Run, study: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        done = fergi("studio", "run", study, "--port", str(listener.getsockname()[1]))
    assert done.exit_code == 2
    assert "the consent text is a draft" in done.stderr
    with served(study) as server:
        assert "/admin#" in "".join(server.lines)


@pytest.mark.enable_socket
def test_the_researcher_s_token_is_printed_once(study: Path) -> None:
    with served(study) as server:
        first = "".join(server.lines)
        assert re.search(r"/admin#[\w-]{43}\n", first)
    with served(study) as server:
        assert "/admin#" not in "".join(server.lines)
    with served(study, "--new-admin-token") as server:
        again = "".join(server.lines)
        assert re.search(r"/admin#[\w-]{43}\n", again)
    assert re.findall(r"#([\w-]{43})", first) != re.findall(r"#([\w-]{43})", again)


@pytest.mark.enable_socket
@pytest.mark.parametrize("place", [1, 3, 5, 6])
def test_a_kill_between_naming_and_noting_loses_no_confirmed_clip_and_counts_no_half_one(
    fergi: Run, study: Path, videos: dict[str, bytes], place: int
) -> None:
    first = _clips()[0]
    with served(study, prelude=KILL_AT_NAMING.format(place=FILES_OF_A_CLIP + place)) as server:
        browser = Browser(_links(fergi, study, 1)[0])
        browser.join(server.address, "video")
        browser.send(server.address, first, videos[first])
        _send_what_is_left(browser, server.address, videos)
        assert server.process.wait(20) == -signal.SIGKILL
    with served(study) as server:
        states = _states(browser, server.address)
        confirmed = {clip for clip, state in states.items() if state == "confirmed"}
        assert confirmed >= set(browser.confirmed)
        assert set(_videos(study, browser)) == confirmed
        for clip in _clips():
            browser.send(server.address, clip, videos[clip])
        assert _videos(study, browser) == browser.confirmed


@pytest.mark.enable_socket
def test_a_kill_at_any_moment_loses_no_confirmed_clip_and_mixes_no_participants(
    fergi: Run, study: Path, videos: dict[str, bytes]
) -> None:
    browsers = [Browser(link) for link in _links(fergi, study, 4)]
    with served(study) as server:
        for browser in browsers:
            browser.join(server.address, "video")
    for turn in range(3):
        with served(study) as server:
            for browser in browsers:
                states = _states(browser, server.address)
                confirmed = {clip for clip, state in states.items() if state == "confirmed"}
                assert confirmed >= set(browser.confirmed)
                assert set(_videos(study, browser)) == confirmed
            delay = float(random_stream(0, "kill", turn).uniform(0.05, 0.5))
            killer = threading.Timer(delay, server.kill)
            killer.start()
            with ThreadPoolExecutor(len(browsers)) as pool:
                list(
                    pool.map(lambda one: _send_what_is_left(one, server.address, videos), browsers)
                )
            killer.join()
    with served(study) as server:
        for browser in browsers:
            _send_what_is_left(browser, server.address, videos)
            expected = {clip: hashlib.sha256(video).hexdigest() for clip, video in videos.items()}
            assert _videos(study, browser) == browser.confirmed == expected
    leftovers = [path for path in study.rglob("*") if path.suffix == ".part"]
    assert leftovers == []


def _send_what_is_left(browser: Browser, address: str, videos: dict[str, bytes]) -> None:
    for clip, video in videos.items():
        if clip in browser.confirmed:
            continue
        try:
            browser.send(address, clip, video)
        except (ConnectionError, http.client.HTTPException, TimeoutError):
            return


@pytest.mark.enable_socket
def test_a_connection_that_breaks_in_the_middle_leaves_nothing(
    fergi: Run, study: Path, videos: dict[str, bytes]
) -> None:
    clip = _clips()[0]
    video = videos[clip]
    with served(study) as server:
        browser = Browser(_links(fergi, study, 1)[0])
        browser.join(server.address, "video")
        path = f"{browser.home}/clips/{clip}"
        assert browser.ask(server.address, "PUT", path, record(video))[0] == 200
        parts = urlsplit(server.address)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
        connection.putrequest("PUT", f"{path}/video")
        connection.putheader("Content-Type", "video/webm")
        connection.putheader("Content-Length", str(len(video)))
        connection.putheader("Cookie", f"fergi_participant={browser.cookie}")
        connection.endheaders(video[: len(video) // 2])
        connection.close()
        _until(lambda: not list((study / ".studio" / "uploads").iterdir()))
        assert _states(browser, server.address) == {clip: "awaiting-video"}
        assert not (study / browser.name).exists()
        browser.send(server.address, clip, video)


def _until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_links_are_made_listed_and_revoked(fergi: Run, study: Path) -> None:
    made = fergi("studio", "link", study, "-n", "3", "--label", "lab").stdout
    assert len(re.findall(r"http://127\.0\.0\.1:8765/join#[\w-]{43}\n", made)) == 3
    name = made.split()[0]
    assert fergi("studio", "link", study, "--revoke", name).exit_code == 0
    listed = fergi("studio", "link", study, "--list").stdout
    assert f"{name}  revoked, lab" in listed
    assert listed.count("open, lab") == 2


def test_an_unknown_link_cannot_be_revoked(fergi: Run, study: Path) -> None:
    result = fergi("studio", "link", study, "--revoke", "l234567892")
    assert result.exit_code == 2
    assert "no link" in result.stderr


def test_purging_says_what_it_did(fergi: Run, study: Path) -> None:
    result = fergi("studio", "purge", study, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["participants_deleted"] == 0


def test_a_study_is_never_overwritten(fergi: Run, study: Path) -> None:
    result = fergi("studio", "init", study)
    assert result.exit_code == 2
    assert "not empty" in result.stderr


def test_what_the_system_refuses_is_said_with_its_place(fergi: Run, study: Path) -> None:
    (study / ".studio").touch()
    result = fergi("studio", "link", study)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"fergi: {study / '.studio'}")
    assert result.stderr.endswith("; check the place, then run the same command again\n")


@pytest.mark.parametrize("command", ["run", "link", "purge"])
def test_a_folder_that_is_no_study_says_how_to_make_one(
    fergi: Run, tmp_path: Path, command: str
) -> None:
    wanted = "give a folder that 'fergi studio init' made"
    assert (
        f"nowhere does not exist; {wanted}" in fergi("studio", command, tmp_path / "nowhere").stderr
    )
    assert f"study.toml is missing; {wanted}" in fergi("studio", command, tmp_path).stderr
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "notes").touch()
    assert f"notes is a file; {wanted}" in fergi("studio", command, tmp_path / "notes").stderr


def test_others_are_not_let_in_unencrypted(fergi: Run, study: Path) -> None:
    result = fergi("studio", "run", study, "--host", "0.0.0.0")  # noqa: S104 (refused)
    assert result.exit_code == 2
    assert "--tls-cert" in result.stderr
    assert not (study / ".studio").exists()
