"""Models of the CLIP family: from folders of transformers, and from HPSv2's checkpoints."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from fergi.errors import WeightsError
from fergi.scorers.checkpoints import (
    layer_count,
    loaded_strictly,
    read_tensors,
    transformers,
    without,
)
from fergi.scorers.features import ImageFeatures, PromptFeatures, unit_length
from fergi.scorers.preparation import normalised
from fergi.scorers.prompt_cleaning import as_open_clip_reads
from fergi.scorers.protocol import Preparation, ScorerOptions
from fergi.scorers.tokens import Tokenizer, clip_tokenizer

_NO_WEIGHTS = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")
"""Counters that older versions of transformers saved."""

_TEXT_HEAD, _VISION_HEAD = 64, 80
"""Channels of an attention head in ViT-H-14; no tensor tells them."""

_HIGHEST_TOKEN_ENDS = 2
"""With this `eos_token_id`, transformers takes the feature at the highest token, as CLIP does."""


class ClipEncoder:
    """Encodes prompts and images into one space, to vectors of length 1.

    Attributes:
        tokenizer: Cuts prompts into tokens.
        feature_count: Length of the vectors.
        scale: What cosines are multiplied with to become logits.
        prompts: Features of prompts, each encoded once.
        images: Features of a batch of images.
    """

    def __init__(self, model: Any, tokenizer: Tokenizer, preparation: Preparation) -> None:
        self._model = model
        self._preparation = preparation
        self.tokenizer = tokenizer
        self.feature_count: int = self._model.visual_projection.out_features
        self.scale = float(self._model.logit_scale.float().exp())
        self.prompts = PromptFeatures(self._prompt_features)
        self.images = ImageFeatures(self._image_features)

    @torch.inference_mode()
    def _prompt_features(self, prompts: Sequence[str]) -> Float[Tensor, "prompts features"]:
        model = self._model
        pooled = model.text_model(**self.tokenizer(prompts, model.device)).pooler_output
        return unit_length(model.text_projection(pooled))

    @torch.inference_mode()
    def _image_features(self, images: Sequence[Image.Image]) -> Float[Tensor, "images features"]:
        model = self._model
        pixels = torch.from_numpy(normalised(images, self._preparation))
        pixels = pixels.to(model.device, model.dtype)
        return unit_length(model.visual_projection(model.vision_model(pixels).pooler_output))


def clip_from_folder(files: Mapping[str, Path], options: ScorerOptions) -> ClipEncoder:
    """Read a model as transformers writes it.

    Args:
        files: `config.json`, `model.safetensors`, `vocab.json` and `merges.txt`, by these names.
        options: Device and dtype.

    Raises:
        WeightsError: If a file is broken or of another model.
    """
    path = files["model.safetensors"]
    config = _clip_config(files["config.json"])
    tensors = without(read_tensors(path), *_NO_WEIGHTS)
    model = loaded_strictly(lambda: transformers().CLIPModel(config), tensors, path, options)
    rows = config.text_config.vocab_size
    tokenizer = clip_tokenizer(files["vocab.json"], files["merges.txt"], rows)
    return ClipEncoder(model, tokenizer, Preparation.SHORT_SIDE)


def _clip_config(path: Path) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return transformers().CLIPConfig.from_dict(content)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise WeightsError(
            f"{path}: does not describe a CLIP model; give the config.json that belongs to the "
            "weights"
        ) from error


def clip_from_open_clip(
    files: Mapping[str, Path], path: Path, options: ScorerOptions
) -> ClipEncoder:
    """Read a ViT-H-14 as open_clip writes it, such as HPSv2's checkpoints.

    Args:
        files: `vocab.json` and `merges.txt`, by these names.
        path: The checkpoint.
        options: Device and dtype.

    Raises:
        WeightsError: If a file is broken or of another model.
    """
    tensors = from_open_clip(read_tensors(path, "state_dict"), path)
    config = open_clip_config(tensors)
    model = loaded_strictly(lambda: transformers().CLIPModel(config), tensors, path, options)
    rows = config.text_config.vocab_size
    tokenizer = clip_tokenizer(files["vocab.json"], files["merges.txt"], rows)
    tokenizer.cleaned = as_open_clip_reads
    return ClipEncoder(model, tokenizer, Preparation.LONG_SIDE)


_BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
_ELSEWHERE = {
    "logit_scale": "logit_scale",
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
}
_PROJECTIONS = {
    "text_projection": "text_projection.weight",
    "visual.proj": "visual_projection.weight",
}
_TOWERS = {
    "transformer.resblocks.": "text_model.encoder.layers.",
    "visual.transformer.resblocks.": "vision_model.encoder.layers.",
}


def from_open_clip(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Rename the tensors of open_clip's CLIP to those of transformers' `CLIPModel`.

    The joint projection of queries, keys and values is split, and the two projections into
    the common space are transposed.

    Args:
        tensors: Under open_clip's names; any leading `module.` is ignored.
        path: Where they come from, for messages.

    Returns:
        The same numbers under other names; a name that is not known stays as it is.

    Raises:
        WeightsError: If they are no CLIP of open_clip at all.
    """
    if not any(name.removeprefix("module.") in _PROJECTIONS for name in tensors):
        raise WeightsError(
            f"{path}: is no checkpoint of open_clip; give the published file of HPSv2"
        )
    renamed: dict[str, Tensor] = {}
    for full_name, tensor in tensors.items():
        name = full_name.removeprefix("module.")
        if name in _PROJECTIONS:
            renamed[_PROJECTIONS[name]] = tensor.T.contiguous()
        elif name in _ELSEWHERE:
            renamed[_ELSEWHERE[name]] = tensor
        else:
            renamed.update(_block_tensors(name, tensor))
    return renamed


def _block_tensors(name: str, tensor: Tensor) -> dict[str, Tensor]:
    """Rename one tensor of a transformer block."""
    prefix = next((prefix for prefix in _TOWERS if name.startswith(prefix)), None)
    if prefix is None:
        return {name: tensor}
    number, _, inner = name.removeprefix(prefix).partition(".")
    block = f"{_TOWERS[prefix]}{number}"
    part, _, kind = inner.rpartition(".")
    if inner in {"attn.in_proj_weight", "attn.in_proj_bias"}:
        kind = inner.rpartition("_")[2]
        return {
            f"{block}.self_attn.{letter}_proj.{kind}": third.clone()
            for letter, third in zip("qkv", tensor.chunk(3), strict=True)
        }
    return {f"{block}.{_BLOCK[part]}.{kind}" if part in _BLOCK else name: tensor}


def open_clip_config(tensors: Mapping[str, Tensor]) -> Any:
    """Tell the sizes of a ViT-H-14, or of a smaller one of its kind, from its tensors.

    Args:
        tensors: What `from_open_clip` gives.

    Raises:
        WeightsError: If a tensor that tells a size is missing.
    """
    try:
        tokens = tensors["text_model.embeddings.token_embedding.weight"]
        patches = tensors["vision_model.embeddings.patch_embedding.weight"]
        positions = tensors["vision_model.embeddings.position_embedding.weight"]
        text_layer = tensors["text_model.encoder.layers.0.mlp.fc1.weight"]
        vision_layer = tensors["vision_model.encoder.layers.0.mlp.fc1.weight"]
        projection = tensors["text_projection.weight"]
        text_positions = tensors["text_model.embeddings.position_embedding.weight"]
    except KeyError as error:
        raise WeightsError(f"the checkpoint lacks {error}; give the published file") from error
    return transformers().CLIPConfig(
        text_config={
            "vocab_size": tokens.shape[0],
            "max_position_embeddings": text_positions.shape[0],
            "hidden_size": tokens.shape[1],
            "intermediate_size": text_layer.shape[0],
            "num_hidden_layers": layer_count(tensors, "text_model.encoder.layers."),
            "num_attention_heads": tokens.shape[1] // _TEXT_HEAD,
            "hidden_act": "gelu",
            "projection_dim": projection.shape[0],
            "eos_token_id": _HIGHEST_TOKEN_ENDS,
        },
        vision_config={
            "hidden_size": patches.shape[0],
            "intermediate_size": vision_layer.shape[0],
            "num_hidden_layers": layer_count(tensors, "vision_model.encoder.layers."),
            "num_attention_heads": patches.shape[0] // _VISION_HEAD,
            "image_size": patches.shape[-1] * round((positions.shape[0] - 1) ** 0.5),
            "patch_size": patches.shape[-1],
            "hidden_act": "gelu",
            "projection_dim": projection.shape[0],
        },
        projection_dim=projection.shape[0],
    )
