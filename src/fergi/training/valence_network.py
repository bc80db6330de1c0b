"""FAU-Net, learned from rankings by the published recipe.

RankNet loss over all decided pairs, an L1 penalty on every parameter, full batch, Adam. Many
networks that differ only in the pairs they may see (the folds of a leave-one-out, say) are
trained side by side as one batch: they share each forward pass over the images.

Source: Feng, Ma & de Sa (2025), arXiv:2312.03187v4, section 5.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.optim.adam import adam

from fergi.errors import TrainingError
from fergi.progress import Progress, unreported
from fergi.records.action_units import ACTION_UNITS
from fergi.stages.valence import HIDDEN_NODES, FauNet
from fergi.training.ranked_reactions import RankedReactions

_UNITS = len(ACTION_UNITS)
_NETWORKS_AT_ONCE = 25
"""Some 15 MB of activations and gradients for each thousand images, on each core."""


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
    with _one_thread_each(), ThreadPoolExecutor(os.cpu_count()) as pool:
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
    parameters = _stacked(initial)
    step = _adam(list(parameters.values()), recipe.learning_rate)
    is_used = folds.any(axis=0)
    images, rows = np.unique(reactions.pairs[is_used], return_inverse=True)
    activations = torch.tensor(reactions.activations[images].T.copy(), dtype=torch.float32)
    pairs = torch.tensor(rows.reshape(-1, 2))
    seen = torch.tensor(folds[:, is_used], dtype=torch.float32)
    shares = (seen / seen.sum(dim=1, keepdim=True)).T.contiguous()
    for _ in range(recipe.epochs):
        gradients = ranknet_gradients(parameters, activations, pairs, shares)
        step([gradients[name] + recipe.l1 * values.sign() for name, values in parameters.items()])
    return _unstacked(parameters)


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


@torch.no_grad()
def ranknet_gradients(
    parameters: Mapping[str, Tensor], activations: Tensor, pairs: Tensor, shares: Tensor
) -> dict[str, Tensor]:
    """Differentiate the RankNet loss by all weights of several networks.

    The loss of a network is the mean, over its pairs, of log(1 + exp(s_worse − s_better));
    a pair and its mirror image cost the same, so each is counted once. Written out by hand,
    because this is where training spends its time: twice as fast as automatic
    differentiation, which keeps every intermediate.

    Args:
        parameters: The weights by name, stacked: networks first.
        activations: Units × images: along the images, which are many, memory is contiguous.
        pairs: Rows of the better and the worse image: pairs × 2.
        shares: Weight of each pair in each network's mean: pairs × networks.

    Returns:
        The gradients, by name and of the shapes of the weights.
    """
    hidden_weights = parameters["hidden_weights"]
    unit_outputs = parameters["output_weights"][:, :_UNITS]
    hidden_outputs = parameters["output_weights"][:, _UNITS:]
    units = torch.addcmul(
        parameters["unit_biases"][:, :, None], activations, parameters["unit_weights"][:, :, None]
    ).sigmoid_()
    hidden = torch.baddbmm(
        parameters["hidden_biases"][:, :, None], hidden_weights, units
    ).sigmoid_()
    squashed = units.sigmoid()
    scores = unit_outputs[:, None] @ squashed + hidden_outputs[:, None] @ hidden
    by_score = _score_gradients(scores[:, 0].T.contiguous(), pairs, shares).T.contiguous()
    by_hidden = _sigmoid_slope(hidden).mul_(by_score[:, None]).mul_(hidden_outputs[:, :, None])
    by_unit = _sigmoid_slope(squashed).mul_(by_score[:, None]).mul_(unit_outputs[:, :, None])
    by_unit = by_unit.baddbmm_(hidden_weights.mT, by_hidden).mul_(_sigmoid_slope(units))
    by_outputs = [values @ by_score[:, :, None] for values in (squashed, hidden)]
    return {
        "unit_weights": torch.einsum("nui,ui->nu", by_unit, activations),
        "unit_biases": by_unit.sum(2),
        "hidden_weights": by_hidden @ units.mT,
        "hidden_biases": by_hidden.sum(2),
        "output_weights": torch.cat(by_outputs, dim=1)[:, :, 0],
        # It shifts both scores of a pair alike.
        "output_bias": torch.zeros_like(parameters["output_bias"]),
    }


def _score_gradients(scores: Tensor, pairs: Tensor, shares: Tensor) -> Tensor:
    """Differentiate the loss by the score of each image: images × networks."""
    better, worse = pairs.T
    pull = torch.sigmoid(scores[worse] - scores[better]) * shares
    return torch.zeros_like(scores).index_add_(0, worse, pull).index_add_(0, better, pull, alpha=-1)


def _sigmoid_slope(outputs: Tensor) -> Tensor:
    return torch.addcmul(outputs, outputs, outputs, value=-1)


def _stacked(networks: Sequence[FauNet]) -> dict[str, Tensor]:
    tensors = [network.tensors() for network in networks]
    return {name: torch.tensor(np.stack([one[name] for one in tensors])) for name in tensors[0]}


def _unstacked(parameters: dict[str, Tensor]) -> list[FauNet]:
    arrays = {name: _array(values) for name, values in parameters.items()}
    count = len(arrays["output_bias"])
    return [
        FauNet(**{name: np.asarray(values[i]) for name, values in arrays.items()})
        for i in range(count)
    ]
