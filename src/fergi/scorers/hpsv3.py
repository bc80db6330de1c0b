"""HPSv3: a Qwen2-VL that was taught to prefer, and a head on one special token of it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from PIL import Image
from torch import Tensor, nn

from fergi.errors import WeightsError
from fergi.scorers.checkpoints import (
    device,
    dtype,
    loaded_strictly,
    read_tensors,
    reported_faults,
    transformers,
    without,
)
from fergi.scorers.hpsv3_prompt import INSTRUCTION, REWARD_TOKEN
from fergi.scorers.protocol import Preparation, ScorerOptions, Traits
from fergi.scorers.provided import named_path

CHECKPOINT = "HPSv3.safetensors"
PIXELS = 256 * 28 * 28
"""Every image is brought to about this many pixels."""

MOST_ELONGATED = 200
"""Beyond this ratio of sides, Qwen2-VL takes no image."""

_HEAD = "rm_head."
_IMAGE_TOKEN = "<|image_pad|>"  # noqa: S105 (no password)
_MARKS = re.compile(r"<\|[^|<>]*\|>")


class HpsV3:
    """Human Preference Score v3: the mean of the reward's distribution.

    The original ran on a transformers that gave image and text tokens plain positions, one
    after the other; today's gives image tokens places in a grid unless told otherwise.
    """

    traits: ClassVar = Traits(
        Preparation.WHOLE, formula="mean of the reward; positions 0, 1, 2 … for all tokens"
    )

    def __init__(self, options: ScorerOptions) -> None:
        folder = self.require_files(options)
        path = folder / CHECKPOINT
        tensors = read_tensors(path)
        head = {name: tensors.pop(name) for name in list(tensors) if name.startswith(_HEAD)}
        self._head = _head(head, path, options)
        self._tokenizer = _tokenizer(folder)
        self._model = _model(folder, renamed(tensors), options)
        self._images = transformers().AutoImageProcessor.from_pretrained(
            folder, local_files_only=True, size={"shortest_edge": PIXELS, "longest_edge": PIXELS}
        )

    @staticmethod
    def require_files(options: ScorerOptions) -> Path:
        """Find the folder of the model.

        Raises:
            WeightsError: If it is not there, or lacks the checkpoint.
        """
        named = named_path("hpsv3", options)
        if named is None or not (named / CHECKPOINT).is_file():
            raise WeightsError(
                f"hpsv3 needs a folder with {CHECKPOINT} (MizzenAI/HPSv3, 16 GB, MIT) and, beside "
                "it, config.json, preprocessor_config.json and the tokenizer's files of "
                "Qwen/Qwen2-VL-7B-Instruct; name it with --weights hpsv3=FOLDER"
            )
        return named

    @torch.inference_mode()
    def scores(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float | None]:
        """Score a batch; None for an image that is more than 200 times as long as wide."""
        fits = [max(image.size) <= MOST_ELONGATED * min(image.size) for image in images]
        chosen = [place for place, is_fit in enumerate(fits) if is_fit]
        found: list[float | None] = [None] * len(images)
        if chosen:
            means = self._means([prompts[n] for n in chosen], [images[n] for n in chosen])
            for place, mean in zip(chosen, means, strict=True):
                found[place] = mean
        return found

    def _means(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        seen = self._images(images=list(images), return_tensors="pt").to(self._model.device)
        tokens = (seen["image_grid_thw"].prod(dim=1) // self._images.merge_size**2).tolist()
        texts = [self._text(*one) for one in zip(prompts, tokens, strict=True)]
        # On the right, padding comes after all that the reward is read from.
        rows = self._tokenizer(texts, padding=True, padding_side="right", return_tensors="pt")
        rows = rows.to(self._model.device)
        ids: Tensor = rows["input_ids"]
        positions = torch.arange(ids.shape[1], device=ids.device).expand(3, *ids.shape)
        hidden = self._model(
            input_ids=ids,
            attention_mask=rows["attention_mask"],
            position_ids=positions,
            pixel_values=seen["pixel_values"].to(self._model.dtype),
            image_grid_thw=seen["image_grid_thw"],
        ).last_hidden_state
        places = _last_places(ids == self._tokenizer.convert_tokens_to_ids(REWARD_TOKEN))
        rewards = self._head(hidden[torch.arange(len(ids)), places].float())
        return rewards[:, 0].tolist()

    def _text(self, prompt: str, image_tokens: int) -> str:
        """Write the question to the model, the image's tokens in their place."""
        question = INSTRUCTION.format(prompt=_MARKS.sub(" ", prompt))
        content = [{"type": "image"}, {"type": "text", "text": question}]
        text: str = self._tokenizer.apply_chat_template(
            [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
        )
        return text.replace(_IMAGE_TOKEN, _IMAGE_TOKEN * image_tokens, 1)


def _last_places(is_wanted: Tensor) -> Tensor:
    """Find the last true place of each row."""
    return is_wanted.shape[1] - 1 - is_wanted.flip(1).int().argmax(dim=1)


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring the names of a Qwen2-VL of 2024 to those of today's `Qwen2VLModel`.

    The layer that predicts words is left out.
    """
    kept = without(tensors, "lm_head.")
    return {
        name if name.startswith("visual.") else re.sub(r"^model\.", "language_model.", name): tensor
        for name, tensor in kept.items()
    }


def _head(tensors: Mapping[str, Tensor], path: Path, options: ScorerOptions) -> nn.Module:
    plain = {name.removeprefix(_HEAD): tensor.float() for name, tensor in tensors.items()}
    try:
        sizes = {number: plain[f"{number}.weight"].shape for number in (0, 3, 5)}
    except KeyError as error:
        raise WeightsError(
            f"{path}: lacks {_HEAD}{error.args[0]}; give the published file"
        ) from error

    def build() -> nn.Module:
        return nn.Sequential(
            nn.Linear(sizes[0][1], sizes[0][0]),
            nn.ReLU(),
            nn.Identity(),  # dropout, in training
            nn.Linear(sizes[3][1], sizes[3][0]),
            nn.ReLU(),
            nn.Linear(sizes[5][1], sizes[5][0]),
        )

    return loaded_strictly(build, plain, path, options).float()


def _tokenizer(folder: Path) -> Any:
    try:
        tokenizer = transformers().AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise WeightsError(f"{folder}: holds no tokenizer; add that of Qwen2-VL") from error
    tokenizer.add_tokens([REWARD_TOKEN], special_tokens=True)
    return tokenizer


def _model(folder: Path, tensors: dict[str, Tensor], options: ScorerOptions) -> Any:
    package = transformers()
    try:
        config = package.AutoConfig.from_pretrained(folder, local_files_only=True)
        config.text_config.vocab_size = tensors["language_model.embed_tokens.weight"].shape[0]
        model, report = package.Qwen2VLModel.from_pretrained(
            None, config=config, state_dict=tensors, output_loading_info=True, dtype=dtype(options)
        )
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError) as error:
        raise WeightsError(
            f"{folder}: its files do not make an HPSv3 ({str(error)[:200]}); fetch them again"
        ) from error
    faults = reported_faults(report)
    if faults:
        raise WeightsError(f"{folder / CHECKPOINT}: is no HPSv3 ({faults}); fetch it again")
    return model.eval().requires_grad_(False).to(device(options))
