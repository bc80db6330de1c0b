"""What is to be scored, by whom, and in which pieces."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fergi.scorers.catalogue import traits_of
from fergi.scorers.protocol import ScorerFactory, ScorerOptions

_BATCH_ON_PROCESSOR, _BATCH_ELSEWHERE = 4, 16
"""Images at a time where nobody says how many.

With more than 4 in a large image tower, what lies between its layers outgrows the blocks that
the C library keeps (32 MB), and every layer waits for fresh pages: a tenth slower at 16.
"""


@dataclass(frozen=True, slots=True)
class PromptedImage:
    """What is scored.

    Attributes:
        prompt: None if it is not known.
        path: The image file.
    """

    prompt: str | None
    path: Path


@dataclass(frozen=True, slots=True)
class ScoringPlan:
    """What is to be scored by whom, and how the work runs; the latter changes no score.

    Attributes:
        images: Each once.
        factories: Name of each scorer → what makes it.
        options: How scorers are made.
        batch_size: Images that a scorer is given at a time; None for 4 on the processor and
            16 elsewhere.
        keep_loaded: Whether all models stay in memory.
    """

    images: Sequence[PromptedImage]
    factories: Mapping[str, ScorerFactory]
    options: ScorerOptions
    batch_size: int | None = None
    keep_loaded: bool = False

    def batches(self, images: Sequence[PromptedImage]) -> Iterator[Sequence[PromptedImage]]:
        """Cut images into as many as a scorer is given at a time."""
        size = self.batch_size or (
            _BATCH_ON_PROCESSOR if self.options.device == "cpu" else _BATCH_ELSEWHERE
        )
        return (images[start : start + size] for start in range(0, len(images), size))

    def model_groups(self) -> list[list[str]]:
        """Put scorers that read the same large model together."""
        groups: dict[str, list[str]] = {}
        for name, factory in self.factories.items():
            groups.setdefault(traits_of(factory).model or name, []).append(name)
        return list(groups.values())
