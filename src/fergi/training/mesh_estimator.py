"""Learning the mesh estimator from pictures of invented people."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from sklearn.decomposition import PCA
from torch import Tensor, nn

from fergi.errors import TrainingError
from fergi.progress import Progress, unreported
from fergi.seeds import random_stream
from fergi.stages.perception.estimators.mesh import (
    HIGHEST,
    MESH_NUMBERS,
    SHIFT,
    MeshWeights,
    features,
    sided_intensities,
    standardised,
)

HELD_OUT_EVERY = 5
_MOVED_DIRECTIONS, _NEUTRAL_DIRECTIONS = 100, 20
_HIDDEN, _NARROW, _DROPOUT = 192, 64, 0.3
_BATCH, _RATE, _DECAY, _JITTER = 256, 2e-3, 0.1, 0.1
_LEAST_PEOPLE = 10


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """How long is trained, and from which seed.

    Attributes:
        seed: Everything random is drawn from it.
        epochs: Passes over the pictures.
        networks: Networks whose mean is the estimate.
    """

    seed: int = 0
    epochs: int = 30
    networks: int = 4


@dataclass(frozen=True, slots=True, eq=False)
class PictureObservations:
    """What was seen in pictures of many people, and what was planted.

    Attributes:
        observations: What `face_observations` gives for each picture.
        truths: Planted units of the left, then of the right.
        people: Number of the person in each picture.
        cameras: Number of the way it was taken: pictures are compared with a neutral one that
            was taken in the same way.
        is_neutral: Whether the face rests.
        shots: What tells the pictures of one person apart; a turned head is another shot of
            the same expression.
        rigid: Where the rigid points lie in the mean face.
    """

    observations: Float[np.ndarray, "pictures observed"]
    truths: Float[np.ndarray, "pictures 2 units"]
    people: Int[np.ndarray, " pictures"]
    cameras: Int[np.ndarray, " pictures"]
    is_neutral: Bool[np.ndarray, " pictures"]
    shots: np.ndarray
    rigid: Float[np.ndarray, "rigid 3"]

    def chosen(self, is_chosen: Bool[np.ndarray, " pictures"]) -> "PictureObservations":
        """Keep some of the pictures."""
        names = ("observations", "truths", "people", "cameras", "is_neutral", "shots")
        return replace(self, **{name: getattr(self, name)[is_chosen] for name in names})

    def fingerprint(self) -> str:
        """Reduce what was seen to one SHA-256."""
        digest = hashlib.sha256()
        for part in (self.observations, self.truths, self.people, self.cameras):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def is_held_out(self) -> Bool[np.ndarray, " pictures"]:
        """Tell which pictures show people that the shipped estimator must not see."""
        return self.people % HELD_OUT_EVERY == 0


def trained_mesh_estimator(
    seen: PictureObservations, plan: TrainingPlan, progress: Progress = unreported
) -> MeshWeights:
    """Learn from pictures of invented people.

    A few small networks with bounded outputs; their loss is one minus the concordance of each
    unit and side with what was planted, which asks for the right spread as well as the right
    order. Each picture is compared once with the mean of the person's neutral pictures, and
    once with a single one of them.

    Args:
        seen: Of those people who may be learned from.
        plan: How long, and from which seed.
        progress: Told after each epoch.

    Raises:
        TrainingError: If there are fewer than 10 people.
    """
    if len(np.unique(seen.people)) < _LEAST_PEOPLE:
        raise TrainingError(
            f"there are {len(np.unique(seen.people))} people to learn from, and at least "
            f"{_LEAST_PEOPLE} are needed; draw more with: fergi au synthesize"
        )
    pictures, neutrals = _comparisons(seen, random_stream(plan.seed, "neutrals"))
    weights = _with_directions(seen, pictures, neutrals, plan.seed)
    described = features(seen.observations[pictures], neutrals, weights)
    spread = described.std(axis=0)
    weights = replace(
        weights,
        feature_mean=described.mean(axis=0),
        feature_scale=(1 / np.maximum(spread, 1e-3)).astype(np.float32),
    )
    # What ships is in half precision, so the networks learn on what it will give.
    weights = MeshWeights.from_tensors(weights.tensors())
    inputs = standardised(features(seen.observations[pictures], neutrals, weights), weights)
    wanted = seen.truths[pictures].reshape(len(pictures), -1)
    layers = []
    for number in range(plan.networks):
        done = number * plan.epochs
        layers.append(_network(inputs, wanted, plan, number, _later(progress, done, plan)))
    return replace(weights, layers=tuple(layers))


def estimated(
    seen: PictureObservations, weights: MeshWeights
) -> tuple[Float[np.ndarray, "rows 2 units"], Int[np.ndarray, " rows"]]:
    """Estimate every picture that has a neutral one to compare with.

    Returns:
        Both sides' units, and the number of the picture in each row.
    """
    neutral = _mean_neutrals(seen)
    pictures = np.flatnonzero(~np.isnan(neutral[:, 0]))
    return sided_intensities(seen.observations[pictures], neutral[pictures], weights), pictures


def _later(progress: Progress, done: int, plan: TrainingPlan) -> Progress:
    return lambda epochs, _: progress(done + epochs, plan.networks * plan.epochs)


def _comparisons(
    seen: PictureObservations, stream: np.random.Generator
) -> tuple[Int[np.ndarray, " rows"], Float[np.ndarray, "rows observed"]]:
    """Pair each picture with the person's mean neutral, and with a single neutral picture."""
    mean, single = _mean_neutrals(seen), _single_neutrals(seen, stream)
    usable = np.flatnonzero(~np.isnan(mean[:, 0]))
    return np.concatenate([usable, usable]), np.concatenate([mean[usable], single[usable]])


def _groups(seen: PictureObservations) -> list[Int[np.ndarray, " members"]]:
    """List the pictures of each person that were taken in the same way."""
    keys = seen.people * (seen.cameras.max() + 1) + seen.cameras
    order = np.argsort(keys, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)


def _mean_neutrals(seen: PictureObservations) -> Float[np.ndarray, "pictures observed"]:
    """Average the neutral pictures of each group; NaN where there are none."""
    neutral = np.full_like(seen.observations, np.nan)
    for group in _groups(seen):
        resting = group[seen.is_neutral[group]]
        if len(resting):
            neutral[group] = seen.observations[resting].mean(axis=0)
    return neutral


def _single_neutrals(
    seen: PictureObservations, stream: np.random.Generator
) -> Float[np.ndarray, "pictures observed"]:
    """Choose a neutral picture for each picture; NaN where there are none."""
    neutral = np.full_like(seen.observations, np.nan)
    for group in _groups(seen):
        resting = group[seen.is_neutral[group]]
        if len(resting):
            neutral[group] = seen.observations[stream.choice(resting, len(group))]
    return neutral


def _with_directions(
    seen: PictureObservations,
    pictures: Int[np.ndarray, " rows"],
    neutrals: Float[np.ndarray, "rows observed"],
    seed: int,
) -> MeshWeights:
    """Find the directions in which meshes vary: by expression, and between people."""
    moved = (seen.observations[pictures] - neutrals)[:, :MESH_NUMBERS]
    resting = seen.observations[seen.is_neutral][:, :MESH_NUMBERS]
    mean = resting.mean(axis=0)
    return MeshWeights(
        rigid=seen.rigid,
        moved=_principal_directions(moved, _MOVED_DIRECTIONS, seed),
        neutral_mean=mean,
        neutral=_principal_directions(resting - mean, _NEUTRAL_DIRECTIONS, seed),
        feature_mean=np.zeros(0, dtype=np.float32),
        feature_scale=np.zeros(0, dtype=np.float32),
        layers=(),
    )


def _principal_directions(
    rows: Float[np.ndarray, "rows mesh"], count: int, seed: int
) -> Float[np.ndarray, "mesh directions"]:
    count = min(count, *rows.shape)
    found = PCA(count, svd_solver="covariance_eigh", random_state=seed).fit(rows)
    return (found.components_.T / np.sqrt(found.explained_variance_)).astype(np.float32)


def _network(
    inputs: Float[np.ndarray, "rows features"],
    wanted: Float[np.ndarray, "rows outputs"],
    plan: TrainingPlan,
    number: int,
    progress: Progress,
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Train one network of the ensemble."""
    chance = torch.Generator().manual_seed(
        int(random_stream(plan.seed, "network", number).integers(2**62))
    )
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=chance)))
        network = _layers(inputs.shape[1], wanted.shape[1])
        given = torch.from_numpy(inputs.astype(np.float32))
        _fit(network, given, torch.from_numpy(wanted.astype(np.float32)), plan.epochs, progress)
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    return tuple(
        (layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy())
        for layer in linear
    )


def _layers(features_in: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(features_in, _HIDDEN),
        nn.SiLU(),
        nn.Dropout(_DROPOUT),
        nn.Linear(_HIDDEN, _NARROW),
        nn.SiLU(),
        nn.Linear(_NARROW, outputs),
    )


def _fit(
    network: nn.Sequential, inputs: Tensor, wanted: Tensor, epochs: int, progress: Progress
) -> None:
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    batches = -(-len(inputs) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=epochs * batches)
    network.train()
    for epoch in range(epochs):
        for rows in torch.randperm(len(inputs)).split(_BATCH):  # type: ignore[no-untyped-call]
            jittered = inputs[rows] + _JITTER * torch.randn(len(rows), inputs.shape[1])
            loss = _discordance(HIGHEST * torch.sigmoid(network(jittered) - SHIFT), wanted[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        progress(epoch + 1, epochs)


def _discordance(outputs: Tensor, wanted: Tensor) -> Tensor:
    """Average one minus Lin's concordance over the outputs."""
    apart = outputs.mean(dim=0) - wanted.mean(dim=0)
    outputs, wanted = outputs - outputs.mean(dim=0), wanted - wanted.mean(dim=0)
    spread = outputs.square().mean(dim=0) + wanted.square().mean(dim=0) + apart.square()
    return (1 - 2 * (outputs * wanted).mean(dim=0) / (spread + 1e-4)).mean()
