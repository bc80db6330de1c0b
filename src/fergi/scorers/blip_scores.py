"""Scores of the BLIP family: BLIP's cosine, and ImageReward."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from fergi.scorers.blip_model import blip_model, from_blip
from fergi.scorers.checkpoints import read_tensors
from fergi.scorers.features import PromptFeatures, cosines, unit_length
from fergi.scorers.linear_head import LinearHead, linear_head
from fergi.scorers.preparation import normalised
from fergi.scorers.protocol import Preparation, ScorerOptions, Traits
from fergi.scorers.provided import provided_files
from fergi.scorers.tokens import Tokenizer, blip_tokenizer

_MEAN, _DEVIATION = 0.16717362830052426, 1.0333394966054072
"""Of ImageReward's raw reward, with which its authors standardise it."""

_HEAD_PREFIX = "mlp."


class _BlipScorer:
    """What both scores share: the model and its tokenizer."""

    def __init__(self, name: str, inside: str | None, options: ScorerOptions) -> None:
        files = provided_files(name, options)
        path = self._path = files.main
        tensors = read_tensors(path, inside)
        self._head_tensors = {
            name.removeprefix(_HEAD_PREFIX): tensors.pop(name)
            for name in list(tensors)
            if name.startswith(_HEAD_PREFIX)
        }
        converted = from_blip(tensors)
        self._model: Any = blip_model(converted, path, options)
        rows = converted["text_encoder.embeddings.word_embeddings.weight"].shape[0]
        self._tokenizer: Tokenizer = blip_tokenizer(files.paths["vocab.txt"], rows)

    @property
    def truncated_prompts(self) -> set[str]:
        """The prompts that were longer than the text encoder reads."""
        return self._tokenizer.truncated

    def _patches(self, images: Sequence[Image.Image]) -> Float[Tensor, "images patches width"]:
        pixels = torch.from_numpy(normalised(images, Preparation.SHORT_SIDE))
        pixels = pixels.to(self._model.device, self._model.dtype)
        return self._model.vision_model(pixels).last_hidden_state


class BlipScore(_BlipScorer):
    """The cosine between prompt and image in the space of BLIP, large, before any fine-tuning."""

    traits: ClassVar = Traits(Preparation.SHORT_SIDE, weights=("blip",), formula="cosine")

    def __init__(self, options: ScorerOptions) -> None:
        super().__init__("blip", "model", options)
        self._prompts = PromptFeatures(self._prompt_features)

    @torch.inference_mode()
    def _prompt_features(self, prompts: Sequence[str]) -> Float[Tensor, "prompts features"]:
        tokens = self._tokenizer(prompts, self._model.device)
        first = self._model.text_encoder(**tokens).last_hidden_state[:, 0]
        return unit_length(self._model.text_proj(first))

    @torch.inference_mode()
    def scores(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        """Score a batch by the angle between prompt and image."""
        seen = unit_length(self._model.vision_proj(self._patches(images)[:, 0]))
        return cosines(self._prompts(prompts), seen).tolist()


class ImageReward(_BlipScorer):
    """ImageReward, version 1.0: what a head reads from the prompt as the image colours it."""

    traits: ClassVar = Traits(
        Preparation.SHORT_SIDE,
        weights=("imagereward",),
        formula=f"(reward − {_MEAN}) / {_DEVIATION}",
    )

    def __init__(self, options: ScorerOptions) -> None:
        super().__init__("imagereward", None, options)
        self._head: LinearHead = linear_head(self._head_tensors, self._path, options)

    @torch.inference_mode()
    def scores(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        """Score a batch by reading each prompt with attention to its image."""
        patches = self._patches(images)
        read = self._model.text_encoder(
            **self._tokenizer(prompts, self._model.device),
            encoder_hidden_states=patches,
            encoder_attention_mask=torch.ones(patches.shape[:2], dtype=torch.long).to(
                patches.device
            ),
        )
        rewards = self._head(read.last_hidden_state[:, 0].float())
        return ((rewards - _MEAN) / _DEVIATION).tolist()
