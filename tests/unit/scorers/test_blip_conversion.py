"""BLIP's and ImageReward's checkpoints against the originals' arithmetic, written out plainly."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import gelu, layer_norm, normalize

from fergi.scorers.blip_model import blip_config, from_blip
from fergi.scorers.blip_scores import BlipScore, ImageReward
from fergi.scorers.preparation import normalised
from fergi.scorers.protocol import Preparation, ScorerOptions
from fergi.scorers.tokens import blip_tokenizer

# Both sides sum the same float32 products in another order. SCORERS' two traps, 8 heads and
# an epsilon of 1e-5, are caught: they change these scores by more than ten times as much.
ORDER_OF_SUMS = 1e-5
PROMPTS = ["a fox in the snow", "", "red 日 house, fox's"]
Weights = dict[str, Tensor]


def _linear(one: Weights, name: str, x: Tensor) -> Tensor:
    return x @ one[f"{name}.weight"].T + one[f"{name}.bias"]


def _norm(one: Weights, name: str, x: Tensor, epsilon: float) -> Tensor:
    return layer_norm(x, x.shape[-1:], one[f"{name}.weight"], one[f"{name}.bias"], epsilon)


def _attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """Two heads of 64 channels."""
    q, k, v = (t.unflatten(-1, (2, 64)).transpose(1, 2) for t in (q, k, v))
    weights = q @ k.transpose(-1, -2) / 8
    weights = weights if mask is None else weights + (1 - mask[:, None, None]) * -1e9
    return (weights.softmax(-1) @ v).transpose(1, 2).flatten(-2)


def _reference_blip_image(one: Weights, pixels: Tensor) -> Tensor:
    """BLIP's vision transformer: timm's blocks, epsilon 1e-6."""
    weight = one["visual_encoder.patch_embed.proj.weight"]
    bias = one["visual_encoder.patch_embed.proj.bias"]
    patches = torch.nn.functional.conv2d(pixels, weight, bias, stride=56).flatten(2).transpose(1, 2)
    first = one["visual_encoder.cls_token"].expand(len(pixels), -1, -1)
    x = torch.cat([first, patches], dim=1) + one["visual_encoder.pos_embed"]
    for number in range(2):
        block = f"visual_encoder.blocks.{number}"
        joint = _linear(one, f"{block}.attn.qkv", _norm(one, f"{block}.norm1", x, 1e-6))
        x = x + _linear(one, f"{block}.attn.proj", _attention(*joint.chunk(3, dim=-1), None))
        inner = gelu(_linear(one, f"{block}.mlp.fc1", _norm(one, f"{block}.norm2", x, 1e-6)))
        x = x + _linear(one, f"{block}.mlp.fc2", inner)
    return _norm(one, "visual_encoder.norm", x, 1e-6)


def _reference_blip_text(one: Weights, ids: Tensor, mask: Tensor, patches: Tensor | None) -> Tensor:
    """BLIP's BERT: norm last, epsilon 1e-12; reads the image where one is given."""
    name = "text_encoder.embeddings"
    x = one[f"{name}.word_embeddings.weight"][ids]
    x = x + one[f"{name}.position_embeddings.weight"][: ids.shape[1]]
    x = _norm(one, f"{name}.LayerNorm", x, 1e-12)
    for number in range(2):
        layer = f"text_encoder.encoder.layer.{number}"
        for kind, source in (("attention", None), ("crossattention", patches)):
            if kind == "crossattention" and patches is None:
                continue
            read = x if source is None else source
            part = f"{layer}.{kind}"
            mixed = _attention(
                _linear(one, f"{part}.self.query", x),
                _linear(one, f"{part}.self.key", read),
                _linear(one, f"{part}.self.value", read),
                mask if source is None else None,
            )
            mixed = _linear(one, f"{part}.output.dense", mixed)
            x = _norm(one, f"{part}.output.LayerNorm", x + mixed, 1e-12)
        inner = gelu(_linear(one, f"{layer}.intermediate.dense", x))
        inner = _linear(one, f"{layer}.output.dense", inner)
        x = _norm(one, f"{layer}.output.LayerNorm", x + inner, 1e-12)
    return x


@pytest.fixture
def images(make_image: Callable[..., Image.Image]) -> list[Image.Image]:
    return [make_image(0), make_image(1, 120, 400), make_image(2, 224, 224)]


def _tokens(folder: Path) -> tuple[Tensor, Tensor]:
    rows = blip_tokenizer(folder / "vocab.txt", 32)(PROMPTS, torch.device("cpu"))
    return rows["input_ids"], rows["attention_mask"].float()


def test_blip_scores_are_those_of_the_original(
    weights_folder: Path, options: ScorerOptions, images: list[Image.Image]
) -> None:
    one = torch.load(weights_folder / "blip" / "model_large.pth")["model"]
    pixels = torch.from_numpy(normalised(images, Preparation.SHORT_SIDE))
    text = _reference_blip_text(one, *_tokens(weights_folder / "blip"), None)[:, 0]
    seen = _reference_blip_image(one, pixels)[:, 0]
    expected = normalize(_linear(one, "text_proj", text), dim=-1) * normalize(
        _linear(one, "vision_proj", seen), dim=-1
    )
    scores = BlipScore(options).scores(PROMPTS, images)
    assert scores == pytest.approx(expected.sum(-1).tolist(), abs=ORDER_OF_SUMS)


def test_imagereward_scores_are_those_of_the_original(
    weights_folder: Path, options: ScorerOptions, images: list[Image.Image]
) -> None:
    content = torch.load(weights_folder / "imagereward" / "ImageReward.pt")
    one = {name.removeprefix("blip."): tensor for name, tensor in content.items()}
    pixels = torch.from_numpy(normalised(images, Preparation.SHORT_SIDE))
    patches = _reference_blip_image(one, pixels)
    x = _reference_blip_text(one, *_tokens(weights_folder / "imagereward"), patches)[:, 0]
    for number in (0, 2, 4, 6, 7):
        x = _linear(one, f"mlp.layers.{number}", x)
    expected = (x[:, 0] - 0.16717362830052426) / 1.0333394966054072
    scores = ImageReward(options).scores(PROMPTS, images)
    assert scores == pytest.approx(expected.tolist(), abs=ORDER_OF_SUMS)


def test_heads_and_epsilon_are_not_the_defaults_of_transformers(weights_folder: Path) -> None:
    path = weights_folder / "imagereward" / "ImageReward.pt"
    config = blip_config(from_blip(torch.load(path)), path)
    assert config.text_config.num_attention_heads == 128 // 64
    assert config.vision_config.num_attention_heads == 128 // 64
    assert config.vision_config.layer_norm_eps == 1e-6


def test_what_only_training_needs_is_dropped_and_nothing_else(weights_folder: Path) -> None:
    content = torch.load(weights_folder / "blip" / "model_large.pth")["model"]
    kept = from_blip(content)
    dropped = len(content) - len(kept)
    assert dropped == 12
    assert not [name for name in kept if name.startswith(("temp", "itm_head", "text_decoder"))]


def test_an_unknown_tensor_keeps_its_name_and_so_is_refused_later() -> None:
    assert list(from_blip({"blip.visual_encoder.blocks.0.attn.gamma": torch.ones(1)})) == [
        "visual_encoder.blocks.0.attn.gamma"
    ]
