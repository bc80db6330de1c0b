"""The RankNet loss of many FAU-Nets side by side, differentiated by all of their weights.

Written out by hand into memory that is taken once, because this is where training spends its
time: more than three times as fast as automatic differentiation, which keeps every intermediate.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fergi.records.action_units import ACTION_UNITS
from fergi.stages.valence import HIDDEN_NODES, FauNet

_UNITS = len(ACTION_UNITS)


@dataclass(frozen=True, slots=True, eq=False)
class StackedNetworks:
    """The weights of several networks, or their gradients, laid out for batched products.

    Attributes:
        units: Weight and bias of each unit's own map.
        hidden: Weights of the hidden nodes, and last their biases.
        outputs: From squashed units, then hidden nodes, to the score.
        output_bias: Of the score.
    """

    units: Float[Tensor, "units networks 2"]
    hidden: Float[Tensor, "networks hidden units+1"]
    outputs: Float[Tensor, "networks 1 units+hidden"]
    output_bias: Float[Tensor, " networks"]

    @classmethod
    def of(cls, networks: Sequence[FauNet]) -> "StackedNetworks":
        """Stack networks, in single precision."""
        tensors = [network.tensors() for network in networks]
        stacked = {
            name: torch.tensor(np.stack([one[name] for one in tensors])) for name in tensors[0]
        }
        units = torch.stack([stacked["unit_weights"], stacked["unit_biases"]], dim=2)
        return cls(
            units=units.transpose(0, 1).contiguous(),
            hidden=torch.cat([stacked["hidden_weights"], stacked["hidden_biases"][:, :, None]], 2),
            outputs=stacked["output_weights"][:, None],
            output_bias=stacked["output_bias"],
        )

    def tensors(self) -> list[Tensor]:
        """List the four, which share no memory."""
        return [self.units, self.hidden, self.outputs, self.output_bias]

    def networks(self) -> list[FauNet]:
        """Take them apart again."""
        units, hidden, outputs, bias = (tensor.numpy().astype(float) for tensor in self.tensors())
        return [
            FauNet(
                unit_weights=units[:, place, 0],
                unit_biases=units[:, place, 1],
                hidden_weights=hidden[place, :, :_UNITS],
                hidden_biases=hidden[place, :, _UNITS],
                output_weights=outputs[place, 0],
                output_bias=np.asarray(bias[place]),
            )
            for place in range(len(bias))
        ]


class RankNetGradients:
    """Differentiates the loss of several networks that rank the same images.

    The loss of a network is the mean, over its pairs, of log(1 + exp(s_worse − s_better));
    a pair and its mirror image cost the same, so each is counted once.
    """

    def __init__(
        self,
        activations: Float[Tensor, "units images"],
        pairs: Int[Tensor, "pairs 2"],
        shares: Float[Tensor, "pairs networks"],
    ) -> None:
        """Take the memory that a step needs.

        Args:
            activations: Of the images; along the images, which are many, memory is contiguous.
            pairs: The better and the worse image of each pair.
            shares: Weight of each pair in each network's mean.
        """
        (units, images), networks = activations.shape, shares.shape[1]
        self._lags = _lags(pairs, activations)
        self._sum_by_image = self._lags.t().to_sparse_csr()
        self._shares = shares
        ones = torch.ones_like(activations)
        self._inputs = torch.stack([activations, ones], dim=1)
        room = activations.new_empty
        # The row of ones after the units carries the biases of the hidden nodes.
        self._squashed = activations.new_ones(units + 1, networks, images)
        self._nodes = room(networks, units + HIDDEN_NODES, images)
        self._by_node = room(self._nodes.shape)
        self._by_unit, self._slope = room(2, networks, units, images)
        self._back = activations.new_zeros(networks, units, units + HIDDEN_NODES)

    @torch.no_grad()
    def __call__(self, weights: StackedNetworks) -> StackedNetworks:
        """Give the gradients, in the layout of the weights."""
        squashed, nodes = self._squashed.transpose(0, 1), self._nodes
        torch.bmm(weights.units, self._inputs, out=self._squashed[:_UNITS])
        units = squashed[:, :_UNITS]
        units.sigmoid_()
        torch.sigmoid(units, out=nodes[:, :_UNITS])
        torch.bmm(weights.hidden, squashed, out=nodes[:, _UNITS:])
        nodes[:, _UNITS:].sigmoid_()
        by_score = self._by_score((weights.outputs @ nodes)[:, 0])
        _sigmoid_slope(nodes, out=self._by_node).mul_(by_score[:, None])
        # What a node is worth is put into the small matrices, not the large ones.
        of_units, of_hidden = weights.outputs[:, 0, :_UNITS], weights.outputs[:, 0, _UNITS:]
        self._back.diagonal(dim1=1, dim2=2).copy_(of_units)
        torch.mul(
            weights.hidden[:, :, :_UNITS].mT, of_hidden[:, None], out=self._back[:, :, _UNITS:]
        )
        by_unit = torch.bmm(self._back, self._by_node, out=self._by_unit)
        by_unit.mul_(_sigmoid_slope(units, out=self._slope))
        by_hidden = (self._by_node[:, _UNITS:] @ squashed.mT).mul_(of_hidden[:, :, None])
        return StackedNetworks(
            units=by_unit.transpose(0, 1) @ self._inputs.mT,
            hidden=by_hidden,
            outputs=(nodes @ by_score[:, :, None]).mT,
            # It shifts both scores of a pair alike.
            output_bias=torch.zeros_like(weights.output_bias),
        )

    def _by_score(
        self, scores: Float[Tensor, "networks images"]
    ) -> Float[Tensor, "networks images"]:
        """Differentiate the loss by the score of each image."""
        # Transposed, the numbers of an image lie together.
        pull = (self._lags @ scores.T.contiguous()).sigmoid_().mul_(self._shares)
        return (self._sum_by_image @ pull).T.contiguous()


def _lags(
    pairs: Int[Tensor, "pairs 2"], activations: Float[Tensor, "units images"]
) -> Float[Tensor, "pairs images"]:
    """Give the matrix that takes scores to how far each worse image is above the better one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # such matrices are new in torch
        return torch.sparse_csr_tensor(
            torch.arange(0, 2 * len(pairs) + 1, 2),
            pairs.flatten(),
            activations.new_tensor([-1.0, 1.0]).repeat(len(pairs)),
            (len(pairs), activations.shape[1]),
        )


def _sigmoid_slope(outputs: Tensor, out: Tensor) -> Tensor:
    return torch.addcmul(outputs, outputs, outputs, value=-1, out=out)
