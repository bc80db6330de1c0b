from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fergi.errors import WeightsError
from fergi.stages.perception.estimators.networks.layout import (
    BATCH_COUNT,
    iresnet_depth_and_width,
    iresnet_layout,
)
from fergi.training.action_units.losses import OUTPUTS
from fergi.training.action_units.networks import initial_network, start_from
from fergi.training.action_units.origin import Origin
from fergi.training.action_units.recipe import Recipe
from fergi.training.action_units.trained import read_trained, write_trained

NARROW = Recipe(depth=18, width=2)


def _recognition_weights(path: Path) -> dict[str, torch.Tensor]:
    """What InsightFace writes: another last layer, and a normalisation after it."""
    stream = torch.Generator().manual_seed(1)
    weights = {
        name: torch.rand(shape, generator=stream)
        for name, shape in iresnet_layout(18, 512, 2).items()
    }
    weights["features.weight"] = torch.ones(512)
    torch.save(weights, path)
    return weights


@pytest.mark.parametrize("depth", [18, 34, 50, 100])
def test_every_depth_has_the_tensors_of_its_layout(depth: int) -> None:
    network = initial_network(Recipe(depth=depth, width=2))
    shapes = {
        name: tuple(tensor.shape)
        for name, tensor in network.state_dict().items()
        if not name.endswith(BATCH_COUNT)
    }
    assert shapes == iresnet_layout(depth, OUTPUTS, 2)
    assert iresnet_depth_and_width(shapes) == (depth, 2)


def test_a_face_recognition_network_gives_all_layers_but_the_last(tmp_path: Path) -> None:
    weights = _recognition_weights(tmp_path / "r18.pth")
    network, drawn = initial_network(NARROW), initial_network(NARROW)
    checkpoint = start_from(network, tmp_path / "r18.pth")
    assert checkpoint.name == "r18.pth"
    for name, tensor in network.state_dict().items():
        if name.startswith("fc."):
            assert torch.equal(tensor, drawn.state_dict()[name])
        elif not name.endswith(BATCH_COUNT):
            assert torch.equal(tensor, weights[name]), name


def test_weights_of_another_depth_or_width_are_refused(tmp_path: Path) -> None:
    _recognition_weights(tmp_path / "r18.pth")
    for recipe in (Recipe(depth=34, width=2), Recipe(depth=18, width=4)):
        with pytest.raises(WeightsError, match=r"r18\.pth: \d+ of its \d+ tensors fit into the"):
            start_from(initial_network(recipe), tmp_path / "r18.pth")


def test_weights_of_a_deeper_network_are_refused_though_all_blocks_are_there(
    tmp_path: Path,
) -> None:
    save_file(initial_network(replace(NARROW, depth=34)).state_dict(), tmp_path / "r34.safetensors")
    with pytest.raises(WeightsError, match=r"layer1\.2\.\S+ is missing on one side"):
        start_from(initial_network(NARROW), tmp_path / "r34.safetensors")


def test_a_calibrated_network_sees_only_the_difference_at_its_last_stage() -> None:
    network = initial_network(NARROW).eval()
    faces = torch.rand(3, 3, 112, 112)
    with torch.inference_mode():
        same = network(faces, faces)
        swapped = network(faces, faces.flip(0))
    # Whatever the face: its difference from itself is nothing. Single precision.
    torch.testing.assert_close(same[0], same[1], atol=1e-6, rtol=0)
    assert (swapped[0] - same[0]).abs().max() > 1e-4


def test_a_network_is_read_as_it_was_written(tmp_path: Path) -> None:
    network = initial_network(NARROW)
    origin = Origin(NARROW, {"disfa": 3, "invented": 2}, ("a", "b"), (), "0" * 64, "1" * 64, "MIT")
    write_trained(tmp_path, network, origin, None)
    read = read_trained(tmp_path / "network.safetensors")
    assert read.people == {"a", "b"}
    assert (read.is_calibrated, read.licence) == (False, "MIT")
    for name, tensor in network.state_dict().items():
        np.testing.assert_array_equal(read.network.state_dict()[name], tensor)
    card = (tmp_path / "network.md").read_text(encoding="utf-8")
    assert "**Measured.** Nothing: no one was held out." in card
    assert "3 pictures of disfa, 2 pictures of invented" in card


def test_a_file_that_was_not_trained_here_is_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="is no network of fergi au train"):
        read_trained(tmp_path / "other.safetensors")
