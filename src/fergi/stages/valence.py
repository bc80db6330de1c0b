"""Activation values → valence: one number for how much a face says an image pleased.

Three scores, one for each version of the paper. All are unitless; only differences between
images that the same person saw in the same session carry meaning.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
from jaxtyping import Float

from fergi.errors import WeightsError
from fergi.records.action_units import ACTION_UNITS

_BROW_LOWERER = ACTION_UNITS.index(4)
_LIP_CORNER_PULLER = ACTION_UNITS.index(12)


class Valence(StrEnum):
    """The three valence scores."""

    AU4 = "au4"
    """Version 1: the brow lowerer alone."""
    AU4_AU12 = "au4-au12"
    """Version 2: brow lowerer against lip corner puller."""
    FAU_NET = "fau-net"
    """Version 3: a small network over all twelve units."""


def units_used(valence: Valence) -> tuple[int, ...]:
    """List the action units that a valence is computed from."""
    return {Valence.AU4: (4,), Valence.AU4_AU12: (4, 12)}.get(valence, ACTION_UNITS)


def au4_valence(
    activations: Float[np.ndarray, "clips units"],
    *,
    steepness: float | Float[np.ndarray, " clips"] = 0.4,
) -> Float[np.ndarray, " clips"]:
    """Score clips by how little the brow was lowered.

    The value is −(1 − exp(−c · AU4)): 0 for a still brow, towards −1 for a frown.

    Args:
        activations: Activation values, 0 or more.
        steepness: The paper's c, one for all or one each; 0.4 is what it chose in nearly
            all folds.

    Returns:
        Valence from −1 to 0.

    Source:
        Feng, Ma & de Sa (2023), arXiv:2312.03187v1, section 6.2.
    """
    return -_saturated(activations[:, _BROW_LOWERER], steepness)


def au4_au12_valence(
    activations: Float[np.ndarray, "clips units"],
    *,
    share: float = 0.5,
    steepness: float | Float[np.ndarray, " clips"] = 0.5,
) -> Float[np.ndarray, " clips"]:
    """Score clips by smile against frown.

    The value is a · (−(1 − exp(−c · AU4))) + (1 − a) · (1 − exp(−c · AU12)), as the paper
    writes it.

    Args:
        activations: Activation values, 0 or more.
        share: The paper's a, the weight of AU4, 0 to 1.
        steepness: The paper's c, one for all or one each.

    Returns:
        Valence from −share to 1 − share.

    Source:
        Feng, Ma & de Sa (2024), arXiv:2312.03187v2, section 6.2.
    """
    smile = _saturated(activations[:, _LIP_CORNER_PULLER], steepness)
    return share * au4_valence(activations, steepness=steepness) + (1 - share) * smile


def _saturated(
    activation: Float[np.ndarray, " clips"], steepness: float | Float[np.ndarray, " clips"]
) -> Float[np.ndarray, " clips"]:
    return 1 - np.exp(-steepness * activation)


@dataclass(frozen=True, slots=True, eq=False)
class FauNet:
    """The weights of FAU-Net, 261 numbers.

    Attributes:
        unit_weights: Slope of each unit's own linear map.
        unit_biases: Its offset.
        hidden_weights: From the squashed units to the hidden nodes.
        hidden_biases: Of the hidden nodes.
        output_weights: From squashed units, then hidden nodes, to the score.
        output_bias: Of the score; it cancels in every difference.

    Source:
        Feng, Ma & de Sa (2025), arXiv:2312.03187v4, section 5.
    """

    unit_weights: Float[np.ndarray, " units"]
    unit_biases: Float[np.ndarray, " units"]
    hidden_weights: Float[np.ndarray, "hidden units"]
    hidden_biases: Float[np.ndarray, " hidden"]
    output_weights: Float[np.ndarray, " units_and_hidden"]
    output_bias: Float[np.ndarray, ""]

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> "FauNet":
        """Take the weights from named arrays, as a model file holds them.

        Raises:
            WeightsError: If a name is missing or extra, a shape is another network's,
                or a number is not finite.
        """
        shapes = {name: array.shape for name, array in tensors.items()}
        if shapes != _FAU_NET_SHAPES:
            raise WeightsError(
                f"the tensors {shapes} are not those of FAU-Net, {_FAU_NET_SHAPES}; "
                "give a file that 'fergi train valence' wrote"
            )
        if not all(np.isfinite(array).all() for array in tensors.values()):
            raise WeightsError("a weight of FAU-Net is not finite; train it again")
        return cls(**{name: np.asarray(array, dtype=float) for name, array in tensors.items()})

    def tensors(self) -> dict[str, np.ndarray]:
        """Name the weights as a model file does, in single precision."""
        return {
            field.name: np.asarray(getattr(self, field.name), np.float32) for field in fields(self)
        }


HIDDEN_NODES = 16
_UNITS = len(ACTION_UNITS)
_FAU_NET_SHAPES: dict[str, tuple[int, ...]] = {
    "unit_weights": (_UNITS,),
    "unit_biases": (_UNITS,),
    "hidden_weights": (HIDDEN_NODES, _UNITS),
    "hidden_biases": (HIDDEN_NODES,),
    "output_weights": (_UNITS + HIDDEN_NODES,),
    "output_bias": (),
}


def fau_net_valence(
    activations: Float[np.ndarray, "clips units"], network: FauNet
) -> Float[np.ndarray, " clips"]:
    """Score clips by FAU-Net.

    Each unit passes its own linear map and a sigmoid; a hidden layer sees them all; units
    and hidden nodes pass a sigmoid (the units their second one, as published) and are
    summed with weights.

    Args:
        activations: Activation values, 0 or more.
        network: The weights.

    Returns:
        Valence; the difference of two is the log odds that the first is preferred.

    Source:
        Feng, Ma & de Sa (2025), arXiv:2312.03187v4, section 5.
    """
    units = _sigmoid(activations * network.unit_weights + network.unit_biases)
    # einsum, not @: a clip's score must not depend on how many others are scored beside it.
    hidden = np.einsum("cu,hu->ch", units, network.hidden_weights) + network.hidden_biases
    nodes = _sigmoid(np.concatenate([units, hidden], axis=1))
    scores: Float[np.ndarray, " clips"] = (
        np.einsum("cn,n->c", nodes, network.output_weights) + network.output_bias
    )
    return scores


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # tanh neither overflows nor warns, whatever the argument.
    return 0.5 * (1 + np.tanh(0.5 * x))
