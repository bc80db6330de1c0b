"""One process, or several that share each batch, started by `torchrun`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from fergi.errors import UsageError

_PATIENCE = timedelta(days=7)
"""How long processes wait for each other: the first judges a network while the others wait."""


@dataclass(frozen=True, slots=True)
class Team:
    """The processes of a training, and this one among them.

    Attributes:
        rank: Which one this is, from 0. The first writes files.
        size: How many there are.
        device: Where this one calculates.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def averaged(self, values: Tensor) -> Tensor:
        """Average numbers over all processes; all must ask."""
        if self.size > 1:
            distributed.all_reduce(values)
            values /= self.size
        return values

    def wait(self) -> None:
        """Wait for all others."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def joined_team(device: str) -> Iterator[Team]:
    """Join the processes that `torchrun` started; alone where it started none.

    Args:
        device: "cpu", "cuda", or "auto" for a GPU where there is one.

    Raises:
        UsageError: If there is no such device.
    """
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    chosen = _device(device, int(os.environ.get("LOCAL_RANK", "0")))
    if size == 1:
        yield Team(0, 1, chosen)
        return
    backend = "nccl" if chosen.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield Team(rank, size, chosen)
    finally:
        distributed.destroy_process_group()


def _device(name: str, local_rank: int) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        if local_rank >= torch.cuda.device_count():
            raise UsageError(
                f"GPU {local_rank} was asked for, and torch sees {torch.cuda.device_count()}; "
                "start fewer processes, or choose --device cpu"
            )
        torch.cuda.set_device(local_rank)
        return torch.device("cuda", local_rank)
    if name != "cpu":
        raise UsageError(f"there is no device '{name}'; choose auto, cpu or cuda")
    return torch.device("cpu")
