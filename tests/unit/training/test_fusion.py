from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from fergi.errors import ScoresError, TrainingError
from fergi.stages.preference import probability, set_index
from fergi.stages.valence import Valence, au4_valence
from fergi.training.fusion import RankedPairs, fitted_fusion, fusion_pairs, out_of_fold_valence
from fergi.training.ranked_reactions import RankedReactions
from fergi.training.valence_network import Recipe

PLANTED = np.array([1.2, -0.6, 2.0])
SOURCES = ("face", "imagereward", "pickscore")
SHORT = Recipe(epochs=5)
MakeReactions = Callable[..., RankedReactions]


def _simulated_pairs(count: int = 4000, seed: int = 0) -> RankedPairs:
    """Preferences drawn from a logistic model with the planted weights."""
    stream = np.random.default_rng(seed)
    differences = stream.normal(size=(count, 3)) * [1.0, 2.0, 0.5]
    p_0 = probability(differences @ PLANTED)
    is_first_preferred = stream.random(count) < p_0
    return RankedPairs(SOURCES, differences, is_first_preferred, np.full(count, "p"))


def _reference_newton(differences: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Maximum likelihood by Newton's method, and standard errors from its curvature."""
    weights = np.zeros(differences.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-differences @ weights))
        curvature = (differences * (p * (1 - p))[:, None]).T @ differences
        weights = weights + np.linalg.solve(curvature, differences.T @ (labels - p))
    return weights, np.sqrt(np.diag(np.linalg.inv(curvature)))


def test_planted_weights_are_recovered() -> None:
    pairs = _simulated_pairs()
    fitted = fitted_fusion(pairs, face_is_calibrated=False).weights[7]
    _, errors = _reference_newton(pairs.differences, pairs.is_first_preferred)
    assert (np.abs(fitted - PLANTED) < 4 * errors).all()


@pytest.mark.parametrize("chosen", [(0,), (1,), (0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_every_set_of_sources_has_its_maximum_likelihood(chosen: tuple[int, ...]) -> None:
    pairs = _simulated_pairs()
    fitted = fitted_fusion(pairs, face_is_calibrated=False).weights[set_index(chosen)]
    reference, _ = _reference_newton(pairs.differences[:, chosen], pairs.is_first_preferred)
    # The solver stops at a gradient of 1e-10, scaled.
    np.testing.assert_allclose(fitted[list(chosen)], reference, rtol=1e-5)
    assert not np.delete(fitted, chosen).any()


def test_images_that_change_places_change_no_weight() -> None:
    pairs = _simulated_pairs(500)
    swapped = RankedPairs(
        SOURCES, -pairs.differences, ~pairs.is_first_preferred, pairs.participants
    )
    first = fitted_fusion(pairs, face_is_calibrated=False).weights
    second = fitted_fusion(swapped, face_is_calibrated=False).weights
    # Rows are added in another order by the solver.
    np.testing.assert_allclose(first, second, rtol=1e-7, atol=1e-9)


def test_another_unit_of_a_score_changes_its_weight_alone() -> None:
    pairs = _simulated_pairs(500)
    scaled = RankedPairs(
        SOURCES, pairs.differences * [1, 1e-3, 1], pairs.is_first_preferred, pairs.participants
    )
    first = fitted_fusion(pairs, face_is_calibrated=False).weights
    second = fitted_fusion(scaled, face_is_calibrated=False).weights
    # The solver sees the same standardised numbers, but for rounding.
    np.testing.assert_allclose(second, first * [1, 1e3, 1], rtol=1e-6, atol=1e-9)


def test_a_calibrated_face_alone_keeps_weight_1() -> None:
    weights = fitted_fusion(_simulated_pairs(500), face_is_calibrated=True).weights
    np.testing.assert_array_equal(weights[1], [1, 0, 0])
    assert weights[3, 0] != 1


def test_pairs_that_lack_a_source_teach_the_sets_without_it() -> None:
    pairs = _simulated_pairs(1000)
    differences = pairs.differences.copy()
    differences[::2, 0] = np.nan
    partly = RankedPairs(SOURCES, differences, pairs.is_first_preferred, pairs.participants)
    whole = fitted_fusion(pairs, face_is_calibrated=False).weights
    found = fitted_fusion(partly, face_is_calibrated=False).weights
    half = fitted_fusion(pairs.where(np.arange(1000) % 2 == 1), face_is_calibrated=False).weights
    for row in (2, 4, 6):
        np.testing.assert_array_equal(found[row], whole[row])
    for row in (1, 3, 5, 7):
        np.testing.assert_array_equal(found[row], half[row])


@pytest.mark.parametrize(
    ("value", "message"),
    [(np.nan, "no ranked pair has imagereward for both"), (0.0, "imagereward never differs")],
)
def test_a_source_that_says_nothing_is_refused(value: float, message: str) -> None:
    pairs = _simulated_pairs(100)
    differences = pairs.differences.copy()
    differences[:, 1] = value
    silent = RankedPairs(SOURCES, differences, pairs.is_first_preferred, pairs.participants)
    with pytest.raises(TrainingError, match=message):
        fitted_fusion(silent, face_is_calibrated=False)


@pytest.mark.parametrize("difference", [0.5, 0.1 + 0.2])
def test_a_source_may_favour_every_first_image_by_as_much(difference: float) -> None:
    is_first = np.arange(40) % 4 != 0
    same = np.full((40, 1), difference)
    pairs = RankedPairs(("face",), same, is_first, np.full(40, "p"))
    found = fitted_fusion(pairs, face_is_calibrated=False).weights[1, 0]
    # 30 of 40 right: log odds of log 3. The solver stops at a gradient of 1e-10.
    assert found * difference == pytest.approx(np.log(3), rel=1e-8)


@pytest.mark.parametrize("spared", [0, 10])
def test_a_source_that_decides_every_pair_is_refused_without_a_warning(spared: int) -> None:
    pairs = _simulated_pairs(50)
    differences = pairs.differences[:, :2].copy()
    differences[:, 1] = np.where(pairs.is_first_preferred, 1, -1) * np.abs(differences[:, 1])
    # Of these it says nothing, and the face may be wrong.
    differences[:spared, 1] = 0
    told = RankedPairs(("face", "leak"), differences, pairs.is_first_preferred, pairs.participants)
    with pytest.raises(TrainingError, match="leak decides each of 50 ranked pairs"):
        fitted_fusion(told, face_is_calibrated=False, sets=[(0,), (1,)])
    with pytest.raises(TrainingError, match=r"^leak decides"):
        fitted_fusion(told, face_is_calibrated=False, sets=[(0, 1)])
    halves = np.column_stack([differences[:, 0], differences[:, 1] - differences[:, 0]])
    apart = RankedPairs(told.sources, halves, told.is_first_preferred, told.participants)
    with pytest.raises(TrainingError, match=r"^face with leak decides"):
        fitted_fusion(apart, face_is_calibrated=False, sets=[(0, 1)])


def test_a_source_that_is_wrong_once_has_finite_weights() -> None:
    pairs = _simulated_pairs(50)
    sure = np.where(pairs.is_first_preferred, 1.0, -1.0)[:, None] * 3
    sure[7] *= -1
    told = RankedPairs(("face",), sure, pairs.is_first_preferred, pairs.participants)
    found = fitted_fusion(told, face_is_calibrated=False).weights[1, 0]
    # 49 of 50 right. The solver stops at a gradient of 1e-10.
    assert 3 * found == pytest.approx(np.log(49), rel=1e-6)


def test_two_scores_that_say_the_same_can_be_joined() -> None:
    pairs = _simulated_pairs(200)
    twice = pairs.differences[:, [0, 1, 1]]
    both = RankedPairs(SOURCES, twice, pairs.is_first_preferred, pairs.participants)
    found = fitted_fusion(both, face_is_calibrated=False).weights
    # Only their sum is determined; the solver stops at a gradient of 1e-10, or 1e-4 in its stead.
    assert found[7, 1] + found[7, 2] == pytest.approx(found[3, 1], rel=1e-2)


def test_valences_with_fixed_parameters_need_no_training(make_reactions: MakeReactions) -> None:
    reactions = make_reactions(0)
    found = out_of_fold_valence(reactions, Valence.AU4)
    np.testing.assert_array_equal(found, au4_valence(reactions.activations))


def test_a_participant_s_valence_never_saw_their_ranking(make_reactions: MakeReactions) -> None:
    reactions = make_reactions(0)
    own = reactions.pair_owners == 2
    turned = reactions.pairs.copy()
    turned[own] = turned[own][:, ::-1]
    other = RankedReactions(
        reactions.images, reactions.activations, reactions.participants, reactions.owners, turned
    )
    first, second = (
        out_of_fold_valence(one, Valence.FAU_NET, SHORT)[reactions.owners == 2]
        for one in (reactions, other)
    )
    np.testing.assert_array_equal(first, second)


def test_one_participant_alone_cannot_be_held_out(make_reactions: MakeReactions) -> None:
    with pytest.raises(TrainingError, match="only participant 'p0' has ranked reactions"):
        out_of_fold_valence(make_reactions(0, participants=1), Valence.FAU_NET)


def test_pairs_without_a_face_are_kept_with_their_scores(make_reactions: MakeReactions) -> None:
    reactions = make_reactions(0, participants=1, images=4)
    further = reactions.images.head(1).with_columns(
        image=pl.lit(5, pl.Int64), rank=pl.lit(9, pl.Int64)
    )
    images = pl.concat([reactions.images, further])
    scores = images.drop("rank").with_columns(hpsv2=pl.int_range(pl.len()).cast(pl.Float64))
    pairs = fusion_pairs(images, reactions, np.arange(4.0), scores, ["hpsv2"])
    assert pairs.sources == ("face", "hpsv2")
    assert len(pairs.differences) == 10
    assert np.isnan(pairs.differences[:, 0]).sum() == 4
    assert not np.isnan(pairs.differences[:, 1]).any()


def test_images_of_equal_rank_decide_nothing(make_reactions: MakeReactions) -> None:
    reactions = make_reactions(0, participants=1, images=3)
    images = reactions.images.with_columns(rank=pl.Series([1, 1, 2]))
    pairs = fusion_pairs(images, reactions, np.zeros(3), images.drop("rank"), [])
    assert len(pairs.differences) == 2
    assert pairs.is_first_preferred.all()


def test_a_score_that_the_study_lacks_is_refused(make_reactions: MakeReactions) -> None:
    reactions = make_reactions(0, participants=1)
    scores = reactions.images.drop("rank")
    with pytest.raises(ScoresError, match="no scores of clip, hpsv2"):
        fusion_pairs(reactions.images, reactions, np.zeros(12), scores, ["clip", "hpsv2"])


@pytest.mark.parametrize("name", ["rank", "reaction", "row", "score rank", "rank_0"])
def test_a_score_may_bear_any_name(make_reactions: MakeReactions, name: str) -> None:
    reactions = make_reactions(0, participants=1, images=4)
    values = pl.Series([1.0, 4.0, 9.0, 16.0])
    scores = reactions.images.drop("rank").with_columns(hpsv2=values, other=-values)
    scorers = {"hpsv2": name, "other": "rank" if name != "rank" else "hpsv2"}
    plain, named = (
        fusion_pairs(reactions.images, reactions, np.arange(4.0), table, list(table.columns[3:]))
        for table in (scores, scores.rename(scorers))
    )
    np.testing.assert_array_equal(named.differences, plain.differences)
    np.testing.assert_array_equal(named.is_first_preferred, plain.is_first_preferred)


@pytest.mark.parametrize("name", ["image", "session"])
def test_the_key_of_an_image_is_no_score(make_reactions: MakeReactions, name: str) -> None:
    reactions = make_reactions(0, participants=1)
    with pytest.raises(ScoresError, match=f"no scores of {name}"):
        fusion_pairs(
            reactions.images, reactions, np.zeros(12), reactions.images.drop("rank"), [name]
        )
