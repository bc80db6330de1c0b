"""The small heads of ImageReward and of LAION's aesthetic predictor: five linear layers."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from fergi.errors import WeightsError
from fergi.scorers.checkpoints import loaded_strictly
from fergi.scorers.protocol import ScorerOptions

LAYERS = (0, 2, 4, 6, 7)
"""Numbers of the linear layers; between them, the originals have dropout, and no activations."""


class LinearHead(nn.Module):
    """One layer after the other, with nothing in between: an affine map of the features."""

    def __init__(self, sizes: Mapping[int, tuple[int, int]]) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(
                nn.Linear(*sizes[number]) if number in sizes else nn.Identity()
                for number in range(LAYERS[-1] + 1)
            )
        )

    def forward(self, features: Tensor) -> Tensor:
        """Give one number for each row of features."""
        return self.layers(features).squeeze(-1)


def linear_head(tensors: Mapping[str, Tensor], path: Path, options: ScorerOptions) -> LinearHead:
    """Build a head from its tensors, `layers.0.weight` and so on; its arithmetic is float32.

    Raises:
        WeightsError: If they are not those of such a head.
    """
    names = {number: f"layers.{number}.weight" for number in LAYERS}
    lacking = [name for name in names.values() if name not in tensors]
    if lacking:
        raise WeightsError(
            f"{path}: lacks {', '.join(lacking)}, so its scores would come from nowhere; "
            "give the file that the scorer names"
        )
    sizes = {
        number: (tensors[name].shape[-1], tensors[name].shape[0]) for number, name in names.items()
    }
    return loaded_strictly(lambda: LinearHead(sizes), tensors, path, options).float()
