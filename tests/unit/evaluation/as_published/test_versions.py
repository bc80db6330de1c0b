"""The published protocol on invented reactions, against plain loops."""

import numpy as np
import polars as pl
import pytest

from fergi.evaluation.as_published.outcome import ENSEMBLED
from fergi.evaluation.as_published.selection import PROPORTIONS, selection_curves
from fergi.evaluation.as_published.thresholds import (
    STEEPNESS_GRID,
    THRESHOLD_GRID,
    best_thresholds,
    threshold_counts,
)
from fergi.evaluation.as_published.trial import SCORES, Trial, standardised
from fergi.evaluation.as_published.versions import (
    ENSEMBLE_GRID,
    version_1,
    version_2,
    version_3,
)
from fergi.stages.valence import au4_valence
from fergi.training.ranked_reactions import RankedReactions

PARTICIPANTS, SESSIONS, IMAGES = 4, 3, 4
BROW, LIP = 2, 6


def _trial(seed: int = 0) -> Trial:
    """Invent reactions of a frown to the worse images; scores that know a little."""
    stream = np.random.default_rng(seed)
    count = PARTICIPANTS * SESSIONS * IMAGES
    session = np.arange(count) // IMAGES
    quality = stream.normal(size=count)
    activations = stream.exponential(0.1, size=(count, 12))
    activations[:, BROW] += np.maximum(-quality, 0)
    activations[:, LIP] += np.maximum(quality, 0)
    pairs = [
        (i, j) if quality[i] > quality[j] else (j, i)
        for i in range(count)
        for j in range(i + 1, count)
        if session[i] == session[j]
    ]
    reactions = RankedReactions(
        images=pl.DataFrame({"image": np.arange(count)}),
        activations=activations,
        participants=tuple(f"p{k}" for k in range(PARTICIPANTS)),
        owners=np.arange(count) // (SESSIONS * IMAGES),
        pairs=np.array(pairs),
    )
    scores = {name: 0.5 * quality + stream.normal(size=count) for name in SCORES}
    return Trial(reactions, scores)


def test_the_float_filter_leaves_60_of_66_weights() -> None:
    assert len(ENSEMBLE_GRID) == 60
    np.testing.assert_allclose(ENSEMBLE_GRID.sum(axis=1), 1)


def test_counts_at_thresholds_equal_those_of_plain_loops() -> None:
    given = _trial()
    scores = au4_valence(given.reactions.activations)
    right, wrong = threshold_counts(given, scores[:, None])
    for owner in range(PARTICIPANTS):
        for place, threshold in enumerate(THRESHOLD_GRID):
            counts = [0, 0]
            for (better, worse), pair_owner in zip(
                given.reactions.pairs, given.reactions.pair_owners, strict=True
            ):
                difference = scores[better] - scores[worse]
                if pair_owner == owner and abs(difference) >= threshold:
                    counts[0 if difference > 0 else 1] += 1
            assert [right[owner, 0, place], wrong[owner, 0, place]] == counts


def test_the_choice_for_a_participant_ignores_their_own_pairs() -> None:
    given = _trial()
    options = np.stack(
        [au4_valence(given.reactions.activations, steepness=c) for c in STEEPNESS_GRID], axis=1
    )
    before = best_thresholds(given, options)
    spoiled = options.copy()
    spoiled[given.reactions.owners == 1] *= -1
    after = best_thresholds(given, spoiled)
    assert before.options[1] == after.options[1]
    assert before.thresholds[1] == after.thresholds[1]


def test_scores_are_standardised_by_the_others() -> None:
    given = _trial()
    values = given.scores["PickScore"]
    others = values[given.reactions.owners != 2]
    expected = (values - others.mean()) / others.std(ddof=1)
    np.testing.assert_allclose(standardised(given, "PickScore")[2], expected)


def test_a_tie_is_wrong_in_the_tables() -> None:
    given = _trial()
    flat = Trial(given.reactions, {name: np.zeros_like(v) for name, v in given.scores.items()})
    assert flat.is_right(flat.scores["PickScore"][:, None]).sum() == 0


def test_counts_of_a_participant_without_pairs_are_zero() -> None:
    given = _trial()
    kept = given.reactions.pair_owners != 1
    reactions = RankedReactions(
        images=given.reactions.images,
        activations=given.reactions.activations,
        participants=given.reactions.participants,
        owners=given.reactions.owners,
        pairs=given.reactions.pairs[kept],
    )
    sparse = Trial(reactions, given.scores)
    everything = np.ones((kept.sum(), 1), dtype=bool)
    counts = sparse.right_by_participant(everything)[:, 0]
    np.testing.assert_array_equal(counts, sparse.pairs_by_participant())
    assert counts[1] == 0


@pytest.mark.parametrize("version", [version_1, version_2])
def test_a_telling_face_beats_scores_that_know_little(version: object) -> None:
    given = _trial()
    table = version(given).accuracy  # type: ignore[operator]
    share = table.group_by("score").agg(
        pl.col("n_correct").sum() / (pl.col("n_correct") + pl.col("n_incorrect")).sum()
    )
    found = dict(share.iter_rows())
    face = next(name for name in found if name.endswith("valence_score") and "selected" not in name)
    assert found[face] > found["PickScore"]
    assert found["ensemble_all_score"] > found["ensemble_baseline_score"]
    selected = next(name for name in found if "selected" in name and name.endswith(face))
    assert found[selected] >= found[face]


def test_every_count_of_a_version_sums_to_the_pairs() -> None:
    given = _trial()
    outcome = version_3(given, given.reactions.activations[:, LIP])
    totals = outcome.accuracy.select(pl.sum_horizontal("n_correct", "n_incorrect")).to_series()
    assert set(totals) == {SESSIONS * IMAGES * (IMAGES - 1) // 2}
    assert set(outcome.parameters["parameter"]) == {
        *(f"w_{name}" for name in ENSEMBLED),
        *(f"k_{name}" for name in (*ENSEMBLED, "ensemble_baseline_score")),
    }


def test_all_pairs_kept_give_the_accuracy_of_all_and_ties_count_half() -> None:
    given = _trial()
    flat = np.zeros(len(given.reactions.owners))
    curves = selection_curves(given, {"s": given.scores["PickScore"]}, {"flat": flat})
    assert curves["proportion"].to_list() == PROPORTIONS.tolist()
    last = curves.filter(proportion=1.0)
    assert last["n_correct"].item() == last["n_incorrect"].item() == len(given.reactions.pairs) / 2
