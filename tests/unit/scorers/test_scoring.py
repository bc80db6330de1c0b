# ruff: noqa: ARG002 (a scorer's method has the arguments of the protocol)
import gc
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from PIL import Image

import fergi.scorers.scoring as module
from fergi.errors import ScoresError, WeightsError
from fergi.scorers.plan import PromptedImage, ScoringPlan
from fergi.scorers.protocol import Preparation, Scorer, ScorerOptions, Traits
from fergi.scorers.scoring import Scores, score_images

Paint = Callable[..., Image.Image]


class Brightness:
    """Scores by the mean of red, and notes what it was given."""

    traits: ClassVar = Traits()

    def __init__(self, options: ScorerOptions) -> None:
        self.batches: list[tuple[list[str], list[tuple[int, int]]]] = []

    def scores(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float | None]:
        self.batches.append((list(prompts), [image.size for image in images]))
        return [float(image.resize((1, 1)).getpixel((0, 0))[0]) for image in images]  # type: ignore[index]


@pytest.fixture
def folder(tmp_path: Path, make_image: Paint) -> Path:
    for number in range(7):
        make_image(number).save(tmp_path / f"{number}.png")
    return tmp_path


def _images(folder: Path, count: int = 7, prompts: int = 3) -> list[PromptedImage]:
    return [PromptedImage(f"prompt {n % prompts}", folder / f"{n}.png") for n in range(count)]


def _plan(
    images: list[PromptedImage],
    *scorers: type,
    batch_size: int | None = 3,
    keep_loaded: bool = False,
) -> tuple[ScoringPlan, list[Scorer]]:
    made: list[Scorer] = []

    def factory(kind: type) -> Callable[[ScorerOptions], Scorer]:
        def make(options: ScorerOptions) -> Scorer:
            made.append(kind(options))
            return made[-1]

        make.traits = kind.traits  # type: ignore[attr-defined]
        return make

    factories = {kind.__name__: factory(kind) for kind in scorers}
    return (
        ScoringPlan(images, factories, ScorerOptions(), batch_size, keep_loaded),  # type: ignore[arg-type]
        made,
    )


def test_every_image_has_a_score(folder: Path) -> None:
    images = _images(folder)
    plan, _ = _plan(images, Brightness)
    found = score_images(plan)
    assert set(found.numbers["Brightness"]) == set(images)
    assert found.reasons == {}
    assert all(len(digest) == 64 for digest in found.hashes.values())


def test_batches_go_across_sessions_and_equal_prompts_follow_each_other(folder: Path) -> None:
    plan, made = _plan(_images(folder), Brightness)
    score_images(plan)
    prompts = [prompt for batch, _ in made[0].batches for prompt in batch]  # type: ignore[attr-defined]
    assert prompts == sorted(prompts)
    assert [len(batch) for batch, _ in made[0].batches] == [3, 3, 1]  # type: ignore[attr-defined]


def test_by_default_a_processor_is_given_four_images_at_a_time(folder: Path) -> None:
    plan, _ = _plan(_images(folder), Brightness, batch_size=None)
    assert [len(batch) for batch in plan.batches(plan.images)] == [4, 3]
    elsewhere = replace(plan, options=ScorerOptions(device="cuda"))
    assert [len(batch) for batch in elsewhere.batches(plan.images)] == [7]


def test_an_image_is_decoded_once_for_all_scorers_and_prompts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Square(Brightness):
        traits: ClassVar = Traits(Preparation.SHORT_SIDE)

    class Long(Brightness):
        traits: ClassVar = Traits(Preparation.LONG_SIDE)

    read: list[Path] = []
    original = module.read_picture

    def counted(path: Path) -> tuple[Image.Image, bytes]:
        read.append(path)
        return original(path)

    monkeypatch.setattr(module, "read_picture", counted)
    images = [PromptedImage(p, folder / f"{n}.png") for n in range(4) for p in ("a", "b")]
    plan, made = _plan(images, Brightness, Square, Long)
    score_images(plan)
    assert sorted(read) == [folder / f"{n}.png" for n in range(4)]
    sizes = [made_one.batches[0][1][0] for made_one in made]  # type: ignore[attr-defined]
    assert sizes == [(300, 200), (224, 224), (224, 224)]


def test_one_model_is_in_memory_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With memory for two pictures, each scorer is loaded several times, and never both."""
    monkeypatch.setattr(module, "HELD_BYTES", 2 * 300 * 200 * 4)
    alive: weakref.WeakSet[Brightness] = weakref.WeakSet()
    most: list[int] = []

    class Watched(Brightness):
        def __init__(self, options: ScorerOptions) -> None:
            super().__init__(options)
            gc.collect()
            alive.add(self)
            most.append(len(alive))

    class Other(Watched):
        pass

    factories = {"one": Watched, "other": Other}
    images = _images(folder)
    once = score_images(ScoringPlan(images, factories, ScorerOptions(), 3))
    assert max(most) == 1
    assert len(most) == 8
    most.clear()
    kept = score_images(ScoringPlan(images, factories, ScorerOptions(), 3, keep_loaded=True))
    assert len(most) == 2
    assert kept.numbers == once.numbers


def test_scorers_of_one_model_are_loaded_together(folder: Path) -> None:
    class One(Brightness):
        traits: ClassVar = Traits(model="clip")

    class Two(Brightness):
        traits: ClassVar = Traits(model="clip")

    plan, _ = _plan(_images(folder), One, Brightness, Two)
    assert plan.model_groups() == [["One", "Two"], ["Brightness"]]


def test_two_scorers_of_clip_encode_each_image_once(
    folder: Path, weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fergi.scorers.catalogue import scorer_factories
    from fergi.scorers.clip_model import ClipEncoder

    encoded: list[int] = []
    original = ClipEncoder._image_features

    def counted(self: ClipEncoder, images: Sequence[Image.Image]) -> object:
        encoded.append(len(images))
        return original(self, images)

    monkeypatch.setattr(ClipEncoder, "_image_features", counted)
    options = ScorerOptions(weights_folder=weights_folder)
    images = _images(folder)
    factories = scorer_factories(["clip", "laion_aesthetic"])
    score_images(ScoringPlan(images, factories, options, batch_size=3))
    assert encoded == [3, 3, 1]


def test_each_prompt_is_encoded_once(
    folder: Path, weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fergi.scorers.blip_scores import BlipScore
    from fergi.scorers.clip_model import ClipEncoder
    from fergi.scorers.clip_scores import HpsV2

    encoded: list[str] = []
    for kind in (ClipEncoder, BlipScore):
        original = kind._prompt_features

        def counted(
            self: object, prompts: Sequence[str], original: Callable[..., object] = original
        ) -> object:
            encoded.extend(prompts)
            return original(self, prompts)

        monkeypatch.setattr(kind, "_prompt_features", counted)
    options = ScorerOptions(weights_folder=weights_folder)
    factories = {"blip": BlipScore, "hpsv2": HpsV2}
    score_images(ScoringPlan(_images(folder), factories, options, batch_size=2))
    assert sorted(encoded) == sorted([f"prompt {n}" for n in range(3)] * 2)


def test_a_broken_image_has_a_reason_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "3.png").write_bytes(b"broken")
    images = _images(folder)
    plan, _ = _plan(images, Brightness)
    found = score_images(plan)
    assert len(found.numbers["Brightness"]) == 6
    assert found.reasons == {images[3]: ["is no PNG, JPEG or WebP image; replace the file"]}


def test_a_batch_that_a_scorer_cannot_do_has_a_reason_and_the_rest_goes_on(folder: Path) -> None:
    class Moody(Brightness):
        def scores(
            self, prompts: Sequence[str], images: Sequence[Image.Image]
        ) -> list[float | None]:
            if "prompt 1" in prompts:
                raise ScoresError("the service is asleep")
            return super().scores(prompts, images)

    plan, _ = _plan(_images(folder), Moody, Brightness, batch_size=1)
    found = score_images(plan)
    assert len(found.numbers["Brightness"]) == 7
    assert len(found.numbers["Moody"]) == 5
    assert {reason for reasons in found.reasons.values() for reason in reasons} == {
        "Moody: the service is asleep"
    }


@pytest.mark.parametrize("strange", [None, float("nan"), float("inf")])
def test_what_is_no_finite_number_is_missing_with_a_reason(
    folder: Path, strange: float | None
) -> None:
    class Strange(Brightness):
        def scores(
            self, prompts: Sequence[str], images: Sequence[Image.Image]
        ) -> list[float | None]:
            return [strange for _ in images]

    plan, _ = _plan(_images(folder, 1), Strange)
    found = score_images(plan)
    assert found.numbers == {"Strange": {}}
    assert list(found.reasons.values()) == [["Strange: gave no finite number"]]


def test_too_few_numbers_are_none_and_the_rest_goes_on(folder: Path) -> None:
    class Lazy(Brightness):
        def scores(
            self, prompts: Sequence[str], images: Sequence[Image.Image]
        ) -> list[float | None]:
            return [1.0]

    plan, _ = _plan(_images(folder), Lazy, Brightness)
    found = score_images(plan)
    assert len(found.numbers["Brightness"]) == 7
    assert len(found.numbers["Lazy"]) == 1  # the last batch has one image
    assert {reason for reasons in found.reasons.values() for reason in reasons} == {
        "Lazy: gave 1 numbers for 3 images; tell those who wrote it"
    }


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (KeyError("weight"), "Foreign: KeyError: 'weight'"),
        (ZeroDivisionError("division by zero"), "Foreign: ZeroDivisionError: division by zero"),
        (RuntimeError("device-side assert"), "Foreign: RuntimeError: device-side assert"),
    ],
)
def test_whatever_a_scorer_raises_costs_one_image_and_no_other_scorer(
    folder: Path, trouble: Exception, reason: str
) -> None:
    """One of three images of a batch, which are then asked for one by one."""

    class Foreign(Brightness):
        def scores(
            self, prompts: Sequence[str], images: Sequence[Image.Image]
        ) -> list[float | None]:
            if "prompt 1" in prompts:
                raise trouble
            return super().scores(prompts, images)

    images = [PromptedImage(f"prompt {n}", folder / f"{n}.png") for n in range(7)]
    plan, _ = _plan(images, Foreign, Brightness)
    told: list[tuple[int, int]] = []
    found = score_images(plan, progress=lambda done, total: told.append((done, total)))
    assert set(found.numbers["Brightness"]) == set(images)
    assert set(found.numbers["Foreign"]) == {*images} - {images[1]}
    assert found.reasons == {images[1]: [reason]}
    assert told[-1] == (14, 14)


def test_what_is_no_number_is_missing_with_a_reason(folder: Path) -> None:
    class Wordy(Brightness):
        def scores(
            self, prompts: Sequence[str], images: Sequence[Image.Image]
        ) -> list[float | None]:
            return ["good" for _ in images]  # type: ignore[misc]

    plan, _ = _plan(_images(folder, 1), Wordy)
    (reasons,) = score_images(plan).reasons.values()
    assert reasons == ["Wordy: ValueError: could not convert string to float: 'good'"]


def test_a_scorer_that_cannot_be_made_has_a_reason_and_is_tried_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With memory for two pictures, models are loaded four times."""
    monkeypatch.setattr(module, "HELD_BYTES", 2 * 300 * 200 * 4)
    tried: list[str] = []

    class Incomplete(Brightness):
        def __init__(self, options: ScorerOptions) -> None:
            tried.append("Incomplete")
            raise AttributeError("no layer 'head'")

    plan, _ = _plan(_images(folder), Incomplete, Brightness)
    found = score_images(plan)
    assert len(found.numbers["Brightness"]) == 7
    assert (
        list(found.reasons.values())
        == [["Incomplete: cannot be loaded (AttributeError: no layer 'head')"]] * 7
    )
    assert tried == ["Incomplete"]


def test_where_no_scorer_can_be_made_the_first_reason_is_raised(folder: Path) -> None:
    class Torn(Brightness):
        def __init__(self, options: ScorerOptions) -> None:
            raise WeightsError("torn.pth: lacks head.bias")

    class Incomplete(Brightness):
        def __init__(self, options: ScorerOptions) -> None:
            raise AttributeError("no layer 'head'")

    plan, _ = _plan(_images(folder), Torn, Incomplete)
    with pytest.raises(WeightsError, match=r"torn\.pth: lacks"):
        score_images(plan)


@pytest.mark.parametrize("said", [Path("a"), ZeroDivisionError("no origin")])
def test_an_origin_that_cannot_be_told_is_a_reason(folder: Path, said: object) -> None:
    class Mute(Brightness):
        def origin(self) -> object:
            if isinstance(said, Exception):
                raise said
            return said

    plan, _ = _plan(_images(folder, 1), Mute, Brightness)
    found = score_images(plan)
    assert len(found.numbers["Brightness"]) == 1
    ((reason,),) = found.reasons.values()
    assert reason.startswith(("Mute: TypeError: Object of type", "Mute: ZeroDivisionError: no o"))


def test_an_image_that_breaks_the_decoder_is_named_and_the_rest_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = module.read_picture

    def fragile(path: Path) -> tuple[Image.Image, bytes]:
        if path.name == "3.png":
            raise IndexError("index out of range")
        return original(path)

    monkeypatch.setattr(module, "read_picture", fragile)
    images = _images(folder)
    plan, _ = _plan(images, Brightness)
    found = score_images(plan)
    assert len(found.numbers["Brightness"]) == 6
    assert found.reasons == {images[3]: ["IndexError: index out of range"]}


@pytest.mark.parametrize(
    "trouble",
    [
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
        MemoryError(),
    ],
)
def test_too_little_memory_is_said_with_what_to_do(folder: Path, trouble: Exception) -> None:
    class Hungry(Brightness):
        def scores(
            self, prompts: Sequence[str], images: Sequence[Image.Image]
        ) -> list[float | None]:
            raise trouble

    kept: list[Scores] = []
    plan, _ = _plan(_images(folder), Brightness, Hungry)
    with pytest.raises(ScoresError, match="smaller --batch-size"):
        score_images(plan, on_stop=kept.append)
    assert len(kept[0].numbers["Brightness"]) == 7


def test_an_unknown_prompt_is_scored_by_those_who_need_none(folder: Path) -> None:
    class Beauty(Brightness):
        traits: ClassVar = Traits(needs_prompt=False)

    one = PromptedImage(None, folder / "0.png")
    plan, _ = _plan([one], Brightness, Beauty)
    found = score_images(plan)
    assert list(found.numbers["Beauty"]) == [one]
    assert found.numbers["Brightness"] == {}
    assert "prompt is unknown" in found.reasons[one][0]


def test_known_scores_are_kept_and_not_computed_again(folder: Path) -> None:
    images = _images(folder)
    plan, made = _plan(images, Brightness)
    found = score_images(plan, {"Brightness": dict.fromkeys(images[:6], 5.0)})
    assert found.numbers["Brightness"][images[0]] == 5.0
    assert [len(batch) for batch, _ in made[0].batches] == [1]  # type: ignore[attr-defined]
    nothing, made = _plan(images, Brightness)
    score_images(nothing, {"Brightness": dict.fromkeys(images, 5.0)})
    assert made == []


def test_progress_counts_every_score_once(folder: Path) -> None:
    (folder / "3.png").write_bytes(b"broken")
    told: list[tuple[int, int]] = []
    plan, _ = _plan(_images(folder), Brightness)
    seen: list[Scores] = []
    score_images(plan, None, lambda done, total: told.append((done, total)), seen.append)
    assert told[-1] == (7, 7)
    assert [done for done, _ in told] == list(range(1, 8))
    assert len(seen) == 2
