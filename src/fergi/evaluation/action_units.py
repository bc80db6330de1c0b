"""How well a network's action units agree with what FACS coders said."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from fergi.evaluation.agreement import (
    intraclass_correlation,
    mean_absolute_errors,
    mean_squared_errors,
)
from fergi.records.action_units import ACTION_UNITS, UNIT_NAMES

MEASURES = ("icc", "icc_within", "pcc", "mae", "mse", "f1")
PRESENT = 2
"""From this intensity on a unit counts as present, as detection on DISFA is judged."""

MEAN = "mean"
"""What the row over all units is called."""

_Values = Float[np.ndarray, "pictures units"]


def unit_agreement(estimates: _Values, truths: _Values, people: np.ndarray) -> pl.DataFrame:
    """Compare estimates with labels, unit by unit.

    Args:
        estimates: On the scale of intensities.
        truths: Intensities 0 to 5; NaN where a unit is not labelled.
        people: Who is seen in each picture.

    Returns:
        A row for each unit and one for their mean, which leaves out units of which nothing can
        be said: `unit`; `icc` (ICC(3,1) over all pictures), `icc_within` (the mean of that of
        each person, where something can be said), `pcc` (Pearson), `mae`, `mse`, and `f1` of
        being at least 2.
    """
    estimates = np.where(np.isnan(truths), np.nan, estimates)
    table = pl.DataFrame(
        {
            "unit": list(UNIT_NAMES),
            "icc": intraclass_correlation(estimates, truths),
            "icc_within": _mean_over_people(estimates, truths, people),
            "pcc": _of_columns(_correlation, estimates, truths),
            "mae": _where_labelled(mean_absolute_errors, estimates, truths),
            "mse": _where_labelled(mean_squared_errors, estimates, truths),
            "f1": _of_columns(_f1, estimates, truths),
        }
    ).with_columns(pl.col(MEASURES).fill_nan(None))
    means = table.select(pl.lit(MEAN).alias("unit"), *(pl.col(name).mean() for name in MEASURES))
    return pl.concat([table, means])


def agreement_of_heads(
    heads: Mapping[str, _Values], truths: _Values, table: pl.DataFrame
) -> pl.DataFrame:
    """Compare several estimates, on each data set apart.

    Args:
        heads: Name of an estimate → its values.
        truths: Intensities; NaN where a unit is not labelled.
        table: `dataset` and `person` of each picture.

    Returns:
        What `unit_agreement` gives, with `dataset`, `head` and the number of `pictures`.
    """
    people = table["person"].to_numpy()
    parts = []
    for dataset in table["dataset"].unique(maintain_order=True):
        chosen = (table["dataset"] == dataset).to_numpy()
        for head, values in heads.items():
            agreement = unit_agreement(values[chosen], truths[chosen], people[chosen])
            facts = {"dataset": dataset, "head": head, "pictures": int(chosen.sum())}
            parts.append(
                agreement.select(*(pl.lit(v).alias(k) for k, v in facts.items()), pl.all())
            )
    return pl.concat(parts)


def beside_published(agreement: pl.DataFrame, *, is_calibrated: bool) -> pl.DataFrame:
    """Put published figures beside ours.

    Args:
        agreement: What `agreement_of_heads` gives.
        is_calibrated: Whether the network compares with a neutral picture.

    Returns:
        The rows of data sets with published figures, with a column `<measure>_published` each.

    Source:
        Feng & de Sa (2024), arXiv:2409.00240, and the results that the authors keep with their
        code: IR50 and CSN-IR50; DISFA in three folds, DISFA+ in nine.
    """
    wanted = "csn-ir50" if is_calibrated else "ir50"
    rows = [
        {"dataset": record["dataset"], "unit": unit}
        | {f"{name}_published": record[name][at] for name in MEASURES if name in record}
        for record in published_agreement()
        if record["network"] == wanted
        for at, unit in enumerate((*UNIT_NAMES, MEAN))
    ]
    return agreement.join(pl.DataFrame(rows), on=["dataset", "unit"], maintain_order="left")


def published_agreement() -> list[dict[str, Any]]:
    """Give the published figures: a record for each network and data set."""
    source = resources.files("fergi.evaluation") / "published_action_units.toml"
    records: list[dict[str, Any]] = tomllib.loads(source.read_text(encoding="utf-8"))["result"]
    return records


def _mean_over_people(
    estimates: _Values, truths: _Values, people: np.ndarray
) -> Float[np.ndarray, " units"]:
    each = np.stack(
        [
            intraclass_correlation(estimates[people == person], truths[people == person])
            for person in np.unique(people)
        ]
    )
    counts = (~np.isnan(each)).sum(axis=0)
    return np.where(counts > 0, np.nansum(each, axis=0) / np.maximum(counts, 1), np.nan)


def _where_labelled(measure: Any, estimates: _Values, truths: _Values) -> Float[np.ndarray, "12"]:
    """Measure the units that are labelled anywhere."""
    found = np.full(len(ACTION_UNITS), np.nan)
    is_labelled = (~np.isnan(truths)).any(axis=0)
    if is_labelled.any():
        found[is_labelled] = measure(estimates[:, is_labelled], truths[:, is_labelled])
    return found


def _of_columns(measure: Any, estimates: _Values, truths: _Values) -> list[float]:
    known = ~np.isnan(truths)
    return [
        measure(estimates[known[:, unit], unit], truths[known[:, unit], unit])
        for unit in range(truths.shape[1])
    ]


def _correlation(
    estimate: Float[np.ndarray, " pictures"], truth: Float[np.ndarray, " pictures"]
) -> float:
    if len(truth) < 2 or not np.ptp(truth):
        return float("nan")
    return float(np.corrcoef(estimate, truth)[0, 1]) if np.ptp(estimate) else 0.0


def _f1(estimate: Float[np.ndarray, " pictures"], truth: Float[np.ndarray, " pictures"]) -> float:
    """Score the detection of a unit; NaN where it is nowhere to be found."""
    is_present, is_found = truth >= PRESENT, estimate >= PRESENT
    if not is_present.any():
        return float("nan")
    return float(2 * (is_present & is_found).sum() / (is_present.sum() + is_found.sum()))
