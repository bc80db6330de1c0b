"""HPSv2's checkpoints against open_clip's own arithmetic, written out plainly."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, normalize

from fergi.errors import WeightsError
from fergi.scorers.checkpoints import read_tensors
from fergi.scorers.clip_model import from_open_clip
from fergi.scorers.clip_scores import HpsV2, HpsV21
from fergi.scorers.preparation import normalised
from fergi.scorers.protocol import Preparation, ScorerOptions
from fergi.scorers.tokens import clip_tokenizer

# Both sides sum the same float32 products in another order; larger differences are mistakes.
ORDER_OF_SUMS = 1e-5
PROMPTS = ["a fox in the snow", "", "the the the fox's"]
CHECKPOINT = "HPS_v2_compressed.pt"


def _norm(one: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    return layer_norm(x, x.shape[-1:], one[f"{name}.weight"], one[f"{name}.bias"], 1e-5)


def _block(one: dict[str, Tensor], name: str, x: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """One residual block of open_clip: norm first, joint projection of q, k and v."""
    rows, places, width = x.shape
    joint = _norm(one, f"{name}.ln_1", x) @ one[f"{name}.attn.in_proj_weight"].T
    q, k, v = (joint + one[f"{name}.attn.in_proj_bias"]).chunk(3, dim=-1)
    q, k, v = (t.reshape(rows, places, heads, -1).transpose(1, 2) for t in (q, k, v))
    weights = q @ k.transpose(-1, -2) / (width // heads) ** 0.5
    weights = weights if mask is None else weights + mask
    mixed = (weights.softmax(-1) @ v).transpose(1, 2).reshape(rows, places, width)
    x = x + mixed @ one[f"{name}.attn.out_proj.weight"].T + one[f"{name}.attn.out_proj.bias"]
    inner = _norm(one, f"{name}.ln_2", x) @ one[f"{name}.mlp.c_fc.weight"].T
    inner = gelu(inner + one[f"{name}.mlp.c_fc.bias"])
    return x + inner @ one[f"{name}.mlp.c_proj.weight"].T + one[f"{name}.mlp.c_proj.bias"]


def _reference_open_clip_image(one: dict[str, Tensor], pixels: Tensor) -> Tensor:
    patches = torch.nn.functional.conv2d(pixels, one["visual.conv1.weight"], stride=56)
    patches = patches.flatten(2).transpose(1, 2)
    first = one["visual.class_embedding"].expand(len(pixels), 1, -1)
    x = torch.cat([first, patches], dim=1) + one["visual.positional_embedding"]
    x = _norm(one, "visual.ln_pre", x)
    for number in range(2):
        x = _block(one, f"visual.transformer.resblocks.{number}", x, heads=2, mask=None)
    return normalize(_norm(one, "visual.ln_post", x[:, 0]) @ one["visual.proj"], dim=-1)


def _reference_open_clip_text(one: dict[str, Tensor], ids: Tensor) -> Tensor:
    x = one["token_embedding.weight"][ids] + one["positional_embedding"][: ids.shape[1]]
    mask = torch.full((ids.shape[1], ids.shape[1]), float("-inf")).triu(1)
    for number in range(2):
        x = _block(one, f"transformer.resblocks.{number}", x, heads=2, mask=mask)
    x = _norm(one, "ln_final", x)[torch.arange(len(ids)), ids.argmax(-1)]
    return normalize(x @ one["text_projection"], dim=-1)


def test_scores_are_those_of_open_clip(
    weights_folder: Path, options: ScorerOptions, make_image: Callable[..., Image.Image]
) -> None:
    images = [make_image(0), make_image(1, 120, 400), make_image(2, 224, 224)]
    folder = weights_folder / "hpsv2"
    one = torch.load(folder / CHECKPOINT, weights_only=False)["state_dict"]
    tokenizer = clip_tokenizer(folder / "vocab.json", folder / "merges.txt", 522)
    ids = tokenizer(PROMPTS, torch.device("cpu"))["input_ids"]
    pixels = torch.from_numpy(normalised(images, Preparation.LONG_SIDE))
    expected = (_reference_open_clip_text(one, ids) * _reference_open_clip_image(one, pixels)).sum(
        -1
    )
    assert HpsV2(options).scores(PROMPTS, images) == pytest.approx(
        expected.tolist(), abs=ORDER_OF_SUMS
    )


def test_queries_keys_and_values_are_split_in_this_order() -> None:
    joint = torch.arange(12.0).reshape(6, 2)
    tensors = {
        "visual.proj": torch.ones(2, 3),
        "transformer.resblocks.5.attn.in_proj_weight": joint,
    }
    renamed = from_open_clip(tensors, Path("x"))
    layer = "text_model.encoder.layers.5.self_attn"
    for letter, rows in (("q", slice(0, 2)), ("k", slice(2, 4)), ("v", slice(4, 6))):
        assert torch.equal(renamed[f"{layer}.{letter}_proj.weight"], joint[rows])
    assert renamed["visual_projection.weight"].shape == (3, 2)


def test_each_version_reads_its_own_checkpoint(
    options: ScorerOptions, make_image: Callable[..., Image.Image]
) -> None:
    image = make_image(0)
    assert HpsV2(options).scores(["a fox"], [image]) != HpsV21(options).scores(["a fox"], [image])


def test_numbers_beside_the_weights_are_no_obstacle(weights_folder: Path) -> None:
    path = weights_folder / "hpsv2" / CHECKPOINT
    assert isinstance(torch.load(path, weights_only=False)["epoch"], np.float64)
    assert "logit_scale" in read_tensors(path, "state_dict")


def test_a_checkpoint_of_another_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no checkpoint of open_clip"):
        from_open_clip({"weight": torch.ones(1)}, tmp_path / "x.pt")


def test_curly_quotes_are_read_as_plain_ones(
    options: ScorerOptions, make_image: Callable[..., Image.Image]
) -> None:
    scorer, image = HpsV2(options), make_image(0)
    curly, plain = scorer.scores(["the fox\u2019s", "the fox's"], [image, image])
    assert curly == plain
