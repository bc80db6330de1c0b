"""Learning the mesh estimator from made-up meshes in which units were planted."""

import numpy as np
import pytest

from fergi.errors import TrainingError
from fergi.evaluation.planted_units import planted_judgement
from fergi.records.action_units import ACTION_UNITS, UNIT_NAMES
from fergi.stages.perception.estimators.mesh import OBSERVED, RIGID_POINTS
from fergi.training.mesh_estimator import (
    PictureObservations,
    TrainingPlan,
    estimated,
    trained_mesh_estimator,
)

PLAN = TrainingPlan(epochs=50, networks=1)


def _pictures(people: int = 40, expressions: int = 12, seed: int = 0) -> PictureObservations:
    """People whose meshes move along one direction for each unit and side, from their neutral."""
    stream = np.random.default_rng(seed)
    directions = np.random.default_rng(99).normal(size=(24, OBSERVED))
    rows, truths, owners, resting, shots = [], [], [], [], []
    for person in range(people):
        neutral = stream.normal(size=OBSERVED)
        for number in range(expressions):
            planted = stream.uniform(0, 5, 24) * (stream.random(24) < 0.4) * (number > 1)
            for turned in ("", "-turned"):
                noise = stream.normal(size=OBSERVED) * 0.3
                rows.append(neutral + 0.1 * planted @ directions + noise)
                truths.append(planted.reshape(2, 12))
                owners.append(person)
                resting.append(number < 2)
                shots.append(f"expression-{number}{turned}")
    count = len(rows)
    return PictureObservations(
        observations=np.array(rows, dtype=np.float32),
        truths=np.array(truths),
        people=np.array(owners),
        cameras=np.tile([0, 0, 1, 1], count // 4),
        is_neutral=np.array(resting),
        shots=np.array(shots),
        rigid=np.zeros((len(RIGID_POINTS), 3), dtype=np.float32),
    )


@pytest.fixture(scope="module")
def seen() -> PictureObservations:
    return _pictures()


def test_planted_units_are_found_in_people_who_were_not_seen(seen: PictureObservations) -> None:
    is_held_out = seen.is_held_out()
    weights = trained_mesh_estimator(seen.chosen(~is_held_out), PLAN)
    found = planted_judgement(seen.chosen(is_held_out), weights)
    assert found.units["unit"].to_list() == list(UNIT_NAMES)
    # An estimator that had learned nothing would reach 0; this one is trained briefly, on few.
    assert found.units["icc"].mean() > 0.55
    assert found.people == 8
    # What is asked of a unit shows in that unit more than in any other.
    responses = found.responses.drop("estimated").to_numpy()
    assert (responses.argmax(axis=0) == np.arange(len(ACTION_UNITS))).all()
    assert found.units["turned"].max() < 1
    # Where one in ten changes by more than 0.5, nine in ten do not stay below it.
    is_often = found.units["turned_share"] > 0.1
    assert (is_often == (found.units["turned_p90"] > 0.5)).all()


def test_the_same_seed_gives_the_same_weights(seen: PictureObservations) -> None:
    few = seen.chosen(seen.people < 10)
    plan = TrainingPlan(seed=3, epochs=1, networks=2)
    first, second = (trained_mesh_estimator(few, plan) for _ in range(2))
    assert all(
        (one == other).all()
        for one, other in zip(first.tensors().values(), second.tensors().values(), strict=True)
    )
    assert (first.layers[0][0][0] != first.layers[1][0][0]).any()


def test_training_leaves_other_random_numbers_alone(seen: PictureObservations) -> None:
    import torch

    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    trained_mesh_estimator(seen.chosen(seen.people < 10), TrainingPlan(epochs=1, networks=1))
    assert (torch.rand(3) == expected).all()


def test_every_fifth_person_is_held_out(seen: PictureObservations) -> None:
    assert set(seen.people[seen.is_held_out()]) == set(range(0, 40, 5))


def test_too_few_people_are_refused(seen: PictureObservations) -> None:
    with pytest.raises(TrainingError, match="at least 10"):
        trained_mesh_estimator(seen.chosen(seen.people < 5), PLAN)


def test_pictures_without_a_neutral_one_are_left_out(seen: PictureObservations) -> None:
    is_kept = ~(seen.is_neutral & (seen.people == 0))
    kept = seen.chosen(is_kept)
    weights = trained_mesh_estimator(kept, TrainingPlan(epochs=1, networks=1))
    _, pictures = estimated(kept, weights)
    assert 0 not in kept.people[pictures]


def test_a_picture_finds_the_one_with_the_head_turned(seen: PictureObservations) -> None:
    assert (seen.other_turns() == np.arange(len(seen.people)) ^ 1).all()


def test_a_picture_whose_other_turn_was_not_seen_stays_alone(seen: PictureObservations) -> None:
    others = seen.chosen(np.array([0, 3, 4, 5])).other_turns()
    assert others.tolist() == [0, 1, 3, 2]


def test_the_fingerprint_tells_pictures_apart(seen: PictureObservations) -> None:
    assert seen.fingerprint() == _pictures().fingerprint()
    assert seen.fingerprint() != seen.chosen(seen.people > 0).fingerprint()
