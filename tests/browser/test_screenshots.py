"""Pictures of every page, for the documentation; `make screenshots` takes them.

The person in front of the camera is invented: `invented_camera.py` films one where the
morphable face is at hand. No picture of a real face may become part of the documentation.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # this folder is no package
from walk import Walk

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.skipif("FERGI_SCREENSHOTS" not in os.environ, reason="run: make screenshots"),
]

_JPEG_QUALITY = 88
_IS_WHOLE = """
[...document.images].every(
  (one) => one.complete || one.getBoundingClientRect().top > innerHeight,
)
"""


@pytest.fixture(scope="session")
def camera_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of an invented person; FERGI_INVENTED_CAMERA names one that was made before."""
    if "FERGI_INVENTED_CAMERA" in os.environ:
        return Path(os.environ["FERGI_INVENTED_CAMERA"])
    import invented_camera

    from fergi.errors import WeightsError
    from fergi.synthesis.morphable_face import known_morphable_face

    out = tmp_path_factory.mktemp("camera") / "invented.y4m"
    try:
        invented_camera.main(known_morphable_face(), out)
    except WeightsError as error:
        pytest.skip(str(error))
    return out


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.usefixtures("mesh_weights")
def test_try_it(visit: Callable[..., Any], studio: Any, scheme: str) -> None:
    seen = visit(color_scheme=scheme)
    page = seen.page
    page.goto(f"{studio.origin}/try")
    _picture(page, f"try-start-{scheme}")
    page.click(".primary")
    page.wait_for_selector(".stage")
    page.wait_for_selector(".resting", state="hidden")
    page.click("input[value=au4-au12]", force=True)
    _until_a_smile(page)
    _picture(page, f"try-{scheme}")


@pytest.mark.usefixtures("mesh_weights")
def test_try_it_on_a_phone_in_chinese(visit: Callable[..., Any], studio: Any) -> None:
    seen = visit(locale="zh-CN", viewport={"width": 390, "height": 844}, device_scale_factor=2)
    seen.page.goto(f"{studio.origin}/try")
    seen.page.click(".primary")
    seen.page.wait_for_selector(".stage")
    seen.page.wait_for_selector(".resting", state="hidden")
    _until_a_smile(seen.page)
    _picture(seen.page, "try-phone-chinese")


@pytest.mark.usefixtures("mesh_weights")
def test_the_study_and_the_researchers_pages(visit: Callable[..., Any], studio: Any) -> None:
    for choice in ("video", "features"):
        seen = visit()
        taken: set[str] = set()
        walk = Walk(seen.page, lambda name, page=seen.page, taken=taken: _once(page, name, taken))
        walk.begin(studio.link(), choice)
        walk.finish()
    page = visit().page
    page.goto(f"{studio.origin}/admin#{studio.token}")
    page.wait_for_selector(".tabs")
    _picture(page, "admin-overview")
    for place in ("participants", "annotations", "links"):
        page.goto(f"{studio.origin}/admin#/{place}")
        page.wait_for_selector(f".tab[aria-current]:has-text('{place.title()}')")
        page.wait_for_load_state("networkidle")
        _picture(page, f"admin-{place}")
    for participant in studio.participants():
        kind = "video" if [*participant.rglob("*.webm")] else "features"
        page.goto(f"{studio.origin}/admin#/participants/{participant.name}")
        page.wait_for_selector(".gallery img")
        page.wait_for_load_state("networkidle")
        _picture(page, f"admin-participant-{kind}")
        page.goto(f"{studio.origin}/admin#/participants/{participant.name}/1/1/reaction")
        page.wait_for_selector(".player")
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(500)
        _picture(page, f"admin-reaction-{kind}")


@pytest.mark.usefixtures("mesh_weights")
def test_the_study_on_a_phone_in_chinese_and_dark(
    visit: Callable[..., Any], small_studio: Any
) -> None:
    page = visit(
        locale="zh-CN",
        color_scheme="dark",
        viewport={"width": 390, "height": 844},
        device_scale_factor=2,
        has_touch=True,
        is_mobile=True,
    ).page
    taken: set[str] = set()
    walk = Walk(page, lambda name: _once(page, name, taken, where="join-phone"))
    walk.begin(small_studio.link(), "features")
    walk.finish()


def _until_a_smile(page: Any) -> None:
    """Wait until the curves are full, the lip corners have risen, and most of a smile is there."""
    page.wait_for_timeout(10_000)
    corners = page.locator(".lane").filter(has_text="AU12").first.locator(".lane-value")
    for _ in range(300):
        if float(corners.inner_text().replace("–", "0")) > 2:
            break
        page.wait_for_timeout(100)
    page.wait_for_timeout(900)


def _once(page: Any, name: str, taken: set[str], where: str = "join") -> None:
    if name not in taken:
        taken.add(name)
        if name == "camera":  # a film is called by its path, a camera is not
            page.evaluate("document.querySelector('#camera').options[0].text = 'Camera 1'")
        _picture(page, f"{where}-{name}")


def _picture(page: Any, name: str) -> None:
    folder = Path(os.environ["FERGI_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    while not page.evaluate(_IS_WHOLE):
        page.wait_for_timeout(100)
    page.screenshot(path=folder / f"{name}.jpg", type="jpeg", quality=_JPEG_QUALITY)
