"""How the network is trained: all that its weights depend on, beside the pictures."""

import math
from dataclasses import dataclass, replace
from enum import StrEnum

from fergi.errors import UsageError
from fergi.stages.perception.estimators.networks.layout import BLOCKS, WIDTH

_LAST_SEED = 2**64 - 1
"""The last that torch takes."""


class Precision(StrEnum):
    """In what numbers a network is evaluated while it learns; weights are always float32."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


@dataclass(frozen=True, slots=True)
class Recipe:
    """Hyper-parameters; the defaults are the published ones.

    Attributes:
        depth: Of the iResNet: 18, 34, 50 or 100.
        width: Channels of its first stage.
        is_calibrated: Whether each picture is compared with a neutral one of the same person.
        epochs: How often each picture is seen.
        batch: Pictures of one step.
        forward_batch: Pictures that are evaluated, and normalised, together; a part of a
            batch. None for all of them. Where several processes share a batch, each evaluates
            such parts.
        body_rate: Learning rate of Adam for all layers but the last.
        last_rate: For the last layer.
        weight_decay: Of Adam.
        precision: Of the evaluation.
        seed: Initial weights, the order of the pictures and their variations depend on it.
    """

    depth: int = 50
    width: int = WIDTH
    is_calibrated: bool = False
    epochs: int = 3
    batch: int = 64
    forward_batch: int | None = None
    body_rate: float = 1e-5
    last_rate: float = 1e-4
    weight_decay: float = 5e-4
    precision: Precision = Precision.FP32
    seed: int = 42

    def __post_init__(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            UsageError: If a number makes no sense.
        """
        if self.depth not in BLOCKS:
            known = ", ".join(map(str, BLOCKS))
            raise UsageError(f"there is no iResNet-{self.depth}; choose a depth of {known}")
        for name in ("width", "epochs", "batch"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        for name in ("body_rate", "last_rate", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"{name} is {getattr(self, name)}; it must be 0 or more, finite")
        if not 0 <= self.seed <= _LAST_SEED:
            raise UsageError(f"seed is {self.seed}; it must be from 0 to {_LAST_SEED}")
        if self.forward_batch is not None and self.forward_batch < 1:
            raise UsageError(
                f"forward_batch is {self.forward_batch}; it must be 1 or more, or left out for "
                "the whole batch"
            )
        if self.batch % self.part:
            raise UsageError(
                f"a batch of {self.batch} cannot be split into parts of {self.part}; "
                "choose a divisor of the batch"
            )

    @property
    def part(self) -> int:
        """Pictures that are evaluated together."""
        return self.forward_batch or self.batch

    @property
    def parts(self) -> int:
        """Parts of a batch."""
        return self.batch // self.part

    def shared_by(self, processes: int) -> "Recipe":
        """Split batches so that several processes can share them evenly.

        Raises:
            UsageError: If they cannot be split so.
        """
        if self.parts % processes == 0:
            return self
        if self.forward_batch is None and self.batch % processes == 0:
            return replace(self, forward_batch=self.batch // processes)
        raise UsageError(
            f"{processes} processes cannot share {self.parts} parts of {self.part} pictures; "
            "choose a batch and a forward batch that they divide evenly"
        )
