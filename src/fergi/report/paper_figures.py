"""Every figure of the paper, and better ones, by name. Needs the extra `report`."""

from collections.abc import Mapping
from functools import partial

import polars as pl

from fergi.evaluation.reproduction import Reproduction
from fergi.report import accuracy_figures, nested_figures, network_figures, reaction_figures
from fergi.report.figures import Draw, reliability_figure
from fergi.stages.valence import FauNet, Valence


def published_figures(found: Reproduction, network: FauNet | None) -> dict[str, Draw]:
    """List the figures of the published protocol for which there is something to draw.

    Args:
        found: What was reproduced.
        network: The FAU-Net whose weights are shown.

    Returns:
        Name → what draws the figure, in the order of the report page.
    """
    drawings: dict[str, Draw] = {}
    drawings |= _figures_of_people(found)
    drawings |= _figures_of_scores(found)
    if network is not None:
        drawings["network_responses"] = partial(network_figures.network_responses, network)
        drawings["hidden_nodes"] = partial(network_figures.hidden_nodes, network)
    return drawings


def nested_protocol_figures(
    predictions: pl.DataFrame, summary: Mapping[str, pl.DataFrame]
) -> dict[str, Draw]:
    """List the figures of the protocol that we recommend.

    Args:
        predictions: Of `fergi.evaluation.nested.held_out_predictions`.
        summary: Of `fergi.evaluation.measures.nested_tables`.

    Returns:
        Name → what draws the figure, in the order of the report page.
    """
    measures, tests = summary["nested_measures"], summary["nested_face_tests"]
    drawings: dict[str, Draw] = {
        "nested_accuracy": partial(nested_figures.nested_accuracy, measures, tests)
    }
    own = predictions.filter(valence=Valence.FAU_NET.value)
    if len(own):
        drawings["nested_reliability"] = partial(reliability_figure, own)
        drawings["nested_participants"] = partial(nested_figures.nested_participants, own)
    return drawings


def _figures_of_people(found: Reproduction) -> dict[str, Draw]:
    draw = reaction_figures
    reactions, correlations, ranksums = found.reactions, found.correlations, found.ranksums
    drawings: dict[str, Draw] = {}
    if correlations is not None and ranksums is not None:
        drawings = {
            "statistics_at_a_glance": partial(draw.statistics_at_a_glance, correlations, ranksums),
            "activation_by_rating": partial(draw.activation_by_rating, reactions, correlations),
            "activation_by_reaction": partial(draw.activation_by_reaction, reactions, ranksums),
        }
    if found.aspects is not None:
        drawings["ratings_behind_scores"] = partial(draw.ratings_behind_scores, found.aspects)
    return drawings


def _figures_of_scores(found: Reproduction) -> dict[str, Draw]:
    draw = accuracy_figures
    drawings: dict[str, Draw] = {}
    if draw.FACES.keys() & found.outcomes.keys():
        drawings["accuracy_by_version"] = partial(draw.accuracy_by_version, found.outcomes)
    if found.heat_map is not None:
        drawings["threshold_map"] = partial(draw.threshold_map, found.heat_map)
    if found.selection is not None:
        drawings["surest_pairs"] = partial(draw.surest_pairs, found.selection)
        drawings["accuracy_by_selection"] = partial(draw.accuracy_by_selection, found.selection)
    return drawings
