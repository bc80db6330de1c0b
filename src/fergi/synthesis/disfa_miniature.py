"""A miniature of DISFA and DISFA+: invented people with planted intensities, in the same layout."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from fergi.files import replacing
from fergi.records.action_units import ACTION_UNITS
from fergi.seeds import random_stream
from fergi.synthesis.expressions import plain_expression
from fergi.synthesis.people import InventedPerson, invented_person
from fergi.synthesis.rendering import Renderer
from fergi.synthesis.scene import Framing, Pose

DISFA_FOLDER, DISFA_PLUS_FOLDER = "DISFA", "DISFAPlus"

PLANTED_BROWS = (1, 2)
"""Units that move together, in every other frame."""
PLANTED_MOUTHS = ((12,), (25,), (26,))
"""Of these one moves at a time, in three frames of four; all other units rest."""

_CAMERAS = {"Left": -8.0, "Right": 8.0}
"""Degrees by which each camera sees the head turned."""
_FIRST_PERSON = 900
"""Beyond the real people, whose folds and neutral frames are published."""
_HEADER = ("Intensity of the action unit in each frame", "Name     Intensity")

Intensities = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class MiniaturePlan:
    """How large the miniature is.

    Attributes:
        seed: Everything is drawn from it.
        people: In DISFA.
        frames: Of each person and camera; the first shows a resting face.
        plus_people: The first few of them are in DISFA+ as well.
        trials: Of each person there.
        trial_frames: Of each trial.
        size: Height and width of a picture in pixels.
    """

    seed: int = 0
    people: int = 48
    frames: int = 6
    plus_people: int = 3
    trials: int = 3
    trial_frames: int = 6
    size: int = 144


def write_disfa_miniature(renderer: Renderer, out: Path, plan: MiniaturePlan) -> None:
    """Write both data sets as their makers distribute them, in folders of their own.

    Args:
        renderer: Draws people.
        out: Takes `DISFA` and `DISFAPlus`.
        plan: How large they are.

    Raises:
        OutputError: If a file cannot be written.
    """
    for number in range(1, plan.people + 1):
        person = f"SN{_FIRST_PERSON + number}"
        seen = invented_person(person, plan.seed)
        _write_disfa_person(renderer, out / DISFA_FOLDER, person, seen, plan)
        if number <= plan.plus_people:
            for trial in range(plan.trials):
                _write_trial(renderer, out / DISFA_PLUS_FOLDER, person, seen, trial, plan)


def _write_disfa_person(
    renderer: Renderer, root: Path, person: str, seen: InventedPerson, plan: MiniaturePlan
) -> None:
    stream = random_stream(plan.seed, "disfa", person)
    rows = [_planted(stream, is_resting=frame == 0) for frame in range(plan.frames)]
    for unit in ACTION_UNITS:
        lines = [f"{frame},{row.get(unit, 0)}" for frame, row in enumerate(rows, start=1)]
        _write_text(root / "ActionUnit_Labels" / person / f"{person}_au{unit}.txt", lines)
    for frame, row in enumerate(rows, start=1):
        yaw = float(stream.normal(0, 2))
        for camera, turn in _CAMERAS.items():
            picture = _drawn(renderer, seen, row, turn + yaw, plan)
            path = root / f"Images_{camera}Camera" / person / f"{frame}.png"
            _write_picture(path, picture)


def _write_trial(
    renderer: Renderer,
    root: Path,
    person: str,
    seen: InventedPerson,
    number: int,
    plan: MiniaturePlan,
) -> None:
    """Let a person raise some units from rest to 5."""
    groups = (PLANTED_BROWS, *PLANTED_MOUTHS)
    group = groups[number % len(groups)]
    trial = f"A{number + 1}_AU{'_'.join(map(str, group))}_TrailNo_1"
    strengths = np.linspace(0, 5, plan.trial_frames).round().astype(int).tolist()
    stream = random_stream(plan.seed, "disfa+", person, trial)
    for unit in ACTION_UNITS:
        lines = [
            f"{frame:03d}.jpg     {strength if unit in group else 0}"
            for frame, strength in enumerate(strengths)
        ]
        _write_text(root / "Labels" / person / trial / f"AU{unit}.txt", [*_HEADER, *lines])
    for frame, strength in enumerate(strengths):
        row = dict.fromkeys(group, strength)
        picture = _drawn(renderer, seen, row, float(stream.normal(0, 2)), plan)
        _write_picture(root / "Images" / person / trial / f"{frame:03d}.jpg", picture)


def _planted(stream: np.random.Generator, *, is_resting: bool) -> dict[int, int]:
    """Draw intensities."""
    brows, mouth = stream.integers(1, 6, 2).tolist()
    is_raised, chosen = stream.random() < 0.5, int(stream.integers(len(PLANTED_MOUTHS) + 1))
    drawn = dict.fromkeys(PLANTED_BROWS, brows) if is_raised else {}
    if chosen < len(PLANTED_MOUTHS):
        drawn |= dict.fromkeys(PLANTED_MOUTHS[chosen], mouth)
    return {} if is_resting else drawn


def _drawn(
    renderer: Renderer, seen: InventedPerson, row: Intensities, yaw: float, plan: MiniaturePlan
) -> UInt8[np.ndarray, "size size 3"]:
    expression = plain_expression({unit: float(strength) for unit, strength in row.items()})
    framing = Framing(face_share=0.75, field_of_view=28.0)
    return renderer.picture(
        seen, expression, Pose(yaw=yaw), framing=framing, size=(plan.size, plan.size)
    )


def _write_picture(path: Path, picture: UInt8[np.ndarray, "size size 3"]) -> None:
    _, content = cv2.imencode(path.suffix, picture[..., ::-1])
    with replacing(path) as file:
        file.write(content.tobytes())


def _write_text(path: Path, lines: list[str]) -> None:
    with replacing(path) as file:
        file.write("\n".join(lines).encode() + b"\n")
