"""The study by touch on a phone, and by the keyboard alone."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # this folder is no package
from walk import Walk

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("mesh_weights")]

_PHONE = {"width": 390, "height": 844}


def test_a_phone_shows_all_of_the_study_and_ranks_by_touch(
    visit: Callable[..., Any], small_studio: Any
) -> None:
    seen = visit(viewport=_PHONE, has_touch=True, is_mobile=True)
    page = seen.page
    widths: dict[str, int] = {}

    def measure(name: str) -> None:
        widths[name] = page.evaluate("document.documentElement.scrollWidth")

    walk = Walk(page, measure)
    walk.begin(small_studio.link(), "features")
    walk.until("ranking")
    before = _order(page)
    first, second = (_middle(page, f".rank-picture >> nth={place}") for place in (0, 1))
    _swipe(page, first, second)
    assert _order(page) == before[::-1]
    # Beside the pictures a finger scrolls the page and moves no card.
    foot = _middle(page, ".rank-number >> nth=0")
    _swipe(page, foot, (foot[0], foot[1] - 200))
    assert _order(page) == before[::-1]
    walk.finish()
    assert seen.problems == []
    assert {name: width for name, width in widths.items() if width > _PHONE["width"]} == {}


def test_the_keyboard_alone_is_enough(visit: Callable[..., Any], small_studio: Any) -> None:
    seen = visit(reduced_motion="reduce")
    page = seen.page
    walk = Walk(page)
    walk.join(small_studio.link())
    _press(page, "input[name=choice]", " ")
    _press(page, "form .primary", "Enter")
    page.wait_for_selector(".check .primary:enabled")
    _press(page, ".check .primary", "Enter")
    page.wait_for_selector(".rest-drawing")
    _press(page, ".centred .primary", "Enter")
    page.wait_for_selector("h1:has-text('Now come')")
    _press(page, ".centred .primary", "Enter")
    page.wait_for_selector(".coming")
    assert page.evaluate("document.getAnimations().length") == 0
    while walk.screen() != "ranking":
        page.wait_for_selector(".survey")
        for rating in ("overall", "alignment", "fidelity"):
            _press(page, f"input[name={rating}_rating]", "ArrowRight")
        _press(page, ".survey .primary", "Enter")
        page.wait_for_selector(".survey", state="detached")
    before = _order(page)
    _press(page, ".rank-card", "ArrowRight")
    assert _order(page) == before[::-1]
    assert page.inner_text("[aria-live=assertive]").startswith("Image")
    _press(page, ".actions .primary", "Enter")
    page.wait_for_selector(".facts")
    _press(page, "form .primary", "Enter")
    page.wait_for_selector(".farewell")
    assert seen.problems == []


def _press(page: Any, selector: str, key: str) -> None:
    """Go by Tab to something, which must be seen to have the focus, and press a key there."""
    for _ in range(60):
        if page.evaluate("(one) => document.activeElement.matches(one)", selector):
            break
        page.keyboard.press("Tab")
    else:
        pytest.fail(f"{selector} cannot be reached by Tab")
    assert page.evaluate(f"() => {{{_HAS_RING}}}"), (
        f"{selector} does not show that it has the focus"
    )
    page.keyboard.press(key)


_HAS_RING = """
const one = document.activeElement;
return [one, one.nextElementSibling, one.parentElement].some(
  (near) => near && getComputedStyle(near).outlineStyle === "solid",
);
"""


def _swipe(page: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Move a finger over the screen, as the browser's own events."""
    screen = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        found = [{"x": x, "y": y} for x, y in points]
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": found})

    touch("touchStart", start)
    for step in range(1, 11):
        share = step / 10
        touch("touchMove", tuple(a + share * (b - a) for a, b in zip(start, end, strict=True)))
    touch("touchEnd")
    screen.detach()


def _middle(page: Any, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _order(page: Any) -> list[str]:
    return [card.get_attribute("data-image") for card in page.query_selector_all(".rank-card")]
