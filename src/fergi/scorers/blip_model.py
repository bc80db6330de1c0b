"""BLIP, from its authors' checkpoints and from ImageReward's."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fergi.errors import WeightsError
from fergi.scorers.checkpoints import layer_count, loaded_strictly, transformers, without
from fergi.scorers.protocol import ScorerOptions

_HEAD = 64
"""Channels of an attention head: 12 heads of the text encoder, 16 of the vision encoder.

The defaults of transformers are 8 and 16; with 8, every tensor fits and every score is wrong.
"""
_VISION_EPSILON, _TEXT_EPSILON = 1e-6, 1e-12

DROPPED = (
    "text_encoder.embeddings.position_ids",
    "itm_head.",
    "visual_encoder_m.",
    "text_encoder_m.",
    "vision_proj_m.",
    "text_proj_m.",
    "text_decoder.",
    "image_queue",
    "text_queue",
    "queue_ptr",
    "ptr_queue",
    "temp",
)
"""What a checkpoint may hold and no score needs: counters, the head that matches, and what only
training uses (the momentum encoders, their queues, the decoder, the temperature)."""

_NAMES = (
    (r"^visual_encoder\.cls_token$", "vision_model.embeddings.class_embedding"),
    (r"^visual_encoder\.pos_embed$", "vision_model.embeddings.position_embedding"),
    (r"^visual_encoder\.patch_embed\.proj\.", "vision_model.embeddings.patch_embedding."),
    (r"^visual_encoder\.norm\.", "vision_model.post_layernorm."),
    (
        r"^visual_encoder\.blocks\.(\d+)\.norm([12])\.",
        r"vision_model.encoder.layers.\1.layer_norm\2.",
    ),
    (
        r"^visual_encoder\.blocks\.(\d+)\.attn\.qkv\.",
        r"vision_model.encoder.layers.\1.self_attn.qkv.",
    ),
    (
        r"^visual_encoder\.blocks\.(\d+)\.attn\.proj\.",
        r"vision_model.encoder.layers.\1.self_attn.projection.",
    ),
    (r"^visual_encoder\.blocks\.(\d+)\.mlp\.", r"vision_model.encoder.layers.\1.mlp."),
)


def from_blip(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of BLIP to those of transformers' `BlipForImageTextRetrieval`.

    Args:
        tensors: Under BLIP's names, with or without a leading `blip.`.

    Returns:
        The same numbers under other names, without those of `DROPPED`; a name that is not
        known stays as it is.
    """
    plain = {name.removeprefix("blip."): tensor for name, tensor in tensors.items()}
    return {_renamed(name): tensor for name, tensor in without(plain, *DROPPED).items()}


def _renamed(name: str) -> str:
    for pattern, replacement in _NAMES:
        renamed, count = re.subn(pattern, replacement, name)
        if count:
            return renamed
    return name


def blip_model(tensors: Mapping[str, Tensor], path: Path, options: ScorerOptions) -> nn.Module:
    """Build BLIP's two encoders and projections.

    Args:
        tensors: What `from_blip` gives.
        path: Where they come from, for messages.
        options: Device and dtype.

    Raises:
        WeightsError: If a tensor is missing, unexpected or of another shape.
    """
    config = blip_config(tensors, path)

    def build() -> nn.Module:
        model = transformers().BlipForImageTextRetrieval(config)
        model.itm_head = nn.Identity()  # no score needs it, and ImageReward has none
        return model

    return loaded_strictly(build, tensors, path, options)


def blip_config(tensors: Mapping[str, Tensor], path: Path) -> Any:
    """Tell the sizes of a BLIP with a large vision encoder, or a smaller one of its kind.

    Raises:
        WeightsError: If a tensor that tells a size is missing.
    """
    try:
        words = tensors["text_encoder.embeddings.word_embeddings.weight"]
        places = tensors["text_encoder.embeddings.position_embeddings.weight"]
        text_layer = tensors["text_encoder.encoder.layer.0.intermediate.dense.weight"]
        patches = tensors["vision_model.embeddings.patch_embedding.weight"]
        positions = tensors["vision_model.embeddings.position_embedding"]
        vision_layer = tensors["vision_model.encoder.layers.0.mlp.fc1.weight"]
        projection = tensors["vision_proj.weight"]
    except KeyError as error:
        raise WeightsError(
            f"{path}: is no checkpoint of BLIP, it lacks {error}; give the published file"
        ) from error
    return transformers().BlipConfig(
        text_config={
            "vocab_size": words.shape[0],
            "hidden_size": words.shape[1],
            "encoder_hidden_size": patches.shape[0],
            "intermediate_size": text_layer.shape[0],
            "num_hidden_layers": layer_count(tensors, "text_encoder.encoder.layer."),
            "num_attention_heads": words.shape[1] // _HEAD,
            "max_position_embeddings": places.shape[0],
            "layer_norm_eps": _TEXT_EPSILON,
            "is_decoder": True,
        },
        vision_config={
            "hidden_size": patches.shape[0],
            "intermediate_size": vision_layer.shape[0],
            "num_hidden_layers": layer_count(tensors, "vision_model.encoder.layers."),
            "num_attention_heads": patches.shape[0] // _HEAD,
            "image_size": patches.shape[-1] * round((positions.shape[1] - 1) ** 0.5),
            "patch_size": patches.shape[-1],
            "layer_norm_eps": _VISION_EPSILON,
        },
        image_text_hidden_size=projection.shape[0],
    )
