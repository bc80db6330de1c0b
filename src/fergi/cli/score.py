"""`fergi score`: text-to-image scores."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fergi.cli.console import AsJson, Quiet, finish, print_summary, progress_bar
from fergi.errors import UsageError
from fergi.files import require_table_ending
from fergi.scorers.protocol import ScorerOptions
from fergi.scorers.score_file import ScoreRequest, ScoreRun, score
from fergi.scorers.sheet import score_sheet
from fergi.settings import names_in

_HPS, _HPS_21 = "hpsv2", "hpsv2_1"


class HpsVersion(StrEnum):
    """Versions of the Human Preference Score v2."""

    V2_0 = "2.0"
    V2_1 = "2.1"


class Dtype(StrEnum):
    """Numbers that scorers can reckon with."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


WeightsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--weights",
        metavar="NAME=PATH",
        help="Where the weights of one scorer are: its file, or a folder with its files. "
        "A PATH without a name is a folder with a folder for each scorer. Can be given several "
        "times. By default what 'fergi fetch' brought, or the cache of the Hugging Face libraries.",
    ),
]


def score_command(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="STUDY|TABLE",
            help="Folder of a raw study, or a table (.csv, .parquet, .jsonl) with the columns "
            "prompt and image; paths of images start at the table's folder.",
        ),
    ],
    scorers: Annotated[
        str,
        typer.Option(
            help="Names, with commas: clip, laion_aesthetic, blip, imagereward, pickscore, hpsv2, "
            "hpsv2_1, vqa, hpsv3, or those of plug-ins.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="File to write: .parquet, .csv or .jsonl. STUDY/scores.parquet is where the "
            "study's own scores are looked for.",
        ),
    ],
    weights: WeightsOption = None,
    hps_version: Annotated[
        HpsVersion,
        typer.Option(
            help="Which version 'hpsv2' is. Scores of 2.1 go into the column hpsv2_1; "
            "the shipped fusion was learned with 2.0."
        ),
    ] = HpsVersion.V2_0,
    device: Annotated[
        str, typer.Option(help="Where models run, such as cpu, cuda or cuda:1.")
    ] = "cpu",
    dtype: Annotated[Dtype, typer.Option(help="Precision of the models.")] = Dtype.FLOAT32,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Images that a model is given at a time; by default 4 on the processor, "
            "16 elsewhere.",
        ),
    ] = None,
    keep_loaded: Annotated[
        bool,
        typer.Option("--keep-loaded", help="Keep all models in memory, not just the one at work."),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace scores of the same names in FILE that came about otherwise.",
        ),
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Score how well images fit their prompts.

    Needs the extra 'scorers'. Each image is decoded once and each prompt encoded once for
    all scorers. An image that cannot be read keeps its row, with a reason. Run again, the
    command goes on where it was interrupted. Nothing is downloaded.

    Example: fergi score my-study --scorers imagereward,pickscore --out my-study/scores.parquet
    """
    require_table_ending(out)
    options = scorer_options(weights, device=device, dtype=dtype.value)
    names = tuple(
        _HPS_21 if name == _HPS and hps_version is HpsVersion.V2_1 else name
        for name in names_in(scorers)
    )
    request = ScoreRequest(names, options, batch_size, keep_loaded, overwrite)
    sheet = score_sheet(source, out)
    with progress_bar("Scoring", quiet=quiet or as_json) as progress:
        run = score(sheet, request, out, progress)
    _warn_of_truncation(run, quiet=quiet or as_json)
    print_summary(
        {
            "source": str(source),
            "images": len({one.path for one in sheet.images}),
            "prompts": len({one.prompt for one in sheet.images}),
            **score_facts(run, names),
            "written": str(out),
        },
        run.problems,
        quiet=quiet,
        as_json=as_json,
    )
    finish(run.problems)


def scorer_options(weights: list[str] | None, *, device: str, dtype: str) -> ScorerOptions:
    """Read where weights are from `NAME=PATH` and `PATH`.

    Raises:
        UsageError: If a name or a path is missing, or several folders are named.
    """
    named: dict[str, Path] = {}
    folders: list[Path] = []
    for text in weights or []:
        name, equals, path = text.partition("=")
        if not equals:
            folders.append(Path(text))
        elif not name or not path:
            raise UsageError(f"--weights {text}: give NAME=PATH, or the path of a folder")
        else:
            named[name.strip()] = Path(os.path.expanduser(path))  # noqa: PTH111 (no shell does it)
    if len(folders) > 1 or any(not folder.is_dir() for folder in folders):
        raise UsageError(
            f"--weights {' '.join(map(str, folders))}: give one folder that is there, with a "
            "folder for each scorer in it"
        )
    return ScorerOptions(
        weights=named,
        weights_folder=folders[0] if folders else None,
        device=device,
        dtype=dtype,
    )


def score_facts(run: ScoreRun, names: tuple[str, ...]) -> dict[str, object]:
    """Count what was scored."""
    facts: dict[str, object] = {
        "scores": {name: run.table[name].count() for name in names},
        "taken_over": run.taken_over,
    }
    if run.truncated_prompts:
        facts["prompts_truncated"] = dict(run.truncated_prompts)
    return {**facts, "problems_found": len(run.problems)}


def _warn_of_truncation(run: ScoreRun, *, quiet: bool) -> None:
    if run.truncated_prompts and not quiet:
        counts = ", ".join(f"{count} by {name}" for name, count in run.truncated_prompts.items())
        typer.echo(f"fergi: prompts read only in part, being too long: {counts}", err=True)
