"""Whole studies in a real browser, against the real server."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # this folder is no package
from walk import Walk

pytestmark = pytest.mark.timeout(600)

Visits = Callable[..., Any]
TakePart = Callable[..., tuple[Any, Walk]]

CLIPS = 8
"""Two prompts with two images each, two clips of each."""


@pytest.mark.usefixtures("mesh_weights")
def test_a_study_with_video_is_recorded_and_annotated(
    take_part: TakePart, studio: Any, tmp_path: Path
) -> None:
    seen, walk = take_part(studio, "video")
    walk.finish()
    assert seen.problems == []
    assert seen.addresses() == {studio.origin}
    videos = studio.clips(".webm")
    assert len(videos) == CLIPS
    assert all(_frames(video) > 1 for video in videos)
    (participant,) = studio.participants()
    answers = json.loads((participant / "session_1" / "data.json").read_text())
    assert [entry["overallRating"] for entry in answers["survey"]] == [6, 6]
    assert sorted(entry["id"] for entry in answers["ranking"]) == [0, 1]
    assert {row["source"] for row in studio.annotations(tmp_path)} == {"face"}


def test_a_reaction_begins_before_its_image_is_painted(take_part: TakePart, studio: Any) -> None:
    _, walk = take_part(studio, "video")
    walk.finish()
    record, *_ = studio.folder.glob("p*/session_*/reaction_clip_1_recording.json")
    events = json.loads(record.read_text())["events"]
    (onset,) = [event["seconds"] for event in events if event["name"] == "stimulus-onset"]
    # The recording is under way when the image appears, and no second is lost between.
    assert 0 <= onset < 1


@pytest.mark.usefixtures("mesh_weights")
def test_a_study_without_video_sends_numbers_alone(
    take_part: TakePart, studio: Any, tmp_path: Path
) -> None:
    seen, walk = take_part(studio, "features")
    walk.finish()
    assert seen.problems == []
    assert seen.addresses() == {studio.origin}
    bodies = [body for method, _, body in seen.requests if method in {"PUT", "POST"} and body]
    assert all(isinstance(json.loads(body), dict) for body in bodies)
    assert not any(address.endswith("/video") for _, address, _ in seen.requests)
    (participant,) = studio.participants()
    assert not [*participant.rglob("*.webm"), *participant.rglob("*.mp4")]
    assert len(studio.clips("_features.csv")) == CLIPS
    rows = studio.annotations(tmp_path, "--no-extract")
    assert [row["source"] for row in rows] == ["face", "face"]


def test_a_closed_tab_goes_on_where_it_was(
    take_part: TakePart, another_page: Visits, studio: Any
) -> None:
    first, walk = take_part(studio, "video")
    walk.until("survey")
    first.page.wait_for_selector(".bar-middle .chip", state="hidden")
    first.page.close()
    second = another_page(first)
    walk = Walk(second.page)
    second.page.goto(f"{studio.origin}/join")
    walk.check_camera()
    second.page.wait_for_selector(".centred .primary")
    if second.page.query_selector(".rest-drawing"):
        second.page.click(".centred .primary")
    walk.until("survey")
    walk.finish()
    assert second.problems == []
    assert len(studio.participants()) == 1
    assert len(studio.clips(".webm")) == CLIPS


def test_withdrawing_leaves_nothing(take_part: TakePart, studio: Any) -> None:
    seen, walk = take_part(studio, "video")
    walk.until("summary")
    assert len(studio.participants()) == 1
    seen.page.click(".danger")
    seen.page.click("dialog .danger")
    seen.page.wait_for_selector(".farewell")
    assert studio.participants() == []
    assert seen.page.evaluate("localStorage.getItem('fergi-keys')") == "{}"


def test_who_wants_nothing_kept_is_asked_nothing_more(visit: Visits, studio: Any) -> None:
    seen = visit()
    walk = Walk(seen.page)
    walk.join(studio.link())
    walk.consent("nothing")
    seen.page.wait_for_selector(".farewell")
    assert seen.problems == []
    assert not any("/clips/" in address for _, address, _ in seen.requests)


def test_a_pause_within_a_clip_begins_it_again(take_part: TakePart, studio: Any) -> None:
    seen, walk = take_part(studio, "video")
    walk.to_image()
    seen.page.click(".bar-middle button")
    assert not seen.page.query_selector(".survey")
    seen.page.click("dialog .primary")
    walk.finish()
    (participant,) = studio.participants()
    assert len([*participant.glob("session_*/reaction_clip_*.webm")]) == CLIPS / 2


def test_images_are_ranked_by_mouse_and_by_keyboard(take_part: TakePart, studio: Any) -> None:
    seen, walk = take_part(studio, "video")
    walk.until("ranking")
    page = seen.page
    before = _order(page)
    first, second = (page.locator(".rank-card").nth(place).bounding_box() for place in (0, 1))
    page.mouse.move(first["x"] + 40, first["y"] + 40)
    page.mouse.down()
    page.mouse.move(second["x"] + 60, second["y"] + 40, steps=8)
    page.mouse.up()
    assert _order(page) == before[::-1]
    page.locator(".rank-card").nth(0).focus()
    page.keyboard.press("ArrowRight")
    assert _order(page) == before
    assert page.inner_text("[aria-live=assertive]") != ""


def _order(page: Any) -> list[str]:
    cards = page.locator(".rank-card")
    return [cards.nth(place).get_attribute("data-image") for place in range(cards.count())]


def _frames(video: Path) -> int:
    import av

    with av.open(str(video)) as container:
        return sum(1 for _ in container.decode(video=0))
