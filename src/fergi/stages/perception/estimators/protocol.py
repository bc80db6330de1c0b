"""What an estimator of action units promises, and a network that it may rest on."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from fergi.records.face import Face, VideoFrame
from fergi.records.scale import Scale

__all__ = ["ActionUnitEstimator", "Network", "Scale"]

Network = Callable[[Float[np.ndarray, "pictures ..."]], Float[np.ndarray, "pictures ..."]]
"""Evaluates RGB pictures, 0 to 1, or what another network made of them."""


@runtime_checkable
class ActionUnitEstimator(Protocol):
    """Estimates the twelve action units of one face in each frame.

    The work is in two steps, so that an estimator that needs a person's neutral face can
    look at every frame once, and find the neutral among what it saw.

    Attributes:
        name: What `--estimator` calls it.
        scale: What its numbers mean.
        licence: SPDX identifier of its weights.
        sha256: Of its weights.
        observed: How many numbers it keeps of each face.
        needs_neutral: Whether `intensities` compares with a neutral face.
    """

    name: str
    scale: Scale
    licence: str
    sha256: str
    observed: int
    needs_neutral: bool

    def observations(
        self, frames: Sequence[VideoFrame], faces: Sequence[Face]
    ) -> Float[np.ndarray, "faces observed"]:
        """Look at a batch of faces; the expensive step, done once a frame.

        Args:
            frames: The picture of each face.
            faces: Where it is in there.

        Returns:
            float32 numbers that `intensities` understands.
        """

    def intensities(
        self,
        observations: Float[np.ndarray, "faces observed"],
        neutral: Float[np.ndarray, " observed"] | None,
    ) -> Float[np.ndarray, "faces units"]:
        """Turn observations into action units.

        Args:
            observations: Of one person.
            neutral: The observation of that person's neutral face; None where
                `needs_neutral` is False.

        Returns:
            The units of `ACTION_UNITS`, on the estimator's scale.
        """
