"""The mesh estimator beside what was planted in people whom it has not seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from jaxtyping import Float

from fergi.evaluation.agreement import intraclass_correlation, mean_absolute_errors
from fergi.records.action_units import UNIT_NAMES
from fergi.stages.perception.estimators.mesh import MeshWeights
from fergi.training.mesh_estimator import TURNED, PictureObservations, estimated

_GOOD, _POOR = 0, 1
_MUCH = 0.5

_Units = Float[np.ndarray, "pictures 12"]


@dataclass(frozen=True, slots=True, eq=False)
class PlantedJudgement:
    """How well planted units were found in held-out people.

    Attributes:
        units: A row for each unit: `icc` and `mae` by good cameras, `icc_poor` and `mae_poor`
            by poor ones, `turned` (mean absolute change when the head turns by 15°),
            `turned_bias` (its mean), `turned_p90` (what nine in ten stay below),
            `turned_share` (share of the turns that change it by more than 0.5), `resting`
            (the mean estimate of a resting face), `planted_sd`.
        responses: A row for each estimated unit: by how much it rises with one point of each
            planted unit, others held constant.
        people: How many people.
        pictures: How many pictures by good cameras.
    """

    units: pl.DataFrame
    responses: pl.DataFrame
    people: int
    pictures: int

    def summary(self) -> dict[str, Any]:
        """Give the figures that the goals are about."""
        return {
            "held_out_people": self.people,
            "held_out_pictures": self.pictures,
            "icc_mean": self.units["icc"].mean(),
            "icc_lowest": self.units["icc"].min(),
            "icc_mean_poor_camera": self.units["icc_poor"].mean(),
            "most_moved_by_a_turn": self.units["turned"].max(),
        }


def planted_judgement(seen: PictureObservations, weights: MeshWeights) -> PlantedJudgement:
    """Judge an estimator by people whom it has not seen.

    Each picture is compared with the mean of the person's neutral pictures, taken by the same
    camera. Mirrored pictures are left out.

    Args:
        seen: Of held-out people.
        weights: Of the estimator.
    """
    sides, pictures = estimated(seen, weights)
    estimates, truths = sides.mean(axis=1), seen.truths[pictures].mean(axis=1)
    cameras, is_neutral = seen.cameras[pictures], seen.is_neutral[pictures]
    good, poor = (~is_neutral & (cameras == camera) for camera in (_GOOD, _POOR))
    changes = _changes(seen, pictures[good], estimates[good])
    units = pl.DataFrame(
        {
            "unit": UNIT_NAMES,
            "icc": intraclass_correlation(estimates[good], truths[good]),
            "mae": mean_absolute_errors(estimates[good], truths[good]),
            "icc_poor": intraclass_correlation(estimates[poor], truths[poor]),
            "mae_poor": mean_absolute_errors(estimates[poor], truths[poor]),
            "turned": np.abs(changes).mean(axis=0),
            "turned_bias": changes.mean(axis=0),
            "turned_p90": np.quantile(np.abs(changes), 0.9, axis=0),
            "turned_share": (np.abs(changes) > _MUCH).mean(axis=0),
            "resting": estimates[is_neutral & (cameras == _GOOD)].mean(axis=0),
            "planted_sd": truths[good].std(axis=0),
        }
    )
    return PlantedJudgement(
        units=units,
        responses=_responses(estimates[good], truths[good]),
        people=len(np.unique(seen.people)),
        pictures=int(good.sum()),
    )


def _changes(
    seen: PictureObservations, pictures: np.ndarray, estimates: _Units
) -> Float[np.ndarray, "turns 12"]:
    """List by how much estimates change when a head turns with the same expression."""
    others = seen.chosen(pictures).other_turns()
    straight = [
        row
        for row, shot in enumerate(seen.shots[pictures].tolist())
        if others[row] != row and not shot.endswith(TURNED)
    ]
    return estimates[others[straight]] - estimates[straight]


def _responses(estimates: _Units, truths: _Units) -> pl.DataFrame:
    """Fit each estimate to all planted units at once."""
    given = np.column_stack([truths, np.ones(len(truths))])
    slopes, *_ = np.linalg.lstsq(given, estimates, rcond=None)
    columns = dict(zip(UNIT_NAMES, slopes[:-1], strict=True))
    return pl.DataFrame({"estimated": UNIT_NAMES, **columns})
