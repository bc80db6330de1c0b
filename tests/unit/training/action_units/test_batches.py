import numpy as np
import torch

from fergi.datasets.disfa_protocol import neutral_rows
from fergi.datasets.prepared_faces import PreparedFaces
from fergi.training.action_units.batches import Batch, Lesson, batches
from fergi.training.action_units.recipe import Recipe

RECIPE = Recipe(depth=18, width=2, epochs=3, batch=5)


def _brought(
    faces: PreparedFaces, first_step: int = 0, rank: int = 0, size: int = 1
) -> list[Batch]:
    lesson = Lesson(faces, neutral_rows(faces), RECIPE)
    return list(batches(lesson, first_step, rank, size))


def test_an_epoch_shows_no_picture_twice(faces: PreparedFaces) -> None:
    brought = _brought(faces)
    assert len(brought) == 3 * (24 // 5)
    for epoch in range(3):
        shown = torch.cat([one.pictures for one in brought[4 * epoch : 4 * epoch + 4]])
        assert len(np.unique(shown.numpy().reshape(20, -1), axis=0)) == 20


def test_epochs_have_other_orders(faces: PreparedFaces) -> None:
    lesson = Lesson(faces, None, RECIPE)
    assert not np.array_equal(lesson.order(0), lesson.order(1))
    assert set(lesson.order(0)) == set(range(24))


def test_pictures_come_with_their_own_labels_and_neutrals(faces: PreparedFaces) -> None:
    known = faces.pictures(np.arange(24))
    for batch in _brought(faces):
        assert batch.neutrals is not None
        for picture, labels, neutral in zip(
            batch.pictures, batch.labels, batch.neutrals, strict=True
        ):
            (row,) = np.flatnonzero((known == picture.numpy()).all(axis=(1, 2, 3)))
            np.testing.assert_array_equal(labels, faces.labels[row])
            # The first of a person's eight pictures rests.
            np.testing.assert_array_equal(neutral, known[row // 8 * 8])


def test_a_neutral_picture_is_mirrored_with_its_picture(faces: PreparedFaces) -> None:
    for batch in _brought(faces):
        np.testing.assert_array_equal(batch.views.is_mirrored, batch.neutral_views.is_mirrored)


def test_what_is_brought_from_a_later_step_on_is_the_same(faces: PreparedFaces) -> None:
    whole, rest = _brought(faces), _brought(faces, first_step=6)
    assert len(rest) == len(whole) - 6
    for first, second in zip(whole[6:], rest, strict=True):
        assert torch.equal(first.pictures, second.pictures)
        np.testing.assert_array_equal(first.views.corners, second.views.corners)


def test_shares_of_processes_make_up_the_batch(faces: PreparedFaces) -> None:
    shares = [_brought(faces, rank=rank, size=5) for rank in range(5)]
    for number, batch in enumerate(_brought(faces)):
        together = torch.cat([share[number].pictures for share in shares])
        assert torch.equal(together, batch.pictures)
        np.testing.assert_array_equal(
            np.concatenate([share[number].views.sizes for share in shares]), batch.views.sizes
        )
