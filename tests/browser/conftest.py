"""A studio that runs, and a browser whose camera shows a face: neutral, then a grin."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CHROMIUM = os.environ.get("FERGI_CHROMIUM", "/usr/bin/chromium")
_CAMERA = (480, 360)
_FRAME_RATE = 30
_REST_FRAMES = 150
_PATIENCE_MILLISECONDS = 60_000


@dataclass
class RunningStudio:
    """A studio in a process of its own.

    Attributes:
        folder: The study's.
        origin: Where browsers find it.
        token: The researcher's.
    """

    folder: Path
    origin: str
    token: str

    def link(self) -> str:
        """Make a participant's link."""
        made = _fergi("studio", "link", str(self.folder), "-n", "1", "--json")
        links = [one for one in json.loads(made).values() if isinstance(one, str)]
        return links[0]

    def participants(self) -> list[Path]:
        """List the folders of participants."""
        return sorted(
            path for path in self.folder.iterdir() if re.fullmatch(r"p[a-z0-9]{9}", path.name)
        )


@dataclass
class Visit:
    """A browser's page, and everything it asked for.

    Attributes:
        page: Playwright's page.
        requests: Method, address and body of each request, workers' too.
        problems: What the page threw, and what the browser refused by the pages' policy.
    """

    page: Any
    requests: list[tuple[str, str, bytes | None]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def addresses(self) -> set[str]:
        """Name the origins that were asked; data within a page counts for none."""
        asked = (address for _, address, _ in self.requests)
        return {
            re.sub(r"^(\w+://[^/]+).*", r"\1", one)
            for one in asked
            if not one.startswith(("data:", "blob:"))
        }


@pytest.fixture(scope="session")
def pages() -> Path:
    """The pages as Vite built them."""
    from fergi.studio.routes.pages import missing_pages, pages_folder

    if missing_pages(pages_folder()):
        pytest.skip("the studio's pages are not built; run: make web")
    return pages_folder()


@pytest.fixture(scope="session")
def camera_video(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the camera shows, in turns: five seconds at rest, a grin that comes and goes."""
    import av

    with av.open(str(media / "single_face.mp4")) as container:
        frames = [_cropped(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    quiet = frames[:6]
    rest = [(quiet + quiet[::-1])[number % 12] for number in range(_REST_FRAMES)]
    path = tmp_path_factory.mktemp("camera") / "face.y4m"
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n" % (*_CAMERA, _FRAME_RATE))
        for picture in [*rest, *frames, *frames[::-1]]:
            planes = av.VideoFrame.from_ndarray(picture, "rgb24").to_ndarray(format="yuv420p")
            file.write(b"FRAME\n" + planes.tobytes())
    return path


def _cropped(picture: np.ndarray) -> np.ndarray:
    """Cut a picture to the camera's shape, its middle kept."""
    width, height = _CAMERA
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return np.ascontiguousarray(picture[top : top + height, left : left + width])


@pytest.fixture(scope="session")
def chromium(camera_video: Path) -> Iterator[Any]:
    """A headless browser whose camera plays the video."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no browser at {CHROMIUM}; name one by FERGI_CHROMIUM")
    arguments = (
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={camera_video}",
    )
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(arguments))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any) -> Iterator[Callable[..., Visit]]:
    """Opens a page in a browser of its own: its storage is shared with no other."""
    contexts = []

    def open_page(**settings: Any) -> Visit:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 860}, **settings})
        contexts.append(context)
        return watched(context.new_page())

    yield open_page
    for context in contexts:
        context.close()


def watched(page: Any) -> Visit:
    """Record what a page asks for, and what goes wrong in it."""
    page.set_default_timeout(_PATIENCE_MILLISECONDS)
    visit = Visit(page)
    page.on(
        "request",
        lambda one: visit.requests.append((one.method, one.url, one.post_data_buffer)),
    )
    page.on("pageerror", lambda error: visit.problems.append(str(error)))
    page.on(
        "console",
        lambda message: (
            visit.problems.append(message.text)
            if "Content Security Policy" in message.text
            else None
        ),
    )
    return visit


@pytest.fixture
def another_page() -> Callable[[Visit], Visit]:
    """Opens a second page in the same browser as a visit's, as a tab that comes back."""
    return lambda visit: watched(visit.page.context.new_page())


@pytest.fixture
def mesh_weights() -> None:
    """The default estimator's weights, which features in the browser need."""
    from fergi.weights.store import registry

    if "mesh" not in registry():
        pytest.skip("this version ships no mesh.safetensors, so there are no features")


@pytest.fixture
def studio(pages: Path, face_task: bytes, tmp_path: Path) -> Iterator[RunningStudio]:
    """A short study of two prompts with two images each, served on this machine."""
    folder = tmp_path / "study"
    _fergi("studio", "init", str(folder))
    _shorten(folder / "study.toml")
    for prompt in (folder / "stimuli").iterdir():
        max(prompt.iterdir()).unlink()
    command = [sys.executable, "-m", "fergi", "studio", "run", str(folder), "--port", "0"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        yield RunningStudio(folder, *_told(process))
        process.terminate()


def _shorten(settings: Path) -> None:
    text = settings.read_text(encoding="utf-8")
    for name, seconds in (("neutral", 3), ("baseline", 1), ("reaction", 2)):
        text = re.sub(
            rf"^{name}_seconds = .*$", f"{name}_seconds = {seconds}", text, flags=re.MULTILINE
        )
    settings.write_text(text, encoding="utf-8")


def _told(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Read the address and the token that the studio prints when it is ready."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"(http://[^/]+)/admin#(\S+)", line):
            return found[1], found[2]
    pytest.fail("the studio ended before it served")


def _fergi(*arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "fergi", *arguments], capture_output=True, text=True, check=True
    )
    return run.stdout


@pytest.fixture
def node() -> str:
    """Node, to run what is tested in TypeScript."""
    found = shutil.which("npx")
    if found is None:
        pytest.skip("node is not here, so the TypeScript tests cannot run")
    return found
