"""Six scorers together, against one after the other and one image at a time.

Run `python benchmarks/scorers.py`, with `--threads 1` for one thread alone. The models are
random, and have one block of each tower of the real ones, in the real shapes, so that all that
surrounds the blocks weighs more than it would: decoding, preparing, the text towers.

One by one, what the authors of each scorer published is imitated: each picture is read, decoded
and prepared, each prompt encoded, and each model run, for every score anew.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fergi.scorers.catalogue import scorer_factories, traits_of
from fergi.scorers.checkpoints import transformers
from fergi.scorers.features import ImageFeatures, PromptFeatures
from fergi.scorers.pictures import read_picture
from fergi.scorers.plan import PromptedImage, ScoringPlan
from fergi.scorers.protocol import Scorer, ScorerFactory, ScorerOptions
from fergi.scorers.scoring import score_images
from fergi.scorers.tokens import Tokenizer

SIX = ("clip", "laion_aesthetic", "blip", "imagereward", "pickscore", "hpsv2")
IMAGES, PROMPTS = 20, 4
SIDES = (1024, 2048)
"""Of the pictures, in pixels: what image models make today."""
RUNS = 3
WORDS = 49_408
PIECES = 30_524

Tensors = dict[str, Tensor]
_stream = torch.Generator().manual_seed(0)


def _draw(*shape: int) -> Tensor:
    return 0.02 * torch.randn(*shape, generator=_stream)


def _linear(name: str, wide: int, narrow: int) -> Tensors:
    return {f"{name}.weight": _draw(wide, narrow), f"{name}.bias": _draw(wide)}


def _norm(name: str, width: int) -> Tensors:
    return {f"{name}.weight": torch.ones(width), f"{name}.bias": torch.zeros(width)}


def _head(prefix: str, width: int = 768) -> Tensors:
    tensors: Tensors = {}
    for number, size in zip((0, 2, 4, 6, 7), (1024, 128, 64, 16, 1), strict=True):
        tensors |= _linear(f"{prefix}layers.{number}", size, width)
        width = size
    return tensors


def _open_clip() -> Tensors:
    """One block of each tower of ViT-H-14."""
    tensors = {
        "logit_scale": torch.tensor(4.6),
        "token_embedding.weight": _draw(WORDS, 1024),
        "positional_embedding": _draw(77, 1024),
        "text_projection": _draw(1024, 1024),
        "visual.class_embedding": _draw(1280),
        "visual.positional_embedding": _draw(257, 1280),
        "visual.conv1.weight": _draw(1280, 3, 14, 14),
        "visual.proj": _draw(1280, 1024),
        **_norm("ln_final", 1024),
        **_norm("visual.ln_pre", 1280),
        **_norm("visual.ln_post", 1280),
    }
    for prefix, width in (("", 1024), ("visual.", 1280)):
        block = f"{prefix}transformer.resblocks.0"
        tensors |= _norm(f"{block}.ln_1", width) | _norm(f"{block}.ln_2", width)
        tensors[f"{block}.attn.in_proj_weight"] = _draw(3 * width, width)
        tensors[f"{block}.attn.in_proj_bias"] = _draw(3 * width)
        tensors |= _linear(f"{block}.attn.out_proj", width, width)
        tensors |= _linear(f"{block}.mlp.c_fc", 4 * width, width)
        tensors |= _linear(f"{block}.mlp.c_proj", width, 4 * width)
    return tensors


def _blip(prefix: str) -> Tensors:
    """One block of each encoder of BLIP, large."""
    wide, text = 1024, 768
    block, layer = "visual_encoder.blocks.0", "text_encoder.encoder.layer.0"
    tensors = {
        "visual_encoder.cls_token": _draw(1, 1, wide),
        "visual_encoder.pos_embed": _draw(1, 197, wide),
        "visual_encoder.patch_embed.proj.weight": _draw(wide, 3, 16, 16),
        "visual_encoder.patch_embed.proj.bias": _draw(wide),
        "text_encoder.embeddings.word_embeddings.weight": _draw(PIECES, text),
        "text_encoder.embeddings.position_embeddings.weight": _draw(512, text),
        **_norm("visual_encoder.norm", wide),
        **_norm("text_encoder.embeddings.LayerNorm", text),
        **_linear("vision_proj", 256, wide),
        **_linear("text_proj", 256, text),
        **_norm(f"{block}.norm1", wide),
        **_norm(f"{block}.norm2", wide),
        **_linear(f"{block}.attn.qkv", 3 * wide, wide),
        **_linear(f"{block}.attn.proj", wide, wide),
        **_linear(f"{block}.mlp.fc1", 4 * wide, wide),
        **_linear(f"{block}.mlp.fc2", wide, 4 * wide),
        **_linear(f"{layer}.intermediate.dense", 4 * text, text),
        **_linear(f"{layer}.output.dense", text, 4 * text),
        **_norm(f"{layer}.output.LayerNorm", text),
    }
    for kind, source in (("attention", text), ("crossattention", wide)):
        tensors |= _linear(f"{layer}.{kind}.self.query", text, text)
        tensors |= _linear(f"{layer}.{kind}.self.key", text, source)
        tensors |= _linear(f"{layer}.{kind}.self.value", text, source)
        tensors |= _linear(f"{layer}.{kind}.output.dense", text, text)
        tensors |= _norm(f"{layer}.{kind}.output.LayerNorm", text)
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _write_clip(folder: Path, vision: int, text: int, heads: int, space: int) -> None:
    package = transformers()
    shared = {"num_hidden_layers": 1, "projection_dim": space}
    config = package.CLIPConfig(
        text_config={
            **shared,
            "hidden_size": text,
            "intermediate_size": 4 * text,
            "num_attention_heads": text // 64,
            "vocab_size": WORDS,
            "eos_token_id": 2,
        },
        vision_config={
            **shared,
            "hidden_size": vision,
            "intermediate_size": 4 * vision,
            "num_attention_heads": heads,
            "patch_size": 14,
            "image_size": 224,
        },
        projection_dim=space,
    )
    package.CLIPModel(config).save_pretrained(folder)


def write_weights(root: Path) -> None:
    """Write one-block models of all six, in the forms in which the real ones are published."""
    for name in SIX:
        (root / name).mkdir(parents=True)
    _write_clip(root / "clip", 1024, 768, 16, 768)
    _write_clip(root / "pickscore", 1280, 1024, 16, 1024)
    torch.save(_head(""), root / "laion_aesthetic" / "sac+logos+ava1-l14-linearMSE.pth")
    torch.save({"model": _blip("")}, root / "blip" / "model_large.pth")
    content = _blip("blip.") | _head("mlp.")
    torch.save(content, root / "imagereward" / "ImageReward.pt")
    torch.save({"state_dict": _open_clip()}, root / "hpsv2" / "HPS_v2_compressed.pt")
    letters = [chr(code) for code in range(256, 512)]
    pieces = [*letters, *(f"{one}</w>" for one in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = json.dumps({piece: number for number, piece in enumerate(pieces)})
    for name in ("clip", "pickscore", "hpsv2"):
        (root / name / "vocab.json").write_text(vocabulary, encoding="utf-8")
        (root / name / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    for name in ("blip", "imagereward"):
        words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "fox"]
        (root / name / "vocab.txt").write_text("\n".join(words), encoding="utf-8")


def write_images(root: Path, side: int, count: int) -> list[PromptedImage]:
    """Paint pictures of the size that image models make, five for each prompt."""
    root.mkdir()
    images = []
    for number in range(count):
        stream = np.random.default_rng(number)
        patches = stream.integers(0, 256, (48, 48, 3), dtype=np.uint8)
        picture = Image.fromarray(patches).resize((side, side), Image.Resampling.BICUBIC)
        picture.save(root / f"{number}.png")
        prompt = f"a fox number {number % PROMPTS}, in the snow, as a painting"
        images.append(PromptedImage(prompt, root / f"{number}.png"))
    return images


class Loaded:
    """Gives a scorer that was made before: both ways load the same models, which is not timed."""

    def __init__(self, factory: ScorerFactory, options: ScorerOptions) -> None:
        self.traits = traits_of(factory)
        self.scorer = factory(options)

    def __call__(self, options: ScorerOptions) -> Scorer:
        """Give the scorer, which remembers nothing."""
        del options
        forget(self.scorer)
        return self.scorer


Scorers = dict[str, Loaded]
Found = dict[str, list[float | None]]


def loaded(weights: Path) -> Scorers:
    """Make all six."""
    options = ScorerOptions(weights_folder=weights)
    return {name: Loaded(one, options) for name, one in scorer_factories(SIX).items()}


def together(images: list[PromptedImage], scorers: Scorers) -> Found:
    """Score as `fergi score` does, its models loaded."""
    plan = ScoringPlan(images, scorers, ScorerOptions(), keep_loaded=True)
    found = score_images(plan)
    return {name: [found.numbers[name][one] for one in images] for name in SIX}


def one_by_one(images: list[PromptedImage], scorers: Scorers) -> Found:
    """Score by one scorer after the other, an image at a time, remembering nothing."""
    found: Found = {name: [] for name in SIX}
    for name, one_loaded in scorers.items():
        for one in images:
            forget(one_loaded.scorer)
            picture, _ = read_picture(one.path)
            found[name] += one_loaded.scorer.scores([one.prompt or ""], [picture])
    return found


def forget(scorer: Scorer) -> None:
    """Let a scorer forget the prompts and the images that it has encoded."""
    for owner in _parts(scorer):
        for value in vars(owner).values():
            if isinstance(value, PromptFeatures):
                value._known.clear()
            if isinstance(value, ImageFeatures):
                value._batch.clear()


def fill_prompts_up(scorer: Scorer) -> None:
    """Fill prompts up to all that a model reads, as what its authors published does.

    That is so for all but PickScore, whose authors fill up to the longest of a batch.
    """
    for owner in _parts(scorer):
        for value in vars(owner).values():
            if isinstance(value, Tokenizer):
                value.encode = partial(_filled_up, value.encode)


def _filled_up(encode: Callable[..., Any], texts: list[str], **how: Any) -> Any:
    return encode(texts, **(how | {"padding": "max_length"} if "padding" in how else how))


def _parts(scorer: Scorer) -> list[object]:
    return [one for one in (scorer, getattr(scorer, "_encoder", None)) if one is not None]


Way = Callable[[list[PromptedImage], Scorers], Found]


@dataclass(frozen=True)
class Cost:
    """What one way took."""

    processor_seconds: float
    wall_seconds: float


def cost(way: Way, images: list[PromptedImage], scorers: Scorers) -> tuple[Cost, Found]:
    """Time one way, and keep its scores."""
    processor, wall = time.process_time(), time.perf_counter()
    found = way(images, scorers)
    return Cost(time.process_time() - processor, time.perf_counter() - wall), found


def measure(side: int, runs: int = RUNS) -> tuple[Cost, Cost]:
    """Time both ways in turn, and check that they give the same scores."""
    costs = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_weights(root / "weights")
        images = write_images(root / "images", side, IMAGES)
        ours, published = loaded(root / "weights"), loaded(root / "weights")
        for scorer in set(SIX) - {"pickscore"}:
            fill_prompts_up(published[scorer].scorer)
        together(images[:1], ours)  # what is imported and tuned but once
        for _ in range(runs):
            batched, fast = cost(together, images, ours)
            single, slow = cost(one_by_one, images, published)
            costs.append((batched, single))
            for scorer in SIX:
                # float32 sums in another order; scores of these models are below 1
                np.testing.assert_allclose(fast[scorer], slow[scorer], atol=1e-5)
    batched, single = (_median(column) for column in zip(*costs, strict=True))
    return batched, single


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(one.processor_seconds for one in costs),
        statistics.median(one.wall_seconds for one in costs),
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, os.cpu_count() or 1])
    threads = parser.parse_args().threads
    print(f"{IMAGES} images, {PROMPTS} prompts, six scorers of one block a tower")
    print(f"{'threads':>8}{'side':>6}{'':>12}{'together s':>12}{'one by one s':>14}{'ratio':>8}")
    for count in dict.fromkeys(threads):
        torch.set_num_threads(count)
        for side in SIDES:
            fast, slow = measure(side)
            for kind in ("processor", "wall"):
                one, other = (getattr(cost, f"{kind}_seconds") for cost in (fast, slow))
                times = f"{one:12.2f}{other:14.2f}{one / other:8.2f}"
                print(f"{count:8}{side:6}{kind:>12}{times}", flush=True)


if __name__ == "__main__":
    main()
