"""Expressions with planted action units, as people make them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from fergi.records.action_units import ACTION_UNITS

FULL_INTENSITY = 5.0
"""The FACS intensity of a shape at weight 1."""

UNIT_SHAPES: Mapping[int, tuple[str, ...]] = {
    1: ("browInnerUp_{}",),
    2: ("browOuterUp_{}",),
    4: ("browDown_{}",),
    5: ("eyeWide_{}",),
    6: ("cheekRaiser_{}", "cheekSquint_{}"),
    9: ("noseSneer_{}",),
    12: ("mouthSmile_{}",),
    15: ("mouthFrown_{}",),
    17: ("mouthShrugLower", "mouthShrugUpper"),
    20: ("mouthStretch_{}",),
    25: ("mouthLowerDown_{}", "mouthUpperUp_{}"),
    26: ("jawOpen",),
}
"""The shapes of each action unit; {} stands for the side, L or R."""

_UNSIDED = [ACTION_UNITS.index(unit) for unit in (17, 26)]

PROTOTYPES: Mapping[str, Mapping[int, float]] = {
    "smile": {6: 0.6, 12: 1.0},
    "grin": {6: 0.7, 12: 1.0, 25: 0.9},
    "laugh": {6: 0.9, 12: 1.0, 25: 0.9, 26: 0.6},
    "surprise": {1: 0.9, 2: 0.9, 5: 0.8, 25: 0.5, 26: 0.8},
    "raised brows": {1: 0.9, 2: 1.0},
    "worry": {1: 0.9, 4: 0.6, 15: 0.4},
    "sadness": {1: 0.8, 4: 0.5, 15: 0.8, 17: 0.7},
    "fear": {1: 0.8, 2: 0.6, 4: 0.6, 5: 0.9, 20: 0.8, 25: 0.7, 26: 0.4},
    "anger": {4: 1.0, 5: 0.6, 17: 0.5},
    "frown": {4: 1.0},
    "disgust": {4: 0.5, 9: 1.0, 17: 0.6, 25: 0.3},
    "sneer": {6: 0.3, 9: 1.0, 25: 0.5},
    "pout": {15: 0.7, 17: 1.0},
    "grimace": {4: 0.4, 6: 0.5, 20: 1.0, 25: 0.9},
    "doubt": {2: 0.7, 4: 0.4, 15: 0.6, 17: 0.8},
    "open mouth": {25: 0.8, 26: 1.0},
}
"""Action units that come together, each as a share of the expression's strength."""


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """What a face does, for each of its own sides.

    Attributes:
        left: Intensities of `ACTION_UNITS` on the left, 0 to 5.
        right: The same on the right; units 17 and 26 have one value for both sides.
        other: Shapes that belong to no unit here, such as a blink: name → weight.
        gaze: Where the eyes look against the head: left and up, in degrees.
    """

    left: Float[np.ndarray, "12"]
    right: Float[np.ndarray, "12"]
    other: Mapping[str, float] = field(default_factory=dict)
    gaze: tuple[float, float] = (0.0, 0.0)

    @property
    def intensities(self) -> Float[np.ndarray, "12"]:
        """The mean of both sides."""
        return (self.left + self.right) / 2

    def shape_weights(self) -> dict[str, float]:
        """Give the weight of each shape of the morphable face that is not at rest."""
        weights = dict(self.other)
        for side, intensities in (("L", self.left), ("R", self.right)):
            for unit, intensity in zip(ACTION_UNITS, intensities, strict=True):
                for shape in UNIT_SHAPES[unit]:
                    weights[shape.format(side)] = float(intensity) / FULL_INTENSITY
        return {name: weight for name, weight in weights.items() if weight}


def plain_expression(units: Mapping[int, float] | None = None) -> Expression:
    """Give an expression that is alike on both sides: unit → intensity, the rest at 0."""
    wanted = units or {}
    both = np.array([wanted.get(unit, 0.0) for unit in ACTION_UNITS], dtype=np.float64)
    return Expression(left=both, right=both)


def random_expression(stream: np.random.Generator) -> Expression:
    """Draw an expression.

    Half of them vary a known combination, two fifths mix a few units at random, a tenth move
    no unit; all may blink, look aside, or do something that no unit here names.
    """
    kind = stream.random()
    units = np.zeros(len(ACTION_UNITS))
    if kind < 0.5:
        units = _varied_prototype(stream)
    if kind < 0.9:
        units = np.maximum(units, _mixture(stream, 3 if kind < 0.5 else 5))
    left, right = _sides(units, stream)
    return Expression(left, right, _other_shapes(units, stream), _random_gaze(stream))


def random_neutral(stream: np.random.Generator) -> Expression:
    """Draw a face that rests: no unit, an ordinary gaze, lids perhaps a little down."""
    zeros = np.zeros(len(ACTION_UNITS))
    lids = max(0.0, stream.normal(0, 0.06))
    return Expression(zeros, zeros, {"eyeBlink_L": lids, "eyeBlink_R": lids}, _random_gaze(stream))


def _varied_prototype(stream: np.random.Generator) -> Float[np.ndarray, "12"]:
    shares = PROTOTYPES[str(stream.choice(list(PROTOTYPES)))]
    strength = stream.uniform(0.25, 1.1)
    units = np.array([shares.get(unit, 0.0) for unit in ACTION_UNITS])
    varied = units * strength * stream.uniform(0.6, 1.25, len(units)) * FULL_INTENSITY
    is_kept = stream.random(len(units)) < 0.9
    return np.clip(varied * is_kept, 0, FULL_INTENSITY)


def _mixture(stream: np.random.Generator, at_most: int) -> Float[np.ndarray, "12"]:
    count = int(stream.integers(at_most))
    chosen = stream.choice(len(ACTION_UNITS), count, replace=False)
    units = np.zeros(len(ACTION_UNITS))
    units[chosen] = stream.uniform(0.2, FULL_INTENSITY, count)
    return units


def _sides(
    units: Float[np.ndarray, "12"], stream: np.random.Generator
) -> tuple[Float[np.ndarray, "12"], Float[np.ndarray, "12"]]:
    """Make a face uneven: a little always, one-sided once in ten."""
    balance = np.clip(stream.normal(0, 0.12, len(units)), -0.4, 0.4)
    if stream.random() < 0.1:
        balance[:] = stream.choice([-1, 1]) * stream.uniform(0.4, 1.0)
    balance[_UNSIDED] = 0
    left = np.clip(units * np.minimum(1, 1 + balance), 0, FULL_INTENSITY)
    return left, np.clip(units * np.minimum(1, 1 - balance), 0, FULL_INTENSITY)


def _other_shapes(units: Float[np.ndarray, "12"], stream: np.random.Generator) -> dict[str, float]:
    """Draw what faces do besides: blinks, squints, and mouths that move for other reasons."""
    weights: dict[str, float] = {}
    if units[ACTION_UNITS.index(5)] < 0.5 and stream.random() < 0.3:
        lids = stream.choice([stream.uniform(0, 0.4), stream.uniform(0.4, 1.0)])
        weights |= {"eyeBlink_L": float(lids), "eyeBlink_R": float(lids)}
    for names, odds, most in _NUISANCES:
        if stream.random() < odds:
            weight = float(stream.uniform(0.05, most))
            weights |= dict.fromkeys(names, weight)
    return weights


_NUISANCES: tuple[tuple[tuple[str, ...], float, float], ...] = (
    (("eyeSquint_L", "eyeSquint_R"), 0.10, 0.6),
    (("mouthPucker",), 0.06, 0.7),
    (("mouthFunnel",), 0.04, 0.5),
    (("mouthPress_L", "mouthPress_R"), 0.07, 0.6),
    (("mouthRollLower", "mouthRollUpper"), 0.04, 0.5),
    (("mouthDimple_L", "mouthDimple_R"), 0.05, 0.5),
    (("cheekPuff_L", "cheekPuff_R"), 0.03, 0.6),
    (("jawLeft",), 0.03, 0.6),
    (("jawRight",), 0.03, 0.6),
    (("jawForward",), 0.03, 0.6),
    (("mouthLeft",), 0.03, 0.4),
    (("mouthRight",), 0.03, 0.4),
)
"""Shapes that move together, how often, and how far at most."""


def _random_gaze(stream: np.random.Generator) -> tuple[float, float]:
    left, up = stream.normal(0, [8, 5])
    return float(np.clip(left, -25, 25)), float(np.clip(up, -18, 14))
