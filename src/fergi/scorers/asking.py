"""Asking scorers that may fail in any way: what they answer, or why they do not."""

import json
import math
from collections.abc import Sequence
from typing import Any

from PIL import Image

from fergi.errors import FergiError, ScoresError
from fergi.scorers.pictures import UnreadablePictureError
from fergi.scorers.protocol import Scorer, ScorerFactory, ScorerOptions

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory")  # CUDA's words, and the processor's


class Unusable:
    """Stands for a scorer that cannot be made, and says why whenever it is asked.

    Args:
        error: What ended the making.
    """

    def __init__(self, error: FergiError) -> None:
        self.error = error

    def scores(
        self,
        prompts: Sequence[str],  # noqa: ARG002 (the arguments are those of the protocol)
        images: Sequence[Image.Image],  # noqa: ARG002
    ) -> list[float | None]:
        """Refuse.

        Raises:
            ScoresError: Always.
        """
        raise ScoresError(str(self.error)) from self.error


def made_scorer(factory: ScorerFactory, options: ScorerOptions) -> Scorer:
    """Make a scorer, or what stands for it if that fails."""
    try:
        return factory(options)
    except FergiError as error:
        return Unusable(error)
    except Exception as error:  # noqa: BLE001 (a scorer of another package may raise anything)
        return Unusable(ScoresError(f"cannot be loaded ({failure_reason(error)})"))


def answers(
    scorer: Scorer, prompts: Sequence[str], images: Sequence[Image.Image]
) -> list[float | None]:
    """Ask a scorer for one batch.

    Returns:
        A finite number for each image; None where the scorer has none.

    Raises:
        ScoresError: If the scorer cannot do this batch, or answers with too few or too many.
        Exception: Whatever else the scorer raises.
    """
    given = list(scorer.scores(prompts, images))
    if len(given) != len(images):
        raise ScoresError(
            f"gave {len(given)} numbers for {len(images)} images; tell those who wrote it"
        )
    numbers = [math.nan if number is None else float(number) for number in given]
    return [number if math.isfinite(number) else None for number in numbers]


def stated_origin(scorer: Scorer) -> Any:
    """Ask a scorer where its scores come from.

    Returns:
        What JSON can hold; None if it does not tell.

    Raises:
        Exception: Whatever the scorer raises, and if JSON cannot hold what it says.
    """
    origin = getattr(scorer, "origin", None)
    return json.loads(json.dumps(origin())) if callable(origin) else None


def failure_reason(error: Exception) -> str:
    """Say why something failed, with the type of the exception where that was not foreseen."""
    if isinstance(error, FergiError | UnreadablePictureError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether a scorer failed because memory is too small."""
    said = isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)
    return said or isinstance(error, MemoryError)
