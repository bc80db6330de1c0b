"""How long a clip takes from its first byte until it is confirmed, with many people at once.

Run `python benchmarks/studio.py`. It serves a study of its own on loopback and lets 50 invented
participants send 5-second clips as fast as people can: one every 5 seconds each, at random
moments; then all 50 in the same instant. Each clip is a record with its action units, and a video
of 640 × 360 at 1 Mbit/s. Server and participants share this machine. At most two minutes.
"""

import hashlib
import http.client
import io
import json
import os
import platform
import re
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

PARTICIPANTS = 50
ROUNDS = 6
CLIP_SECONDS = 5
FRAME_RATE = 30
BIT_RATE = 1_000_000
WIDTH, HEIGHT = 640, 360
UNITS = [1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26]


def filmed() -> bytes:
    """Film waves that move, under a webcam's noise."""
    stream, file = np.random.default_rng(0), io.BytesIO()
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] / 60
    with av.open(file, "w", format="webm") as container:
        video = container.add_stream("libvpx", rate=FRAME_RATE, options={"deadline": "realtime"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.bit_rate = BIT_RATE
        for frame in range(CLIP_SECONDS * FRAME_RATE):
            waves = 128 + 80 * np.sin(x + frame / 10) * np.cos(y - frame / 15)
            pixels = (waves + stream.normal(scale=4, size=waves.shape)).astype(np.uint8)
            picture = av.VideoFrame.from_ndarray(pixels, format="gray")
            container.mux(video.encode(picture))
        container.mux(video.encode())
    return file.getvalue()


def record(video: bytes) -> bytes:
    """Write the record of a clip, with its action units."""
    frames = CLIP_SECONDS * FRAME_RATE
    content = {
        "recorded": "2026-01-01T00:00:00Z",
        "seconds": (frames - 1) / FRAME_RATE,
        "events": [{"name": "stimulus-onset", "seconds": 0}],
        "camera": {"width": WIDTH, "height": HEIGHT},
        "quality": {"frames": frames, "light": 0.5},
        "series": {
            "estimator": {"name": "mesh", "sha256": "0" * 64, "scale": "proxy"},
            "neutral": True,
            "times": [frame / FRAME_RATE for frame in range(frames)],
            "face_confidence": [0.97] * frames,
            "pitch_ratio": [0.7] * frames,
            "yaw_ratio": [0.5] * frames,
            "units": UNITS,
            "intensities": [[0.123456] * len(UNITS)] * frames,
        },
        "video": {
            "sha256": hashlib.sha256(video).hexdigest(),
            "bytes": len(video),
            "type": "video/webm",
        },
    }
    return json.dumps(content).encode()


@dataclass
class Participant:
    """A participant's connection."""

    connection: http.client.HTTPConnection
    home: str
    cookie: str

    def ask(self, method: str, path: str, body: bytes, kind: str = "application/json") -> Any:
        """Ask, and give the JSON of the answer."""
        headers = {"Content-Type": kind, "Cookie": self.cookie}
        self.connection.request(method, self.home + path, body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            sys.exit(f"{method} {path}: {answer.status} {content!r}")
        return json.loads(content)

    def send(self, clip: str, video: bytes, body: bytes) -> float:
        """Send a clip; tell how many seconds passed until it was confirmed."""
        start = time.perf_counter()
        self.ask("PUT", f"/clips/{clip}", body)
        receipt = self.ask("PUT", f"/clips/{clip}/video", video, "video/webm")
        seconds = time.perf_counter() - start
        assert receipt["state"] == "confirmed"  # noqa: S101
        return seconds


def joined(port: int, link: str) -> Participant:
    """Join by a link, and agree to video."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = json.dumps({"link": link, "key": secrets.token_urlsafe(32)}).encode()
    connection.request("POST", "/api/participants", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    name = json.loads(answer.read())["participant"]
    cookie = answer.headers["set-cookie"].partition(";")[0]
    participant = Participant(connection, f"/api/participants/{name}", cookie)
    consent = participant.ask("GET", "/study", b"")["consent"]
    text = consent["texts"]["en"]["sha256"]
    given = {"version": consent["version"], "sha256": text, "language": "en", "choice": "video"}
    participant.ask("PUT", "/consent", json.dumps(given).encode())
    return participant


def paced(people: list[Participant], clips: list[str], video: bytes, body: bytes) -> list[float]:
    """Let everybody send a clip every 5 seconds, each at moments of their own."""
    offsets = np.random.default_rng(0).uniform(0, CLIP_SECONDS, len(people))
    begin = time.perf_counter()

    def live(person: Participant, offset: float) -> list[float]:
        seconds = []
        for turn, clip in enumerate(clips):
            time.sleep(max(0.0, begin + offset + turn * CLIP_SECONDS - time.perf_counter()))
            seconds.append(person.send(clip, video, body))
        return seconds

    with ThreadPoolExecutor(len(people)) as pool:
        return [one for found in pool.map(live, people, offsets) for one in found]


def at_once(people: list[Participant], clip: str, video: bytes, body: bytes) -> list[float]:
    """Let everybody send a clip in the same instant."""
    barrier = threading.Barrier(len(people))

    def live(person: Participant) -> float:
        barrier.wait()
        return person.send(clip, video, body)

    with ThreadPoolExecutor(len(people)) as pool:
        return list(pool.map(live, people))


def row(name: str, seconds: list[float]) -> str:
    """Say how long clips took."""
    half, most, worst = (1000 * np.quantile(seconds, share) for share in (0.5, 0.95, 1.0))
    times = f"p50 {half:5.0f} ms   p95 {most:5.0f} ms   max {worst:5.0f} ms"
    return f"{name:<28} {len(seconds):>5} clips   {times}"


def main() -> None:
    """Measure, and print."""
    video = filmed()
    body = record(video)
    fergi = [sys.executable, "-m", "fergi", "studio"]
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study"
        subprocess.run([*fergi, "init", study, "--quiet"], check=True)
        server = subprocess.Popen(
            [*fergi, "run", study, "--port", "0"], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None  # noqa: S101
            found = re.search(r":(\d+)$", server.stdout.readline().strip())
            port = int(found[1]) if found else 0
            made = [*fergi, "link", study, "-n", str(PARTICIPANTS), "--json"]
            printed = subprocess.run(made, check=True, capture_output=True, text=True).stdout
            links = [one.partition("#")[2] for one in json.loads(printed).values() if one]
            people = [joined(port, link) for link in links]
            clips = [
                f"{1 + turn // 6}/{1 + turn // 2 % 3}/{('baseline', 'reaction')[turn % 2]}"
                for turn in range(ROUNDS + 1)
            ]
            before, load = os.times(), os.getloadavg()[0]
            steady = paced(people, clips[:ROUNDS], video, body)
            burst = at_once(people, clips[ROUNDS], video, body)
            after = os.times()
        finally:
            server.terminate()
            _, _, usage = os.wait4(server.pid, 0)
    print(f"{platform.platform()}, {os.cpu_count()} cores, load {load:.1f} before")
    print(
        f"{PARTICIPANTS} participants; a video has {len(video) / 1000:.0f} kB, "
        f"its record {len(body) / 1000:.0f} kB"
    )
    print(row("one every 5 s each", steady))
    print(row("all in the same instant", burst))
    count = len(steady) + len(burst)
    cpu = usage.ru_utime + usage.ru_stime
    client = after.user + after.system - before.user - before.system
    print(
        f"server {1000 * cpu / count:.0f} ms of processor a clip (its start included), "
        f"{usage.ru_maxrss / 1024:.0f} MB; participants {1000 * client / count:.0f} ms a clip"
    )


if __name__ == "__main__":
    main()
