"""The paper's preprocessing of every picture of a data set, into a store of prepared faces."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fergi.datasets.face_shards import FACE_SIZE
from fergi.datasets.prepared_faces import FaceStore
from fergi.errors import OutputError
from fergi.execution.choice import Workplace, executor
from fergi.execution.protocol import Failure, Hear, Perform, Tell
from fergi.progress import Progress, unreported
from fergi.records.labelled_faces import FaceSequence, Oddity, OddityKind
from fergi.stages.perception.faces import FaceLandmarker
from fergi.training.action_units.sequence_preparation import (
    PreparedSequence,
    PrepareSequence,
    prepared_sequence,
)

_STEPS = 1
"""Counts changes of the steps below that change pictures."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What came of a whole data set.

    Attributes:
        pictures: How many pictures the store holds.
        new: How many of them were not there before.
        oddities: All that was odd; also sequences that could not be prepared at all.
    """

    pictures: int
    new: int
    oddities: tuple[Oddity, ...]


def prepare_faces(
    sequences: Sequence[FaceSequence],
    oddities: Sequence[Oddity],
    out: Path,
    face_model: bytes,
    *,
    workers: int | None = 1,
    progress: Progress = unreported,
) -> Preparation:
    """Prepare every picture of a data set; what is there already is kept.

    Stopped at any moment, a second run does the rest. A picture without a face is left out,
    and counted.

    Args:
        sequences: What to prepare.
        oddities: What was odd about the data when they were read.
        out: The folder of the store.
        face_model: The bytes of `face_landmarker.task`.
        workers: How many processes; None for one on each processor.
        progress: Told after each part of a sequence, in pictures.

    Raises:
        UsageError: If `out` holds faces that were prepared in another way, or of other data sets.
        WeightsError: If `face_model` is no such file.
        DatasetError: If no picture shows a face.
        OutputError: If the disk refuses.
    """
    store = FaceStore(out)
    store.require_datasets({sequence.dataset for sequence in sequences})
    recipe = store.begin(preparation_recipe(face_model))
    tasks = [PrepareSequence(sequence, store, recipe) for sequence in sequences]
    hear = _counted(sum(len(sequence.frames) for sequence in sequences), progress)
    with executor(partial(_preparer, face_model), Workplace(workers)) as workplace:
        outcomes = [_unless_refused(found) for found in workplace.outcomes(tasks, hear)]
    results = [
        (sequence, found)
        for sequence, found in zip(sequences, outcomes, strict=True)
        if isinstance(found, PreparedSequence)
    ]
    all_oddities = (
        *oddities,
        *(odd for found in outcomes for odd in _oddities(found)),
        *store.unused_shards(sequences),
    )
    store.finish(
        [(sequence, shard) for sequence, found in results for shard in found.shards], all_oddities
    )
    return Preparation(
        pictures=sum(found.pictures for _, found in results),
        new=sum(found.new for _, found in results),
        oddities=all_oddities,
    )


def _unless_refused(
    found: PreparedSequence | Failure | OutputError,
) -> PreparedSequence | Failure:
    """Give what came of a sequence, unless the disk refused it, as it would refuse the others."""
    if isinstance(found, OutputError):
        raise found
    return found


def _oddities(found: PreparedSequence | Failure) -> tuple[Oddity, ...]:
    if isinstance(found, Failure):
        return (Oddity(OddityKind.NOT_PREPARED, found.name, 1, found.reason),)
    return found.oddities


def preparation_recipe(face_model: bytes) -> dict[str, Any]:
    """Say how pictures are prepared: all that their pixels depend on."""
    return {
        "steps": ["detect", "crop", "align", "equalise", "pad"],
        "steps_version": _STEPS,
        "face_model_sha256": hashlib.sha256(face_model).hexdigest(),
        "landmarks": "68 of the face mesh",
        "size": FACE_SIZE,
    }


def _counted(total: int, progress: Progress) -> Hear:
    """Add up what the tasks tell, in pictures."""
    done = 0

    def hear(_task: Any, news: Any) -> None:
        nonlocal done
        if isinstance(news, int):
            done += news
            progress(done, total)

    progress(0, total)
    return hear


def _preparer(face_model: bytes) -> Perform:
    """Load the face networks, once in each worker."""
    landmarker = FaceLandmarker(face_model)

    def perform(task: PrepareSequence, tell: Tell) -> PreparedSequence | OutputError:
        try:
            return prepared_sequence(task, landmarker, tell)
        except OutputError as error:
            return error  # raised, it would count as a failure of this task alone

    return perform
