"""The reproduction as a folder: tables, figures, and a page that tells the story."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from fergi.evaluation.comparison import comparison_table
from fergi.evaluation.measures import nested_tables
from fergi.evaluation.oddities import oddity_table
from fergi.evaluation.reproduction import NestedReproduction, Reproduction
from fergi.files import replacing, write_table
from fergi.provenance import fingerprint, write_provenance
from fergi.records.clip import Problem
from fergi.records.study import Study
from fergi.report.figures import FigureFiles, figure_writers, save_figures
from fergi.report.paper_figures import paper_figures
from fergi.report.paper_page import paper_page
from fergi.stages.valence import FauNet
from fergi.weights.store import shipped_model

FIGURE_FORMATS = ("pdf", "png")


def write_paper(
    out: Path,
    study: Study,
    activations: pl.DataFrame,
    found: Reproduction,
    nested: NestedReproduction | None,
    problems: Sequence[Problem],
) -> pl.DataFrame:
    """Write `tables/`, `figures/` and `report.html`.

    Args:
        out: The folder; files of the same names are replaced, each whole.
        study: The release.
        activations: Of its clips.
        found: The published protocol.
        nested: The nested protocol, if it was asked for.
        problems: What is missing or different in the release; if anything is, nothing is
            comparable.

    Returns:
        Published beside ours: `table, cell, published, ours, verdict`.

    Raises:
        OutputError: If a file cannot be written.
    """
    folder = out / "figures"
    with figure_writers() as writers:  # they start while the rest is made
        comparison = comparison_table(found.cells, is_comparable=not problems)
        oddities = oddity_table(study, activations, found, nested) if _is_whole(found) else None
        summary = {} if nested is None else _nested_tables(nested)
        tables = {**paper_tables(found), **summary, "comparison": comparison}
        if oddities is not None:
            tables["oddities"] = oddities
        for name, table in tables.items():
            write_table(table, out / "tables" / f"{name}.csv")
        network = FauNet.from_tensors(shipped_model("fau-net").tensors)
        predictions = None if nested is None else nested.predictions
        figures = paper_figures(found, network, predictions, summary)
        tasks = [FigureFiles(*one, folder, FIGURE_FORMATS) for one in figures.items()]
        save_figures(tasks, writers)
    pictures = {name: (folder / f"{name}.png").read_bytes() for name in figures}
    page = paper_page(found, comparison, oddities, summary, pictures, problems)
    with replacing(out / "report.html") as file:
        file.write(page.encode())
    write_provenance(
        out / "report.html",
        settings={"versions": sorted(found.outcomes)},
        models={},
        input_fingerprint=fingerprint(study.images, activations),
        summary={"problems": [str(problem) for problem in problems]},
    )
    return comparison


def paper_tables(found: Reproduction) -> dict[str, pl.DataFrame]:
    """Name the tables of the published protocol as their files are named."""
    tables = {
        f"pairwise_accuracy_{version}": outcome.accuracy
        for version, outcome in found.outcomes.items()
    }
    tables |= {
        f"parameters_{version}": outcome.parameters for version, outcome in found.outcomes.items()
    }
    others = {
        "selection_v3": found.selection,
        "rating_correlations": found.correlations,
        "reaction_ranksums": found.ranksums,
        "aspects_v1": found.aspects,
        "rating_counts": found.ratings,
        "heat_map_v1": found.heat_map,
    }
    return tables | {name: table for name, table in others.items() if table is not None}


def _nested_tables(nested: NestedReproduction) -> dict[str, pl.DataFrame]:
    return {
        **nested_tables(nested.predictions),
        "nested_weights_accuracy": nested.weighted.accuracy,
        "nested_weights": nested.weighted.parameters,
    }


def _is_whole(found: Reproduction) -> bool:
    return {"v1", "v2", "v3"} <= found.outcomes.keys()
