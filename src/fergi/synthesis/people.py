"""Invented people: the shape of a face, its colours, hair, beard and glasses."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from fergi.seeds import random_stream

IDENTITY_MODES = 100

_RESTING_SHAPES = (
    "browDown", "browInnerUp", "browOuterUp", "eyeSquint", "eyeWide", "mouthFrown",
    "mouthSmile", "mouthPress", "mouthStretch", "mouthDimple", "cheekSquint",
)  # fmt: skip

_SKIN_LIGHT, _SKIN_DARK = np.array([0.80, 0.56, 0.45]), np.array([0.16, 0.085, 0.055])
_HAIR = np.array(
    [[0.02, 0.015, 0.01], [0.06, 0.035, 0.02], [0.15, 0.08, 0.04], [0.45, 0.32, 0.16],
     [0.30, 0.10, 0.04], [0.45, 0.44, 0.43]]
)  # fmt: skip
_IRISES = np.array(
    [[0.08, 0.04, 0.02], [0.16, 0.08, 0.03], [0.20, 0.22, 0.10], [0.12, 0.25, 0.38],
     [0.25, 0.30, 0.32]]
)  # fmt: skip

Colour = Float[np.ndarray, "3"]


@dataclass(frozen=True, slots=True, eq=False)
class Appearance:
    """How a face is coloured; colours are linear RGB, 0 to 1.

    Attributes:
        skin: Mean colour of the skin.
        mottling: How uneven the skin is, 0 to 1.
        redness: How red cheeks, nose and lips are, 0 to 1.
        hair: Colour of hair, brows and beard.
        hairline: Height of the hair over the middle of the forehead, centimetres in the model.
        hair_depth: How far the hair stands off the head, centimetres.
        brow_width: Half the height of a brow, centimetres.
        brow_density: 0 to 1.
        beard_density: 0 (shaven) to 1.
        iris: Colour of the eyes.
        lashes: How dark the lashes are, 0 to 1.
        glasses: Half the width of a lens in centimetres, or None without glasses.
        clothes: Colour of what is worn.
    """

    skin: Colour
    mottling: float
    redness: float
    hair: Colour
    hairline: float
    hair_depth: float
    brow_width: float
    brow_density: float
    beard_density: float
    iris: Colour
    lashes: float
    glasses: float | None
    clothes: Colour


@dataclass(frozen=True, slots=True, eq=False)
class InventedPerson:
    """Someone who does not exist.

    Attributes:
        name: Everything else was drawn from it.
        identity: Weights of the morphable face's ways to differ.
        resting: Shapes that this face shows when it does nothing, by name.
        appearance: Its colours.
    """

    name: str
    identity: Float[np.ndarray, " modes"]
    resting: Mapping[str, float]
    appearance: Appearance


def invented_person(name: str, seed: int = 0) -> InventedPerson:
    """Draw a person; the same name and seed always give the same one."""
    stream = random_stream(seed, "person", name)
    return InventedPerson(
        name=name,
        identity=stream.normal(size=IDENTITY_MODES),
        resting=_resting(stream),
        appearance=_appearance(stream),
    )


def _resting(stream: np.random.Generator) -> dict[str, float]:
    """Draw the habitual set of a face: nobody's muscles are all at zero."""
    weights = {}
    for name in _RESTING_SHAPES:
        both = max(0.0, stream.normal(0, 0.08))
        for side in "LR":
            weights[f"{name}_{side}"] = float(np.clip(both + stream.normal(0, 0.015), 0, 0.25))
    return weights


def _appearance(stream: np.random.Generator) -> Appearance:
    darkness = stream.beta(1.2, 1.6)
    skin = _SKIN_LIGHT ** (1 - darkness) * _SKIN_DARK**darkness
    has_beard = stream.random() < 0.2
    has_glasses = stream.random() < 0.2
    hair = _HAIR[stream.choice(len(_HAIR), p=_hair_odds(darkness))]
    return Appearance(
        skin=skin * stream.uniform(0.93, 1.07, 3),
        mottling=stream.uniform(0.02, 0.12),
        redness=stream.uniform(0.1, 0.8),
        hair=hair * stream.uniform(0.7, 1.3),
        hairline=stream.uniform(8.0, 11.5),
        hair_depth=stream.uniform(0.0, 1.8),
        brow_width=stream.uniform(0.2, 0.42),
        brow_density=stream.uniform(0.5, 0.98),
        beard_density=stream.uniform(0.15, 0.9) if has_beard else 0.0,
        iris=_IRISES[stream.choice(len(_IRISES))] * stream.uniform(0.8, 1.2),
        lashes=stream.uniform(0.3, 1.0),
        glasses=stream.uniform(1.9, 2.7) if has_glasses else None,
        clothes=stream.uniform(0.02, 0.7, 3),
    )


def _hair_odds(darkness: float) -> Float[np.ndarray, " hairs"]:
    """Make fair hair rarer where the skin is darker."""
    fair = 1 - darkness
    odds = np.array([0.5 + darkness, 0.5, 0.6 * fair, 0.5 * fair, 0.2 * fair, 0.25])
    return odds / odds.sum()
