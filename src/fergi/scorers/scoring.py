"""Scoring many images: each decoded once, each prompt encoded once, one large model at a time.

Pictures are held in the forms that scorers want, 150 kB each for the built-in ones, until they
come to 256 MB. Then one model after the other is loaded and goes over all of them in batches.
"""

import gc
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from fergi.errors import ScoresError
from fergi.progress import Progress, unreported
from fergi.scorers.asking import (
    Unusable,
    answers,
    failure_reason,
    is_out_of_memory,
    made_scorer,
    stated_origin,
)
from fergi.scorers.catalogue import traits_of
from fergi.scorers.pictures import read_picture
from fergi.scorers.plan import PromptedImage, ScoringPlan
from fergi.scorers.preparation import prepared_forms
from fergi.scorers.protocol import Preparation, Scorer

HELD_BYTES = 256 * 1024 * 1024
"""How much memory decoded pictures may take before they are scored."""

_BYTES_PER_PIXEL = 4  # Pillow keeps three colours in four bytes

UNKNOWN_PROMPT = "the prompt is unknown, so what needs one is missing"


@dataclass(slots=True)
class Scores:
    """What has been found so far.

    Attributes:
        numbers: Scorer → image with prompt → score.
        reasons: Image with prompt → why scores are missing.
        hashes: Image file → SHA-256 of its bytes.
        truncated_prompts: Scorer → the prompts that were longer than it reads.
        origins: Scorer → what it says of itself, if anything.
    """

    numbers: dict[str, dict[PromptedImage, float]]
    reasons: dict[PromptedImage, list[str]] = field(default_factory=dict)
    hashes: dict[Path, str] = field(default_factory=dict)
    truncated_prompts: dict[str, set[str]] = field(default_factory=dict)
    origins: dict[str, Any] = field(default_factory=dict)

    def add_reason(self, one: PromptedImage, reason: str) -> None:
        """Say why a score is missing; the same reason counts once."""
        reasons = self.reasons.setdefault(one, [])
        if reason not in reasons:
            reasons.append(reason)


_Pictures = Mapping[tuple[Path, Preparation], Image.Image]


def _held_bytes(pictures: _Pictures) -> int:
    distinct = {id(picture): picture for picture in pictures.values()}.values()
    return sum(_BYTES_PER_PIXEL * one.width * one.height for one in distinct)


def score_images(
    plan: ScoringPlan,
    known: Mapping[str, Mapping[PromptedImage, float]] | None = None,
    progress: Progress = unreported,
    on_batch: Callable[[Scores], None] = lambda _: None,
    on_stop: Callable[[Scores], None] = lambda _: None,
) -> Scores:
    """Score images by several scorers.

    An image that cannot be read, a scorer that cannot be made, and a batch that a scorer cannot
    do leave a reason; the rest goes on. Where a scorer fails in a way that it should not, it is
    asked for the images of the batch one by one.

    Args:
        plan: What is to be done.
        known: Scores that are there already, by scorer; they are kept.
        progress: Told how many scores are done, of how many.
        on_batch: Called after each batch with what has been found so far.
        on_stop: Called with what has been found when an exception or an interruption ends the
            work.

    Returns:
        All scores, the known ones among them.

    Raises:
        WeightsError: If no scorer can be made, for want of sound weights.
        ScoresError: If no scorer can be made, or memory is too small for a batch.
    """
    found = Scores({name: dict((known or {}).get(name, {})) for name in plan.factories})
    work = _Work(plan, found, progress, on_batch)
    try:
        for window in work.windows():
            work.score_window(*window)
    except BaseException:
        on_stop(found)
        raise
    return found


class _Work:
    """One run over the images of a plan."""

    def __init__(
        self,
        plan: ScoringPlan,
        found: Scores,
        progress: Progress,
        on_batch: Callable[[Scores], None],
    ) -> None:
        self._plan = plan
        self._found = found
        self._progress = progress
        self._on_batch = on_batch
        self._scorers: dict[str, Scorer] = {}
        self._unusable: dict[str, Unusable] = {}
        self._groups = plan.model_groups()
        self._traits = {name: traits_of(factory) for name, factory in plan.factories.items()}
        self._total = self._done = 0
        for one in dict.fromkeys(plan.images):
            self._leave_out_unknown_prompts(one)
        # Equal prompts follow each other, so that each is encoded once.
        self._todo = sorted(
            (one for one in dict.fromkeys(plan.images) if self._missing(one)),
            key=lambda one: (one.prompt or "", str(one.path)),
        )
        self._total = sum(len(self._missing(one)) for one in self._todo)
        self._wanted = {name for one in self._todo for name in self._missing(one)}

    def _missing(self, one: PromptedImage) -> list[str]:
        """List the scorers that can score an image, and have not."""
        return [
            name
            for name, numbers in self._found.numbers.items()
            if one not in numbers and not (one.prompt is None and self._traits[name].needs_prompt)
        ]

    def _leave_out_unknown_prompts(self, one: PromptedImage) -> None:
        if one.prompt is None and any(traits.needs_prompt for traits in self._traits.values()):
            self._found.add_reason(one, UNKNOWN_PROMPT)

    def windows(self) -> Iterator[tuple[list[PromptedImage], _Pictures]]:
        """Decode images, and hand them on when memory for pictures is full."""
        window: list[PromptedImage] = []
        pictures: dict[tuple[Path, Preparation], Image.Image] = {}
        faults: dict[Path, str] = {}
        held = 0
        for one in self._todo:
            wanted = self._preparations(one)
            if not self._has_all(one, wanted, pictures) and one.path not in faults:
                try:
                    new = self._decoded(one.path, wanted)
                except Exception as error:  # noqa: BLE001 (one image costs no other)
                    faults[one.path] = failure_reason(error)
                else:
                    pictures |= new
                    held += _held_bytes(new)
            if one.path in faults:
                self._give_up(one, self._missing(one), faults[one.path])
                continue
            window.append(one)
            if held >= HELD_BYTES:
                yield window, pictures
                window, pictures, held = [], {}, 0
        if window:
            yield window, pictures

    @staticmethod
    def _has_all(one: PromptedImage, wanted: Iterable[Preparation], pictures: _Pictures) -> bool:
        return all((one.path, preparation) in pictures for preparation in wanted)

    def _preparations(self, one: PromptedImage) -> list[Preparation]:
        return list(dict.fromkeys(self._traits[name].preparation for name in self._missing(one)))

    def _decoded(
        self, path: Path, wanted: Iterable[Preparation]
    ) -> dict[tuple[Path, Preparation], Image.Image]:
        picture, content = read_picture(path)
        self._found.hashes[path] = hashlib.sha256(content).hexdigest()
        return {(path, form): one for form, one in prepared_forms(picture, wanted).items()}

    def score_window(self, window: list[PromptedImage], pictures: _Pictures) -> None:
        """Let one model after the other score all images that are held."""
        for group in self._groups:
            todo = [one for one in window if any(name in group for name in self._missing(one))]
            if not todo:
                continue
            self._load(group)
            for batch in self._plan.batches(todo):
                for name in group:
                    self._score_batch(name, batch, pictures)
                self._on_batch(self._found)
            if not self._plan.keep_loaded and len(self._groups) > 1:
                self._unload()

    def _load(self, group: Sequence[str]) -> None:
        for name in group:
            if name not in self._scorers:
                self._scorers[name] = self._unusable.get(name) or self._made(name)

    def _made(self, name: str) -> Scorer:
        """Make a scorer; refuse if none at all can be made."""
        scorer = made_scorer(self._plan.factories[name], self._plan.options)
        if isinstance(scorer, Unusable):
            self._unusable[name] = scorer
            if self._wanted <= self._unusable.keys():
                raise next(iter(self._unusable.values())).error
        return scorer

    def _unload(self) -> None:
        self._scorers.clear()
        self._plan.options.shelf.clear()
        gc.collect()

    def _score_batch(self, name: str, batch: Sequence[PromptedImage], pictures: _Pictures) -> None:
        todo = [one for one in batch if name in self._missing(one)]
        if not todo:
            return
        try:
            given = self._asked(name, todo, pictures)
        except ScoresError as error:
            self._fail(name, todo, error)
        except Exception as error:
            if is_out_of_memory(error):
                raise ScoresError(
                    f"memory is too small for {len(todo)} images at a time in {name}; "
                    "run again with a smaller --batch-size: what is done is kept"
                ) from error
            if len(todo) == 1:
                self._fail(name, todo, error)
            else:  # one image may be the reason, and the others can do without it
                for one in todo:
                    self._score_batch(name, [one], pictures)
        else:
            self._keep(name, todo, given)

    def _asked(
        self, name: str, todo: Sequence[PromptedImage], pictures: _Pictures
    ) -> list[float | None]:
        """Ask a scorer for one batch, and for what it says of itself."""
        scorer, preparation = self._scorers[name], self._traits[name].preparation
        images = [pictures[one.path, preparation] for one in todo]
        given = answers(scorer, [one.prompt or "" for one in todo], images)
        truncated = self._found.truncated_prompts.setdefault(name, set())
        truncated.update(getattr(scorer, "truncated_prompts", ()))
        if name not in self._found.origins and (said := stated_origin(scorer)) is not None:
            self._found.origins[name] = said
        return given

    def _fail(self, name: str, todo: Sequence[PromptedImage], error: Exception) -> None:
        for one in todo:
            self._give_up(one, [name], f"{name}: {failure_reason(error)}")

    def _keep(
        self, name: str, todo: Sequence[PromptedImage], given: Sequence[float | None]
    ) -> None:
        for one, number in zip(todo, given, strict=True):
            if number is None:
                self._give_up(one, [name], f"{name}: gave no finite number")
            else:
                self._found.numbers[name][one] = number
                self._advance(1)

    def _give_up(self, one: PromptedImage, names: Sequence[str], reason: str) -> None:
        self._found.add_reason(one, reason)
        self._advance(len(names))

    def _advance(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self._total)
