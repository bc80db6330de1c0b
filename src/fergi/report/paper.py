"""The reproduction as a folder: tables, figures, and a page that tells the story."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from fergi.evaluation.comparison import comparison_table
from fergi.evaluation.measures import nested_tables
from fergi.evaluation.oddities import oddity_table
from fergi.evaluation.reproduction import NestedReproduction, Reproduction
from fergi.execution.companion import Companion
from fergi.files import replacing, write_table
from fergi.provenance import fingerprint, write_provenance
from fergi.records.clip import Problem
from fergi.records.study import Study
from fergi.report.figures import Draw, save_figures
from fergi.report.paper_figures import nested_protocol_figures, published_figures
from fergi.report.paper_page import paper_page
from fergi.stages.valence import FauNet
from fergi.weights.store import shipped_model

FIGURE_FORMATS = ("pdf", "png")
REPORT_FILE = "report.html"


class PaperWriter:
    """Writes `tables/`, `figures/` and `report.html`; files of the same names are replaced."""

    def __init__(self, out: Path, companion: Companion) -> None:
        """Take the folder, and a companion that draws while other work goes on."""
        self._out = out
        self._companion = companion
        self._figures: dict[str, Draw] = {}

    def begin(self, found: Reproduction) -> None:
        """Let the companion draw what the published protocol gave."""
        network = FauNet.from_tensors(shipped_model("fau-net").tensors)
        self._figures = published_figures(found, network)
        saved = partial(save_figures, self._figures, self._folder, FIGURE_FORMATS)
        self._companion.ask("the figures", saved)

    def finish(
        self,
        study: Study,
        activations: pl.DataFrame,
        found: Reproduction,
        nested: NestedReproduction | None,
        problems: Sequence[Problem],
    ) -> pl.DataFrame:
        """Write all the rest.

        Args:
            study: The release.
            activations: Of its clips.
            found: The published protocol; what `begin` was given.
            nested: The nested protocol, if it was asked for.
            problems: What is missing or different in the release; if anything is, nothing is
                comparable.

        Returns:
            Published beside ours: `table, cell, published, ours, verdict`.

        Raises:
            ExecutionError: If the companion could not draw.
            OutputError: If a file cannot be written.
        """
        tables = _paper_tables(study, activations, found, nested, problems)
        for name, table in tables.by_name.items():
            write_table(table, self._out / "tables" / f"{name}.csv")
        pictures = self._pictures(tables, nested)
        page = paper_page(
            found, tables.comparison, tables.oddities, tables.nested, pictures, problems
        )
        report = self._out / REPORT_FILE
        with replacing(report) as file:
            file.write(page.encode())
        write_provenance(
            report,
            settings={"versions": sorted(found.outcomes)},
            models={},
            input_fingerprint=fingerprint(study.images, activations),
            summary={"problems": [str(problem) for problem in problems]},
        )
        return tables.comparison

    @property
    def _folder(self) -> Path:
        return self._out / "figures"

    def _pictures(
        self, tables: "_PaperTables", nested: NestedReproduction | None
    ) -> dict[str, bytes]:
        """Draw the other figures; give all as PNGs."""
        if nested is not None:
            others = nested_protocol_figures(nested.predictions, tables.nested)
            save_figures(others, self._folder, FIGURE_FORMATS)
            self._figures |= others
        self._companion.answer()
        return {name: (self._folder / f"{name}.png").read_bytes() for name in self._figures}


@dataclass(frozen=True, slots=True, eq=False)
class _PaperTables:
    """What stands in `tables/`.

    Attributes:
        published: Of the published protocol, by name.
        nested: Of the nested protocol, by name.
        comparison: Published beside ours.
        oddities: What each of them changes; None unless all versions were computed.
    """

    published: dict[str, pl.DataFrame]
    nested: dict[str, pl.DataFrame]
    comparison: pl.DataFrame
    oddities: pl.DataFrame | None

    @property
    def by_name(self) -> dict[str, pl.DataFrame]:
        oddities = {} if self.oddities is None else {"oddities": self.oddities}
        return {**self.published, **self.nested, "comparison": self.comparison, **oddities}


def _paper_tables(
    study: Study,
    activations: pl.DataFrame,
    found: Reproduction,
    nested: NestedReproduction | None,
    problems: Sequence[Problem],
) -> _PaperTables:
    is_whole = {"v1", "v2", "v3"} <= found.outcomes.keys()
    return _PaperTables(
        published=paper_tables(found),
        nested={} if nested is None else _nested_tables(nested),
        comparison=comparison_table(found.cells, is_comparable=not problems),
        oddities=oddity_table(study, activations, found, nested) if is_whole else None,
    )


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
