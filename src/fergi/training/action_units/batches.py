"""Which pictures make up each step, and how they are brought before they are needed."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from fergi.datasets.prepared_faces import PreparedFaces
from fergi.errors import TrainingError
from fergi.provenance import settings_hash
from fergi.seeds import random_stream
from fergi.training.action_units.augmentation import Views, random_views
from fergi.training.action_units.label_weights import MAX_INTENSITY
from fergi.training.action_units.recipe import Recipe

_AHEAD = 6
_THREADS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """The share of one step that one process evaluates.

    Attributes:
        pictures: RGB.
        labels: Intensities; NaN where a unit is not labelled.
        views: What is seen of each picture.
        neutrals: A neutral picture of the person in each picture, for calibrated networks.
        neutral_views: What is seen of those.
    """

    pictures: UInt8[Tensor, "pictures 112 112 3"]
    labels: Float[Tensor, "pictures units"]
    views: Views
    neutrals: UInt8[Tensor, "pictures 112 112 3"] | None
    neutral_views: Views


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a network learns from, in the order of the recipe.

    Attributes:
        faces: Pictures with labels.
        neutrals: Row of the neutral picture that belongs to each picture; None for networks
            that compare with none.
        recipe: Sizes, epochs and seed.
        start_sha256: Of the file of the initial weights, if they were not drawn.
    """

    faces: PreparedFaces
    neutrals: Int[np.ndarray, " pictures"] | None
    recipe: Recipe
    start_sha256: str | None = None

    def __post_init__(self) -> None:
        """Refuse too few pictures, and labels that are no intensities.

        Raises:
            TrainingError: If they do not fill one batch, or a label is not from 0 to 5.
        """
        if len(self.faces) < self.recipe.batch:
            raise TrainingError(
                f"there are {len(self.faces)} pictures to learn from, and a batch has "
                f"{self.recipe.batch}; give more pictures, or a smaller --batch"
            )
        labels = self.faces.labels
        odd = np.flatnonzero(((labels < 0) | (labels > MAX_INTENSITY)).any(axis=1))
        if len(odd):
            person, frame = self.faces.table.select("person", "frame").row(int(odd[0]))
            raise TrainingError(
                f"{len(odd)} of the pictures have a label that is no intensity from 0 to "
                f"{MAX_INTENSITY}, such as {person}, frame {frame}; mend the labels, and run "
                "fergi au prepare again"
            )

    @property
    def steps_in_epoch(self) -> int:
        """Full batches; what is left of the pictures waits for the next epoch's order."""
        return len(self.faces) // self.recipe.batch

    @property
    def steps(self) -> int:
        """All steps of a training."""
        return self.steps_in_epoch * self.recipe.epochs

    @property
    def identity(self) -> str:
        """SHA-256 of all that the trained weights depend on."""
        neutrals = None if self.neutrals is None else self.neutrals.tolist()
        return settings_hash(
            {
                "recipe": asdict(self.recipe) | {"forward_batch": self.recipe.part},
                "faces": self.faces.fingerprint,
                "people": self.faces.people,
                "pictures": len(self.faces),
                "neutrals": neutrals,
                "start": self.start_sha256,
            }
        )

    def order(self, epoch: int) -> Int[np.ndarray, " pictures"]:
        """Shuffle the rows for an epoch."""
        return random_stream(self.recipe.seed, "order", epoch).permutation(len(self.faces))


def batches(
    lesson: Lesson, first_step: int, rank: int, processes: int, *, is_pinned: bool = False
) -> Iterator[Batch]:
    """Bring the batches of a training, some steps ahead of their use.

    What is drawn depends on the seed and the step alone, so a training that is resumed, or
    shared by several processes, sees the same pictures.

    Args:
        lesson: What to learn from.
        first_step: Where to begin.
        rank: Which process this is, from 0.
        processes: How many share each batch.
        is_pinned: Whether to place them in memory that a GPU can fetch from by itself.
    """
    share = lesson.recipe.batch // processes
    mine = slice(rank * share, (rank + 1) * share)
    waiting: deque[Future[Batch]] = deque()
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="pictures") as threads:
        for step, rows in _rows_of_steps(lesson, first_step):
            waiting.append(threads.submit(_batch, lesson, step, rows[mine], mine, is_pinned))
            if len(waiting) >= _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _rows_of_steps(
    lesson: Lesson, first_step: int
) -> Iterator[tuple[int, Int[np.ndarray, " batch"]]]:
    size = lesson.recipe.batch
    for epoch in range(first_step // lesson.steps_in_epoch, lesson.recipe.epochs):
        order = lesson.order(epoch)
        for place in range(lesson.steps_in_epoch):
            step = epoch * lesson.steps_in_epoch + place
            if step >= first_step:
                yield step, order[place * size : (place + 1) * size]


def _batch(
    lesson: Lesson, step: int, rows: Int[np.ndarray, " mine"], mine: slice, is_pinned: bool
) -> Batch:
    stream = random_stream(lesson.recipe.seed, "views", step)
    views, neutral_views = (random_views(stream, lesson.recipe.batch) for _ in range(2))
    # A face is compared with its neutral as it is, not with the mirror image.
    neutral_views = Views(neutral_views.corners, neutral_views.sizes, views.is_mirrored)
    neutrals = None
    if lesson.neutrals is not None:
        neutrals = _placed(
            torch.from_numpy(lesson.faces.pictures(lesson.neutrals[rows])), is_pinned
        )
    labels = torch.tensor(lesson.faces.labels[rows], dtype=torch.float32)
    return Batch(
        pictures=_placed(torch.from_numpy(lesson.faces.pictures(rows)), is_pinned),
        labels=_placed(labels, is_pinned),
        views=views[mine],
        neutrals=neutrals,
        neutral_views=neutral_views[mine],
    )


def _placed(tensor: Tensor, is_pinned: bool) -> Tensor:
    return tensor.pin_memory() if is_pinned else tensor
