"""A studio that runs, and a browser whose camera shows a face: neutral, then a grin."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # this folder is no package
from walk import Walk

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
        port: Where it listens: any free port at first, then the same again.
        token: The researcher's.
    """

    folder: Path
    port: int = 0
    token: str = ""
    _process: subprocess.Popen[str] | None = None

    @property
    def origin(self) -> str:
        """Where browsers find it."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Serve, and wait until it does."""
        command = [sys.executable, "-m", "fergi", "studio", "run", str(self.folder)]
        self._process = subprocess.Popen(
            [*command, "--port", str(self.port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        self.port, token = _told(self._process)
        self.token = token or self.token

    def kill(self) -> None:
        """End it at once, whatever it does (kill -9)."""
        assert self._process is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def link(self) -> str:
        """Make a participant's link."""
        made = _fergi("studio", "link", str(self.folder), "-n", "1", "--json")
        links = [one for one in json.loads(made).values() if isinstance(one, str)]
        return links[0]

    def revoke_links(self) -> None:
        """Revoke every link."""
        listed = json.loads(_fergi("studio", "link", str(self.folder), "--list", "--json"))
        for name in (one for one in listed if one.startswith("l")):
            _fergi("studio", "link", str(self.folder), "--revoke", name)

    def participants(self) -> list[Path]:
        """List the folders of participants."""
        return sorted(
            path for path in self.folder.iterdir() if re.fullmatch(r"p[a-z0-9]{9}", path.name)
        )

    def clips(self, ending: str) -> list[Path]:
        """List the files of that ending that are kept of clips."""
        return sorted(self.folder.glob(f"p*/session_*/*_clip_*{ending}"))

    def annotations(self, out: Path, *options: str) -> list[dict[str, str]]:
        """Annotate what is there."""
        table = out / "annotations.csv"
        _fergi("annotate", str(self.folder), "--out", str(table), *options)
        with table.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


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
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(**_launching(camera_video))
        yield browser
        browser.close()


def _launching(camera_video: Path, *, is_camera_allowed: bool = True) -> dict[str, Any]:
    return {
        "executable_path": CHROMIUM,
        "args": [
            "--no-sandbox",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={camera_video}",
            *(["--use-fake-ui-for-media-stream"] if is_camera_allowed else []),
        ],
    }


@pytest.fixture
def chromium_that_asks(chromium: Any, camera_video: Path) -> Iterator[Any]:
    """A browser in which nobody has allowed the camera."""
    settings = _launching(camera_video, is_camera_allowed=False)
    browser = chromium.browser_type.launch(**settings)
    yield browser
    browser.close()


@pytest.fixture
def lasting_browser(
    chromium: Any, camera_video: Path, tmp_path: Path
) -> Iterator[Callable[[], Any]]:
    """Opens a browser whose profile lies on the disk, again and again the same."""
    with ExitStack() as opened:

        def open_browser() -> Any:
            context = chromium.browser_type.launch_persistent_context(
                str(tmp_path / "profile"), **_launching(camera_video)
            )
            opened.callback(context.close)
            return context

        yield open_browser


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


@pytest.fixture
def take_part(visit: Callable[..., Visit]) -> Callable[[RunningStudio, str], tuple[Visit, Walk]]:
    """Visits a study with a new link, allows what is named, and passes all before the images."""

    def begin(studio: RunningStudio, choice: str) -> tuple[Visit, Walk]:
        seen = visit()
        walk = Walk(seen.page)
        walk.begin(studio.link(), choice)
        return seen, walk

    return begin


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


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short study of two prompts with two images each."""
    folder = tmp_path_factory.mktemp("example") / "study"
    _fergi("studio", "init", str(folder))
    _shorten(folder / "study.toml")
    for prompt in (folder / "stimuli").iterdir():
        max(prompt.iterdir()).unlink()
    return folder


@pytest.fixture
def serve(
    pages: Path, face_task: bytes, study: Path, tmp_path: Path
) -> Iterator[Callable[..., RunningStudio]]:
    """Serves a copy of the short study, with other prompts where they are given."""
    with ExitStack() as served:

        def start(prompts: str | None = None) -> RunningStudio:
            folder = tmp_path / "study"
            shutil.copytree(study, folder)
            if prompts is not None:
                settings = folder / "study.toml"
                before, _, _ = settings.read_text(encoding="utf-8").partition("[[prompts]]")
                settings.write_text(before + prompts, encoding="utf-8")
            running = RunningStudio(folder)
            running.start()
            served.callback(running.kill)
            return running

        yield start


@pytest.fixture
def studio(serve: Callable[..., RunningStudio]) -> RunningStudio:
    """The short study, served on this machine."""
    return serve()


@pytest.fixture
def small_studio(serve: Callable[..., RunningStudio]) -> RunningStudio:
    """The same with one prompt."""
    return serve('[[prompts]]\ntext = "a fox made of paper"\nfolder = "stimuli/fox"\n')


def _shorten(settings: Path) -> None:
    text = settings.read_text(encoding="utf-8")
    for name, seconds in (("neutral", 3), ("baseline", 1), ("reaction", 2)):
        text = re.sub(
            rf"^{name}_seconds = .*$", f"{name}_seconds = {seconds}", text, flags=re.MULTILINE
        )
    settings.write_text(text, encoding="utf-8")


def _told(process: subprocess.Popen[str]) -> tuple[int, str | None]:
    """Wait until the studio says at which port it is, and the token, which is told once."""
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r":(\d+)/admin(?:#(\S+))?", line):
            return int(found[1]), found[2]
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
