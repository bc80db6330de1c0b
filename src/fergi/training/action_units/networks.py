"""The networks that are trained: iResNet, alone or comparing two pictures."""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fergi.errors import WeightsError
from fergi.stages.perception.estimators.checkpoint import Checkpoint, read_checkpoint
from fergi.stages.perception.estimators.networks.iresnet import IResNet
from fergi.stages.perception.estimators.networks.layout import BATCH_COUNT
from fergi.training.action_units.losses import OUTPUTS
from fergi.training.action_units.recipe import Recipe

_BODY = ("conv1.", "bn1.", "prelu.", "layer", "bn2.")


class ActionUnitNetwork(IResNet):
    """An iResNet that may compare a picture with a neutral one of the same person.

    Both pictures pass the same first three stages; what enters the last stage is the difference
    of the two.

    Source:
        Feng & de Sa (2024), arXiv:2409.00240.
    """

    def forward(
        self,
        pictures: Float[Tensor, "pictures 3 112 112"],
        neutrals: Float[Tensor, "pictures 3 112 112"] | None = None,
    ) -> Float[Tensor, "pictures outputs"]:
        """Evaluate RGB pictures, 0 to 1."""
        if neutrals is None:
            return self.concluded(self.features(pictures))
        # One pass, so that both are normalised alike.
        both = self.features(torch.cat([pictures, neutrals]))
        return self.concluded(both[: len(pictures)] - both[len(pictures) :])


def initial_network(recipe: Recipe) -> ActionUnitNetwork:
    """Draw a network whose weights depend on the recipe's seed alone.

    As in InsightFace, convolutions are drawn from N(0, 0.1²).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = ActionUnitNetwork(recipe.depth, OUTPUTS, recipe.width)
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, 0.1)
    return network


def start_from(network: ActionUnitNetwork, path: Path) -> Checkpoint:
    """Give a network the weights of a face-recognition network, all but those of the last layer.

    Args:
        network: Takes them; its last layer stays as drawn.
        path: A .safetensors or .pth file, with the names of InsightFace.

    Returns:
        The file as it was read.

    Raises:
        WeightsError: If it cannot be read, or is of a network of another depth or width.
    """
    checkpoint = read_checkpoint(path)
    own = network.state_dict()
    wanted = _body({name: tuple(tensor.shape) for name, tensor in own.items()})
    given = _body({name: array.shape for name, array in checkpoint.tensors.items()})
    if wanted != given:
        fitting = wanted.items() & given.items()
        odd = min(name for name, _ in wanted.items() ^ given.items())
        raise WeightsError(
            f"{checkpoint.name}: {len(fitting)} of its {len(given)} tensors fit into the "
            f"{len(wanted)} of this network, and {odd} is missing on one side or has another "
            "shape; give weights of the same depth and width, or leave them out to start from "
            "scratch"
        )
    body = {name: torch.tensor(checkpoint.tensors[name]) for name in wanted}
    network.load_state_dict(own | body)
    return checkpoint


def _body(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Take the tensors of all layers but the last."""
    return {
        name: shape
        for name, shape in shapes.items()
        if name.startswith(_BODY) and not name.endswith(BATCH_COUNT)
    }
