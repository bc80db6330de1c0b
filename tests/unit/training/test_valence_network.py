from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fergi.datasets.fergi_study import read_study
from fergi.datasets.synthetic import write_synthetic_study
from fergi.errors import TrainingError
from fergi.pipeline import activation_table
from fergi.stages.valence import FauNet, fau_net_valence
from fergi.training.ranked_reactions import RankedReactions, ranked_reactions
from fergi.training.ranknet import RankNetGradients, StackedNetworks
from fergi.training.valence_network import (
    Recipe,
    initial_networks,
    trained_network,
    trained_networks,
)

SHORT = Recipe(epochs=30)
# Single precision, sums in another order; 30 steps of Adam at 0.001 can carry a rounding
# error on, but hardly further than this. A wrong fold differs by some 0.01.
SINGLE_PRECISION = 2e-5

MakeReactions = Callable[..., RankedReactions]


def _largest_difference(first: FauNet, second: FauNet) -> float:
    return max(
        float(np.abs(array - second.tensors()[name]).max())
        for name, array in first.tensors().items()
    )


def test_unit_maps_start_with_weight_1_and_bias_minus_1() -> None:
    for network in initial_networks(3, seed=0):
        np.testing.assert_array_equal(network.unit_weights, np.ones(12))
        np.testing.assert_array_equal(network.unit_biases, -np.ones(12))


def test_the_other_weights_are_drawn_as_torch_draws_its_layers() -> None:
    torch.manual_seed(5)
    for network in initial_networks(2, seed=5):
        units = [nn.Linear(1, 1) for _ in range(12)]
        hidden, output = nn.Linear(12, 16), nn.Linear(28, 1)
        assert len(units) == 12
        np.testing.assert_array_equal(network.hidden_weights, hidden.weight.detach().numpy())
        np.testing.assert_array_equal(network.hidden_biases, hidden.bias.detach().numpy())
        np.testing.assert_array_equal(network.output_weights, output.weight.detach().numpy()[0])
        assert network.output_bias == output.bias.item()


def test_drawing_weights_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    initial_networks(2, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


def _reference_torch_training(reactions: RankedReactions, start: FauNet, recipe: Recipe) -> FauNet:
    """One network, module by module, with the loss of the paper over pairs in both orders."""
    units = [nn.Linear(1, 1) for _ in range(12)]
    hidden, output = nn.Linear(12, 16), nn.Linear(28, 1)
    tensors = {name: torch.tensor(array) for name, array in start.tensors().items()}
    with torch.no_grad():
        for index, unit in enumerate(units):
            unit.weight.fill_(tensors["unit_weights"][index])
            unit.bias.fill_(tensors["unit_biases"][index])
        hidden.weight.copy_(tensors["hidden_weights"])
        hidden.bias.copy_(tensors["hidden_biases"])
        output.weight.copy_(tensors["output_weights"][None])
        output.bias.copy_(tensors["output_bias"][None])
    modules = nn.ModuleList([*units, hidden, output])
    optimiser = torch.optim.Adam(modules.parameters(), lr=recipe.learning_rate)
    faces = torch.tensor(reactions.activations, dtype=torch.float32)
    better, worse = torch.tensor(reactions.pairs.T)
    first, second = torch.cat([better, worse]), torch.cat([worse, better])
    is_first_better = torch.cat([torch.ones(len(better)), torch.zeros(len(worse))])
    for _ in range(recipe.epochs):
        squashed = torch.sigmoid(
            torch.cat([u(faces[:, i : i + 1]) for i, u in enumerate(units)], 1)
        )
        scores = output(torch.sigmoid(torch.cat([squashed, hidden(squashed)], 1)))[:, 0]
        chance = torch.sigmoid(scores[first] - scores[second])
        loss = nn.functional.binary_cross_entropy(chance, is_first_better)
        loss = loss + recipe.l1 * sum(values.abs().sum() for values in modules.parameters())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return FauNet(
        unit_weights=np.array([unit.weight.item() for unit in units]),
        unit_biases=np.array([unit.bias.item() for unit in units]),
        hidden_weights=hidden.weight.detach().numpy().astype(float),
        hidden_biases=hidden.bias.detach().numpy().astype(float),
        output_weights=output.weight.detach().numpy()[0].astype(float),
        output_bias=np.array(output.bias.item()),
    )


def test_training_equals_that_of_torch_modules_with_the_paper_s_loss(
    make_reactions: MakeReactions,
) -> None:
    reactions = make_reactions(0)
    reference = _reference_torch_training(reactions, initial_networks(1, 0)[0], SHORT)
    assert _largest_difference(trained_network(reactions, SHORT), reference) < SINGLE_PRECISION


def test_gradients_equal_those_of_automatic_differentiation() -> None:
    stream = torch.Generator().manual_seed(0)
    shapes = [(12, 3, 2), (3, 16, 13), (3, 1, 28), (3,)]
    weights = StackedNetworks(
        *(
            torch.randn(shape, generator=stream, dtype=torch.float64, requires_grad=True)
            for shape in shapes
        )
    )
    faces = torch.rand((12, 20), generator=stream, dtype=torch.float64)
    pairs = torch.randint(20, (50, 2), generator=stream)
    shares = torch.rand((50, 3), generator=stream, dtype=torch.float64)
    slopes, offsets = weights.units[..., 0].T, weights.units[..., 1].T
    units = torch.sigmoid(faces * slopes[:, :, None] + offsets[:, :, None])
    hidden = weights.hidden[:, :, :12] @ units + weights.hidden[:, :, 12:]
    nodes = torch.sigmoid(torch.cat([units, hidden], dim=1))
    scores = (weights.outputs @ nodes)[:, 0] + weights.output_bias[:, None]
    margins = scores[:, pairs[:, 0]] - scores[:, pairs[:, 1]]
    (nn.functional.softplus(-margins) * shares.T).sum().backward()
    gradients = RankNetGradients(faces, pairs, shares)
    for _ in range(2):  # a second call finds the memory of the first
        for found, values in zip(gradients(weights).tensors(), weights.tensors(), strict=True):
            # Both in double precision.
            torch.testing.assert_close(found, values.grad, rtol=1e-10, atol=1e-12)


def test_folds_trained_together_equal_each_trained_alone(make_reactions: MakeReactions) -> None:
    reactions = make_reactions(1, participants=5)
    folds = reactions.leave_one_out()
    start = initial_networks(5, seed=3)
    together = trained_networks(reactions, folds, SHORT, initial=start)
    for fold, network, initial in zip(folds, together, start, strict=True):
        alone = trained_networks(reactions, fold[None], SHORT, initial=[initial])[0]
        assert _largest_difference(network, alone) < SINGLE_PRECISION


def test_more_folds_than_fit_at_once_are_trained_in_their_order(
    make_reactions: MakeReactions,
) -> None:
    reactions = make_reactions(2, participants=2, images=5)
    folds = np.ones((52, len(reactions.pairs)), dtype=bool)
    start = initial_networks(52, seed=0)
    told: list[tuple[int, int]] = []
    recipe = replace(SHORT, epochs=2)
    networks = trained_networks(
        reactions, folds, recipe, lambda done, total: told.append((done, total)), start
    )
    assert told == [(17, 52), (34, 52), (51, 52), (52, 52)]
    for place in (0, 16, 17, 33, 34, 51):
        # Two steps of 0.001 cannot carry one draw to another.
        assert _largest_difference(networks[place], start[place]) < 0.003


def test_a_network_does_not_see_what_its_fold_holds_out(make_reactions: MakeReactions) -> None:
    reactions = make_reactions(3)
    folds = reactions.leave_one_out()
    turned = reactions.pairs.copy()
    turned[~folds[0]] = turned[~folds[0]][:, ::-1]
    other = replace(reactions, pairs=turned)
    network = trained_networks(reactions, folds[:1], SHORT)[0]
    assert _largest_difference(network, trained_networks(other, folds[:1], SHORT)[0]) == 0


def test_the_same_seed_gives_the_same_network(make_reactions: MakeReactions) -> None:
    reactions = make_reactions(4)
    first, second = (trained_network(reactions, SHORT) for _ in range(2))
    assert _largest_difference(first, second) == 0
    other = trained_network(reactions, replace(SHORT, seed=1))
    assert _largest_difference(first, other) > 0.01


def _study_reactions(root: Path, seed: int) -> RankedReactions:
    write_synthetic_study(root, participants=5, sessions=4, seed=seed, with_pictures=False)
    study = read_study(root)
    activations, _ = activation_table(study.clips)
    return ranked_reactions(study.images, activations)


def test_what_is_learned_from_one_invented_study_ranks_another(tmp_path: Path) -> None:
    network = trained_network(_study_reactions(tmp_path / "learn", seed=1))
    other = _study_reactions(tmp_path / "other", seed=2)
    values = fau_net_valence(other.activations, network)
    better, worse = other.pairs.T
    # Some 150 pairs: chance stays below 0.5 + 4 × 0.041 in all but 1 of 30,000 studies.
    assert np.mean(values[better] > values[worse]) > 0.66


def test_a_fold_that_leaves_no_pair_is_refused_and_never_gives_nan(
    make_reactions: MakeReactions,
) -> None:
    reactions = make_reactions(0)
    nothing = np.zeros((1, len(reactions.pairs)), dtype=bool)
    with pytest.raises(TrainingError):
        trained_networks(reactions, nothing, SHORT)


def test_a_study_without_rankings_is_nothing_to_learn_from(pristine_study: Path) -> None:
    study = read_study(pristine_study)
    activations, _ = activation_table(study.clips)
    unranked = study.images.with_columns(rank=None).cast(study.images.schema)
    with pytest.raises(TrainingError, match="of 30 images, 0 are ranked"):
        ranked_reactions(unranked, activations)


def test_a_study_without_usable_faces_is_nothing_to_learn_from(pristine_study: Path) -> None:
    study = read_study(pristine_study)
    activations, _ = activation_table([])
    with pytest.raises(TrainingError, match="0 reactions show a usable face"):
        ranked_reactions(study.images, activations)


def test_ranked_reactions_pair_the_better_with_the_worse(pristine_study: Path) -> None:
    study = read_study(pristine_study)
    activations, _ = activation_table(study.clips)
    reactions = ranked_reactions(study.images, activations)
    images = reactions.images
    better, worse = (images[rows.tolist()] for rows in reactions.pairs.T)
    assert (better["rank"] < worse["rank"]).all()
    assert better.select("participant", "session").equals(worse.select("participant", "session"))
    assert [reactions.participants[owner] for owner in reactions.owners] == images[
        "participant"
    ].to_list()
    sizes = images.group_by("participant", "session").len()["len"].to_list()
    assert len(reactions.pairs) == sum(size * (size - 1) // 2 for size in sizes)


def test_holding_one_out_hides_just_their_pairs(make_reactions: MakeReactions) -> None:
    reactions = make_reactions(0, participants=3)
    folds = reactions.leave_one_out()
    for participant, fold in enumerate(folds):
        np.testing.assert_array_equal(~fold, reactions.pair_owners == participant)
