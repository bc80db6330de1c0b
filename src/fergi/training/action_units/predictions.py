"""What a trained network says of prepared faces."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from fergi.datasets.prepared_faces import PreparedFaces
from fergi.progress import Progress, unreported
from fergi.training.action_units.augmentation import seen_pictures, whole_views
from fergi.training.action_units.losses import unit_outputs
from fergi.training.action_units.networks import ActionUnitNetwork

_BATCH = {"cpu": 32}
_GPU_BATCH = 256

WRITTEN_HEAD = "regression"
"""The head whose estimates `fergi extract` writes."""


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """The three estimates of the twelve units.

    Attributes:
        regression: The intensities that the network gives.
        ordinal: The sum of its five probabilities of being at least 1, … at least 5.
    """

    regression: Float[np.ndarray, "pictures units"]
    ordinal: Float[np.ndarray, "pictures units"]

    def heads(self) -> dict[str, Float[np.ndarray, "pictures units"]]:
        """Name the estimates; the third is the mean of the other two."""
        return {
            "regression": self.regression,
            "ordinal": self.ordinal,
            "mean": (self.regression + self.ordinal) / 2,
        }


def estimates(
    network: ActionUnitNetwork,
    faces: PreparedFaces,
    neutrals: Int[np.ndarray, " pictures"] | None,
    device: torch.device,
    progress: Progress = unreported,
) -> Estimates:
    """Evaluate a network on all pictures of a store.

    Args:
        network: Trained.
        faces: The pictures.
        neutrals: Row of each picture's neutral one, for a network that compares.
        device: Where it runs.
        progress: Told how many pictures are done.
    """
    network.eval().to(device)
    size = _BATCH.get(device.type, _GPU_BATCH)
    found: list[tuple[Tensor, Tensor]] = []
    with torch.inference_mode():
        for start in range(0, len(faces), size):
            rows = np.arange(start, min(start + size, len(faces)))
            resting = None if neutrals is None else _shown(faces, neutrals[rows], device)
            outputs = network(_shown(faces, rows, device), resting)
            found.append(unit_outputs(outputs.double().cpu()))
            progress(int(rows[-1]) + 1, len(faces))
    intensities, logits = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Estimates(intensities.numpy(), torch.sigmoid(logits).sum(dim=2).numpy())


def _shown(faces: PreparedFaces, rows: Int[np.ndarray, " rows"], device: torch.device) -> Tensor:
    pictures = torch.from_numpy(faces.pictures(rows)).to(device)
    return seen_pictures(pictures, whole_views(len(rows)))
