"""Features that several calls need, each computed once."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

_PROMPTS_REMEMBERED = 1024


class PromptFeatures:
    """Features of prompts; the last 1,024 prompts are remembered."""

    def __init__(self, compute: Callable[[list[str]], Tensor]) -> None:
        self._compute = compute
        self._known: OrderedDict[str, Tensor] = OrderedDict()

    def __call__(self, prompts: Sequence[str]) -> Float[Tensor, "prompts features"]:
        """Give a row of features for each prompt; each is encoded once."""
        wanted = list(dict.fromkeys(prompts))
        new = [prompt for prompt in wanted if prompt not in self._known]
        if new:
            self._known.update(zip(new, self._compute(new), strict=True))
        for prompt in wanted:
            self._known.move_to_end(prompt)
        features = torch.stack([self._known[prompt] for prompt in prompts])
        while len(self._known) > _PROMPTS_REMEMBERED:
            self._known.popitem(last=False)
        return features


class ImageFeatures:
    """Features of a batch of images; the last batch is remembered.

    Two scorers of one model that are given the same batch, one after the other, encode it once.
    """

    def __init__(self, compute: Callable[[Sequence[Image.Image]], Tensor]) -> None:
        self._compute = compute
        self._batch: list[Image.Image] = []
        self._features = torch.empty(0)

    def __call__(self, images: Sequence[Image.Image]) -> Float[Tensor, "images features"]:
        """Give a row of features for each image."""
        if not self._holds(images):
            self._features = self._compute(images)
            self._batch = list(images)
        return self._features

    def _holds(self, images: Sequence[Image.Image]) -> bool:
        return len(images) == len(self._batch) and all(
            one is other for one, other in zip(images, self._batch, strict=True)
        )


def unit_length(features: Float[Tensor, "rows features"]) -> Float[Tensor, "rows features"]:
    """Scale rows to length 1, in float32."""
    return torch.nn.functional.normalize(features.float(), dim=-1)


def cosines(
    one: Float[Tensor, "rows features"], other: Float[Tensor, "rows features"]
) -> Float[Tensor, " rows"]:
    """Give the cosine of the angle between rows of length 1."""
    return (one * other).sum(dim=-1)
