"""`fergi reproduce`: every table, statistic and figure of the paper."""

from functools import partial
from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from fergi.activations import activation_tables
from fergi.cli.console import AsJson, Quiet, finish, print_summary, progress_bar
from fergi.cli.train import needing_extras
from fergi.datasets.fergi_study import read_study
from fergi.datasets.release_files import release_differences
from fergi.errors import UsageError
from fergi.execution.companion import Companion
from fergi.execution.protocol import Tell
from fergi.files import require_no_file_at
from fergi.records.clip import ClipKind, Problem
from fergi.records.study import Layout
from fergi.settings import REPRODUCTION_PARTS
from fergi.stages.activation import clip_activation

_CLIPS_BETWEEN_NEWS = 64


def reproduce(
    release: Annotated[
        Path, typer.Argument(metavar="RELEASE", help="The authors' release; 'fergi fetch release'.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for tables, figures, report.")
    ],
    only: Annotated[
        str,
        typer.Option(
            metavar="PARTS", help=f"Some of {','.join(REPRODUCTION_PARTS)}; by default all."
        ),
    ] = ",".join(REPRODUCTION_PARTS),
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Redo the paper, and put every printed figure beside ours.

    All three versions, the statistics and the figures, by the published protocol, oddities
    included; then the same questions by a protocol without them. Ends with status 1 if a
    figure differs. Needs the extras 'train' and 'report'.

    Example: fergi reproduce fergi-release --out reproduction
    """
    parts = _parts(only)
    require_no_file_at(out)
    study = read_study(release)
    if study.layout is not Layout.RELEASE:
        raise UsageError(f"{release} is not the authors' release; get it with: fergi fetch release")
    is_silent = quiet or as_json
    with Companion() as companion:
        companion.ask("the clips", partial(_measured, release))
        problems = [*release_differences(release), *study.problems]
        with needing_extras():  # takes as long as measuring the clips
            from fergi.evaluation.reproduction import nested_reproduction, reproduction
            from fergi.report.paper import REPORT_FILE, PaperWriter
        with progress_bar("Reading clips", quiet=is_silent) as progress:
            (activations, printed), unread = companion.answer(lambda _, read: progress(*read))
        problems += unread
        printed = printed.filter(kind=ClipKind.REACTION.value)
        baselines = len(activations.filter(kind=ClipKind.BASELINE.value).drop_nulls())
        with progress_bar("Training without each participant", quiet=is_silent) as progress:
            found = reproduction(study, printed, baselines, parts, progress)
        writer = PaperWriter(out, companion)
        writer.begin(found)
        nested = None
        if "nested" in parts:
            with progress_bar("Training by the nested protocol", quiet=is_silent) as progress:
                nested = nested_reproduction(study, activations, progress)
        comparison = writer.finish(study, activations, found, nested, problems)
    verdicts = dict(comparison["verdict"].value_counts(sort=True).iter_rows())
    problems += _differences(comparison.filter(verdict="differs").rows())
    facts = {"printed_figures": verdicts, "report": str(out / REPORT_FILE)}
    print_summary(facts, problems, quiet=quiet, as_json=as_json)
    finish(problems)


def _measured(release: Path, tell: Tell) -> tuple[list[pl.DataFrame], list[Problem]]:
    """Measure the clips of the release, our way and as the authors' tools round.

    The release is read again, which takes less than sending its clips to another process.

    Args:
        release: Its folder.
        tell: Told how many clips were read, and of how many.
    """
    with needing_extras():
        from fergi.evaluation.as_published.arithmetic import printed_activation

    def progress(done: int, total: int) -> None:
        if done % _CLIPS_BETWEEN_NEWS == 0:
            tell((done, total))

    measures = [clip_activation, printed_activation]
    return activation_tables(read_study(release).clips, measures, progress=progress)


def _parts(only: str) -> list[str]:
    parts = [part.strip() for part in only.split(",") if part.strip()]
    unknown = [part for part in parts if part not in REPRODUCTION_PARTS]
    if unknown or not parts:
        raise UsageError(
            f"--only: {', '.join(unknown) or 'nothing'} is no part; "
            f"choose of {', '.join(REPRODUCTION_PARTS)}"
        )
    return parts


def _differences(rows: list[tuple[str, ...]]) -> list[Problem]:
    return [
        Problem(f"{table}, {cell}", f"published {published}, ours {ours}")
        for table, cell, published, ours, _ in rows
    ]
