"""The default estimator: mesh and blendshapes, relative to the person's neutral face → units.

Its weights were learned on invented faces, so anyone may use them for anything. What it gives
follows the units, and was not validated against FACS coders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from fergi.errors import WeightsError
from fergi.records.action_units import ACTION_UNITS
from fergi.records.face import BLENDSHAPES, MESH_POINTS, Face, VideoFrame
from fergi.stages.perception.estimators.protocol import Scale
from fergi.weights.store import ModelFile

RIGID_POINTS = (
    10, 67, 297, 109, 338, 54, 284, 21, 251, 127, 356, 162, 389, 168, 6, 197, 195, 33, 133, 362,
    263, 8,
)  # fmt: skip
"""Points of the mesh that expressions move least: forehead, temples, nose bridge, eye corners."""

MESH_NUMBERS = 3 * MESH_POINTS
_VIEW = ([0, 1, 2, 2, 0], [2, 2, 0, 1, 1])  # the entries of a rotation that change most
OBSERVED = MESH_NUMBERS + BLENDSHAPES + len(_VIEW[0])
"""Numbers kept of a face: its mesh in its own axes, its blendshapes, and how the head is held."""

HIGHEST = 5.0
_FEATURE_LIMIT = 4.0  # standard deviations in training; beyond, nothing is known
SHIFT = 2.0
"""Taken from outputs before they are squashed: untrained networks say 0.6, as most units rest."""

_UPRIGHT = np.array([1, -1, -1], dtype=np.float32)  # pixels go down, and z away from the camera


@dataclass(frozen=True, slots=True, eq=False)
class MeshWeights:
    """What the estimator has learned.

    Attributes:
        rigid: Where `RIGID_POINTS` lie in the mean face, x to its left, y up, z out of it; the
            outer eye corners are 1 apart.
        moved: Directions in which expressions move the mesh.
        neutral_mean: The mean neutral mesh.
        neutral: Directions in which neutral meshes differ.
        feature_mean: Of each feature, in training.
        feature_scale: One over its standard deviation.
        layers: Weights and biases of each layer, for each network of the ensemble.
    """

    rigid: Float[np.ndarray, "rigid 3"]
    moved: Float[np.ndarray, "mesh moved"]
    neutral_mean: Float[np.ndarray, " mesh"]
    neutral: Float[np.ndarray, "mesh neutral"]
    feature_mean: Float[np.ndarray, " features"]
    feature_scale: Float[np.ndarray, " features"]
    layers: tuple[tuple[tuple[np.ndarray, np.ndarray], ...], ...]

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray]) -> "MeshWeights":
        """Read what `tensors` gave.

        Raises:
            WeightsError: If these are the weights of something else.
        """
        # Double precision, as in the browser, so that both give the same units.
        arrays = {name: tensor.astype(np.float64) for name, tensor in tensors.items()}
        try:
            networks = range(len([name for name in arrays if name.endswith("layer_0.weight")]))
            return cls(
                **{name: arrays[name] for name in _PLAIN_TENSORS},
                layers=tuple(
                    tuple(_layer(arrays, network, depth) for depth in range(_DEPTH))
                    for network in networks
                ),
            )
        except (KeyError, TypeError) as error:
            raise WeightsError(
                f"these are not the weights of the mesh estimator ({error} is missing); "
                "learn some with: fergi au train --estimator mesh"
            ) from error

    def tensors(self) -> dict[str, np.ndarray]:
        """Give all weights by name, in half precision, which is exact enough for pixels."""
        arrays = {name: getattr(self, name) for name in _PLAIN_TENSORS}
        for network, layers in enumerate(self.layers):
            for depth, (weight, bias) in enumerate(layers):
                arrays[f"network_{network}.layer_{depth}.weight"] = weight
                arrays[f"network_{network}.layer_{depth}.bias"] = bias
        return {
            name: array.astype(np.float32 if name.startswith("feature") else np.float16)
            for name, array in arrays.items()
        }


_PLAIN_TENSORS = (
    "rigid",
    "moved",
    "neutral_mean",
    "neutral",
    "feature_mean",
    "feature_scale",
)
_DEPTH = 3


def _layer(
    arrays: Mapping[str, np.ndarray], network: int, depth: int
) -> tuple[np.ndarray, np.ndarray]:
    name = f"network_{network}.layer_{depth}"
    return arrays[f"{name}.weight"], arrays[f"{name}.bias"]


class MeshEstimator:
    """Estimates twelve action units from the mesh and the blendshapes."""

    name = "mesh"
    scale = Scale.PROXY
    licence = "MIT"
    observed = OBSERVED
    needs_neutral = True

    def __init__(self, model: ModelFile) -> None:
        """Take the weights of a model file.

        Raises:
            WeightsError: If these are the weights of something else.
        """
        self._weights = MeshWeights.from_tensors(model.tensors)
        self.sha256 = model.sha256

    def observations(
        self,
        frames: Sequence[VideoFrame],  # noqa: ARG002 (the mesh says all that is used here)
        faces: Sequence[Face],
    ) -> Float[np.ndarray, "faces observed"]:
        """Turn each face into its own axes; see `ActionUnitEstimator.observations`."""
        return face_observations(faces, self._weights.rigid)

    def intensities(
        self,
        observations: Float[np.ndarray, "faces observed"],
        neutral: Float[np.ndarray, " observed"] | None,
    ) -> Float[np.ndarray, "faces units"]:
        """Estimate units, 0 to 5, the mean of both sides; see `ActionUnitEstimator.intensities`.

        Raises:
            ValueError: If there is no neutral face.
        """
        if neutral is None:
            raise ValueError("the mesh estimator compares with a neutral face; give one")
        sides = sided_intensities(observations, neutral[None], self._weights)
        return (sides[:, 0] + sides[:, 1]) / 2


def face_observations(
    faces: Sequence[Face], rigid: Float[np.ndarray, "rigid 3"]
) -> Float[np.ndarray, "faces observed"]:
    """Keep of each face what the estimator needs, without size, place and pose of the head."""
    return mesh_observations(
        np.stack([face.mesh for face in faces]),
        np.stack([face.blendshapes for face in faces]),
        np.stack([face.rotation for face in faces]),
        rigid,
    )


def mesh_observations(
    meshes: Float[np.ndarray, "faces 478 3"],
    blendshapes: Float[np.ndarray, "faces 52"],
    rotations: Float[np.ndarray, "faces 3 3"],
    rigid: Float[np.ndarray, "rigid 3"],
) -> Float[np.ndarray, "faces observed"]:
    """Put the parts of many faces into the rows that `features` understands."""
    meshes = aligned_meshes(upright(meshes), rigid).reshape(len(meshes), -1)
    views = rotations[:, _VIEW[0], _VIEW[1]]
    return np.concatenate([meshes, blendshapes, views], axis=1).astype(np.float32)


def upright(meshes: Float[np.ndarray, "faces 478 3"]) -> Float[np.ndarray, "faces 478 3"]:
    """Turn meshes from pixels, which go down and away from the camera, to y up and z forward."""
    return meshes.astype(np.float64) * _UPRIGHT


def aligned_meshes(
    meshes: Float[np.ndarray, "faces 478 3"], rigid: Float[np.ndarray, "rigid 3"]
) -> Float[np.ndarray, "faces 478 3"]:
    """Turn, scale and shift each mesh so that its rigid points fit the given ones best.

    Source:
        Umeyama (1991), IEEE PAMI 13(4): least squares between two sets of points.
    """
    points = meshes[:, RIGID_POINTS]
    centres, centre = points.mean(axis=1, keepdims=True), rigid.mean(axis=0)
    points = points - centres
    left, sizes, right = np.linalg.svd(np.einsum("fpi,pj->fij", points, rigid - centre))
    signs = np.ones_like(sizes)
    signs[:, 2] = np.sign(np.linalg.det(left @ right))
    rotations = (left * signs[:, None]) @ right
    scales = (sizes * signs).sum(axis=1) / np.square(points).sum(axis=(1, 2))
    return scales[:, None, None] * ((meshes - centres) @ rotations) + centre


def features(
    observations: Float[np.ndarray, "faces observed"],
    neutrals: Float[np.ndarray, "#faces observed"],
    weights: MeshWeights,
) -> Float[np.ndarray, "faces features"]:
    """Describe each face by how it differs from neutral, what its neutral is, and the pose.

    Args:
        observations: What `face_observations` gives.
        neutrals: Of the same person's neutral face; one row for all, or one for each.
        weights: Only the directions are used.
    """
    blend = slice(MESH_NUMBERS, MESH_NUMBERS + BLENDSHAPES)
    moved = observations - neutrals
    own = np.concatenate(
        [
            (neutrals[:, :MESH_NUMBERS] - weights.neutral_mean) @ weights.neutral,
            neutrals[:, MESH_NUMBERS:],
        ],
        axis=1,
    )
    parts = [
        moved[:, :MESH_NUMBERS] @ weights.moved,
        moved[:, blend],
        observations[:, blend.stop :],
        np.broadcast_to(own, (len(observations), own.shape[1])),
    ]
    return np.concatenate(parts, axis=1)


def standardised(
    described: Float[np.ndarray, "faces features"], weights: MeshWeights
) -> Float[np.ndarray, "faces features"]:
    """Put features on the scale of the training, and never far outside what was seen there."""
    scaled = (described - weights.feature_mean) * weights.feature_scale
    return np.clip(scaled, -_FEATURE_LIMIT, _FEATURE_LIMIT)


def sided_intensities(
    observations: Float[np.ndarray, "faces observed"],
    neutrals: Float[np.ndarray, "#faces observed"],
    weights: MeshWeights,
) -> Float[np.ndarray, "faces 2 units"]:
    """Estimate units on the face's own left and right, 0 to 5 whatever the input."""
    described = standardised(features(observations, neutrals, weights), weights)
    outputs = np.mean([_squashed(described, layers) for layers in weights.layers], axis=0)
    return outputs.reshape(len(observations), 2, len(ACTION_UNITS)).astype(np.float64)


def _squashed(
    values: Float[np.ndarray, "faces features"],
    layers: Sequence[tuple[np.ndarray, np.ndarray]],
) -> Float[np.ndarray, "faces outputs"]:
    for weight, bias in layers[:-1]:
        values = values @ weight + bias
        values = values * _sigmoid(values)
    weight, bias = layers[-1]
    return HIGHEST * _sigmoid(values @ weight + bias - SHIFT)


def _sigmoid(values: Float[np.ndarray, "faces units"]) -> Float[np.ndarray, "faces units"]:
    return 1 / (1 + np.exp(-np.clip(values, -60, 60)))
