"""The examples of docs/scorers.md, run as they stand there."""

import base64
import http.server
import io
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fergi.errors import ScoresError
from fergi.scorers.plan import PromptedImage, ScoringPlan
from fergi.scorers.protocol import Scorer, ScorerOptions
from fergi.scorers.scoring import score_images

PAGE = Path(__file__).parents[3] / "docs" / "scorers.md"
Paint = Callable[..., Image.Image]


def _examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def _classes(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 (the page is ours)
    return names


def test_the_first_example_is_a_scorer_of_at_most_20_lines(make_image: Paint) -> None:
    code = _examples()[0]
    assert len(code.splitlines()) <= 20
    scorer = _classes(code)["Colourfulness"](ScorerOptions())
    assert isinstance(scorer, Scorer)
    grey, colourful = Image.new("RGB", (9, 9), (90, 90, 90)), make_image(0)
    first, second = scorer.scores(["a", "b"], [grey, colourful])
    assert first == 0
    assert second > 0


@pytest.fixture
def service() -> Iterator[tuple[str, list[dict[str, Any]], list[int | float]]]:
    """A service on this machine: address, what it was asked, and how it behaves next.

    It answers with the number of letters of the prompt; first, for each status in the list,
    with that status, or late by that many seconds.
    """
    asked: list[dict[str, Any]] = []
    moods: list[int | float] = []
    is_over = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append(content)
            mood = moods.pop(0) if moods else 200
            if isinstance(mood, float):
                is_over.wait(mood)
            self.send_response(mood if isinstance(mood, int) else 200)
            self.end_headers()
            answer = json.dumps({"score": len(content["prompt"])}).encode()
            try:
                self.wfile.write(answer)
            except BrokenPipeError:
                return

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/score", asked, moods
    is_over.set()
    server.shutdown()
    server.server_close()


def _remote(address: str) -> Any:
    remote = _classes(_examples()[1])["Remote"]
    remote.address, remote.pause_seconds = address, 0.001
    return remote


@pytest.mark.enable_socket
def test_the_second_example_asks_a_service(
    service: tuple[str, list[dict[str, Any]], list[int | float]], make_image: Paint
) -> None:
    address, asked, _ = service
    image = make_image(0)
    assert _remote(address)(ScorerOptions()).scores(["fox", ""], [image, image]) == [3.0, 0.0]
    with Image.open(io.BytesIO(base64.b64decode(asked[0]["image"]))) as sent:
        assert sent.tobytes() == image.tobytes()


@pytest.mark.enable_socket
@pytest.mark.parametrize("trouble", [[503], [503, 500], [0.6]])
def test_the_second_example_tries_again(
    service: tuple[str, list[dict[str, Any]], list[int | float]],
    make_image: Paint,
    trouble: list[int | float],
) -> None:
    address, asked, moods = service
    moods += trouble
    remote = _remote(address)
    remote.timeout_seconds = 0.2
    assert remote(ScorerOptions()).scores(["fox"], [make_image(0)]) == [3.0]
    assert len(asked) == len(trouble) + 1


@pytest.mark.enable_socket
def test_a_service_that_stays_away_leaves_a_reason(
    service: tuple[str, list[dict[str, Any]], list[int | float]],
    make_image: Paint,
    tmp_path: Path,
) -> None:
    address, asked, moods = service
    moods += [500, 500, 500]
    make_image(0).save(tmp_path / "0.png")
    remote = _remote(address)
    with pytest.raises(ScoresError, match="status 500"):
        remote(ScorerOptions()).scores(["fox"], [make_image(0)])
    assert len(asked) == 3
    moods += [500, 500, 500]
    images = [PromptedImage(prompt, tmp_path / "0.png") for prompt in ("a", "bb")]
    plan = ScoringPlan(images, {"remote": remote}, ScorerOptions(), batch_size=1)
    found = score_images(plan)
    assert found.numbers["remote"] == {images[1]: 2.0}
    assert "status 500" in found.reasons[images[0]][0]
    assert found.origins == {"remote": {"address": address}}
