"""`fergi extract`: videos → action units."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fergi.cli.console import AsJson, Quiet, finish, print_summary
from fergi.cli.extraction import Ray, Workers, extraction_bar, extraction_facts
from fergi.settings import EstimatorName, ExtractionSettings, NeutralSource, extraction_settings


def extract(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", help="A video, a folder with videos at any depth, or a study."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder for the feature files, laid out as PATH; by default beside the videos.",
        ),
    ] = None,
    estimator: Annotated[
        EstimatorName,
        typer.Option(
            help="mesh: free, learned on invented faces, not validated by FACS coders. "
            "fergi-ir50: the paper's network, with weights that you bring."
        ),
    ] = EstimatorName.MESH,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights of fergi-ir50 (.pth, .safetensors or .onnx), or of a mesh of your own "
            "(.safetensors).",
        ),
    ] = None,
    landmark_weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Weights of MobileFaceNet, for the 68 landmarks of fergi-ir50; by default these "
            "are taken from the face mesh.",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Of fergi-ir50: auto, cpu, cuda or cuda:N. mesh needs no GPU.")
    ] = "auto",
    neutral: Annotated[
        str,
        typer.Option(
            metavar="SOURCE",
            help="The face at rest that others are compared with. auto: the steadiest moment of "
            "the participant's baseline clips, or else of the clip itself. baseline: of these, "
            "or fail. first-valid: the first good frame of each clip. clip:FILE: of that video or "
            "picture.",
        ),
    ] = NeutralSource.AUTO.value,
    tracking: Annotated[
        bool,
        typer.Option(
            "--tracking",
            help="Follow a face from frame to frame rather than search each: faster, not the same.",
        ),
    ] = False,
    workers: Workers = None,
    ray: Ray = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write features anew that are there already.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Find the action units in every frame of every video.

    Writes a feature file for each video, and a JSON beside it that says how it came about.
    Features that are there are kept, so a run that was stopped goes on where it was. A video
    that fails costs no other. Nothing leaves this machine.

    Example: fergi extract my-study
    """
    settings = extraction_settings(
        estimator=estimator,
        weights=weights,
        landmark_weights=landmark_weights,
        neutral=neutral,
        is_tracking=tracking,
    )
    from fergi.execution.choice import Workplace, usable_processors
    from fergi.extraction.models import is_on_gpu, require_weights
    from fergi.extraction.run import Existing, Way, extract_videos
    from fergi.extraction.videos import find_videos

    require_weights(settings)
    found = find_videos(path, out)
    way = Way(
        workplace=Workplace(
            workers if ray else workers or usable_processors(),
            ray,
            on_gpu=_wants_gpu(settings, device) if ray else is_on_gpu(settings, device),
        ),
        device=device,
        existing=Existing.OVERWRITE if overwrite else Existing.CHECK,
    )
    with extraction_bar(quiet=quiet or as_json) as (watch, stopwatch):
        run = extract_videos(found.clips, settings, way, watch)
        facts = extraction_facts(run, stopwatch, shortened=not as_json)
    problems = [*found.doubles, *run.problems]
    beside = path if path.is_dir() else found.clips[0].features
    facts |= _left_out(found.left_out, shortened=not as_json)
    if run.done or run.skipped:
        facts["written"] = str(out or beside)
    print_summary({"path": str(path), **facts}, problems, quiet=quiet, as_json=as_json)
    finish(problems)


def _wants_gpu(settings: ExtractionSettings, device: str) -> bool:
    """Tell whether a GPU is of use, on machines of which nothing is known here."""
    return settings.estimator is EstimatorName.FERGI_IR50 and device != "cpu"


def _left_out(videos: list[str], *, shortened: bool) -> dict[str, Any]:
    """Say which videos of a study are no clips of a session, if any."""
    if not videos:
        return {}
    if not shortened:
        return {"videos_left_out": videos}
    first = videos[0] if len(videos) == 1 else f"{videos[0]} and {len(videos) - 1} more"
    return {"videos_left_out": f"{first}: in no session_<k>; give the path itself to extract it"}
