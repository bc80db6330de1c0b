"""What a version of the protocol gives, and the published names of scores.

Apart from what computes them, so that drawing a figure loads no trainer.
"""

from dataclasses import dataclass

import polars as pl

ENSEMBLED = ("ImageReward_score", "PickScore", "HPS_V2_score")
ENSEMBLE = "ensemble_baseline_score"
FUSED_ENSEMBLE = "ensemble_all_score"
FACE_V3 = "AUs_integrated_score"


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What one version of the protocol gives.

    Attributes:
        accuracy: `participant, score, n_correct, n_incorrect`.
        parameters: `participant, parameter, value`: what was chosen on all others.
    """

    accuracy: pl.DataFrame
    parameters: pl.DataFrame


def total_accuracy(outcome: Outcome) -> pl.DataFrame:
    """Sum over participants: `score, n_correct, n_incorrect, percent`."""
    sums = outcome.accuracy.group_by("score", maintain_order=True).agg(
        pl.col("n_correct", "n_incorrect").sum()
    )
    share = pl.col("n_correct") / (pl.col("n_correct") + pl.col("n_incorrect"))
    return sums.with_columns(percent=100 * share)
