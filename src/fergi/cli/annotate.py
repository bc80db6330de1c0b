"""`fergi annotate`: the main job."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
import typer

from fergi.cli.console import AsJson, Quiet, finish, print_summary, progress_bar
from fergi.cli.extraction import Workers, extraction_bar, extraction_facts
from fergi.datasets.fergi_study import read_study
from fergi.errors import StudyError
from fergi.extraction.missing import extract_missing, joined_problems, unextracted
from fergi.files import require_table_ending
from fergi.pipeline import AnnotationRun, annotate_study, score_first, write_annotations
from fergi.records.study import Study
from fergi.settings import AUTO_SCORES, annotation_settings
from fergi.stages.valence import Valence

if TYPE_CHECKING:
    from fergi.extraction.run import ExtractionRun

_UNCALIBRATED = (
    "probabilities were learned on FACS intensities; on this scale they are no more than a guess, "
    "until you learn your own from rankings: fergi train fusion"
)

StudyFolder = Annotated[
    Path,
    typer.Argument(
        metavar="STUDY", help="Folder of a study: the authors' release, or a raw study."
    ),
]


def annotate(
    study: StudyFolder,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FILE", help="File to write: .parquet, .csv or .jsonl."
        ),
    ],
    valence: Annotated[
        Valence, typer.Option(help="How a face becomes a score of how much an image pleased.")
    ] = Valence.FAU_NET,
    scores: Annotated[
        str,
        typer.Option(
            help="Text-to-image scores to join with the face: auto (all that the study has and "
            "the fusion knows), none, or names such as pickscore,imagereward."
        ),
    ] = AUTO_SCORES,
    scores_table: Annotated[
        Path | None,
        typer.Option(
            help="Table with participant, session, image and a column for each score; "
            "by default scores.parquet, .csv or .jsonl at the root of the study."
        ),
    ] = None,
    min_confidence: Annotated[
        float,
        typer.Option(help="Leave pairs undecided that are less sure than this, 0.5 to 1."),
    ] = 0.5,
    exclude_unstable: Annotated[
        bool,
        typer.Option(
            "--exclude-unstable",
            help="Leave out the faces of participants whose brow moves while nothing is shown.",
        ),
    ] = False,
    fau_net: Annotated[
        Path | None, typer.Option(help="A FAU-Net of your own, from 'fergi train valence'.")
    ] = None,
    fusion: Annotated[
        Path | None, typer.Option(help="A fusion of your own, from 'fergi train fusion'.")
    ] = None,
    no_extract: Annotated[
        bool,
        typer.Option(
            "--no-extract", help="Refuse, rather than extract, clips that have only a video."
        ),
    ] = False,
    workers: Workers = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Give every pair of images a preference, with a probability.

    Clips that have a video and no action units yet are extracted first, as by 'fergi extract'.
    Writes a row for each pair of valid images of a session. A pair whose face evidence is
    missing is judged by text-to-image scores, where there are any; a pair of which nothing is
    known keeps its row, undecided. Scores that --scores names and the study lacks are computed
    first, as by 'fergi score', if images and weights are there. Faces and action units are
    never written.

    Example: fergi annotate my-study --out annotations.parquet
    """
    require_table_ending(out)
    settings = annotation_settings(
        valence=valence,
        scores=scores,
        scores_table=scores_table,
        min_confidence=min_confidence,
        exclude_unstable=exclude_unstable,
        fau_net=fau_net,
        fusion=fusion,
    )
    found = read_study(study)
    with progress_bar("Scoring images", quiet=quiet or as_json) as progress:
        scored = score_first(found, settings, progress)
    if no_extract:
        _refuse_to_extract(found)
    extracted, extraction = extract_first(found, workers, quiet=quiet or as_json)
    with progress_bar("Reading clips", quiet=quiet or as_json) as progress:
        run = annotate_study(found, settings, progress)
    problems = joined_problems(extraction, run.problems)
    run = replace(run, problems=(*problems, *(scored.problems if scored else ())))
    facts = extracted | annotation_facts(run)
    record = {"study": str(study.resolve()), **facts, "problems": [asdict(p) for p in run.problems]}
    write_annotations(run, out, record)
    print_summary(
        {"study": str(study), **facts, "written": str(out)},
        run.problems,
        quiet=quiet,
        as_json=as_json,
    )
    finish(run.problems)


def _refuse_to_extract(study: Study) -> None:
    if missing := len(unextracted(study)):
        raise StudyError(
            f"{missing} clips have a video and no action units; run: fergi extract {study.root}"
        )


def extract_first(
    study: Study, workers: int | None, *, quiet: bool
) -> tuple[dict[str, Any], "ExtractionRun | None"]:
    """Extract what has a video and no action units yet; say what was done."""
    if not unextracted(study):
        return {}, None
    from fergi.execution.choice import Workplace, usable_processors
    from fergi.extraction.run import Way

    way = Way(Workplace(workers or usable_processors()))
    with extraction_bar(quiet=quiet) as (watch, stopwatch):
        run = extract_missing(study, way=way, watch=watch)
        facts = {} if run is None else extraction_facts(run, stopwatch, shortened=True)
    # Of people for whom nothing was to be done, nothing was counted.
    facts.pop("clips_already_there", None)
    return facts, run


def annotation_facts(run: AnnotationRun) -> dict[str, Any]:
    """Count what an annotation found."""
    table = run.annotations
    sources = table["source"].value_counts(sort=True)
    confidence = table["confidence"].drop_nulls()
    facts = {
        "participants": table["participant"].n_unique(),
        "sessions": table.select(pl.struct("participant", "session").n_unique()).item(),
        "pairs": len(table),
        "reactions_measured": {str(origin): count for origin, count in run.origins.items()},
        "judged_by": dict(sources.iter_rows()),
        "decided": table["preferred"].count(),
        "at_least_80_percent_sure": int((confidence >= 0.8).sum()),
        "problems_found": len(run.problems),
    }
    return facts if run.is_calibrated else facts | {"mind": _UNCALIBRATED}
