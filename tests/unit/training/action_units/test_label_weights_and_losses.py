from pathlib import Path

import numpy as np
import pytest
import torch

from fergi.records.action_units import ACTION_UNITS
from fergi.training.action_units.label_weights import LabelWeights, label_weights
from fergi.training.action_units.losses import ActionUnitLosses, unit_outputs

CPU = torch.device("cpu")


def _drawn_labels() -> np.ndarray:
    """The labels of which the authors' code computed weights and losses."""
    stream = np.random.default_rng(7)
    odds = [0.55, 0.15, 0.1, 0.1, 0.06, 0.04]
    labels = np.stack([stream.choice(6, 32, p=odds) for _ in ACTION_UNITS], axis=1).astype(float)
    labels[0, ACTION_UNITS.index(4)] = np.nan
    return labels


def _drawn_outputs() -> torch.Tensor:
    values = np.random.default_rng(107).standard_normal((32, 384))
    return torch.tensor(values, dtype=torch.float32)


def test_label_weights_are_those_of_the_authors(expected: Path) -> None:
    weights = label_weights(_drawn_labels())
    with np.load(expected / "networks.npz") as values:
        # Theirs are in single precision.
        np.testing.assert_allclose(weights.regression, values["regw"], rtol=1e-6)
        np.testing.assert_allclose(weights.ordinal, values["clsw"], rtol=1e-6)


def test_losses_are_those_of_the_authors(expected: Path) -> None:
    labels = _drawn_labels()
    losses = ActionUnitLosses(label_weights(labels), CPU)
    found = losses(_drawn_outputs(), torch.tensor(labels, dtype=torch.float32))
    with np.load(expected / "networks.npz") as values:
        # Sums of 384 numbers in single precision.
        np.testing.assert_allclose(
            [found.squared.item(), found.cosine.item(), found.ordinal.item()],
            values["loss"],
            rtol=1e-6,
        )


def test_losses_equal_their_formulas() -> None:
    labels, outputs = _drawn_labels(), _drawn_outputs()
    weights = label_weights(labels)
    found = ActionUnitLosses(weights, CPU)(outputs, torch.tensor(labels, dtype=torch.float32))
    reference = _reference_losses(outputs.numpy().astype(float), labels, weights)
    # Sums of 384 numbers in single precision against double.
    np.testing.assert_allclose(
        [found.squared.item(), found.cosine.item(), found.ordinal.item()], reference, rtol=1e-5
    )
    assert found.total.item() == pytest.approx(sum(reference), rel=1e-5)


def _reference_losses(
    outputs: np.ndarray, labels: np.ndarray, weights: LabelWeights
) -> list[float]:
    """One picture, one unit, one threshold after the other."""
    sums = np.zeros(3)
    for picture, row in enumerate(labels):
        truths, guesses = [], []
        for unit, truth in enumerate(row):
            if np.isnan(truth):
                continue
            number = ACTION_UNITS[unit] - 1
            guess = outputs[picture, number]
            truths.append(truth)
            guesses.append(guess)
            sums[0] += weights.regression[unit, int(truth)] * (guess - truth) ** 2
            for level in range(1, 6):
                logit = outputs[picture, 64 + number * 5 + level - 1]
                p = 1 / (1 + np.exp(-logit))
                weight = weights.ordinal[unit, level - 1, int(truth >= level)]
                sums[2] -= weight * np.log(p if truth >= level else 1 - p)
        norms = np.linalg.norm(truths) * np.linalg.norm(guesses)
        sums[1] += 1 - (np.dot(truths, guesses) / norms if norms else 0)
    return list(sums / len(labels))


def test_weights_of_a_unit_sum_to_one() -> None:
    weights = label_weights(_drawn_labels())
    np.testing.assert_allclose(weights.regression.sum(axis=1), 1)
    np.testing.assert_allclose(weights.ordinal.sum(axis=(1, 2)), 1)


def test_what_no_picture_shows_weighs_nothing() -> None:
    labels = np.zeros((4, 12))
    labels[:, 5] = np.nan
    weights = label_weights(labels)
    np.testing.assert_allclose(weights.regression[0], [0.5, 0.5, 0, 0, 0, 0])
    np.testing.assert_allclose(weights.ordinal[0], np.tile([0.2, 0], (5, 1)))
    assert not weights.regression[5].any()
    assert not weights.ordinal[5].any()


def test_a_unit_that_is_not_labelled_moves_nothing() -> None:
    labels = torch.tensor(_drawn_labels(), dtype=torch.float32)
    labels[:, 3] = torch.nan
    outputs = _drawn_outputs().requires_grad_()
    ActionUnitLosses(label_weights(_drawn_labels()), CPU)(outputs, labels).total.backward()
    assert outputs.grad is not None
    intensities, logits = unit_outputs(outputs.grad)
    assert not intensities[:, 3].any()
    assert not logits[:, 3].any()
    assert intensities[:, 2].any()


def test_a_resting_face_has_a_finite_gradient() -> None:
    outputs = torch.zeros((2, 384), requires_grad=True)
    weights = LabelWeights(np.full((12, 6), 1 / 6), np.full((12, 5, 2), 0.1))
    ActionUnitLosses(weights, CPU)(outputs, torch.zeros((2, 12))).total.backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
