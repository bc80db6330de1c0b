from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fergi.errors import UsageError
from fergi.records.action_units import ACTION_UNITS, UNIT_NAMES, ActionUnitSeries

pytest.importorskip("matplotlib", reason="Matplotlib is not installed (extra: report)")

from fergi.report.clip_figure import clip_figure, window_means, write_figure
from fergi.stages.activation import PUBLISHED_CRITERIA, activation_values, valid_frames

Make = Callable[..., ActionUnitSeries]


def _smiling(make_series: Make, lost: slice = slice(0, 0), frames: int = 90) -> ActionUnitSeries:
    intensities = np.random.default_rng(0).normal(scale=0.05, size=(frames, len(ACTION_UNITS)))
    intensities[30:60, ACTION_UNITS.index(12)] += 2
    confidence = np.full(frames, 0.97)
    confidence[lost] = np.nan
    intensities[lost] = np.nan
    return make_series(frames, intensities=intensities, face_confidence=confidence)


@pytest.mark.parametrize("lost", [slice(0, 0), slice(0, 2), slice(40, 43)])
def test_the_marks_differ_by_the_activation_values(make_series: Make, lost: slice) -> None:
    series = _smiling(make_series, lost)
    is_valid = valid_frames(series, PUBLISHED_CRITERIA)
    means = window_means(series, is_valid)
    first = np.flatnonzero(~np.isnan(means[:, 0]))[0]
    values = activation_values(series.intensities, is_valid, frame_rate=series.frame_rate)
    # Sums are taken in another order.
    np.testing.assert_allclose(np.nanmax(means, axis=0) - means[first], values, atol=1e-9)
    figure = clip_figure(series, "a")
    for place, axes in enumerate(figure.axes):
        _, _, start, highest = axes.lines
        rise = highest.get_ydata()[0] - start.get_ydata()[0]
        assert rise == pytest.approx(values[place], abs=1e-9)
        assert f"+{values[place]:.2f}" in axes.get_title(loc="left")


def test_every_unit_has_a_panel_and_lost_frames_are_shaded(make_series: Make) -> None:
    figure = clip_figure(_smiling(make_series, slice(40, 43)), "clip 7", "proxy")
    assert [axes.get_title(loc="left").split(",")[0] for axes in figure.axes] == list(UNIT_NAMES)
    (band,) = figure.axes[0].patches
    assert band.get_x() == pytest.approx(39.5 / 30)
    assert band.get_x() + band.get_width() == pytest.approx(42.5 / 30)
    assert "clip 7: 90 frames" in figure.get_suptitle()
    assert "proxy" in figure.get_supylabel()


def test_a_clip_that_is_unusable_is_drawn_and_says_so(make_series: Make) -> None:
    lost = clip_figure(_smiling(make_series, slice(0, 60)), "a")
    assert "33% of them valid; unusable" in lost.get_suptitle()
    blind = clip_figure(_smiling(make_series, slice(0, 90)), "a")
    assert "0% of them valid; unusable" in blind.get_suptitle()
    assert len(blind.axes[0].patches) == 1
    assert clip_figure(_smiling(make_series, frames=2), "a").axes


def test_the_same_clip_gives_the_same_file_in_each_format(
    make_series: Make, tmp_path: Path
) -> None:
    for ending in ("png", "pdf", "svg"):
        for name in ("a", "b"):
            write_figure(clip_figure(_smiling(make_series), "clip"), tmp_path / f"{name}.{ending}")
        assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    with pytest.raises(UsageError, match=r"'\.gif' is none of \.png, \.pdf, \.svg"):
        write_figure(clip_figure(_smiling(make_series), "clip"), tmp_path / "a.gif")
