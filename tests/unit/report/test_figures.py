from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from fergi.errors import OutputError
from fergi.report.figures import (
    FigureFiles,
    figure_writers,
    reliability_figure,
    save_figure,
    save_figures,
)


@pytest.fixture
def predictions() -> pl.DataFrame:
    stream = np.random.default_rng(0)
    p_0 = stream.random(400)
    return pl.DataFrame(
        {
            "evidence": np.repeat(["face", "scores", "face+scores", "all"], 100),
            "p_0": p_0,
            "is_first_preferred": stream.random(400) < p_0,
        }
    )


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_the_same_predictions_draw_the_same_file(
    predictions: pl.DataFrame, tmp_path: Path, ending: str
) -> None:
    for name in ("one", "two"):
        save_figure(reliability_figure(predictions), tmp_path / f"{name}.{ending}")
    assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()


def test_every_kind_of_evidence_is_named_with_its_number_of_pairs(
    predictions: pl.DataFrame,
) -> None:
    figure = reliability_figure(predictions)
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert len(labels) == 4
    assert all("100 pairs" in label for label in labels)


def test_a_kind_without_pairs_is_left_out(predictions: pl.DataFrame) -> None:
    figure = reliability_figure(predictions.filter(pl.col("evidence") == "face"))
    assert len(figure.axes[1].get_legend().get_texts()) == 1


def test_figures_saved_on_all_processors_are_those_saved_one_by_one(tmp_path: Path) -> None:
    figures = [Figure(figsize=(2, 2)) for _ in range(3)]
    for number, figure in enumerate(figures):
        figure.subplots().plot([0, number])
    tasks = [
        FigureFiles(f"f{number}", figure, tmp_path / "many", ("pdf", "png"))
        for number, figure in enumerate(figures)
    ]
    with figure_writers() as writers:
        save_figures(tasks, writers)
    for task in tasks:
        for ending in task.formats:
            save_figure(task.figure, tmp_path / "one" / f"{task.name}.{ending}")
            written = tmp_path / "many" / f"{task.name}.{ending}"
            assert written.read_bytes() == (tmp_path / "one" / written.name).read_bytes()


def test_a_figure_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    task = FigureFiles("f", Figure(), tmp_path / "file", ("png",))
    with figure_writers() as writers, pytest.raises(OutputError, match="the figure f: "):
        save_figures([task], writers)
