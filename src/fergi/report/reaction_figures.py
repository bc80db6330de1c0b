"""Figures of what faces do: activation beside ratings and ticked reactions."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch, Rectangle

from fergi.evaluation.significance import SIGNIFICANCE
from fergi.records.study import REACTIONS
from fergi.report.figure_style import (
    BLUE,
    DIVERGING,
    GREEN,
    INK,
    PALE,
    SCORE_STYLES,
    SOFT,
    VERMILLION,
    LayoutOnce,
    bare,
    house_style,
    signed,
    stars,
    unit_title,
)

RATED_UNITS = ("AU1", "AU2", "AU4", "AU5", "AU9", "AU12", "AU20")
"""Those whose boxplots the paper shows."""
_RATINGS = range(1, 8)
_HATCH = {BLUE: "//", VERMILLION: "\\\\", GREEN: "..", PALE: ""}
_LABEL_OFFSETS = {
    "BLIP_score": (6, -16),
    "ensemble_baseline_score": (8, -14),
    "ImageReward_score": (-8, 6),
}
"""Of labels that would lie on others, in points."""


@house_style()
def activation_by_rating(reactions: pl.DataFrame, correlations: pl.DataFrame) -> Figure:
    """Draw the activation of seven units by overall rating, as boxplots.

    Whiskers reach 1.5 interquartile ranges; what lies beyond is not drawn. The line joins the
    means.

    Args:
        reactions: `overall_rating` and the units of each usable reaction.
        correlations: Of `fergi.evaluation.association.rating_correlations`.

    Returns:
        A panel for each unit, coloured if its correlation with the rating, or with the distance
        of the rating from neutral, is significant after Bonferroni.
    """
    figure = Figure(figsize=(10, 5.4), layout=LayoutOnce())
    panels = figure.subplots(2, 4, sharex=True).ravel()
    rated = reactions.drop_nulls("overall_rating")
    by_unit = {row["au"]: row for row in correlations.iter_rows(named=True)}
    for axes, unit in zip(panels, RATED_UNITS, strict=False):
        _draw_ratings(axes, rated, unit, by_unit[unit])
    panels[3].tick_params(labelbottom=True)
    _explain_ratings(panels[-1])
    figure.supxlabel("overall rating of the image, 1 (worst) to 7 (best)", fontsize=10)
    figure.supylabel("activation value", fontsize=10)
    return figure


def _draw_ratings(
    axes: Axes, rated: pl.DataFrame, unit: str, correlation: Mapping[str, Any]
) -> None:
    values = [rated.filter(overall_rating=rating)[unit].to_numpy() for rating in _RATINGS]
    colour = _trend(correlation)
    _draw_boxes(
        axes, [v for v in values if len(v)], [r for r in _RATINGS if len(values[r - 1])], colour
    )
    means = [v.mean() if len(v) else np.nan for v in values]
    axes.plot(_RATINGS, means, color=INK, marker="D", markersize=3.5, linewidth=1, label="mean")
    axes.margins(y=0.28)
    axes.set_ylim(bottom=0)
    axes.set(title=unit_title(unit), xticks=list(_RATINGS))
    lines = [
        f"{name} {_rho(correlation[f'rho_{kind}'], correlation[f'p_{kind}'])}"
        for name, kind in (("ρ rating", "sequential"), ("ρ |rating − 4|", "symmetric"))
    ]
    axes.text(
        0.98, 0.985, "\n".join(lines), transform=axes.transAxes, ha="right", va="top", fontsize=9,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )  # fmt: skip


def _rho(rho: float, p: float) -> str:
    return signed(rho, 3) + stars(p, SIGNIFICANCE)


def _trend(correlation: Mapping[str, Any]) -> str:
    """Choose the colour that says how a unit goes with the rating."""
    if correlation["p_sequential"] < SIGNIFICANCE:
        return BLUE if correlation["rho_sequential"] > 0 else VERMILLION
    is_curved = correlation["p_symmetric"] < SIGNIFICANCE and correlation["rho_symmetric"] > 0
    return GREEN if is_curved else PALE


def _draw_boxes(
    axes: Axes,
    values: Sequence[np.ndarray],
    positions: Sequence[int | float],
    colour: str,
    width: float = 0.7,
) -> None:
    """Draw boxes without outliers, of one colour and its hatch."""
    drawn = axes.boxplot(
        values, positions=positions, widths=width, showfliers=False, patch_artist=True,
        manage_ticks=False, medianprops={"color": "black", "linewidth": 2},
        whiskerprops={"color": SOFT}, capprops={"color": SOFT},
    )  # fmt: skip
    for box in drawn["boxes"]:
        box.set(facecolor=_tint(colour), edgecolor=INK, linewidth=0.8)
        box.set_hatch(_HATCH[colour])


def _tint(colour: str) -> str:
    return colour if colour == PALE else f"{colour}66"


def _explain_ratings(axes: Axes) -> None:
    axes.axis("off")
    labels = {
        BLUE: "rises with the rating",
        VERMILLION: "falls with the rating",
        GREEN: "rises at both ends only",
        PALE: "neither, significantly",
    }
    handles = [
        Patch(facecolor=_tint(colour), edgecolor=INK, hatch=2 * _HATCH[colour], label=label)
        for colour, label in labels.items()
    ]
    axes.legend(handles=handles, loc="upper left", fontsize=9.5, borderaxespad=0)
    note = (
        "Box: middle half and median.\nDiamonds: means. Outliers\nare not drawn.\n"
        "* significant after Bonferroni\n(96 tests); ** by 10 times;\n*** by 100 times"
    )
    axes.text(0.03, 0.46, note, transform=axes.transAxes, va="top", fontsize=9, color=SOFT)


@house_style()
def activation_by_reaction(reactions: pl.DataFrame, ranksums: pl.DataFrame) -> Figure:
    """Draw activation with and without each ticked reaction, for significant pairs only.

    Args:
        reactions: The units and the ticked reactions of each usable reaction.
        ranksums: Of `fergi.evaluation.association.reaction_ranksums`.

    Returns:
        A panel for each reaction. Each has two boxes for each unit whose rank sum is significant
        after Bonferroni, and its z above them; outliers are not drawn.
    """
    significant = ranksums.filter(pl.col("p") < SIGNIFICANCE)
    figure = Figure(figsize=(10, 5.6), layout=LayoutOnce())
    panels = figure.subplots(2, 3).ravel()
    for axes, reaction in zip(panels, REACTIONS, strict=True):
        found = significant.filter(reaction=reaction)
        ticked = reactions.filter(pl.col(reaction))
        axes.set_title(f"“{reaction}” ({len(ticked):,} of {len(reactions):,} reactions)")
        _draw_ticked(axes, ticked, reactions.filter(~pl.col(reaction)), found)
    figure.supylabel("activation value", fontsize=10)
    labels = {BLUE: "ticked, and higher", VERMILLION: "ticked, and lower", PALE: "not ticked"}
    handles = [
        Patch(facecolor=_tint(colour), edgecolor=INK, hatch=2 * _HATCH[colour], label=label)
        for colour, label in labels.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=9.5)
    return figure


def _draw_ticked(
    axes: Axes, ticked: pl.DataFrame, others: pl.DataFrame, found: pl.DataFrame
) -> None:
    if not len(found):
        axes.text(0.5, 0.5, "no unit differs significantly", ha="center", transform=axes.transAxes)
        axes.axis("off")
    for place, row in enumerate(found.iter_rows(named=True)):
        colour = BLUE if row["z"] > 0 else VERMILLION
        _draw_boxes(axes, [ticked[row["au"]].to_numpy()], [place - 0.2], colour, width=0.34)
        _draw_boxes(axes, [others[row["au"]].to_numpy()], [place + 0.2], PALE, width=0.34)
        z = f"z {row['z']:+.1f}".replace("-", "−")
        axes.text(
            place, 0.99, z, transform=axes.get_xaxis_transform(), ha="center", va="top", fontsize=9
        )
    axes.set(xlim=(-0.6, max(len(found), 3) - 0.4))
    axes.set_xticks(range(len(found)), found["au"].to_list())
    axes.margins(y=0.14)
    axes.set_ylim(bottom=0)
    axes.grid(visible=False, axis="x")


@house_style()
def statistics_at_a_glance(correlations: pl.DataFrame, ranksums: pl.DataFrame) -> Figure:
    """Draw every correlation and rank sum as one map.

    Args:
        correlations: Of `fergi.evaluation.association.rating_correlations`.
        ranksums: Of `fergi.evaluation.association.reaction_ranksums`.

    Returns:
        Units down, two correlations and six reactions across; significant cells are framed
        and bold.
    """
    figure = Figure(figsize=(9.2, 5.6), layout=LayoutOnce())
    left, right = figure.subplots(1, 2, width_ratios=[2, 6], sharey=True)
    kinds = ("sequential", "symmetric")
    rho = correlations.select(f"rho_{kind}" for kind in kinds).to_numpy()
    rho_p = correlations.select(f"p_{kind}" for kind in kinds).to_numpy()
    first = _draw_map(left, rho, rho_p, 3, 0.2)
    left.set_xticks(range(2), ["rating", "|rating − 4|"])
    left.set_yticks(range(len(correlations)), [unit_title(unit) for unit in correlations["au"]])
    wide = ranksums.pivot(on="reaction", index="au", values=["z", "p"])
    z, z_p = (wide.select(f"{name}_{one}" for one in REACTIONS).to_numpy() for name in "zp")
    second = _draw_map(right, z, z_p, 2, 10.0)
    right.set_xticks(range(len(REACTIONS)), REACTIONS)
    left.set_title("Spearman’s ρ")
    right.set_title("z of the rank sum, reaction ticked against not")
    figure.colorbar(first, ax=left, location="bottom", label="ρ", aspect=13, shrink=0.9)
    figure.colorbar(second, ax=right, location="bottom", label="z", aspect=40, shrink=0.9)
    return figure


def _draw_map(
    axes: Axes, values: np.ndarray, p: np.ndarray, decimals: int, highest: float
) -> AxesImage:
    drawn = axes.imshow(values, cmap=DIVERGING, vmin=-highest, vmax=highest, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        is_significant = p[row, column] < SIGNIFICANCE
        axes.text(
            column, row, signed(value, decimals), ha="center", va="center",
            fontsize=9, fontweight="bold" if is_significant else "normal",
            color="white" if abs(value) > 0.75 * highest else "black",
        )  # fmt: skip
        if is_significant:
            axes.add_patch(_frame(row, column))
    bare(axes)
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    return drawn


def _frame(row: int, column: int) -> Patch:
    return Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, fill=False, edgecolor="black")


@house_style()
def ratings_behind_scores(aspects: pl.DataFrame) -> Figure:
    """Draw what each score of version 1 follows: alignment with the prompt, or fidelity.

    Args:
        aspects: Of `fergi.evaluation.association.aspect_regressions`.

    Returns:
        A point for each score: its two regression coefficients.
    """
    figure = Figure(figsize=(6.4, 4.6), layout=LayoutOnce())
    axes = figure.subplots()
    for line in (axes.axhline, axes.axvline):
        line(0, color=SOFT, linewidth=1)
    for row in aspects.iter_rows(named=True):
        style = SCORE_STYLES[row["score"]]
        at = (row["alignment_coef"], row["fidelity_coef"])
        axes.plot(*at, marker=style.marker, color=style.colour, markersize=9, markeredgewidth=2)
        offset = _LABEL_OFFSETS.get(row["score"], (8, 6))
        axes.annotate(
            style.label, at, offset, textcoords="offset points", fontsize=9.5,
            ha="left" if offset[0] > 0 else "right",
        )  # fmt: skip
    axes.set(
        xlabel="rise with the rating of alignment, sd per point",
        ylabel="rise with the rating of fidelity, sd per point",
    )
    axes.margins(x=0.2, y=0.18)
    return figure
