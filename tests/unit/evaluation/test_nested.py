from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from fergi.errors import TrainingError
from fergi.evaluation.measures import face_tests, nested_tables, prediction_measures
from fergi.evaluation.nested import (
    Evidence,
    held_out_predictions,
    held_out_valences,
    network_valences,
    unknown_pairs,
)
from fergi.records.action_units import UNIT_NAMES
from fergi.stages.valence import Valence, au4_au12_valence
from fergi.training.ranked_reactions import RankedReactions, ranked_reactions

# Single precision: a network trained in a batch of others and alone, over 300 steps; a fold
# with other data differs by some 0.1.
SINGLE_PRECISION = 1e-3
MakeReactions = Callable[..., RankedReactions]


def _turned(reactions: RankedReactions, participant: int) -> RankedReactions:
    """The same reactions, with the rankings of one participant upside down."""
    own = reactions.pair_owners == participant
    pairs = reactions.pairs.copy()
    pairs[own] = pairs[own][:, ::-1]
    return replace(reactions, pairs=pairs)


@pytest.mark.parametrize("held_out", [0, 3])
def test_no_valence_of_a_fold_depends_on_the_rankings_of_who_is_held_out(
    make_reactions: MakeReactions, held_out: int
) -> None:
    reactions = make_reactions(0, images=6)
    before = held_out_valences(reactions)
    after = held_out_valences(_turned(reactions, held_out))
    for valence in Valence:
        np.testing.assert_array_equal(after[valence][held_out], before[valence][held_out])
    assert (after[Valence.FAU_NET] != before[Valence.FAU_NET]).any()


def test_no_reaction_is_scored_by_a_network_that_saw_its_owner(
    make_reactions: MakeReactions,
) -> None:
    reactions = make_reactions(0, participants=5, images=6)
    before = network_valences(reactions, range(5))
    for owner in (1, 4):
        after = network_valences(_turned(reactions, owner), range(5))
        owned = reactions.owners == owner
        np.testing.assert_array_equal(after[:, owned], before[:, owned])


def test_a_fold_run_alone_gives_the_same_numbers(make_reactions: MakeReactions) -> None:
    reactions = make_reactions(1, images=6)
    together = network_valences(reactions, range(4))
    for held_out in range(4):
        alone = network_valences(reactions, [held_out])[0]
        np.testing.assert_allclose(together[held_out], alone, rtol=0, atol=SINGLE_PRECISION)


def _evidence(reactions: RankedReactions) -> Evidence:
    # Another seed than that of what was felt: noise of the same would foretell the ranks.
    stream = np.random.default_rng(99)
    ranks = reactions.images["rank"].to_numpy()
    scores = reactions.images.drop("rank").with_columns(
        pickscore=pl.Series(-ranks + stream.normal(scale=6, size=len(ranks)))
    )
    return Evidence(reactions.images, reactions, scores, ["pickscore"])


def test_every_ranked_pair_is_judged_once_by_each_method(make_reactions: MakeReactions) -> None:
    evidence = _evidence(make_reactions(0, images=6))
    predictions, problems = held_out_predictions(evidence, held_out_valences(evidence.reactions))
    assert problems == []
    assert unknown_pairs(evidence) == 0
    counts = predictions.group_by("valence", "evidence", "participant").len()
    assert len(counts) == 3 * 4 * 4
    assert set(counts["len"]) == {15}
    assert predictions["p_0"].is_between(0, 1).all()
    assert predictions["has_face"].all()
    faces = predictions.filter(valence="fau-net", evidence="face")
    # 60 pairs, ranked by faces with little noise.
    is_right = (faces["p_0"] > 0.5) == faces["is_first_preferred"]
    assert is_right.mean() > 0.75


def test_without_scores_the_face_stands_alone(make_reactions: MakeReactions) -> None:
    evidence = replace(_evidence(make_reactions(0, images=6)), scorers=[])
    valences = {Valence.AU4: np.tile(np.arange(24.0), (4, 1))}
    predictions, _ = held_out_predictions(evidence, valences)
    assert set(predictions["evidence"]) == {"face"}


def test_judgements_never_depend_on_the_truth_that_they_are_compared_with(
    make_reactions: MakeReactions,
) -> None:
    reactions = make_reactions(0, images=6)
    upside_down = pl.when(pl.col("participant") == "p2").then(7 - pl.col("rank")).otherwise("rank")
    other = replace(_turned(reactions, 2), images=reactions.images.with_columns(rank=upside_down))
    scores = _evidence(reactions).scores
    before, after = (
        held_out_predictions(
            Evidence(one.images, one, scores, ["pickscore"]), held_out_valences(one)
        )[0].filter(participant="p2")
        for one in (reactions, other)
    )
    np.testing.assert_array_equal(after["p_0"].to_numpy(), before["p_0"].to_numpy())
    assert (after["is_first_preferred"] != before["is_first_preferred"]).all()


def test_two_participants_are_too_few(make_reactions: MakeReactions) -> None:
    with pytest.raises(TrainingError, match="needs at least 3"):
        held_out_valences(make_reactions(0, participants=2))


def _without_faces(reactions: RankedReactions, hidden: pl.Expr) -> RankedReactions:
    """The reactions that remain when some show no usable face."""
    units = pl.DataFrame(reactions.activations, schema=list(UNIT_NAMES), orient="row")
    table = reactions.images.with_columns(units, kind=pl.lit("reaction"))
    return ranked_reactions(reactions.images, table.filter(~hidden))


_P3 = pl.col("participant") == "p3"


def _without_networks(reactions: RankedReactions) -> dict[Valence, np.ndarray]:
    own = au4_au12_valence(reactions.activations)
    return {Valence.AU4_AU12: np.tile(own, (len(reactions.participants), 1))}


@pytest.mark.parametrize("seen", [0, 1])
def test_a_participant_without_a_pair_of_faces_counts_for_scores_and_is_named(
    make_reactions: MakeReactions, seen: int
) -> None:
    whole = _evidence(make_reactions(0, images=6))
    reactions = _without_faces(whole.reactions, _P3 & (pl.col("image") > seen))
    assert len(held_out_valences(reactions)[Valence.FAU_NET]) == 3
    evidence = replace(whole, reactions=reactions)
    found, problems = held_out_predictions(evidence, _without_networks(reactions))
    assert [str(problem) for problem in problems] == [
        "p3: none of 15 ranked pairs has two usable faces"
    ]
    before, _ = held_out_predictions(whole, _without_networks(whole.reactions))
    for name in ("scores", "all"):
        assert found.filter(evidence=name, participant="p3")["p_0"].count() == 15
    for name in ("face", "face+scores"):
        assert found.filter(evidence=name, participant="p3").is_empty()
    assert found.filter(evidence="scores").equals(
        before.filter(evidence="scores").with_columns(has_face=~_P3)
    )


def test_pairs_of_which_nothing_is_known_are_left_out_and_counted(
    make_reactions: MakeReactions,
) -> None:
    whole = _evidence(make_reactions(0, images=6))
    is_unknown = _P3 & (pl.col("image") == 1)
    scores = whole.scores.filter(~is_unknown)
    reactions = _without_faces(whole.reactions, is_unknown)
    evidence = replace(whole, reactions=reactions, scores=scores)
    found, problems = held_out_predictions(evidence, _without_networks(reactions))
    assert problems == []
    assert unknown_pairs(evidence) == 5
    assert found.filter(evidence="all")["p_0"].null_count() == 5
    tables = nested_tables(found)
    assert dict(tables["nested_measures"].select("evidence", "pairs").iter_rows()) == {
        "face": 55, "scores": 55, "face+scores": 55, "all": 55,
    }  # fmt: skip
    assert tables["nested_measures"].null_count().sum_horizontal().item() == 0
    counts = tables["nested_accuracy"].select(pl.col("n_correct") + pl.col("n_incorrect"))
    assert counts.sum().item() == 4 * 55


def test_a_pair_with_a_face_and_no_score_is_compared_with_nothing(
    make_reactions: MakeReactions,
) -> None:
    whole = _evidence(make_reactions(0, images=6))
    evidence = replace(whole, scores=whole.scores.filter(pl.col("image") > 1))
    found, _ = held_out_predictions(evidence, _without_networks(whole.reactions))
    assert found.filter(evidence="all")["p_0"].count() == 60
    assert face_tests(found)["pairs"].to_list() == [40, 40]


def test_a_participant_with_a_single_ranked_image_is_passed_over(
    make_reactions: MakeReactions,
) -> None:
    whole = _evidence(make_reactions(0, images=6))
    images = whole.images.filter(~_P3 | (pl.col("image") == 1))
    units = pl.DataFrame(whole.reactions.activations, schema=list(UNIT_NAMES), orient="row")
    table = whole.reactions.images.with_columns(units, kind=pl.lit("reaction"))
    evidence = replace(whole, images=images, reactions=ranked_reactions(images, table))
    found, problems = held_out_predictions(evidence, _without_networks(evidence.reactions))
    assert problems == []
    assert set(found["participant"]) == {"p0", "p1", "p2"}


def test_what_no_other_participant_teaches_is_named_and_left_out(
    make_reactions: MakeReactions,
) -> None:
    whole = _evidence(make_reactions(0, images=6))
    own = pl.when(pl.col("participant") == "p0").then("pickscore")
    evidence = replace(
        whole, scores=whole.scores.with_columns(hpsv2=own), scorers=["pickscore", "hpsv2"]
    )
    found, problems = held_out_predictions(evidence, _without_networks(whole.reactions))
    assert {problem.place for problem in problems} == {"p0"}
    reasons = [problem.reason for problem in problems]
    assert "no ranked pair has face, pickscore, hpsv2 for both its images" in reasons[0]
    assert "no ranked pair has pickscore, hpsv2 for both its images" in reasons[1]
    judged = found.filter(evidence="all").drop_nulls("p_0")
    assert set(judged["participant"]) == {"p1", "p2", "p3"}
    assert found.filter(evidence="face")["p_0"].count() == 60


def test_a_score_that_decides_every_pair_is_named(make_reactions: MakeReactions) -> None:
    whole = _evidence(make_reactions(0, images=6))
    ranks = whole.reactions.images["rank"].cast(pl.Float64)
    evidence = replace(whole, scores=whole.scores.with_columns(pickscore=-ranks))
    found, problems = held_out_predictions(evidence, _without_networks(whole.reactions))
    assert prediction_measures(found).filter(evidence="scores")["accuracy"].item() == 1
    assert any(
        "judged too surely: without this participant, pickscore decides each of 45" in str(one)
        for one in problems
    )
