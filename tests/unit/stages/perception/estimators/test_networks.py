import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fergi.stages.perception.estimators.networks.graph import iresnet_graph, mobilefacenet_graph
from fergi.stages.perception.estimators.networks.iresnet import IResNet
from fergi.stages.perception.estimators.networks.layout import (
    BATCH_COUNT,
    BLOCKS,
    Layout,
    iresnet_layout,
    mobilefacenet_layout,
)
from fergi.stages.perception.estimators.networks.mobilefacenet import MobileFaceNet
from fergi.stages.perception.estimators.runtime import (
    Placement,
    compiled_network,
    torch_network,
)

Draw = Callable[[Layout], dict[str, np.ndarray]]
NETWORKS = {
    "iresnet50": (iresnet_layout(50, 384), lambda: IResNet(50, 384)),
    "mobilefacenet": (mobilefacenet_layout(), MobileFaceNet),
}
GRAPHS = {
    "iresnet50": lambda tensors: iresnet_graph(tensors, 50),
    "mobilefacenet": mobilefacenet_graph,
}


def relative_error(found: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference, as a share of the largest value: single coordinates pass through 0."""
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_names_and_shapes_are_those_of_the_public_checkpoints(name: str, expected: Path) -> None:
    layout, module = NETWORKS[name]
    published = json.loads((expected / f"{name}_keys.json").read_text())
    found = {key: list(tensor.shape) for key, tensor in module().state_dict().items()}
    assert list(found.items()) == [tuple(pair) for pair in published]
    assert [(key, list(shape)) for key, shape in layout.items()] == [
        (key, shape) for key, shape in published if not key.endswith(BATCH_COUNT)
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_torch_gives_the_recorded_outputs(
    name: str, expected: Path, draw_weights: Draw, pictures: np.ndarray
) -> None:
    layout, module = NETWORKS[name]
    network = torch_network(module(), draw_weights(layout), Placement())
    with np.load(expected / "networks.npz") as recorded:
        # As the goal says; rounding of single precision leaves 1e-6.
        assert relative_error(network(pictures), recorded[name]) < 1e-4


@pytest.mark.parametrize("name", NETWORKS)
def test_the_compiled_network_gives_the_recorded_outputs(
    name: str, expected: Path, draw_weights: Draw, pictures: np.ndarray
) -> None:
    network = compiled_network(GRAPHS[name](draw_weights(NETWORKS[name][0])))
    with np.load(expected / "networks.npz") as recorded:
        assert relative_error(network(pictures), recorded[name]) < 1e-4


@pytest.mark.parametrize("depth", BLOCKS)
def test_every_depth_has_the_tensors_of_its_layout(depth: int) -> None:
    import torch

    with torch.device("meta"):
        state = IResNet(depth, 7).state_dict()
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in state.items()
        if not name.endswith(BATCH_COUNT)
    }
    assert shapes == iresnet_layout(depth, 7)


@pytest.mark.parametrize("depth", [18, 34])
def test_the_graph_of_a_depth_equals_the_module(
    depth: int, draw_weights: Draw, pictures: np.ndarray
) -> None:
    tensors = draw_weights(iresnet_layout(depth, 5))
    module = torch_network(IResNet(depth, 5), tensors, Placement())
    graph = compiled_network(iresnet_graph(tensors, depth))
    # Single precision, summed in another order.
    assert relative_error(graph(pictures), module(pictures)) < 1e-5
