"""What a scorer is: one method. Built-in scorers and those of other packages are alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from PIL import Image


@runtime_checkable
class Scorer(Protocol):
    """Says how well images fit their prompts."""

    def scores(
        self, prompts: Sequence[str], images: Sequence[Image.Image]
    ) -> Sequence[float | None]:
        """Score one batch.

        Args:
            prompts: One for each image.
            images: Upright RGB images, of 4 megapixels at most.

        Returns:
            A number for each image, higher for better; None or NaN where there is none.

        Raises:
            ScoresError: If this batch cannot be scored; others still are.
        """


class Preparation(StrEnum):
    """The form in which a scorer is given images.

    Preparing an image twice gives what preparing it once gives, so a scorer may prepare what
    it is given, and who runs several can prepare for all of them at once.
    """

    WHOLE = "whole"
    """As they are, reduced to 4 megapixels if they have more."""
    SHORT_SIDE = "short-side"
    """Short side to 224 pixels, bicubic, then the square in the middle."""
    LONG_SIDE = "long-side"
    """Long side to 224 pixels, bicubic, then black borders to a square."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What to know of a scorer before it is made; a scorer's class may hold its own as `traits`.

    Attributes:
        preparation: The form in which it wants images.
        needs_prompt: Whether it can do without knowing the prompt.
        model: The large model that it reads; scorers that name the same one are loaded together.
        weights: Which entries of the register of weights it reads.
        formula: How the number comes about, for the record beside the scores.
    """

    preparation: Preparation = Preparation.WHOLE
    needs_prompt: bool = True
    model: str | None = None
    weights: tuple[str, ...] = ()
    formula: str = ""


@dataclass(frozen=True, slots=True)
class ScorerOptions:
    """How scorers are to be made.

    Attributes:
        weights: Name of a scorer, or of an entry of the register → file or folder.
        weights_folder: Where a folder of each such name may lie; None if nowhere.
        device: As torch names it, such as "cpu" or "cuda".
        dtype: Of the weights and the arithmetic: "float32", "float16" or "bfloat16".
        shelf: Large models, by name, that scorers made with these options share.
    """

    weights: Mapping[str, Path] = field(default_factory=dict)
    weights_folder: Path | None = None
    device: str = "cpu"
    dtype: str = "float32"
    shelf: dict[str, Any] = field(default_factory=dict, compare=False)


@runtime_checkable
class ScorerFactory(Protocol):
    """What an entry point of the group `fergi.scorers` names: usually the scorer's class."""

    def __call__(self, options: ScorerOptions) -> Scorer:
        """Make the scorer.

        Raises:
            WeightsError: If a model file is missing or of another model.
        """
