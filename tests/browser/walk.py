"""Walks through a study as a participant does."""

from collections.abc import Callable
from typing import Any

Shot = Callable[[str], None]
_SCREENS = {
    "summary": ".facts",
    "survey": ".survey",
    "ranking": ".ranking",
    "image": ".coming",
    "reaction": ".stimulus-place",
    "between": ".centred .primary",
}


def no_shot(name: str) -> None:
    """Take no picture."""


class Walk:
    """A participant in front of a page.

    Attributes:
        page: Playwright's page.
    """

    def __init__(self, page: Any, shot: Shot = no_shot) -> None:
        self.page = page
        self._shot = shot

    def join(self, link: str) -> None:
        """Open the link and read the consent text."""
        self.page.goto(link)
        self.page.wait_for_selector(".choices")
        self._shot("consent")

    def consent(self, choice: str) -> None:
        """Choose what may be kept."""
        self.page.check(f"input[value={choice}]")
        self.page.click("form .primary")

    def begin(self, link: str, choice: str) -> None:
        """Join, consent, and pass all that comes before the first image."""
        self.join(link)
        self.consent(choice)
        self.set_up()

    def set_up(self) -> None:
        """Pass the camera check, and record the neutral face unless it is known."""
        self.check_camera()
        self.page.wait_for_selector(".centred .primary")
        if self.page.query_selector(".rest-drawing"):
            self._shot("neutral")
            self.page.click(".centred .primary")
            self.page.wait_for_selector(".rest-drawing", state="detached")

    def check_camera(self) -> None:
        """Wait until the camera is well, and go on."""
        self.page.wait_for_selector(".hint.good")
        go = self.page.locator(".check .primary")
        go.wait_for()
        self.page.wait_for_selector(".check .primary:enabled")
        self._shot("camera")
        go.click()

    def screen(self) -> str:
        """Wait for something to do, and name it."""
        while True:
            self.page.wait_for_selector(", ".join(_SCREENS.values()))
            for name, selector in _SCREENS.items():
                if self.page.query_selector(selector):
                    return name

    def to_image(self) -> None:
        """Go on until an image is in sight."""
        self.until("image")
        self.page.wait_for_selector(".stimulus-place > *")

    def screen_after(self, passed: str) -> str:
        """Wait for a screen to pass, and name the next."""
        self.page.wait_for_selector(_SCREENS[passed], state="detached")
        return self.screen()

    def step(self) -> str:
        """Do what the screen asks, and name what it was."""
        match screen := self.screen():
            case "between":
                self._shot("between")
                self.page.click(".centred .primary")
                self.page.wait_for_selector(".centred", state="detached")
            case "image":
                self._shot("waiting")
                self.page.wait_for_selector(".coming", state="detached")
            case "reaction":
                self.page.wait_for_selector(".stimulus-place > *, .survey")
                self._shot("image")
                self.page.wait_for_selector(".survey")
            case "survey":
                self.answer()
            case "ranking":
                self._shot("ranking")
                self.page.click(".actions .primary")
                self.page.wait_for_selector(".ranking", state="detached")
        return screen

    def answer(self) -> None:
        """Answer the questions on an image."""
        for rating, value in (("overall", 6), ("alignment", 5), ("fidelity", 3)):
            self.page.check(f"input[name={rating}_rating][value='{value}']", force=True)
        self.page.check("input[name=reactions][value=amused]", force=True)
        self._shot("survey")
        self.page.click("form .primary")
        self.page.wait_for_selector(".survey", state="detached")

    def until(self, wanted: str) -> None:
        """Go on to a screen of that name."""
        while self.screen() != wanted:
            self.step()

    def finish(self) -> None:
        """Go on to the summary, and finish."""
        self.until("summary")
        self._shot("summary")
        self.page.click("form .primary")
        self.page.wait_for_selector(".farewell")
        self._shot("thanks")
