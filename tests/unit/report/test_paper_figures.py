import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from fergi.evaluation.as_published.outcome import (
    ENSEMBLE,
    ENSEMBLED,
    FACE_V3,
    FUSED_ENSEMBLE,
    Outcome,
)
from fergi.evaluation.association import rating_correlations, reaction_ranksums
from fergi.evaluation.reproduction import Reproduction
from fergi.evaluation.significance import SIGNIFICANCE
from fergi.records.action_units import UNIT_NAMES
from fergi.records.study import REACTIONS
from fergi.report.accuracy_figures import (
    FACES,
    accuracy_by_selection,
    accuracy_by_version,
    surest_pairs,
    threshold_map,
)
from fergi.report.figure_captions import CAPTIONS
from fergi.report.figure_style import BLUE, VERMILLION
from fergi.report.figures import save_figure
from fergi.report.nested_figures import nested_accuracy, nested_participants
from fergi.report.network_figures import hidden_nodes, network_responses
from fergi.report.paper_figures import nested_protocol_figures, published_figures
from fergi.report.reaction_figures import (
    RATED_UNITS,
    activation_by_rating,
    activation_by_reaction,
    ratings_behind_scores,
    statistics_at_a_glance,
)
from fergi.stages.valence import HIDDEN_NODES, FauNet


@pytest.fixture
def reactions() -> pl.DataFrame:
    """AU4 falls with the rating, and rises where disgust is ticked; the rest is noise."""
    stream = np.random.default_rng(0)
    count = 700
    rating = np.tile(np.arange(1, 8), count // 7)
    disgusted = np.arange(count) % 10 == 0
    units = {name: stream.random(count) for name in UNIT_NAMES}
    units["AU4"] = 1.2 - 0.1 * rating + 0.1 * stream.random(count) + disgusted
    ticked = {name: stream.random(count) < 0.3 for name in REACTIONS} | {"disgusted": disgusted}
    people = [f"p{n % 5}" for n in range(count)]
    return pl.DataFrame({"participant": people, "overall_rating": rating, **units, **ticked})


@pytest.fixture
def correlations(reactions: pl.DataFrame) -> pl.DataFrame:
    return rating_correlations(reactions)


@pytest.fixture
def ranksums(reactions: pl.DataFrame) -> pl.DataFrame:
    return reaction_ranksums(reactions)


@pytest.fixture
def heat_map() -> pl.DataFrame:
    """Best at c = 0.2, threshold = 0.4: 60 right and 10 wrong."""
    rows = [(c, threshold, 50, 40) for c in (0.1, 0.2, 0.3) for threshold in (0.0, 0.2, 0.4, 0.6)]
    table = pl.DataFrame(rows, schema=("c", "threshold", "n_correct", "n_incorrect"), orient="row")
    is_best = (pl.col("c") == 0.2) & (pl.col("threshold") == 0.4)
    return table.with_columns(
        n_correct=pl.when(is_best).then(60).otherwise("n_correct"),
        n_incorrect=pl.when(is_best).then(10).otherwise("n_incorrect"),
    )


@pytest.fixture
def selection() -> pl.DataFrame:
    """Each score is right for 90 % of the surest pairs that it selects, others for 60 %."""
    names = [*ENSEMBLED, ENSEMBLE, FACE_V3]
    shares = np.arange(1, 101) / 100
    return pl.DataFrame(
        [
            (selector, name, share, 60 + (1 - share) * 30 * (name == selector), 40.0)
            for selector in names
            for name in names
            for share in shares
        ],
        schema=("selected_by", "score", "proportion", "n_correct", "n_incorrect"),
        orient="row",
    ).with_columns(n_incorrect=100 - pl.col("n_correct"))


def invented_outcome(version: str) -> Outcome:
    right = dict.fromkeys((*ENSEMBLED, ENSEMBLE), 60)
    right |= {f"{name} + face": 64 for name in ENSEMBLED} | {FUSED_ENSEMBLE: 66, FACES[version]: 57}
    accuracy = pl.DataFrame(
        [("p1", name, count, 100 - count) for name, count in right.items()],
        schema=("participant", "score", "n_correct", "n_incorrect"),
        orient="row",
    )
    return Outcome(accuracy, pl.DataFrame())


@pytest.fixture
def network() -> FauNet:
    """Node 3 has the highest output weight, node 16 the lowest; a smile raises the score."""
    outputs = np.zeros(len(UNIT_NAMES) + HIDDEN_NODES)
    outputs[UNIT_NAMES.index("AU12")] = 2.0
    outputs[len(UNIT_NAMES) + 2], outputs[-1] = 1.0, -1.0
    hidden = np.zeros((HIDDEN_NODES, len(UNIT_NAMES)))
    hidden[2, 6], hidden[-1, 2] = 0.7, 0.9
    units = len(UNIT_NAMES)
    return FauNet(
        np.ones(units), -np.ones(units), hidden, np.zeros(HIDDEN_NODES), outputs, np.array(0.0)
    )


@pytest.fixture
def measures() -> pl.DataFrame:
    rows = []
    for valence, start in (("au4", 0.5), ("fau-net", 0.6)):
        for name, more in (("face", 0.0), ("scores", 0.1), ("face+scores", 0.12), ("all", 0.15)):
            value = 0.62 if name == "scores" else start + more
            rows.append((valence, name, 1234, value, value - 0.02, value + 0.03))
    columns = ("valence", "evidence", "pairs", "accuracy", "accuracy_low", "accuracy_high")
    return pl.DataFrame(rows, schema=columns, orient="row")


@pytest.fixture
def face_tests() -> pl.DataFrame:
    rows = [
        (valence, on, 100, 0.6, 0.6 + gain, gain, gain - 0.01, gain + 0.02, p)
        for valence, gain, p in (("au4", 0.011, 0.12), ("fau-net", 0.034, 0.0006))
        for on in ("pairs with two faces", "all pairs")
    ]
    columns = ("valence", "on", "pairs", "without_face", "with_face", "gain", "gain_low")
    return pl.DataFrame(rows, schema=(*columns, "gain_high", "p"), orient="row")


@pytest.fixture
def predictions() -> pl.DataFrame:
    """The face of p1 is always right, that of p2 for half of the pairs."""
    right = [True] * 10 + [True, False] * 5
    people = ["p1"] * 10 + ["p2"] * 10
    return pl.concat(
        pl.DataFrame(
            {
                "valence": "fau-net",
                "evidence": name,
                "has_face": True,
                "participant": people,
                "p_0": 0.7,
                "is_first_preferred": right,
            }
        )
        for name in ("face", "scores", "face+scores", "all")
    )


@pytest.fixture
def reproduced(
    reactions: pl.DataFrame,
    correlations: pl.DataFrame,
    ranksums: pl.DataFrame,
    heat_map: pl.DataFrame,
    selection: pl.DataFrame,
    aspects: pl.DataFrame,
) -> Reproduction:
    return Reproduction(
        reactions=reactions,
        outcomes={version: invented_outcome(version) for version in FACES},
        heat_map=heat_map,
        selection=selection,
        correlations=correlations,
        ranksums=ranksums,
        aspects=aspects,
    )


@pytest.fixture
def aspects() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "score": ["AU4_valence_score", "ImageReward_score"],
            "alignment_coef": [0.03, 0.25],
            "fidelity_coef": [0.08, -0.05],
        }
    )


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def panel(figure: Figure, title: str) -> Axes:
    (found,) = [axes for axes in figure.axes if axes.get_title(loc="left").startswith(title)]
    return found


def lines(axes: Axes, label: str) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata()) for line in axes.get_lines() if line.get_label() == label]


def test_boxplots_by_rating_show_the_quartiles_and_means_of_every_rating(
    reactions: pl.DataFrame, correlations: pl.DataFrame
) -> None:
    axes = panel(activation_by_rating(reactions, correlations), "AU4")
    by_rating = [reactions.filter(overall_rating=rating)["AU4"] for rating in range(1, 8)]
    assert len(axes.patches) == 7
    for box, values in zip(axes.patches, by_rating, strict=True):
        low, high = np.quantile(values.to_numpy(), [0.25, 0.75])
        heights = box.get_path().vertices[:, 1]
        assert (heights.min(), heights.max()) == pytest.approx((low, high))
    (means,) = lines(axes, "mean")
    assert means == pytest.approx([values.mean() for values in by_rating])


def test_boxplots_by_rating_are_marked_by_significance(
    reactions: pl.DataFrame, correlations: pl.DataFrame
) -> None:
    figure = activation_by_rating(reactions, correlations)
    falling, flat = panel(figure, "AU4"), panel(figure, "AU20")
    assert "***" in texts(falling)[0]
    assert "*" not in texts(flat)[0]
    assert falling.patches[0].get_facecolor()[:3] == to_rgba(VERMILLION)[:3]
    assert falling.patches[0].get_hatch()
    assert not flat.patches[0].get_hatch()
    assert len([axes for axes in figure.axes if axes.patches]) == len(RATED_UNITS)


def test_boxplots_survive_a_rating_that_nobody_gave(
    reactions: pl.DataFrame, correlations: pl.DataFrame
) -> None:
    figure = activation_by_rating(reactions.filter(pl.col("overall_rating") != 3), correlations)
    assert len(panel(figure, "AU4").patches) == 6


def test_only_significant_units_are_drawn_beside_ticked_reactions(
    reactions: pl.DataFrame, ranksums: pl.DataFrame
) -> None:
    figure = activation_by_reaction(reactions, ranksums)
    significant = ranksums.filter(pl.col("p") < SIGNIFICANCE)
    assert significant.rows()
    assert set(significant["au"]) == {"AU4"}
    axes = panel(figure, "“disgusted” (70 of 700")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["AU4"]
    assert len(axes.patches) == 2
    assert axes.patches[0].get_facecolor()[:3] == to_rgba(BLUE)[:3]
    assert texts(panel(figure, "“scared”")) == ["no unit differs significantly"]


def test_the_map_of_statistics_writes_every_number_and_frames_the_significant(
    correlations: pl.DataFrame, ranksums: pl.DataFrame
) -> None:
    left, right, *_ = statistics_at_a_glance(correlations, ranksums).axes
    assert (len(texts(left)), len(texts(right))) == (24, 72)
    p_values = [*correlations["p_sequential"], *correlations["p_symmetric"]]
    assert len(left.patches) == sum(p < SIGNIFICANCE for p in p_values)
    assert len(right.patches) == (ranksums["p"] < SIGNIFICANCE).sum()
    place = UNIT_NAMES.index("AU4") * 6 + REACTIONS.index("disgusted")
    z = ranksums.filter(au="AU4", reaction="disgusted")["z"][0]
    assert texts(right)[place] == f"+{z:.2f}"


def test_every_score_has_a_point_at_its_two_coefficients(aspects: pl.DataFrame) -> None:
    (axes,) = ratings_behind_scores(aspects).axes
    assert texts(axes) == ["face (AU4)", "ImageReward"]
    points = [tuple(line.get_xydata()[0]) for line in axes.get_lines()[2:]]
    assert points == [(0.03, 0.08), (0.25, -0.05)]


def test_the_threshold_map_rings_the_maximum(heat_map: pl.DataFrame) -> None:
    accuracy, coverage, gain = threshold_map(heat_map).axes
    assert texts(accuracy)[-1] == "chosen: c = 0.2, threshold = 0.40"
    for axes in (accuracy, coverage, gain):
        assert tuple(axes.get_lines()[-1].get_xydata()[0]) == (0.4, 0.2)
    assert accuracy.images[0].get_array()[1, 2] == pytest.approx(100 * 60 / 70)
    assert coverage.images[0].get_array()[1, 2] == pytest.approx(100 * 70 / 90)
    assert gain.images[0].get_array()[1, 2] == 40


def test_each_selecting_score_has_a_panel_with_a_curve_for_each_judged_one(
    selection: pl.DataFrame,
) -> None:
    figure = accuracy_by_selection(selection)
    axes = panel(figure, "selected by HPS v2")
    (own,), (other,) = lines(axes, "HPS v2"), lines(axes, "PickScore")
    assert own[0] == pytest.approx(60 + 0.95 * 30)
    assert other[0] == pytest.approx(60)
    assert len([one for one in figure.axes if one.get_lines()]) == 5


def test_the_surest_tenth_is_in_the_title_and_published_values_are_marked(
    selection: pl.DataFrame,
) -> None:
    left, right = surest_pairs(selection).axes
    assert left.get_title(loc="left").endswith("tenth: face 87.0 %, ensemble 60.0 %")
    assert right.get_title(loc="left").endswith("tenth: face 60.0 %, ensemble 87.0 %")
    (marked,) = lines(left, "published")
    assert marked.tolist() == [72.0, 70.6, 66.1]
    assert lines(right, "published")[0].tolist() == [82.3]


def test_versions_stand_side_by_side_with_what_the_face_adds() -> None:
    figure = accuracy_by_version({version: invented_outcome(version) for version in ("v1", "v3")})
    assert len(figure.axes) == 2
    assert texts(figure.axes[0]) == ["64.00 (+4.0)"] * 3 + ["66.00 (+6.0)", "57.00"]


def test_hidden_nodes_are_sorted_by_their_output_weight(network: FauNet) -> None:
    _, _, weights, side, _ = hidden_nodes(network).axes
    labels = [label.get_text() for label in weights.get_yticklabels()]
    assert (labels[0], labels[-1]) == ("3", "16")
    shown = weights.images[0].get_array()
    assert (shown[0, 6], shown[-1, 2]) == (0.7, 0.9)
    assert [bar.get_width() for bar in side.patches] == pytest.approx([1.0] + [0.0] * 14 + [-1.0])
    assert texts(weights) == ["+.7", "+.9"]


def test_the_response_to_a_smile_rises_and_is_named_first(network: FauNet) -> None:
    (axes,) = network_responses(network).axes
    assert "AU12, lip corner puller" in texts(axes)
    curves = [np.asarray(line.get_ydata()) for line in axes.get_lines()[1:]]
    assert len(curves) == len(UNIT_NAMES)
    highest = max(curves, key=lambda curve: curve[-1])
    assert highest[0] == 0
    assert np.all(np.diff(highest) > 0)


def test_nested_accuracies_have_their_intervals_and_gains_their_p_values(
    measures: pl.DataFrame, face_tests: pl.DataFrame
) -> None:
    left, right = nested_accuracy(measures, face_tests).axes
    # Scores alone are the same for each valence: 4 + 4 methods, less one that is repeated.
    assert len(left.get_yticks()) == 7
    assert "75.0" in texts(left)
    ends = [line.get_xdata() for line in left.get_lines() if len(line.get_xdata()) == 2]
    assert any(np.allclose(end, [73.0, 78.0]) for end in ends)
    assert sorted(set(texts(right))) == ["+1.1, p = 0.12", "+3.4, p = 0.0006"]


def test_nested_accuracies_need_no_scores(measures: pl.DataFrame) -> None:
    figure = nested_accuracy(measures.filter(evidence="face"), pl.DataFrame())
    assert len(figure.axes) == 1


def test_participants_are_sorted_by_what_their_faces_tell(predictions: pl.DataFrame) -> None:
    (axes,) = nested_participants(predictions).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["p2", "p1"]
    assert axes.collections[0].get_offsets()[:, 1].tolist() == [100.0, 50.0]


def test_every_figure_has_a_caption_and_a_file_name(
    reproduced: Reproduction,
    network: FauNet,
    predictions: pl.DataFrame,
    measures: pl.DataFrame,
    face_tests: pl.DataFrame,
) -> None:
    summary = {"nested_measures": measures, "nested_face_tests": face_tests}
    drawings = {
        **published_figures(reproduced, network),
        **nested_protocol_figures(predictions, summary),
    }
    assert set(drawings) == set(CAPTIONS)
    assert all(re.fullmatch(r"[a-z_]+", name) for name in drawings)
    for draw in drawings.values():  # as a companion is given them
        assert isinstance(pickle.loads(pickle.dumps(draw))(), Figure)  # noqa: S301 (our own)


def test_what_was_not_computed_is_not_drawn(reactions: pl.DataFrame) -> None:
    assert published_figures(Reproduction(reactions=reactions), None) == {}


@pytest.mark.parametrize("ending", ["pdf", "png"])
def test_figures_are_saved(
    heat_map: pl.DataFrame, network: FauNet, tmp_path: Path, ending: str
) -> None:
    draw: list[Callable[[], Figure]] = [
        lambda: threshold_map(heat_map),
        lambda: hidden_nodes(network),
    ]
    for number, one in enumerate(draw):
        save_figure(one(), tmp_path / f"{number}.{ending}")
        assert (tmp_path / f"{number}.{ending}").stat().st_size > 5000
