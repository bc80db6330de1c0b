"""Figures of how often scores are right, by the published protocol."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fergi.evaluation.as_published.outcome import (
    ENSEMBLE,
    ENSEMBLED,
    FACE_V3,
    FUSED_ENSEMBLE,
    Outcome,
    total_accuracy,
)
from fergi.evaluation.comparison import published_values
from fergi.report.figure_style import (
    BLUE,
    GREEN,
    INK,
    SCORE_STYLES,
    SOFT,
    VERMILLION,
    LayoutOnce,
    house_style,
)

FACES = {"v1": "AU4_valence_score", "v2": "AUcomb_valence_score", "v3": FACE_V3}
"""What the face alone is called in each version."""
_TITLES = {
    "v1": "Version 1: brow (AU4)",
    "v2": "Version 2: brow and lips (AU4, AU12)",
    "v3": "Version 3: FAU-Net (12 AUs)",
}
_LEAST_COVERAGE = 1.0
_LEAST_SHARE = 0.05
"""Below it too few pairs are left for a curve to mean anything."""


@house_style()
def threshold_map(heat_map: pl.DataFrame) -> Figure:
    """Draw what the two parameters of version 1 do, over all participants.

    Args:
        heat_map: `c, threshold, n_correct, n_incorrect`.

    Returns:
        Three maps over (threshold, c): accuracy, coverage, and what is maximised, right pairs
        minus twice the wrong ones. A ring marks the maximum; accuracy is not drawn where a
        hundredth of the pairs or less is left.
    """
    right, wrong = (_grid(heat_map, name) for name in ("n_correct", "n_incorrect"))
    kept, gain = right + wrong, right - 2 * wrong
    share = 100 * kept / kept.max()
    accuracy = np.where(share > _LEAST_COVERAGE, 100 * right / np.maximum(kept, 1), np.nan)
    best = np.unravel_index(np.argmax(gain), gain.shape)
    steepness, thresholds = (np.unique(heat_map[name].to_numpy()) for name in ("c", "threshold"))
    chosen = (float(thresholds[best[1]]), float(steepness[best[0]]))
    figure = Figure(figsize=(10, 3.9), layout=LayoutOnce())
    panels = figure.subplots(1, 3, sharey=True)
    for axes, values, levels, title in (
        (panels[0], accuracy, [60, 65, 70, 75], f"Right: {accuracy[best]:.1f} % of the pairs kept"),
        (panels[1], share, [5, 10, 20, 40], f"Kept: {share[best]:.1f} % of all pairs"),
        (
            panels[2],
            np.maximum(gain, 0),
            [50, 100],
            f"Maximised: right − 2 · wrong = {gain[best]:.0f}",
        ),
    ):
        _draw_threshold_map(axes, (steepness, thresholds), values, levels)
        _ring(axes, chosen)
        axes.set(title=title, xlabel="threshold: least difference of two scores")
    panels[0].set_ylabel("c: steepness of the score")
    panels[0].annotate(
        f"chosen: c = {chosen[1]:.1f}, threshold = {chosen[0]:.2f}", chosen, (0.97, 0.96),
        textcoords="axes fraction", ha="right", va="top", fontsize=9,
        arrowprops={"arrowstyle": "-", "color": "black", "shrinkB": 7},
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 2.5},
    )  # fmt: skip
    return figure


def _grid(heat_map: pl.DataFrame, name: str) -> Float[np.ndarray, "c thresholds"]:
    wide = heat_map.sort("c", "threshold").pivot(on="threshold", index="c", values=name)
    return wide.drop("c").to_numpy().astype(float)


def _draw_threshold_map(
    axes: Axes,
    grid: tuple[Float[np.ndarray, " c"], Float[np.ndarray, " thresholds"]],
    values: Float[np.ndarray, "c thresholds"],
    levels: Sequence[int],
) -> None:
    steepness, thresholds = grid
    step_x, step_y = np.diff(thresholds[:2])[0] / 2, np.diff(steepness[:2])[0] / 2
    axes.set_facecolor("#bbbbbb")
    axes.imshow(
        values, origin="lower", aspect="auto", cmap="cividis", interpolation="nearest",
        extent=(thresholds[0] - step_x, thresholds[-1] + step_x,
                steepness[0] - step_y, steepness[-1] + step_y),
    )  # fmt: skip
    inside = [level for level in levels if np.nanmin(values) < level < np.nanmax(values)]
    if inside:
        lines = axes.contour(
            thresholds, steepness, values, levels=inside, colors="white", linewidths=0.9
        )
        axes.clabel(lines, fontsize=9)
    axes.grid(visible=False)


def _ring(axes: Axes, at: tuple[float, float]) -> None:
    for colour, width in (("white", 5.0), ("black", 2.0)):
        axes.plot(
            *at, marker="o", markersize=11, markerfacecolor="none", markeredgecolor=colour,
            markeredgewidth=width,
        )  # fmt: skip


@house_style()
def accuracy_by_selection(selection: pl.DataFrame) -> Figure:
    """Draw version 3's accuracy against the proportion of pairs that are selected.

    Args:
        selection: Of `fergi.evaluation.as_published.selection.selection_curves`.

    Returns:
        A panel for each score that selects; in it a curve for each score that is judged, that of
        the selecting one drawn heavier.
    """
    figure = Figure(figsize=(10, 5.8), layout=LayoutOnce())
    panels = figure.subplots(2, 3, sharex=True, sharey=True).ravel()
    selectors = selection["selected_by"].unique(maintain_order=True)
    for axes, selector in zip(panels, selectors, strict=False):
        curves = selection.filter(selected_by=selector)
        for (name,), curve in curves.group_by("score", maintain_order=True):
            _draw_curve(axes, curve, str(name), 2.4 if name == selector else 1.2)
        axes.set(title=f"selected by {SCORE_STYLES[selector].label}", xlim=(0, 1.02))
        axes.axhline(50, color=SOFT, linewidth=1)
    for axes in panels[len(selectors) :]:
        axes.axis("off")
    panels[2].tick_params(labelbottom=True)
    lines, labels = panels[0].get_legend_handles_labels()
    panels[-1].legend(lines, labels, loc="center", title="judged", alignment="left", fontsize=10)
    figure.supxlabel("proportion of pairs selected, largest difference first", fontsize=10)
    figure.supylabel("% of the selected pairs that are right", fontsize=10)
    return figure


def _draw_curve(axes: Axes, curve: pl.DataFrame, name: str, width: float) -> None:
    shown = curve.filter(pl.col("proportion") >= _LEAST_SHARE - 1e-9)
    style = SCORE_STYLES[name]
    axes.plot(
        shown["proportion"], _percent(shown), color=style.colour, linestyle=style.line,
        linewidth=width, marker=style.marker, markevery=(5, 15), markersize=6, label=style.label,
    )  # fmt: skip


def _percent(counts: pl.DataFrame) -> Float[np.ndarray, " rows"]:
    right, wrong = counts["n_correct"].to_numpy(), counts["n_incorrect"].to_numpy()
    return 100 * right / (right + wrong)


@house_style()
def surest_pairs(selection: pl.DataFrame) -> Figure:
    """Draw face against ensemble where the one is sure, and where the other is.

    Args:
        selection: Of `fergi.evaluation.as_published.selection.selection_curves`.

    Returns:
        Two panels; shaded where the face is right more often, with the published figures as
        open squares.
    """
    figure = Figure(figsize=(10, 4.3), layout=LayoutOnce())
    panels = figure.subplots(1, 2, sharey=True)
    for axes, selector in zip(panels, (FACE_V3, ENSEMBLE), strict=True):
        curves = selection.filter(selected_by=selector)
        face, ensemble = (curves.filter(score=name) for name in (FACE_V3, ENSEMBLE))
        _draw_curve(axes, face, FACE_V3, 2.4 if selector == FACE_V3 else 1.4)
        _draw_curve(axes, ensemble, ENSEMBLE, 2.4 if selector == ENSEMBLE else 1.4)
        _shade_gain(axes, face, ensemble)
        _draw_published(axes, selector)
        who = "face" if selector == FACE_V3 else "ensemble"
        title = (
            f"On the {who}’s surest tenth: {_tenth(face, 'face')}, {_tenth(ensemble, 'ensemble')}"
        )
        axes.set(
            title=title,
            xlabel=f"proportion of pairs kept, surest first by the {who}",
            xlim=(0, 1.02),
        )
        axes.axhline(50, color=SOFT, linewidth=1)
    panels[0].set_ylabel("% of the pairs kept that are right")
    panels[1].legend(loc="upper right", fontsize=10)
    return figure


def _tenth(curve: pl.DataFrame, name: str) -> str:
    tenth = curve.filter((pl.col("proportion") - 0.1).abs() < 1e-9)
    return f"{name} {_percent(tenth)[0]:.1f} %"


def _shade_gain(axes: Axes, face: pl.DataFrame, ensemble: pl.DataFrame) -> None:
    shown = face["proportion"].to_numpy() >= _LEAST_SHARE - 1e-9
    ours, theirs = _percent(face)[shown], _percent(ensemble)[shown]
    axes.fill_between(
        face["proportion"].to_numpy()[shown], ours, theirs, where=(ours > theirs).tolist(),
        interpolate=True, color=VERMILLION, alpha=0.22, linewidth=0,
    )  # fmt: skip


def _draw_published(axes: Axes, selector: str) -> None:
    label: str | None = "published"
    for entry in published_values()["selection_v3"]:
        if entry["selected_by"] == selector:
            points = [(float(share), float(value)) for share, value in entry["accuracy"].items()]
            axes.plot(
                *zip(*points, strict=True), linestyle="none", marker="s", markersize=11,
                markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.2, label=label,
            )  # fmt: skip
            label = None


@house_style()
def accuracy_by_version(outcomes: Mapping[str, Outcome]) -> Figure:
    """Draw what the face adds to each score, in all three versions.

    Args:
        outcomes: `v1`, `v2`, `v3` → accuracies; those that are absent have no panel.

    Returns:
        A panel for each version: scores without the face (open) and with it (filled), and the
        face alone.
    """
    versions = [version for version in _TITLES if version in outcomes]
    figure = Figure(figsize=(10, 3.7), layout=LayoutOnce())
    panels = figure.subplots(1, len(versions), sharex=True, sharey=True, squeeze=False)[0]
    for axes, version in zip(panels, versions, strict=True):
        percent = dict(total_accuracy(outcomes[version]).select("score", "percent").iter_rows())
        for row, name in enumerate((*ENSEMBLED, ENSEMBLE)):
            joined = FUSED_ENSEMBLE if name == ENSEMBLE else f"{name} + face"
            _draw_step(axes, row, percent[name], percent[joined])
        alone = percent[FACES[version]]
        axes.plot(
            alone,
            -1,
            marker="D",
            color=VERMILLION,
            markersize=8,
            label="face alone",
            linestyle="none",
        )
        axes.annotate(f"{alone:.2f}", (alone, -1), (9, 0), textcoords="offset points", va="center")
        axes.set(title=_TITLES[version], ylim=(-1.6, 3.7), xlim=(54, 77))
    names = ["face alone", *(SCORE_STYLES[name].label for name in (*ENSEMBLED, ENSEMBLE))]
    panels[0].set_yticks(range(-1, 4), names)
    figure.supxlabel("% of pairs that are right (a coin: 50)", fontsize=10)
    lines, labels = panels[0].get_legend_handles_labels()
    unique = dict(zip(labels, lines, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside upper center", ncols=3)
    return figure


def _draw_step(axes: Axes, row: int, without: float, with_face: float) -> None:
    """Draw the step from a score to that score with the face."""
    axes.plot([without, with_face], [row, row], color=SOFT, linewidth=2, zorder=1)
    axes.plot(
        without, row, linestyle="none", marker="o", markersize=8, markerfacecolor="white",
        markeredgecolor=BLUE, markeredgewidth=2, label="score without the face",
    )  # fmt: skip
    axes.plot(
        with_face, row, linestyle="none", marker="^", markersize=9, color=GREEN,
        label="score with the face",
    )  # fmt: skip
    axes.annotate(
        f"{with_face:.2f} ({with_face - without:+.1f})", (max(without, with_face), row), (9, 0),
        textcoords="offset points", va="center",
    )  # fmt: skip
