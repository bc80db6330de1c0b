"""Which estimator feature files come from, as the JSON beside each says."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fergi.provenance import read_provenance
from fergi.records.clip import Clip, Problem
from fergi.records.scale import Scale


@dataclass(frozen=True, slots=True)
class FeatureOrigin:
    """What estimated the action units of a clip.

    Attributes:
        estimator: Its name; None where no JSON tells.
        scale: What its numbers mean, if known.
    """

    estimator: str | None = None
    scale: Scale | None = None

    def __str__(self) -> str:
        if self.estimator is None:
            return "of unknown origin"
        return self.estimator if self.scale is None else f"{self.estimator} ({self.scale.value})"


def feature_origin(features: Path) -> FeatureOrigin:
    """Read what the JSON beside a feature file says of the estimator; nothing if there is none."""
    record = read_provenance(features)
    try:
        stated = {**record["settings"], **record["summary"]}
    except (KeyError, TypeError):
        return FeatureOrigin()
    scale = stated.get("scale")
    return FeatureOrigin(stated.get("estimator"), Scale(scale) if scale in list(Scale) else None)


def origin_counts(clips: Iterable[Clip]) -> dict[str, dict[FeatureOrigin, int]]:
    """Count the clips of each participant by the origin of their features.

    Args:
        clips: Those without a feature file do not count.
    """
    counts: dict[str, dict[FeatureOrigin, int]] = {}
    for clip in clips:
        if clip.features.exists():
            own = counts.setdefault(clip.participant, {})
            origin = feature_origin(clip.features)
            own[origin] = own.get(origin, 0) + 1
    return counts


def mixed_origins(counts: dict[str, dict[FeatureOrigin, int]]) -> list[Problem]:
    """Name the participants whose clips were measured in more than one way.

    Args:
        counts: What `origin_counts` gives.
    """
    return [
        Problem(
            participant,
            f"has clips measured in several ways ({_listed(own)}), and their numbers are not "
            "alike; measure all in one way, for example with: fergi extract --overwrite",
        )
        for participant, own in counts.items()
        if len(own) > 1
    ]


def _listed(own: dict[FeatureOrigin, int]) -> str:
    return ", ".join(f"{count} {origin}" for origin, count in own.items())
