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
    OBSERVED,
    SHIFT,
    MeshWeights,
    features,
    sided_intensities,
    standardised,
)

HELD_OUT_EVERY = 5
TURNED = "-turned"
"""Ends the name of a shot whose head is turned."""

_MOVED_DIRECTIONS, _NEUTRAL_DIRECTIONS = 100, 20
_HIDDEN, _NARROW, _DROPOUT = 320, 96, 0.5
_BATCH, _RATE, _DECAY, _JITTER = 256, 2e-3, 0.1, 0.1
_STRANGERS = 0.5  # share of the rows whose own neutral face the networks are not told
_STEADINESS = 0.3  # weight of the agreement of both turns beside that with the truth
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
    epochs: int = 20
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

    def chosen(
        self, pictures: Bool[np.ndarray, " pictures"] | Int[np.ndarray, " chosen"]
    ) -> "PictureObservations":
        """Keep some of the pictures."""
        names = ("observations", "truths", "people", "cameras", "is_neutral", "shots")
        return replace(self, **{name: getattr(self, name)[pictures] for name in names})

    def fingerprint(self) -> str:
        """Reduce what was seen to one SHA-256."""
        digest = hashlib.sha256()
        for part in (self.observations, self.truths, self.people, self.cameras):
            digest.update(np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def other_turns(self) -> Int[np.ndarray, " pictures"]:
        """Find for each picture the one with the head turned, or back; itself where none is."""
        keys = [*zip(self.people, self.cameras, self.shots.tolist(), strict=True)]
        rows = {key: row for row, key in enumerate(keys)}
        others = ((person, camera, _other_turn(shot)) for person, camera, shot in keys)
        return np.array([rows.get(other, row) for row, other in enumerate(others)])

    def is_held_out(self) -> Bool[np.ndarray, " pictures"]:
        """Tell which pictures show people that the shipped estimator must not see."""
        return self.people % HELD_OUT_EVERY == 0


def _other_turn(shot: str) -> str:
    return shot.removesuffix(TURNED) if shot.endswith(TURNED) else f"{shot}{TURNED}"


@dataclass(frozen=True, slots=True, eq=False)
class _Lessons:
    """What the networks are shown, row by row.

    Attributes:
        inputs: Standardised features.
        wanted: Planted units of the left, then of the right.
        other_turns: The row with the same expression and the head turned.
        own: How many of the features, the last ones, describe the neutral face alone.
    """

    inputs: Float[Tensor, "rows features"]
    wanted: Float[Tensor, "rows outputs"]
    other_turns: Int[Tensor, " rows"]
    own: int


def trained_mesh_estimator(
    seen: PictureObservations, plan: TrainingPlan, progress: Progress = unreported
) -> MeshWeights:
    """Learn from pictures of invented people.

    A few small networks with bounded outputs; their loss is one minus the concordance of each
    unit and side with what was planted, which asks for the right spread as well as the right
    order, and in part one minus the concordance of an expression with itself after a turn of
    the head. Each picture is compared once with the mean of the person's neutral pictures, and
    once with a single one of them. What the neutral face itself looks like is kept from the
    networks half of the time, so that they know people by it less.

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
    lessons = _lessons(seen, pictures, neutrals, weights)
    layers = []
    for number in range(plan.networks):
        done = number * plan.epochs
        layers.append(_network(lessons, plan, number, _later(progress, done, plan)))
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


def _lessons(
    seen: PictureObservations,
    pictures: Int[np.ndarray, " rows"],
    neutrals: Float[np.ndarray, "rows observed"],
    weights: MeshWeights,
) -> _Lessons:
    described = features(seen.observations[pictures], neutrals, weights)
    half = len(pictures) // 2
    others = seen.chosen(pictures[:half]).other_turns()
    return _Lessons(
        inputs=torch.from_numpy(standardised(described, weights).astype(np.float32)),
        wanted=torch.from_numpy(
            seen.truths[pictures].reshape(len(pictures), -1).astype(np.float32)
        ),
        other_turns=torch.from_numpy(np.concatenate([others, half + others])),
        own=weights.neutral.shape[1] + OBSERVED - MESH_NUMBERS,
    )


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
    lessons: _Lessons, plan: TrainingPlan, number: int, progress: Progress
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Train one network of the ensemble."""
    chance = torch.Generator().manual_seed(
        int(random_stream(plan.seed, "network", number).integers(2**62))
    )
    with torch.random.fork_rng():
        torch.manual_seed(int(torch.randint(2**31, (1,), generator=chance)))
        network = _layers(lessons.inputs.shape[1], lessons.wanted.shape[1])
        _fit(network, lessons, plan.epochs, progress)
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


def _fit(network: nn.Sequential, lessons: _Lessons, epochs: int, progress: Progress) -> None:
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    batches = -(-len(lessons.inputs) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=epochs * batches)
    network.train()
    for epoch in range(epochs):
        for rows in torch.randperm(len(lessons.inputs)).split(_BATCH):  # type: ignore[no-untyped-call]
            loss = _loss(network, lessons, rows)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        progress(epoch + 1, epochs)


def _loss(network: nn.Sequential, lessons: _Lessons, rows: Int[Tensor, " rows"]) -> Tensor:
    """Compare rows and their other turns with the truth, and with each other."""
    both = torch.cat([rows, lessons.other_turns[rows]])
    inputs = lessons.inputs[both]
    inputs[:, -lessons.own :] *= (torch.rand(len(rows), 1) >= _STRANGERS).repeat(2, 1)
    outputs = network(inputs + _JITTER * torch.randn(inputs.shape))
    units = HIGHEST * torch.sigmoid(outputs - SHIFT)
    one, other = units.chunk(2)
    return _discordance(units, lessons.wanted[both]) + _STEADINESS * _discordance(one, other)


def _discordance(outputs: Tensor, wanted: Tensor) -> Tensor:
    """Average one minus Lin's concordance over the outputs."""
    apart = outputs.mean(dim=0) - wanted.mean(dim=0)
    outputs, wanted = outputs - outputs.mean(dim=0), wanted - wanted.mean(dim=0)
    spread = outputs.square().mean(dim=0) + wanted.square().mean(dim=0) + apart.square()
    return (1 - 2 * (outputs * wanted).mean(dim=0) / (spread + 1e-4)).mean()
