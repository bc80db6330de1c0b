"""The three losses of the action-unit network."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from fergi.records.action_units import ACTION_UNITS
from fergi.training.action_units.label_weights import MAX_INTENSITY, LabelWeights

NUMBERED_UNITS = 64
"""The network has an output for each of the units 1 to 64, of which twelve are labelled."""

OUTPUTS = NUMBERED_UNITS * (1 + MAX_INTENSITY)
"""64 intensities, then 64 × 5 logits: whether each unit is at least 1, … at least 5."""


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """Means over a batch.

    Attributes:
        squared: Weighted squared error of the intensities, summed over units.
        cosine: 1 − cosine between estimated and true intensities of a picture.
        ordinal: Weighted cross entropy of the five thresholds, summed over units.
    """

    squared: Float[Tensor, ""]
    cosine: Float[Tensor, ""]
    ordinal: Float[Tensor, ""]

    @property
    def total(self) -> Float[Tensor, ""]:
        """The published sum, 1 : 1 : 1."""
        return self.squared + self.cosine + self.ordinal


class ActionUnitLosses:
    """Compares outputs of the network with labels.

    Args:
        weights: Of the labels of the training pictures.
        device: Where outputs and labels lie.
    """

    def __init__(self, weights: LabelWeights, device: torch.device) -> None:
        self._regression = torch.tensor(weights.regression, dtype=torch.float32, device=device)
        self._ordinal = torch.tensor(weights.ordinal, dtype=torch.float32, device=device)
        self._units = torch.arange(len(ACTION_UNITS), device=device)
        self._levels = torch.arange(1, MAX_INTENSITY + 1, device=device)

    def __call__(
        self, outputs: Float[Tensor, "pictures 384"], labels: Float[Tensor, "pictures 12"]
    ) -> Losses:
        """Compute the losses of a batch.

        Args:
            outputs: Of the network.
            labels: Intensities 0 to 5; NaN where a unit is not labelled, which counts nowhere.
                The nearest whole number chooses weights and thresholds.

        Source:
            Feng, Ma & de Sa (2023), arXiv:2312.03187.
        """
        intensities, logits = unit_outputs(outputs.float())
        is_labelled = ~labels.isnan()
        truth = labels.nan_to_num()
        return Losses(
            squared=self._squared(intensities, truth, is_labelled),
            # A face without any unit has no direction; its cosine counts as 0, as published.
            cosine=(1 - functional.cosine_similarity(intensities * is_labelled, truth)).mean(),
            ordinal=self._cross_entropy(logits, truth, is_labelled),
        )

    def _squared(self, intensities: Tensor, truth: Tensor, is_labelled: Tensor) -> Tensor:
        weights = self._regression[self._units, truth.round().long()] * is_labelled
        return (weights * (intensities - truth) ** 2).sum(dim=1).mean()

    def _cross_entropy(self, logits: Tensor, truth: Tensor, is_labelled: Tensor) -> Tensor:
        is_reached = truth.round().unsqueeze(2) >= self._levels
        weights = self._ordinal[self._units[:, None], self._levels - 1, is_reached.long()]
        weights = weights * is_labelled.unsqueeze(2)
        surprise = functional.binary_cross_entropy_with_logits(
            logits, is_reached.float(), weight=weights, reduction="none"
        )
        return surprise.sum(dim=(1, 2)).mean()


def unit_outputs(
    outputs: Float[Tensor, "pictures 384"],
) -> tuple[Float[Tensor, "pictures 12"], Float[Tensor, "pictures 12 5"]]:
    """Pick intensities and logits of the twelve units."""
    columns = torch.tensor(ACTION_UNITS, device=outputs.device) - 1
    logits = outputs[:, NUMBERED_UNITS:].reshape(-1, NUMBERED_UNITS, MAX_INTENSITY)
    return outputs[:, columns], logits[:, columns]
