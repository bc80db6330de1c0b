"""Running statistics of normalisations, independent of how many processes share a batch."""

import torch
from torch import Tensor, nn

from fergi.training.action_units.processes import Team


class RunningStatistics:
    """Averages the running statistics over the parts of a batch.

    Each part of a batch starts from the statistics before the step; the step ends with the mean
    of what the parts made of them. So one process that evaluates two parts, and two processes
    that evaluate one each, end alike.

    Args:
        network: Whose normalisations are meant.
        parts: How many parts this process evaluates in each step.
        team: The processes that share a batch.
    """

    def __init__(self, network: nn.Module, parts: int, team: Team) -> None:
        named = [(name, buffer) for name, buffer in network.named_buffers() if buffer.numel()]
        self._statistics = [buffer for _, buffer in named if buffer.is_floating_point()]
        self._counts = [buffer for _, buffer in named if not buffer.is_floating_point()]
        self._parts, self._team = parts, team
        self._before: list[Tensor] = []
        self._sums: list[Tensor] = []

    @torch.no_grad()
    def before_part(self, number: int) -> None:
        """Call before each part of a step is evaluated."""
        if self._is_trivial:
            return
        if number == 0:
            self._before = [buffer.clone() for buffer in self._statistics]
            self._sums = [torch.zeros_like(buffer) for buffer in self._statistics]
        else:
            self._restore()

    @torch.no_grad()
    def after_part(self) -> None:
        """Call after each part."""
        if not self._is_trivial:
            torch._foreach_add_(self._sums, self._statistics)

    @torch.no_grad()
    def after_step(self) -> None:
        """Call when all parts of a step are done."""
        if self._is_trivial:
            return
        means = torch.cat([buffer.flatten() for buffer in self._sums]) / self._parts
        means = self._team.averaged(means)
        sizes = [buffer.numel() for buffer in self._statistics]
        for buffer, mean in zip(self._statistics, torch.split(means, sizes), strict=True):
            buffer.copy_(mean.view_as(buffer))
        torch._foreach_sub_(self._counts, self._parts - 1)

    @property
    def _is_trivial(self) -> bool:
        return self._parts * self._team.size == 1

    def _restore(self) -> None:
        for buffer, value in zip(self._statistics, self._before, strict=True):
            buffer.copy_(value)
