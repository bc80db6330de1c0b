"""`fergi evaluate`: how far the annotations of a study with rankings can be believed."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from fergi.cli.annotate import StudyFolder
from fergi.cli.console import AsJson, Quiet, finish, print_summary, progress_bar
from fergi.cli.train import (
    PUBLISHED_SCORES,
    JoinedScores,
    ScoresTable,
    joined_scores,
    needing_extras,
    read_reactions,
    score_settings,
)
from fergi.evaluation.measures import nested_tables
from fergi.files import require_no_file_at, write_table
from fergi.provenance import fingerprint, provenance_path, write_provenance
from fergi.scorers.table import known_scores


def evaluate(
    study: StudyFolder,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for tables and figures.")
    ],
    scores: JoinedScores = PUBLISHED_SCORES,
    scores_table: ScoresTable = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Measure how right and how honest the annotations are.

    Works on a study with rankings. Each participant's pairs are judged by models that never
    saw that participant. Needs the extras 'train' and 'report'.

    Example: fergi evaluate fergi-release --out evaluation
    """
    require_no_file_at(out)
    with needing_extras():
        from fergi.evaluation.nested import (
            Evidence,
            held_out_predictions,
            held_out_valences,
            unknown_pairs,
        )
        from fergi.report.figures import reliability_figure, save_figure
        from fergi.training.ranked_reactions import ranked_reactions
    source, activations, problems = read_reactions(study, quiet=quiet or as_json)
    table = known_scores(source, scores_table)
    evidence = Evidence(
        images=source.images,
        reactions=ranked_reactions(source.images, activations),
        scores=table,
        scorers=joined_scores(scores, table),
    )
    with progress_bar("Training networks", quiet=quiet or as_json) as progress:
        valences = held_out_valences(evidence.reactions, progress)
    predictions, unjudged = held_out_predictions(evidence, valences)
    # A participant first: they should not hide behind their clips.
    problems = [*unjudged, *problems]
    unknown = unknown_pairs(evidence)
    left_out = {"left_out": f"{unknown:,} pairs of which nothing is known"} if unknown else {}
    tables = nested_tables(predictions)
    written = out / "predictions.parquet"
    write_table(predictions, written, outdated=provenance_path(written))
    for name, table in tables.items():
        write_table(table, out / f"{name}.csv")
    write_provenance(
        written,
        settings=score_settings(scores, scores_table),
        models={},
        input_fingerprint=fingerprint(source.images, activations, evidence.scores),
        summary={**left_out, "problems": [asdict(problem) for problem in problems]},
    )
    figure = reliability_figure(predictions.filter(valence="fau-net").drop_nulls("p_0"))
    for ending in ("svg", "png"):
        save_figure(figure, out / f"reliability.{ending}")
    print_summary(
        {**_facts(tables["nested_measures"]), **left_out, "written": str(out)},
        problems,
        quiet=quiet,
        as_json=as_json,
    )
    finish(problems)


def _facts(measures: pl.DataFrame) -> dict[str, str]:
    return {
        row["evidence"]: f"{row['accuracy']:.1%} ({row['accuracy_low']:.1%} to "
        f"{row['accuracy_high']:.1%}) of {row['pairs']:,} pairs right, "
        f"ECE {row['ece']:.3f}, Brier {row['brier']:.3f}"
        for row in measures.filter(valence="fau-net").iter_rows(named=True)
    }
