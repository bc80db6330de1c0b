"""One clip: its twelve action units over time, and the activation values that come of them."""

from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from fergi.errors import UsageError
from fergi.files import replacing
from fergi.records.action_units import UNIT_NAMES, ActionUnitSeries
from fergi.report.figure_style import (
    BLUE,
    INK,
    PALE,
    SOFT,
    VERMILLION,
    LayoutOnce,
    house_style,
    unit_title,
)
from fergi.stages.activation import (
    PUBLISHED_CRITERIA,
    ClipActivation,
    clip_activation,
    valid_frames,
    window_frames,
)

FIGURE_ENDINGS = (".png", ".pdf", ".svg")
"""Of figures that can be written."""

_SCALES = {
    "intensity_0_5": "FACS intensity, 0 to 5",
    "proxy": "proxy of FACS intensity, 0 to 5, not validated by coders",
    "probability": "probability, 0 to 1",
}
_PIXELS_PER_INCH = 150
_LEAST_TOP = 1.0
"""Of the intensity axis, lest the noise of a face at rest fill the panels."""


def require_figure_ending(path: Path) -> None:
    """Check that a file name ends as a figure's does.

    Raises:
        UsageError: If the ending is not .png, .pdf or .svg.
    """
    if path.suffix.lower() not in FIGURE_ENDINGS:
        raise UsageError(
            f"{path.name}: the ending says the format, and '{path.suffix}' is none of "
            f"{', '.join(FIGURE_ENDINGS)}; rename the file"
        )


@house_style()
def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all, in the format that its ending names.

    Raises:
        UsageError: If the ending is another one.
        OutputError: If the file cannot be written.
    """
    require_figure_ending(path)
    with replacing(path) as file:
        _save(figure, file, path.suffix.lower().removeprefix("."))


@house_style()
def clip_figure(series: ActionUnitSeries, name: str, scale: str | None = None) -> Figure:
    """Draw the action units of one clip.

    Args:
        series: The action units.
        name: What to call the clip.
        scale: What the estimator's numbers mean; None if that is not known.

    Returns:
        A panel for each unit: its intensity over time, the means of a tenth of a second, the first
        and the highest of them, whose difference is the activation value; frames that are not
        valid are shaded.
    """
    is_valid = valid_frames(series, PUBLISHED_CRITERIA)
    found = clip_activation(series, PUBLISHED_CRITERIA)
    means = window_means(series, is_valid)
    figure = Figure(figsize=(11, 7), layout=LayoutOnce())
    panels = figure.subplots(3, 4, sharex=True, sharey=True)
    for place, (axes, unit) in enumerate(zip(panels.ravel(), UNIT_NAMES, strict=True)):
        _shade(axes, series.times, is_valid)
        axes.plot(series.times, series.intensities[:, place], color=SOFT, linewidth=0.8, alpha=0.7)
        axes.plot(series.times, means[:, place], color=BLUE, linewidth=1.8)
        _mark(axes, series.times, means[:, place])
        axes.set_title(_title(unit, found, place), fontsize=9.5)
    panels[0, 0].set_xlim(series.times[0], series.times[-1])
    panels[0, 0].set_ylim(top=max(_LEAST_TOP, panels[0, 0].get_ylim()[1]))
    figure.suptitle(f"{name}: {_summary(series, found)}", fontsize=10.5, x=0.01, ha="left")
    for axes in panels[-1]:
        axes.set_xlabel("seconds", fontsize=9.5)
    figure.supylabel(_SCALES.get(scale or "", "action unit"), fontsize=10)
    figure.legend(handles=_handles(), loc="outside lower center", ncols=5, fontsize=9)
    return figure


def window_means(
    series: ActionUnitSeries, is_valid: Bool[np.ndarray, " frames"]
) -> Float[np.ndarray, "frames units"]:
    """Average over windows of a tenth of a second, as activation values are computed.

    Args:
        series: The action units.
        is_valid: Which frames may be trusted.

    Returns:
        The mean of the window around each frame; NaN where it touches an invalid frame, or reaches
        over an end of the clip.
    """
    width = window_frames(series.frame_rate)
    means = np.full_like(series.intensities, np.nan)
    if len(is_valid) < width:
        return means
    trusted = np.where(is_valid[:, None], series.intensities, np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(trusted, width, axis=0)
    before = (width - 1) // 2
    means[before : before + len(windows)] = windows.mean(axis=-1)
    return means


def _shade(
    axes: Axes, times: Float[np.ndarray, " frames"], is_valid: Bool[np.ndarray, " frames"]
) -> None:
    """Shade each run of invalid frames, from halfway before it to halfway after."""
    middles = (times[1:] + times[:-1]) / 2
    edges = np.concatenate([times[:1], middles, times[-1:]])
    turns = np.flatnonzero(np.diff(np.concatenate([[True], is_valid, [True]]).astype(np.int8)))
    for start, end in turns.reshape(-1, 2):
        axes.axvspan(edges[start], edges[end], color=PALE, linewidth=0)


def _mark(
    axes: Axes, times: Float[np.ndarray, " frames"], means: Float[np.ndarray, " frames"]
) -> None:
    """Mark the first mean and the highest."""
    if np.isnan(means).all():
        return
    first, highest = int(np.flatnonzero(~np.isnan(means))[0]), int(np.nanargmax(means))
    axes.plot(times[first], means[first], "o", color=INK, markersize=5, clip_on=False)
    axes.plot(times[highest], means[highest], "^", color=VERMILLION, markersize=7, clip_on=False)


def _title(unit: str, found: ClipActivation, place: int) -> str:
    return unit_title(unit) + ("" if found.values is None else f"  +{found.values[place]:.2f}")


def _summary(series: ActionUnitSeries, found: ClipActivation) -> str:
    seen = (
        f"{len(series.times):,} frames, {series.frame_rate:.3g} a second, "
        f"{found.valid_share:.0%} of them valid"
    )
    if found.values is not None:
        return f"{seen}; behind each name its activation value"
    least = PUBLISHED_CRITERIA.min_valid_share
    return f"{seen}; unusable, since {least:.0%} are needed, in runs of a tenth of a second"


def _handles() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=SOFT, linewidth=0.8, label="each frame"),
        Line2D([], [], color=BLUE, linewidth=1.8, label="mean of 0.1 s"),
        Line2D([], [], color=INK, marker="o", linestyle="", label="first mean"),
        Line2D([], [], color=VERMILLION, marker="^", linestyle="", label="highest mean"),
        Patch(color=PALE, label="face not seen well enough"),
    ]


def _save(figure: Figure, file: IO[bytes], ending: str) -> None:
    # Without a date, so that the same clip gives the same file.
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(ending)
    figure.savefig(file, format=ending, dpi=_PIXELS_PER_INCH, metadata=metadata)
