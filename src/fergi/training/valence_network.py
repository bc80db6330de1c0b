"""FAU-Net, learned from rankings by the published recipe.

RankNet loss over all decided pairs, an L1 penalty on every parameter, full batch, Adam. Many
networks that differ only in the pairs they may see (the folds of a leave-one-out, say) are
trained side by side as one batch: they share each forward pass over the images.

Source: Feng, Ma & de Sa (2025), arXiv:2312.03187v4, section 5.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.optim.adam import adam

from fergi.errors import TrainingError
from fergi.execution.choice import usable_processors
from fergi.progress import Progress, unreported
from fergi.records.action_units import ACTION_UNITS
from fergi.stages.valence import HIDDEN_NODES, FauNet
from fergi.training.ranked_reactions import RankedReactions
from fergi.training.ranknet import RankNetGradients, StackedNetworks

_UNITS = len(ACTION_UNITS)
_NETWORKS_AT_ONCE = 17
"""Some 7 MB of activations and gradients for each thousand images, on each core."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The published hyper-parameters.

    Attributes:
        epochs: Steps over the full batch.
        learning_rate: Of Adam.
        l1: Weight of the L1 norm of all parameters.
        seed: Of torch's generator, set once before the first network is drawn.
    """

    epochs: int = 300
    learning_rate: float = 1e-3
    l1: float = 1e-4
    seed: int = 0


PUBLISHED_RECIPE = Recipe()


def trained_network(
    reactions: RankedReactions,
    recipe: Recipe = PUBLISHED_RECIPE,
    progress: Progress = unreported,
) -> FauNet:
    """Train one network on all pairs.

    Args:
        reactions: What to learn from.
        recipe: The hyper-parameters.
        progress: Told how many networks are done.

    Returns:
        Its weights.
    """
    everything = np.ones((1, len(reactions.pairs)), dtype=bool)
    return trained_networks(reactions, everything, recipe, progress)[0]


def trained_networks(
    reactions: RankedReactions,
    folds: Bool[np.ndarray, "folds pairs"],
    recipe: Recipe = PUBLISHED_RECIPE,
    progress: Progress = unreported,
    initial: Sequence[FauNet] | None = None,
) -> list[FauNet]:
    """Train one network for each fold.

    Args:
        reactions: What to learn from.
        folds: Which pairs each network may see.
        recipe: The hyper-parameters.
        progress: Told how many networks are done.
        initial: The weights that each network starts from; by default they are drawn
            from one generator, in the order of the folds, as published.

    Returns:
        The networks, in the order of the folds.

    Raises:
        TrainingError: If a network may see no pair.
    """
    if not folds.any(axis=1).all():
        raise TrainingError(
            "without the participants held out, no ranked pair has two usable faces; "
            "more participants with rankings are needed"
        )
    start = initial_networks(len(folds), recipe.seed) if initial is None else initial

    def some_networks(first: int) -> list[FauNet]:
        part = slice(first, first + _NETWORKS_AT_ONCE)
        return _descend(reactions, folds[part], start[part], recipe)

    networks: list[FauNet] = []
    with _one_thread_each(), ThreadPoolExecutor(usable_processors()) as pool:
        for some in pool.map(some_networks, range(0, len(folds), _NETWORKS_AT_ONCE)):
            networks += some
            progress(len(networks), len(folds))
    return networks


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Keep torch from splitting single operations over threads; whole batches are spread.

    These operations are short. Split, they wait for each other thousands of times a second,
    which takes ten times as long where other work keeps a core busy.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def initial_networks(count: int, seed: int) -> list[FauNet]:
    """Draw initial weights as torch's layers do, in the published order.

    The twelve unit maps are drawn and then overwritten with weight 1 and bias −1; drawing
    them moves the generator on, so it must be done.

    Args:
        count: How many networks, one after the other.
        seed: Set once, before the first.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [_initial_network() for _ in range(count)]


def _initial_network() -> FauNet:
    for _ in range(_UNITS):
        nn.Linear(1, 1)
    hidden = nn.Linear(_UNITS, HIDDEN_NODES)
    output = nn.Linear(_UNITS + HIDDEN_NODES, 1)
    return FauNet(
        unit_weights=np.ones(_UNITS),
        unit_biases=-np.ones(_UNITS),
        hidden_weights=_array(hidden.weight),
        hidden_biases=_array(hidden.bias),
        output_weights=_array(output.weight[0]),
        output_bias=_array(output.bias[0]),
    )


def _array(tensor: Tensor) -> Float[np.ndarray, "..."]:
    return tensor.detach().numpy().astype(float)


def _descend(
    reactions: RankedReactions,
    folds: Bool[np.ndarray, "folds pairs"],
    initial: Sequence[FauNet],
    recipe: Recipe,
) -> list[FauNet]:
    """Take all steps for a few networks at once."""
    torch.set_num_threads(1)  # holds for the calling thread alone
    weights = StackedNetworks.of(initial)
    step = _adam(weights.tensors(), recipe.learning_rate)
    is_used = folds.any(axis=0)
    images, rows = np.unique(reactions.pairs[is_used], return_inverse=True)
    seen = torch.tensor(folds[:, is_used], dtype=torch.float32)
    gradients = RankNetGradients(
        activations=torch.tensor(reactions.activations[images].T.copy(), dtype=torch.float32),
        pairs=torch.tensor(rows.reshape(-1, 2)),
        shares=(seen / seen.sum(dim=1, keepdim=True)).T.contiguous(),
    )
    for _ in range(recipe.epochs):
        found = gradients(weights).tensors()
        both = zip(found, weights.tensors(), strict=True)
        step([by_weight + recipe.l1 * weight.sign() for by_weight, weight in both])
    return weights.networks()


def _adam(parameters: list[Tensor], learning_rate: float) -> Callable[[list[Tensor]], None]:
    """Open a run of Adam with torch's defaults: a function that takes one step.

    The function that `torch.optim.Adam` rests on; the class itself loads torch's compiler,
    which takes longer than training a network.
    """
    means = [torch.zeros_like(values) for values in parameters]
    squares = [torch.zeros_like(values) for values in parameters]
    steps = [torch.tensor(0.0) for _ in parameters]

    def step(gradients: list[Tensor]) -> None:
        adam(
            parameters, gradients, means, squares, [], steps, amsgrad=False, beta1=0.9,
            beta2=0.999, lr=learning_rate, weight_decay=0.0, eps=1e-8, maximize=False,
        )  # fmt: skip

    return step
