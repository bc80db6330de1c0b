"""A study that is broken off in every way: server, browser, connection, camera."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # this folder is no package
from walk import Walk

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("mesh_weights")]

Visits = Callable[..., Any]
TakePart = Callable[..., tuple[Any, Walk]]

CLIPS = 4
"""One prompt with two images, two clips of each."""

_REMEMBER_TRACKS = """
window.tracks = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => {
  if (window.isUnplugged) throw new DOMException("gone", "NotFoundError");
  const stream = await open(wanted);
  window.tracks.push(...stream.getTracks());
  return stream;
};
"""

_UNPLUG = """
window.isUnplugged = true;
const track = window.tracks.at(-1);
track.stop();
track.dispatchEvent(new Event("ended"));
"""


def test_a_killed_server_costs_the_participant_a_wait(
    take_part: TakePart, small_studio: Any, tmp_path: Path
) -> None:
    seen, walk = take_part(small_studio, "video")
    walk.to_image()
    small_studio.kill()
    walk.screen_after("reaction")
    _answer(seen.page)
    seen.page.wait_for_selector(".toast:visible")
    small_studio.start()
    seen.page.wait_for_selector(".toast", state="hidden")
    seen.page.wait_for_selector(".survey", state="detached")
    walk.finish()
    assert seen.problems == []
    _require_whole(small_studio, tmp_path)


def test_a_killed_browser_goes_on_with_its_link(
    lasting_browser: Callable[[], Any], small_studio: Any, tmp_path: Path
) -> None:
    link = small_studio.link()
    page = lasting_browser().new_page()
    walk = Walk(page)
    walk.begin(link, "video")
    walk.until("survey")
    walk.step()
    walk.to_image()
    os.kill(_browser_of(tmp_path / "profile"), signal.SIGKILL)
    page = lasting_browser().new_page()
    walk = Walk(page)
    page.goto(link)
    walk.set_up()
    walk.finish()
    _require_whole(small_studio, tmp_path)


def test_a_lost_connection_is_told_and_waited_for(
    take_part: TakePart, small_studio: Any, tmp_path: Path
) -> None:
    seen, walk = take_part(small_studio, "features")
    walk.to_image()
    seen.page.context.set_offline(True)
    walk.screen_after("reaction")
    seen.page.wait_for_selector(".bar-middle .chip:visible")
    _answer(seen.page)
    seen.page.wait_for_selector(".toast:visible")
    assert not [*small_studio.folder.glob("p*/session_*/reaction_clip_*")]
    seen.page.context.set_offline(False)
    seen.page.wait_for_selector(".toast", state="hidden")
    seen.page.wait_for_selector(".survey", state="detached")
    walk.finish()
    assert seen.problems == []
    _require_whole(small_studio, tmp_path, ending="_features.csv")


def test_an_unplugged_camera_is_asked_for_and_its_clip_made_again(
    visit: Visits, small_studio: Any, tmp_path: Path
) -> None:
    seen = visit()
    page = seen.page
    page.add_init_script(_REMEMBER_TRACKS)
    walk = Walk(page)
    walk.begin(small_studio.link(), "video")
    walk.to_image()
    page.evaluate(_UNPLUG)
    page.wait_for_selector("dialog h2:has-text('The camera has gone')")
    page.wait_for_selector("dialog .notice:has-text('No camera was found')")
    page.keyboard.press("Escape")
    page.evaluate("window.isUnplugged = false")
    page.click("dialog .check .button:not(.primary)")
    page.wait_for_selector("dialog .check .primary:enabled")
    page.click("dialog .check .primary")
    page.wait_for_selector("dialog", state="detached")
    assert not page.query_selector(".survey")
    walk.finish()
    assert seen.problems == []
    _require_whole(small_studio, tmp_path)


def test_a_refused_camera_is_explained_and_may_be_allowed_later(
    chromium_that_asks: Any, small_studio: Any
) -> None:
    context = chromium_that_asks.new_context()
    page = context.new_page()
    walk = Walk(page)
    walk.join(small_studio.link())
    walk.consent("video")
    page.wait_for_selector(".notice.bad:has-text('Allow it')")
    assert page.is_disabled(".check .primary")
    context.grant_permissions(["camera"], origin=small_studio.origin)
    page.click(".check .button:not(.primary)")
    walk.check_camera()


def test_a_revoked_link_is_said_on_the_page(take_part: TakePart, small_studio: Any) -> None:
    seen, walk = take_part(small_studio, "video")
    walk.until("survey")
    small_studio.revoke_links()
    _answer(seen.page)
    seen.page.wait_for_selector(".farewell")
    assert "link" in seen.page.inner_text(".farewell")


def _answer(page: Any) -> None:
    """Press the button twice: the first time open questions are asked about."""
    page.click("form .primary")
    page.click("form .primary")


def _require_whole(studio: Any, tmp_path: Path, ending: str = ".webm") -> None:
    assert len(studio.participants()) == 1
    assert len(studio.clips(ending)) == CLIPS
    assert [*(studio.folder / ".studio" / "uploads").iterdir()] == []
    # Two images make one pair, and its clips were good enough to be judged.
    assert [row["source"] for row in studio.annotations(tmp_path)] == ["face"]


def _browser_of(profile: Path) -> int:
    """Find the first process of the browser that has a profile open."""
    wanted = f"--user-data-dir={profile}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in arguments and not any(one.startswith(b"--type=") for one in arguments):
            found.append(int(process.name))
    return min(found)
