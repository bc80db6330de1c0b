"""`fergi demo`: the main job on an invented study."""

from dataclasses import asdict, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from fergi.cli.annotate import annotation_facts, extract_first
from fergi.cli.console import AsJson, Quiet, finish, print_summary, progress_bar
from fergi.cli.extraction import Workers
from fergi.datasets.demo_study import DEMO_CLIP_SECONDS, DEMO_FILMS, write_demo_study
from fergi.datasets.fergi_study import read_study
from fergi.datasets.synthetic import TRUTH_FILE, StudySize, write_synthetic_study
from fergi.errors import UsageError
from fergi.evaluation.truth import planted_pairs
from fergi.extraction.missing import joined_problems
from fergi.files import complete_folder, replacing
from fergi.pipeline import annotate_study, write_annotations
from fergi.report.html import annotation_page
from fergi.settings import AnnotationSettings


class Begin(StrEnum):
    """What a demo begins with."""

    FILMS = "the films that come with fergi"
    RENDER = "films that are drawn now"
    UNITS = "action units without films"


def demo(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", metavar="DIR", help="Folder to make; not there yet, or empty."),
    ] = Path("fergi-demo"),
    render: Annotated[
        bool,
        typer.Option(
            "--render", help="Invent and film other people; needs 'fergi fetch ict-facekit'."
        ),
    ] = False,
    from_units: Annotated[
        bool,
        typer.Option(
            "--from-units", help="Begin with invented action units: no films, no face networks."
        ),
    ] = False,
    participants: Annotated[
        int | None, typer.Option(min=1, help="With --render or --from-units: how many people.")
    ] = None,
    sessions: Annotated[
        int | None, typer.Option(min=1, help="With these: how many sessions each.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="With these: another seed invents another study.")
    ] = None,
    face_model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --render: the morphable face, if elsewhere."),
    ] = None,
    workers: Workers = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Do the main job on an invented study, and check the outcome.

    Films of people who do not exist, looking at images, frowning and smiling: finds the action
    units in every frame, annotates every pair of images from these faces, compares the outcome
    with the truth that was planted, and draws a report page. Nothing is downloaded, nothing
    leaves this machine.

    Example: fergi demo --out my-demo
    """
    is_silent = quiet or as_json
    begin = _begin(render=render, from_units=from_units)
    asked = StudySize()
    if participants is not None:
        asked["participants"] = participants
    if sessions is not None:
        asked["sessions"] = sessions
    if seed is not None:
        asked["seed"] = seed
    if asked and begin is Begin.FILMS:
        raise UsageError(f"--{next(iter(asked))} goes with --render or --from-units; add one")
    with complete_folder(out) as folder:
        _write_study(folder / "study", begin, asked, face_model, quiet=is_silent)
        study = read_study(folder / "study")
        extracted, extraction = extract_first(study, workers, quiet=is_silent)
        with progress_bar("Reading clips", quiet=is_silent) as progress:
            run = annotate_study(study, AnnotationSettings(), progress)
        run = replace(run, problems=joined_problems(extraction, run.problems))
        pairs = planted_pairs(run.annotations, pl.read_csv(study.root / TRUTH_FILE))
        facts = {"began_with": begin.value, **extracted, **annotation_facts(run), **_hits(pairs)}
        record = {"study": str((out / "study").resolve()), **facts}
        record["problems"] = [asdict(problem) for problem in run.problems]
        write_annotations(run, folder / "annotations.parquet", record)
        with replacing(folder / "report.html") as page:
            page.write(
                annotation_page(study, run, pairs, with_faces=begin is not Begin.UNITS).encode()
            )
    places = {
        "annotations": str(out / "annotations.parquet"),
        "report": str(out / "report.html"),
        "next": f"fergi export {out}/annotations.parquet --format hf-binarized --out {out}/export",
    }
    print_summary(facts | places, run.problems, quiet=quiet, as_json=as_json)
    finish(run.problems)


def _begin(*, render: bool, from_units: bool) -> Begin:
    if render and from_units:
        raise UsageError("--render draws films, and --from-units goes without; give one of them")
    return Begin.RENDER if render else Begin.UNITS if from_units else Begin.FILMS


def _write_study(
    root: Path, begin: Begin, asked: StudySize, face_model: Path | None, *, quiet: bool
) -> None:
    if begin is Begin.FILMS:
        write_demo_study(root)
    elif begin is Begin.UNITS:
        write_synthetic_study(root, **asked)
    else:
        from fergi.synthesis.film import film_study
        from fergi.synthesis.morphable_face import known_morphable_face

        invented: StudySize = {**DEMO_FILMS, **asked}
        face = face_model or known_morphable_face()
        with progress_bar("Filming", quiet=quiet) as progress:
            film_study(root, face, invented, clip_seconds=DEMO_CLIP_SECONDS, progress=progress)


def _hits(pairs: pl.DataFrame) -> dict[str, str]:
    """Say how many preferences the pipeline got right, by the planted truth."""
    decided = pairs.drop_nulls("preferred")
    surest = decided.filter(pl.col("confidence") >= 0.8)
    with_face = decided.filter(pl.col("source").str.contains("face"))
    return {
        "right_by_planted_truth": _share(decided),
        "right_where_both_faces_were_seen": _share(with_face),
        "right_where_80_percent_sure": _share(surest),
    }


def _share(pairs: pl.DataFrame) -> str:
    if pairs.is_empty():
        return "no pair"
    right = pairs["is_right"].sum()
    return f"{right} of {len(pairs)} ({right / len(pairs):.0%})"
