"""The morphable face: a neutral shape, and the ways in which faces and expressions differ."""

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from fergi.datasets.ict_facekit import FILE_NAME
from fergi.errors import WeightsError
from fergi.weights.fetched import models_folder

MORPHABLE_FACE_VARIABLE = "FERGI_ICT_FACEKIT"
"""Environment variable that names another file with the morphable face."""

UNSEEN_MATERIALS = (
    "M_IrisLeft",
    "M_IrisRight",
    "M_LacrimalFluid",
    "M_EyeBlend",
    "M_EyeOcclusion",
)
"""Clear layers, and the irises behind them, which are painted on the front of the eyes instead."""

_ARRAYS = (
    "neutral",
    "identity",
    "expression",
    "triangles",
    "material",
    "landmarks68",
    "expression_names",
    "material_names",
)


@dataclass(frozen=True, slots=True, eq=False)
class MorphableFace:
    """A family of faces with one topology; x to the face's left, y up, z out of the face.

    Attributes:
        neutral: The mean face, in centimetres.
        identity: Offsets of the principal ways in which people differ, for weights of about
            N(0, 1).
        expression: Offsets of each expression at weight 1.
        expression_names: Name of an expression → its place in `expression`.
        triangles: Corners of what is seen, anticlockwise from outside.
        materials: Name of a material → the points that it covers.
        landmarks: The points of the 68 landmarks of Multi-PIE.
    """

    neutral: Float[np.ndarray, "points 3"]
    identity: Float[np.ndarray, "modes points 3"]
    expression: Float[np.ndarray, "shapes points 3"]
    expression_names: Mapping[str, int]
    triangles: Int[np.ndarray, "faces 3"]
    materials: Mapping[str, Int[np.ndarray, " covered"]]
    landmarks: Int[np.ndarray, "68"]

    def shape(self, weights: Float[np.ndarray, " modes"]) -> Float[np.ndarray, "points 3"]:
        """Build the neutral face of one person."""
        return self.neutral + np.tensordot(weights.astype(np.float32), self.identity, axes=1)

    def moved(
        self, shape: Float[np.ndarray, "points 3"], weights: Mapping[str, float]
    ) -> Float[np.ndarray, "points 3"]:
        """Give a face an expression.

        Args:
            shape: The person's neutral face.
            weights: Name of an expression → its weight, 0 to about 1.
        """
        points = shape.copy()
        for name, weight in weights.items():
            points += np.float32(weight) * self.expression[self.expression_names[name]]
        return points


def known_morphable_face() -> Path:
    """Name the file of the morphable face: `$FERGI_ICT_FACEKIT`, or else among the models."""
    named = os.environ.get(MORPHABLE_FACE_VARIABLE)
    return Path(named) if named else models_folder() / FILE_NAME


def morphable_face(path: Path) -> MorphableFace:
    """Read a morphable face, packed as `fergi fetch ict-facekit` leaves it.

    Raises:
        WeightsError: If the file is missing, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            parts = {name: arrays[name] for name in _ARRAYS}
    except OSError as error:
        raise WeightsError(
            f"{path}: the morphable face is not there; bring it with: fergi fetch ict-facekit"
        ) from error
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path}: is not a packed morphable face; bring it with: fergi fetch ict-facekit"
        ) from error
    return _face(parts)


def _face(parts: Mapping[str, np.ndarray]) -> MorphableFace:
    triangles = parts["triangles"].astype(np.int32)
    places = {str(name): place for place, name in enumerate(parts["material_names"])}
    unseen = [places[name] for name in UNSEEN_MATERIALS if name in places]
    return MorphableFace(
        neutral=parts["neutral"].astype(np.float32),
        identity=parts["identity"].astype(np.float32),
        expression=parts["expression"].astype(np.float32),
        expression_names={str(name): at for at, name in enumerate(parts["expression_names"])},
        triangles=triangles[~np.isin(parts["material"], unseen) & ~_lower_lashes(parts, triangles)],
        materials={
            name: np.unique(triangles[parts["material"] == place]) for name, place in places.items()
        },
        landmarks=parts["landmarks68"].astype(np.int64),
    )


def _lower_lashes(
    parts: Mapping[str, np.ndarray], triangles: Int[np.ndarray, "all 3"]
) -> Bool[np.ndarray, " all"]:
    """Find the lashes below the eyes: as opaque sheets they would look like a bruise."""
    is_lash = np.array([str(name) == "M_EyeLashes" for name in parts["material_names"]])
    heights = parts["neutral"][triangles, 1].mean(axis=1)
    middle = parts["neutral"][parts["landmarks68"][36:48], 1].mean()
    return is_lash[parts["material"]] & (heights < middle)
