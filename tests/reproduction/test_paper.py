"""Every figure that the authors printed, from their release."""

import polars as pl
import pytest

from fergi.evaluation.as_published.outcome import total_accuracy
from fergi.evaluation.comparison import comparison_table
from fergi.evaluation.oddities import oddity_table
from fergi.evaluation.reproduction import Reproduction, reproduction
from fergi.records.study import Study

pytestmark = pytest.mark.release


@pytest.fixture(scope="module")
def found(study: Study, printed: pl.DataFrame, activations: pl.DataFrame) -> Reproduction:
    baselines = len(activations.filter(kind="baseline").drop_nulls())
    return reproduction(study, printed, baselines)


def test_every_printed_figure_is_compared(found: Reproduction) -> None:
    assert len(found.cells) == 188
    assert all(cell.ours for cell in found.cells)


def test_every_printed_figure_matches(found: Reproduction) -> None:
    table = comparison_table(found.cells, is_comparable=True)
    assert set(table["verdict"]) == {"match"}


def test_correlations_match_the_six_digits_that_the_authors_notebook_shows(
    found: Reproduction,
) -> None:
    # Output of cell 7 of result_analysis.ipynb in the authors' repository: AU → ρ sequential,
    # ρ symmetric.
    shown = {
        "AU1": (0.064884, 0.099987),
        "AU2": (0.087530, 0.110589),
        "AU4": (-0.177750, -0.034339),
        "AU5": (-0.040861, 0.077031),
        "AU6": (-0.013997, 0.064320),
        "AU9": (-0.093508, 0.064120),
        "AU12": (0.080999, 0.142731),
        "AU15": (-0.039791, -0.014756),
        "AU17": (-0.000212, 0.015411),
        "AU20": (0.020286, 0.083895),
        "AU25": (-0.034590, 0.070691),
        "AU26": (-0.035392, 0.056783),
    }
    assert found.correlations is not None
    ours = found.correlations.select("au", "rho_sequential", "rho_symmetric")
    for unit, *rhos in ours.iter_rows():
        assert tuple(rhos) == pytest.approx(shown[unit], abs=5.1e-7)  # half of the last digit


def test_version_2_as_written_is_better_than_as_published(found: Reproduction) -> None:
    percent = {
        name: total_accuracy(found.outcomes[name]).filter(score="AUcomb_valence_score")["percent"]
        for name in ("v2", "v2_as_written")
    }
    assert percent["v2_as_written"].item() > percent["v2"].item()


def test_parameters_are_mostly_those_that_the_authors_report(found: Reproduction) -> None:
    mode = {
        (version, name): chosen["value"].round(2).mode().to_list()
        for version in ("v1", "v2")
        for (name,), chosen in found.outcomes[version].parameters.group_by("parameter")
    }
    assert mode["v1", "c"] == [0.4]
    assert mode["v1", "threshold"] == [0.42]
    assert mode["v2", "c"] == [0.5]
    assert mode["v2", "a"] == [0.5]
    assert mode["v2", "threshold"] == [0.26]


def test_half_credit_for_ties_lifts_hps_to_what_is_known(
    study: Study, activations: pl.DataFrame, found: Reproduction
) -> None:
    table = oddity_table(study, activations, found, None)
    ties = table.filter(score="HPS_V2_score").row(0, named=True)
    assert round(ties["without"], 1) == 62.6
    assert table["published"].is_between(0, 100).all()
