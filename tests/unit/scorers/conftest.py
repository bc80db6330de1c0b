"""Small random models in the forms in which the real ones were published, and a few images.

Sizes are small; names, shapes and structure are those of the originals.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fergi.scorers.checkpoints import transformers
from fergi.scorers.protocol import ScorerOptions

WORDS = ("a", "fox", "in", "the", "snow", "painting", "of", "ocean", "red", "house")
HEAD_SIZES = (24, 12, 8, 6, 1)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Draw:
    """Random tensors, in a fixed order."""

    def __init__(self, seed: int) -> None:
        self._stream = torch.Generator().manual_seed(seed)

    def __call__(self, *shape: int, scale: float = 0.15) -> Tensor:
        return scale * torch.randn(*shape, generator=self._stream)

    def linear(self, name: str, wide: int, narrow: int) -> dict[str, Tensor]:
        return {f"{name}.weight": self(wide, narrow), f"{name}.bias": self(wide)}

    def norm(self, name: str, width: int) -> dict[str, Tensor]:
        return {f"{name}.weight": 1 + self(width), f"{name}.bias": self(width)}


def head_tensors(draw: Draw, width: int, prefix: str = "") -> dict[str, Tensor]:
    """Five linear layers, numbered as in the originals."""
    tensors: dict[str, Tensor] = {}
    for number, size in zip((0, 2, 4, 6, 7), HEAD_SIZES, strict=True):
        tensors |= draw.linear(f"{prefix}layers.{number}", size, width)
        width = size
    return tensors


def blip_tensors(seed: int = 0, prefix: str = "") -> dict[str, Tensor]:
    """BLIP as its authors save it: ViT with joint qkv, BERT with cross-attention.

    Patches and places are small numbers, as in the real model, so that the epsilon of the
    first norm shows.
    """
    draw = Draw(seed)
    wide, text, patch, space = 128, 128, 56, 32
    tensors = {
        "visual_encoder.cls_token": draw(1, 1, wide, scale=0.01),
        "visual_encoder.pos_embed": draw(1, 17, wide, scale=0.01),
        "visual_encoder.patch_embed.proj.weight": draw(wide, 3, patch, patch, scale=2e-4),
        "visual_encoder.patch_embed.proj.bias": draw(wide, scale=0.01),
        **draw.norm("visual_encoder.norm", wide),
        "text_encoder.embeddings.position_ids": torch.arange(40)[None],
        "text_encoder.embeddings.word_embeddings.weight": draw(32, text),
        "text_encoder.embeddings.position_embeddings.weight": draw(40, text),
        **draw.norm("text_encoder.embeddings.LayerNorm", text),
        **draw.linear("vision_proj", space, wide),
        **draw.linear("text_proj", space, text),
    }
    for number in range(2):
        block = f"visual_encoder.blocks.{number}"
        tensors |= draw.norm(f"{block}.norm1", wide) | draw.norm(f"{block}.norm2", wide)
        tensors |= draw.linear(f"{block}.attn.qkv", 3 * wide, wide)
        tensors |= draw.linear(f"{block}.attn.proj", wide, wide)
        tensors |= draw.linear(f"{block}.mlp.fc1", 2 * wide, wide)
        tensors |= draw.linear(f"{block}.mlp.fc2", wide, 2 * wide)
        layer = f"text_encoder.encoder.layer.{number}"
        for kind, source in (("attention", text), ("crossattention", wide)):
            tensors |= draw.linear(f"{layer}.{kind}.self.query", text, text)
            tensors |= draw.linear(f"{layer}.{kind}.self.key", text, source)
            tensors |= draw.linear(f"{layer}.{kind}.self.value", text, source)
            tensors |= draw.linear(f"{layer}.{kind}.output.dense", text, text)
            tensors |= draw.norm(f"{layer}.{kind}.output.LayerNorm", text)
        tensors |= draw.linear(f"{layer}.intermediate.dense", 2 * text, text)
        tensors |= draw.linear(f"{layer}.output.dense", text, 2 * text)
        tensors |= draw.norm(f"{layer}.output.LayerNorm", text)
    return {prefix + name: tensor for name, tensor in tensors.items()}


def only_for_training(seed: int = 9) -> dict[str, Tensor]:
    """What BLIP's pretraining leaves in its checkpoint, and no score needs."""
    draw = Draw(seed)
    return {
        "temp": draw(1).squeeze(),
        "image_queue": draw(32, 4),
        "text_queue": draw(32, 4),
        "queue_ptr": torch.zeros(1, dtype=torch.long),
        "itm_head.weight": draw(2, 128),
        "itm_head.bias": draw(2),
        "visual_encoder_m.cls_token": draw(1, 1, 128),
        "vision_proj_m.weight": draw(32, 128),
        "text_encoder_m.embeddings.word_embeddings.weight": draw(32, 128),
        "text_proj_m.weight": draw(32, 128),
        "text_decoder.cls.predictions.bias": draw(32),
    }


def open_clip_tensors(seed: int = 0, tokens: int = 522) -> dict[str, Tensor]:
    """A small ViT-H-14 as open_clip saves it; heads of 80 and 64 channels."""
    draw = Draw(seed)
    wide, text, patch, space = 160, 128, 56, 48
    tensors = {
        "logit_scale": torch.tensor(4.6),
        "token_embedding.weight": draw(tokens, text),
        "positional_embedding": draw(77, text),
        "text_projection": draw(text, space),
        **draw.norm("ln_final", text),
        "visual.class_embedding": draw(wide),
        "visual.positional_embedding": draw(17, wide),
        "visual.conv1.weight": draw(wide, 3, patch, patch, scale=0.02),
        "visual.proj": draw(wide, space),
        **draw.norm("visual.ln_pre", wide),
        **draw.norm("visual.ln_post", wide),
    }
    for prefix, width in (("", text), ("visual.", wide)):
        for number in range(2):
            block = f"{prefix}transformer.resblocks.{number}"
            tensors |= draw.norm(f"{block}.ln_1", width) | draw.norm(f"{block}.ln_2", width)
            tensors[f"{block}.attn.in_proj_weight"] = draw(3 * width, width)
            tensors[f"{block}.attn.in_proj_bias"] = draw(3 * width)
            tensors |= draw.linear(f"{block}.attn.out_proj", width, width)
            tensors |= draw.linear(f"{block}.mlp.c_fc", 2 * width, width)
            tensors |= draw.linear(f"{block}.mlp.c_proj", width, 2 * width)
    return tensors


def write_byte_pairs(folder: Path) -> None:
    """A vocabulary of the kind that CLIP uses: bytes, and the pairs that make a few words."""
    letters = [chr(code) for code in _byte_letters()]
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    merges = [("f", "o"), ("fo", "x</w>"), ("t", "h"), ("th", "e</w>"), ("'", "s</w>")]
    pieces += ["".join(pair) for pair in merges]
    pieces = list(dict.fromkeys(pieces))
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges), ""]
    (folder / "merges.txt").write_text("\n".join(lines), encoding="utf-8")


def _byte_letters() -> list[int]:
    """The letters that stand for the 256 bytes: printable ones for themselves."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [*printable, *range(256, 256 + len(others))]


def write_word_pieces(folder: Path) -> None:
    """A vocabulary of the kind that BERT uses."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, ",", "'", "s", "日"]
    (folder / "vocab.txt").write_text("\n".join([*pieces, ""]), encoding="utf-8")


def write_clip_folder(folder: Path, seed: int = 0, tokens: int = 522) -> None:
    """CLIP as transformers saves it, with the end token's legacy number."""
    tower = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "projection_dim": 32}
    package = transformers()
    config = package.CLIPConfig(
        text_config={**tower, **heads, "vocab_size": tokens, "eos_token_id": 2},
        vision_config={**tower, **heads, "image_size": 224, "patch_size": 56},
        projection_dim=32,
    )
    torch.manual_seed(seed)
    model = package.CLIPModel(config)
    for parameter in model.parameters():  # the usual 0.02 gives all images nearly one feature
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(folder)
    write_byte_pairs(folder)


@pytest.fixture(scope="session")
def weights_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of every built-in scorer, small and random."""
    root = tmp_path_factory.mktemp("weights")
    for name in ("clip", "pickscore", "blip", "imagereward", "laion_aesthetic", "hpsv2", "hpsv2_1"):
        (root / name).mkdir()
    write_clip_folder(root / "clip", seed=1)
    write_clip_folder(root / "pickscore", seed=2)
    torch.save(
        head_tensors(Draw(3), 32), root / "laion_aesthetic" / "sac+logos+ava1-l14-linearMSE.pth"
    )
    torch.save({"model": blip_tensors(4) | only_for_training()}, root / "blip" / "model_large.pth")
    torch.save(
        blip_tensors(5, "blip.") | head_tensors(Draw(6), 128, "mlp."),
        root / "imagereward" / "ImageReward.pt",
    )
    for name, file, seed in (
        ("hpsv2", "HPS_v2_compressed.pt", 7),
        ("hpsv2_1", "HPS_v2.1_compressed.pt", 8),
    ):
        content = {"state_dict": open_clip_tensors(seed), "epoch": np.float64(3)}
        torch.save(content, root / name / file)
        write_byte_pairs(root / name)
    for name in ("blip", "imagereward"):
        write_word_pieces(root / name)
    return root


@pytest.fixture
def options(weights_folder: Path) -> ScorerOptions:
    """Finds those weights."""
    return ScorerOptions(weights_folder=weights_folder)


@pytest.fixture
def make_image() -> Callable[..., Image.Image]:
    """Paints a random picture of large patches, so that shrinking leaves something of it."""

    def make(seed: int = 0, width: int = 300, height: int = 200) -> Image.Image:
        stream = np.random.default_rng(seed)
        patches = stream.integers(0, 256, (6, 9, 3), dtype=np.uint8)
        return Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)

    return make
