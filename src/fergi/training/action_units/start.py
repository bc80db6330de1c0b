"""The weights that a training starts from, and what they say of themselves."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fergi.training.action_units.licences import SHAREABLE
from fergi.weights.store import model_file

KIND = "action-unit network"
"""What the description of a trained network calls it."""


@dataclass(frozen=True, slots=True)
class Start:
    """Initial weights that are not drawn.

    Attributes:
        path: Of the file.
        licences: All that bind them.
        people: Whom they have seen while fergi trained them.
        datasets: What fergi trained them on.
        is_foreign: Whether they go back to weights that fergi did not train, such as those of a
            face-recognition network; of whom those have seen, nothing is known.
    """

    path: Path
    licences: tuple[str, ...]
    people: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    is_foreign: bool = True


def known_start(path: Path, licence: str | None) -> Start:
    """Tell what is known of initial weights.

    A network that was trained here says of itself whom it has seen, and under which licence it
    is; what the user says is added to that.

    Args:
        path: A .safetensors or .pth file.
        licence: As the user states it; None if unknown.

    Raises:
        WeightsError: If the file cannot be read.
    """
    facts = model_file(path).metadata if path.suffix == ".safetensors" else {}
    if facts.get("kind") != KIND:
        return Start(path, (f"initial weights: {licence or 'unknown'}",))
    stated = () if licence in (None, SHAREABLE) else (f"initial weights: {licence}",)
    return Start(
        path,
        licences=(*facts["licence"].split("; "), *stated),
        people=tuple(json.loads(facts["people"])),
        datasets=_datasets(facts),
        is_foreign=_is_foreign(facts),
    )


def _datasets(facts: Mapping[str, str]) -> tuple[str, ...]:
    before = json.loads(facts.get("start_datasets", "[]"))
    return tuple(sorted({*json.loads(facts["datasets"]), *before}))


def _is_foreign(facts: Mapping[str, str]) -> bool:
    """Tell whether a network goes back to foreign weights; networks of before 0.1 did not say."""
    if "start_is_foreign" in facts:
        return facts["start_is_foreign"] == "yes"
    return bool(facts["start"])
