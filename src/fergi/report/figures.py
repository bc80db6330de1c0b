"""Figures of evaluation. Needs the extra `report`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fergi.evaluation.calibration import accuracy_by_share, reliability
from fergi.execution.protocol import Tell, untold
from fergi.files import replacing
from fergi.report.figure_style import STYLE

# Okabe–Ito colours with distinct markers: told apart by colour-blind readers and in grey print.
STYLES = {
    "face": ("#D55E00", "o", "face (FAU-Net)"),
    "scores": ("#0072B2", "s", "text-to-image scores"),
    "face+scores": ("#009E73", "^", "face + scores"),
    "all": ("#333333", "D", "whatever is known, all pairs"),
}
_FEWEST_PAIRS = 20
_DOTS_PER_INCH = 130
Draw = Callable[[], Figure]
"""Draws a figure. It can be pickled."""

_UNDATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
"""A figure drawn again is the same file."""


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all, in the format that its ending names."""
    kind = path.suffix[1:]
    with replacing(path) as file, mpl.rc_context(STYLE):
        figure.savefig(file, format=kind, dpi=_DOTS_PER_INCH, metadata=_UNDATED[kind])


def save_figures(
    drawings: Mapping[str, Draw], folder: Path, formats: Sequence[str], tell: Tell = untold
) -> None:
    """Draw figures, and write each in several formats.

    Args:
        drawings: Name of each figure, and what draws it.
        folder: Where to write.
        formats: Endings, without a dot.
        tell: Told the name of each that is done.

    Raises:
        OutputError: If a file cannot be written.
    """
    for name, draw in drawings.items():
        figure = draw()
        for ending in formats:
            save_figure(figure, folder / f"{name}.{ending}")
        tell(name)


def reliability_figure(predictions: pl.DataFrame) -> Figure:
    """Draw how often annotations are right: at each confidence, and on the surest pairs.

    Args:
        predictions: Rows of one valence from `held_out_predictions`.

    Returns:
        Two panels: accuracy against confidence, where a perfect annotator lies on the
        diagonal, and accuracy against the share of pairs kept.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 4.4), layout="constrained")
        calibration, selection = figure.subplots(1, 2)
        for name, (colour, marker, label) in STYLES.items():
            chosen = predictions.filter(evidence=name)
            if len(chosen):
                _draw_reliability(calibration, chosen, colour, marker)
                _draw_selection(selection, chosen, colour, marker, label)
        _finish_reliability(calibration)
        _finish_selection(selection)
    return figure


def _draw_reliability(axes: Axes, chosen: pl.DataFrame, colour: str, marker: str) -> None:
    table = reliability(*_arrays(chosen)).filter(pl.col("pairs") >= _FEWEST_PAIRS)
    error = 1.96 * (table["accuracy"] * (1 - table["accuracy"]) / table["pairs"]).sqrt()
    axes.errorbar(
        table["confidence"], table["accuracy"], yerr=error, color=colour, marker=marker,
        markersize=5, linewidth=1.5, elinewidth=0.8, capsize=2,
    )  # fmt: skip


def _draw_selection(axes: Axes, chosen: pl.DataFrame, colour: str, marker: str, label: str) -> None:
    shares = np.linspace(0.05, 1, 20)
    accuracy = accuracy_by_share(*_arrays(chosen), shares)
    axes.plot(
        shares, accuracy, color=colour, marker=marker, markersize=4, linewidth=1.5,
        label=f"{label} ({len(chosen):,} pairs)",
    )  # fmt: skip


def _arrays(chosen: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    return chosen["p_0"].to_numpy(), chosen["is_first_preferred"].to_numpy()


def _finish_reliability(axes: Axes) -> None:
    axes.plot([0.5, 1], [0.5, 1], color="#888888", linestyle="--", linewidth=1, zorder=0)
    axes.set(
        xlabel="confidence given", ylabel="share of pairs right", title="Do they keep their word?",
        xlim=(0.49, 1.01), ylim=(0.45, 1.01),
    )  # fmt: skip
    axes.annotate("as sure as right", (0.9, 0.9), (0.815, 0.955), color="#666666", fontsize=9)


def _finish_selection(axes: Axes) -> None:
    axes.set(
        xlabel="share of pairs kept, surest first", ylabel="share of pairs right",
        title="How right are the surest?", xlim=(0, 1.02),
    )  # fmt: skip
    axes.legend(fontsize=9)
