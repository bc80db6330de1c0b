"""What would have caught the published columns that came from random heads."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from fergi.errors import ScoresError, WeightsError
from fergi.scorers.catalogue import scorer_factories
from fergi.scorers.protocol import ScorerOptions

NAMES = ("clip", "laion_aesthetic", "blip", "imagereward", "pickscore", "hpsv2", "hpsv2_1")
EACH = pytest.mark.parametrize("name", NAMES)
FILES = {
    "clip": ("model.safetensors", None),
    "pickscore": ("model.safetensors", None),
    "laion_aesthetic": ("sac+logos+ava1-l14-linearMSE.pth", None),
    "blip": ("model_large.pth", "model"),
    "imagereward": ("ImageReward.pt", None),
    "hpsv2": ("HPS_v2_compressed.pt", "state_dict"),
    "hpsv2_1": ("HPS_v2.1_compressed.pt", "state_dict"),
}
PROMPTS = ["a fox in the snow", "red house"]
Paint = Callable[..., Image.Image]
Changes = Callable[[dict[str, torch.Tensor]], None]


def _made(name: str, options: ScorerOptions) -> Any:
    return scorer_factories([name])[name](options)


@pytest.fixture
def changed_weights(
    weights_folder: Path, tmp_path: Path
) -> Callable[[str, Changes], ScorerOptions]:
    """Copies a scorer's checkpoint, with a change, and says where it lies."""

    def change(name: str, changes: Changes) -> ScorerOptions:
        file, inside = FILES[name]
        path = tmp_path / file
        source = weights_folder / name / file
        if path.suffix == ".safetensors":
            tensors = safetensors.torch.load_file(source)
            changes(tensors)
            safetensors.torch.save_file(tensors, path)
        else:
            content = torch.load(source, weights_only=False)
            changes(content[inside] if inside else content)
            torch.save(content, path)
        for beside in (weights_folder / name).iterdir():
            if beside.name != file:
                (tmp_path / beside.name).write_bytes(beside.read_bytes())
        return ScorerOptions(weights={name: path}, weights_folder=weights_folder)

    return change


@EACH
def test_two_calls_agree(name: str, options: ScorerOptions, make_image: Paint) -> None:
    images = [make_image(0), make_image(1)]
    first, second = (
        _made(name, options),
        _made(name, ScorerOptions(weights_folder=options.weights_folder)),
    )
    assert first.scores(PROMPTS, images) == first.scores(PROMPTS, images)
    assert first.scores(PROMPTS, images) == second.scores(PROMPTS, images)


@EACH
def test_every_tensor_matters(
    name: str,
    options: ScorerOptions,
    make_image: Paint,
    changed_weights: Callable[[str, Changes], ScorerOptions],
) -> None:
    """One number of each of four tensors, first and last among them, is changed in turn."""
    images = [make_image(0), make_image(1)]
    before = _made(name, options).scores(PROMPTS, images)
    for position in np.linspace(0, 1, 4):

        def nudge(tensors: dict[str, torch.Tensor], position: float = position) -> None:
            names = [one for one in tensors if _is_read(one, tensors[one], name)]
            tensor = tensors[names[round(position * (len(names) - 1))]]
            tensor.view(-1)[0] += 0.5

        after = _made(name, changed_weights(name, nudge)).scores(PROMPTS, images)
        assert after != before, position


def _is_read(tensor_name: str, tensor: torch.Tensor, scorer: str) -> bool:
    """Leave out what these prompts cannot show: unused words, keys' biases, dropped tensors."""
    unread = ("embedding", "k_proj.bias", "key.bias", "qkv.bias", "in_proj_bias", "position_ids")
    if scorer == "blip":
        unread = (*unread, "_m.", "queue", "temp", "itm_head", "text_decoder", "crossattention")
    if scorer in {"clip", "hpsv2", "hpsv2_1"}:
        unread = (*unread, "logit_scale")
    if scorer == "imagereward":
        unread = (*unread, "vision_proj", "text_proj")
    return tensor.is_floating_point() and not any(one in tensor_name for one in unread)


@EACH
def test_different_images_have_different_scores(
    name: str, options: ScorerOptions, make_image: Paint
) -> None:
    images = [make_image(seed) for seed in range(4)]
    scores = np.array(_made(name, options).scores([PROMPTS[0]] * 4, images))
    # Rounding moves a score by 1e-7; an encoder that sees nothing moves it no more than that.
    assert np.ptp(scores) > 1e-4


@pytest.mark.parametrize("name", [name for name in NAMES if name != "laion_aesthetic"])
def test_different_prompts_have_different_scores(
    name: str, options: ScorerOptions, make_image: Paint
) -> None:
    image = make_image(0)
    one, other = _made(name, options).scores(PROMPTS, [image, image])
    assert abs(one - other) > 1e-5  # rounding moves a score by 1e-7


def test_the_aesthetic_score_does_not_depend_on_the_prompt(
    options: ScorerOptions, make_image: Paint
) -> None:
    image = make_image(0)
    one, other = _made("laion_aesthetic", options).scores(PROMPTS, [image, image])
    # the two rows may be summed in another order
    assert one == pytest.approx(other, abs=1e-6)


@EACH
def test_a_batch_scores_as_its_images_one_by_one(
    name: str, options: ScorerOptions, make_image: Paint
) -> None:
    scorer, images = _made(name, options), [make_image(seed) for seed in range(3)]
    prompts = [PROMPTS[0], "", PROMPTS[1]]
    together = scorer.scores(prompts, images)
    alone = [scorer.scores([p], [i])[0] for p, i in zip(prompts, images, strict=True)]
    # sums of float32 in another order; PickScore's are multiplied by 14
    assert together == pytest.approx(alone, abs=1e-4)


@pytest.mark.parametrize("name", ["clip", "blip", "imagereward", "pickscore", "hpsv2"])
def test_filling_prompts_up_to_the_limit_would_change_no_score(
    name: str, options: ScorerOptions, make_image: Paint
) -> None:
    """The originals fill up to 77 or 35 tokens, we to the longest of a batch."""
    scorer, filled_up = _made(name, options), _made(name, replace(options, shelf={}))
    tokenizer = filled_up._tokenizer if name in {"blip", "imagereward"} else None
    tokenizer = tokenizer or filled_up._encoder.tokenizer
    encode, lengths = tokenizer.encode, set()

    def to_the_limit(texts: list[str], **how: Any) -> Any:
        rows = encode(texts, **(how | {"padding": "max_length"} if how else how))
        lengths.update(map(len, rows["input_ids"]))
        return rows

    tokenizer.encode = to_the_limit
    images = [make_image(seed) for seed in range(2)]
    expected = filled_up.scores(PROMPTS, images)
    assert tokenizer.limit in lengths
    # sums of float32 in another order; PickScore's are multiplied by 14
    assert scorer.scores(PROMPTS, images) == pytest.approx(expected, abs=1e-5)


def _biases(tensors: dict[str, torch.Tensor]) -> list[str]:
    """List biases that are read, not those that a converter drops."""
    dropped = ("_m.", "itm_head", "text_decoder")
    return [
        name
        for name in tensors
        if name.endswith(".bias") and not any(one in name for one in dropped)
    ]


@EACH
def test_a_missing_tensor_is_refused_by_name(
    name: str, changed_weights: Callable[[str, Changes], ScorerOptions]
) -> None:
    def remove(tensors: dict[str, torch.Tensor]) -> None:
        del tensors[_biases(tensors)[-1]]

    with pytest.raises(WeightsError, match=r"lacks .*bias"):
        _made(name, changed_weights(name, remove))


@EACH
def test_an_unknown_tensor_is_refused_by_name(
    name: str, changed_weights: Callable[[str, Changes], ScorerOptions]
) -> None:
    def add(tensors: dict[str, torch.Tensor]) -> None:
        tensors["layers.extra.weight"] = torch.ones(1)

    with pytest.raises(WeightsError, match=r"has the unknown .*layers\.extra\.weight"):
        _made(name, changed_weights(name, add))


@EACH
def test_a_tensor_of_another_shape_is_refused(
    name: str, changed_weights: Callable[[str, Changes], ScorerOptions]
) -> None:
    def reshape(tensors: dict[str, torch.Tensor]) -> None:
        tensors[_biases(tensors)[-1]] = torch.ones(3)

    with pytest.raises(WeightsError, match="shapes of another model"):
        _made(name, changed_weights(name, reshape))


@EACH
def test_a_tensor_that_is_not_finite_is_refused(
    name: str, changed_weights: Callable[[str, Changes], ScorerOptions]
) -> None:
    def spoil(tensors: dict[str, torch.Tensor]) -> None:
        tensors[_biases(tensors)[-1]][0] = float("nan")

    with pytest.raises(WeightsError, match="not finite"):
        _made(name, changed_weights(name, spoil))


class _Dangerous:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this must never be printed",))


@pytest.mark.parametrize("name", ["imagereward", "hpsv2"])
def test_nothing_in_a_checkpoint_is_ever_run(
    name: str, weights_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.pt"
    torch.save({"state_dict": {"x": torch.ones(1)}, "run": _Dangerous()}, path)
    with pytest.raises(WeightsError, match="no checkpoint of tensors alone"):
        _made(name, ScorerOptions(weights={name: path}, weights_folder=weights_folder))
    assert capsys.readouterr().out == ""


@EACH
@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut off"])
def test_a_broken_file_is_refused_by_name(
    name: str, weights_folder: Path, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / FILES[name][0]
    path.write_bytes(content)
    options = ScorerOptions(weights={name: path}, weights_folder=weights_folder)
    with pytest.raises(WeightsError, match=path.name.replace("+", r"\+")):
        _made(name, options)


def test_a_vocabulary_larger_than_the_model_is_refused(
    weights_folder: Path, tmp_path: Path
) -> None:
    for file in (weights_folder / "imagereward").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "vocab.txt").write_text("\n".join(f"word{n}" for n in range(40)), "utf-8")
    with pytest.raises(WeightsError, match=r"knows .* tokens, the model only 32"):
        _made("imagereward", ScorerOptions(weights={"imagereward": tmp_path}))


def test_an_aesthetic_head_for_another_clip_is_refused(
    weights_folder: Path, tmp_path: Path, changed_weights: Callable[[str, Changes], ScorerOptions]
) -> None:
    def widen(tensors: dict[str, torch.Tensor]) -> None:
        tensors["layers.0.weight"] = torch.ones(24, 768)

    with pytest.raises(WeightsError, match="reads 768 features, the CLIP model gives 32"):
        _made("laion_aesthetic", changed_weights("laion_aesthetic", widen))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["clip", "imagereward", "hpsv2"])
def test_a_lower_precision_gives_nearly_the_same(
    name: str, dtype: str, options: ScorerOptions, make_image: Paint
) -> None:
    lower = ScorerOptions(weights_folder=options.weights_folder, dtype=dtype)
    images = [make_image(0), make_image(1)]
    exact = _made(name, options).scores(PROMPTS, images)
    rough = _made(name, lower).scores(PROMPTS, images)
    assert rough != exact
    # bfloat16 keeps 8 bits, so single numbers are off by 0.4 %, and these weights are large
    assert rough == pytest.approx(exact, abs=0.08)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"device": "abacus"}, "cannot use the device 'abacus'"), ({"dtype": "int4"}, "'int4'")],
)
def test_an_unknown_device_or_dtype_is_refused(
    change: dict[str, str], message: str, options: ScorerOptions
) -> None:
    with pytest.raises(ScoresError, match=message):
        _made("clip", ScorerOptions(weights_folder=options.weights_folder, **change))


def test_a_long_prompt_is_cut_and_counted(options: ScorerOptions, make_image: Paint) -> None:
    long, image = "fox " * 2000, make_image(0)
    for name in ("clip", "imagereward", "hpsv2"):
        scorer = _made(name, options)
        beginning = scorer.scores(["fox " * 200], [image])
        assert scorer.scores([long], [image]) == beginning, name
        assert long in scorer.truncated_prompts


@pytest.mark.parametrize(
    "prompt",
    ["", " ", "\n", "日本語の猫", "кот", "🦊", "“curly” – ’quotes’", "[ENC] [SEP]", "\x00"],
)
def test_any_prompt_has_a_score(prompt: str, options: ScorerOptions, make_image: Paint) -> None:
    for name in ("clip", "blip", "imagereward", "hpsv2"):
        (score,) = _made(name, options).scores([prompt], [make_image(0)])
        assert np.isfinite(score), name
