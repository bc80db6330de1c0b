"""Scores of the CLIP family: CLIPScore, LAION's aesthetic score, PickScore, HPSv2."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from PIL import Image

from fergi.errors import WeightsError
from fergi.scorers.checkpoints import read_tensors
from fergi.scorers.clip_model import ClipEncoder, clip_from_folder, clip_from_open_clip
from fergi.scorers.features import cosines
from fergi.scorers.linear_head import linear_head
from fergi.scorers.protocol import Preparation, ScorerOptions, Traits
from fergi.scorers.provided import provided_files

_VIT_L_14 = "clip"


class _CosineScorer:
    """What the scores that are cosines share."""

    def __init__(self, encoder: ClipEncoder, factor: float = 1.0) -> None:
        self._encoder = encoder
        self._factor = factor

    @property
    def truncated_prompts(self) -> set[str]:
        """The prompts that were longer than the text encoder reads."""
        return self._encoder.tokenizer.truncated

    def scores(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        """Score a batch by the angle between prompt and image."""
        text, seen = self._encoder.prompts(prompts), self._encoder.images(images)
        return (self._factor * cosines(text, seen)).tolist()


def _shared_clip(options: ScorerOptions) -> ClipEncoder:
    """Take CLIP ViT-L/14 from the shelf, or put it there."""
    if _VIT_L_14 not in options.shelf:
        files = provided_files(_VIT_L_14, options)
        options.shelf[_VIT_L_14] = clip_from_folder(files.paths, options)
    shared: ClipEncoder = options.shelf[_VIT_L_14]
    return shared


class ClipScore(_CosineScorer):
    """CLIPScore as FERGI and ImageReward report it: the plain cosine, of CLIP ViT-L/14."""

    traits: ClassVar = Traits(
        Preparation.SHORT_SIDE, model=_VIT_L_14, weights=("clip",), formula="cosine"
    )

    def __init__(self, options: ScorerOptions) -> None:
        super().__init__(_shared_clip(options))


class AestheticScore:
    """LAION's aesthetic predictor, version 2: how beautiful, 1 to 10, whatever the prompt."""

    traits: ClassVar = Traits(
        Preparation.SHORT_SIDE,
        needs_prompt=False,
        model=_VIT_L_14,
        weights=("clip", "laion_aesthetic"),
        formula="affine map of the image's features, of length 1",
    )

    def __init__(self, options: ScorerOptions) -> None:
        self._encoder = _shared_clip(options)
        path = provided_files("laion_aesthetic", options).main
        self._head = linear_head(read_tensors(path), path, options)
        self._require_fitting(path.name)

    def _require_fitting(self, name: str) -> None:
        wanted = self._head.layers[0].in_features
        given = self._encoder.feature_count
        if wanted != given:
            raise WeightsError(
                f"{name}: reads {wanted} features, the CLIP model gives {given}; "
                "give CLIP ViT-L/14 and the head that was made for it"
            )

    @torch.inference_mode()
    def scores(self, prompts: Sequence[str], images: Sequence[Image.Image]) -> list[float]:
        """Score a batch of images."""
        del prompts
        return self._head(self._encoder.images(images)).tolist()


class PickScore(_CosineScorer):
    """PickScore, version 1: the cosine times the model's own scale, about 100."""

    traits: ClassVar = Traits(
        Preparation.SHORT_SIDE, weights=("pickscore",), formula="exp(scale) · cosine"
    )

    def __init__(self, options: ScorerOptions) -> None:
        encoder = clip_from_folder(provided_files("pickscore", options).paths, options)
        super().__init__(encoder, encoder.scale)


class HpsV2(_CosineScorer):
    """Human Preference Score v2.0: the cosine."""

    traits: ClassVar = Traits(Preparation.LONG_SIDE, weights=("hpsv2",), formula="cosine")

    def __init__(self, options: ScorerOptions) -> None:
        (name,) = self.traits.weights
        files = provided_files(name, options)
        super().__init__(clip_from_open_clip(files.paths, files.main, options))


class HpsV21(HpsV2):
    """Human Preference Score v2.1: the cosine; not on the scale of v2.0."""

    traits: ClassVar = Traits(Preparation.LONG_SIDE, weights=("hpsv2_1",), formula="cosine")
