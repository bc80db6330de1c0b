"""What held-out predictions are worth: accuracy, calibration, and whether the face helps.

Pairs that were not judged count nowhere.
"""

from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Bool, Float

from fergi.evaluation.calibration import (
    accuracy_by_share,
    correctness,
    expected_calibration_error,
    pair_surprise,
    pairs_kept,
    squared_errors,
)
from fergi.evaluation.uncertainty import bootstrap_interval, sign_flip_p_value
from fergi.seeds import random_stream

SHARES = np.arange(1, 101) / 100
_METHOD = ["valence", "evidence"]


def nested_tables(predictions: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Sum up held-out predictions in tables.

    Args:
        predictions: What `fergi.evaluation.nested.held_out_predictions` gives.

    Returns:
        File name, without ending → table: measures, accuracy by participant, accuracy by
        share kept, and tests of the face.
    """
    return {
        "nested_measures": prediction_measures(predictions),
        "nested_accuracy": accuracy_by_participant(predictions),
        "nested_selection": selection_table(predictions),
        "nested_face_tests": face_tests(predictions),
    }


def prediction_measures(predictions: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """Measure each method, with 95 % intervals by bootstrap over participants.

    Args:
        predictions: What `fergi.evaluation.nested.held_out_predictions` gives.
        seed: Of the resampling.

    Returns:
        A row for each valence and kind of evidence: `pairs`; `accuracy`, `brier` and `nll`,
        each with `_low` and `_high`; and `ece`.
    """
    rows = []
    for (valence, name), chosen in _judged(predictions).group_by(*_METHOD, maintain_order=True):
        p_0, truth = _arrays(chosen)
        row = {"valence": valence, "evidence": name, "pairs": len(chosen)}
        points = {
            "accuracy": correctness(p_0, truth),
            "brier": squared_errors(p_0, truth),
            "nll": pair_surprise(p_0, truth),
        }
        for measure, values in points.items():
            sums, counts = _sums_by_participant(chosen["participant"], values)
            stream = random_stream(seed, "bootstrap", valence, name, measure)
            row[measure] = sums.sum() / counts.sum()
            row[f"{measure}_low"], row[f"{measure}_high"] = bootstrap_interval(sums, counts, stream)
        rows.append(row | {"ece": expected_calibration_error(p_0, truth)})
    return pl.DataFrame(rows)


def face_tests(predictions: pl.DataFrame, seed: int = 0) -> pl.DataFrame:
    """Test, for each valence, whether the face helps: with it against without, same pairs.

    Args:
        predictions: What `fergi.evaluation.nested.held_out_predictions` gives.
        seed: Of resampling and permutation.

    Returns:
        A row for each valence and set of pairs: `pairs`, `without_face`, `with_face`
        (accuracies), `gain` with `gain_low` and `gain_high`, `p` (paired, two-sided).
    """
    rows = []
    for (valence,), chosen in predictions.group_by("valence", maintain_order=True):
        by_name = {str(name): part for (name,), part in chosen.group_by("evidence")}
        if "scores" not in by_name:
            continue
        scores = by_name["scores"]
        comparisons = {
            "pairs with two faces": (scores.filter("has_face"), by_name["face+scores"]),
            "all pairs": (scores, by_name["all"]),
        }
        for name, (without, with_face) in comparisons.items():
            # Both hold the same pairs in the same order.
            both = without["p_0"].is_not_null() & with_face["p_0"].is_not_null()
            if not both.any():
                continue
            stream = random_stream(seed, "face", valence, name)
            compared = _comparison(without.filter(both), with_face.filter(both), stream)
            rows.append({"valence": valence, "on": name} | compared)
    return pl.DataFrame(rows)


def _comparison(
    without: pl.DataFrame, with_face: pl.DataFrame, stream: np.random.Generator
) -> dict[str, Any]:
    before, after = correctness(*_arrays(without)), correctness(*_arrays(with_face))
    gains, counts = _sums_by_participant(with_face["participant"], after - before)
    low, high = bootstrap_interval(gains, counts, stream)
    return {
        "pairs": len(with_face),
        "without_face": float(before.mean()),
        "with_face": float(after.mean()),
        "gain": float(gains.sum() / counts.sum()),
        "gain_low": low,
        "gain_high": high,
        "p": sign_flip_p_value(gains, stream),
    }


def selection_table(predictions: pl.DataFrame) -> pl.DataFrame:
    """Give each method's accuracy on the surest 1 %, 2 % … 100 % of its pairs.

    Returns:
        `valence, evidence, share, pairs, accuracy`.
    """
    tables = []
    for (valence, name), chosen in _judged(predictions).group_by(*_METHOD, maintain_order=True):
        tables.append(
            pl.DataFrame(
                {
                    "valence": valence,
                    "evidence": name,
                    "share": SHARES,
                    "pairs": pairs_kept(SHARES, len(chosen)),
                    "accuracy": accuracy_by_share(*_arrays(chosen), SHARES),
                }
            )
        )
    return pl.concat(tables)


def accuracy_by_participant(predictions: pl.DataFrame) -> pl.DataFrame:
    """Count right pairs of each method and participant; a tie counts half.

    Returns:
        `valence, evidence, participant, n_correct, n_incorrect`.
    """
    judged = _judged(predictions)
    return (
        judged.with_columns(right=pl.Series(correctness(*_arrays(judged))))
        .group_by(*_METHOD, "participant", maintain_order=True)
        .agg(n_correct=pl.col("right").sum(), n_incorrect=pl.len() - pl.col("right").sum())
    )


def _judged(predictions: pl.DataFrame) -> pl.DataFrame:
    """Leave out the pairs of which nothing is known."""
    return predictions.drop_nulls("p_0")


def _arrays(
    chosen: pl.DataFrame,
) -> tuple[Float[np.ndarray, " pairs"], Bool[np.ndarray, " pairs"]]:
    return chosen["p_0"].to_numpy(), chosen["is_first_preferred"].to_numpy()


def _sums_by_participant(
    participants: pl.Series, values: Float[np.ndarray, " pairs"]
) -> tuple[Float[np.ndarray, " participants"], Float[np.ndarray, " participants"]]:
    owners = participants.rank("dense").to_numpy().astype(np.int64) - 1
    return np.bincount(owners, weights=values), np.bincount(owners).astype(float)
