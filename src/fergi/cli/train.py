"""`fergi train`: learn the valence network, and its fusion with text-to-image scores."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer

from fergi.activations import activation_table
from fergi.cli.annotate import StudyFolder
from fergi.cli.console import AsJson, Quiet, finish, print_summary, progress_bar
from fergi.datasets.fergi_study import read_study
from fergi.errors import MissingExtraError, ScoresError, UsageError
from fergi.files import require_no_file_at
from fergi.provenance import fingerprint, write_provenance
from fergi.records.clip import ClipKind, Problem
from fergi.records.study import IMAGE_KEY, Study
from fergi.scorers.table import known_scores
from fergi.settings import AUTO_SCORES, NO_SCORES, names_in
from fergi.stages.valence import Valence
from fergi.weights.store import model_file, require_model_ending, write_model

app = typer.Typer(help="Learn the models that annotate, from a study with rankings.")

JoinedScores = Annotated[
    str,
    typer.Option(
        help="The text-to-image scores to join with the face: names with commas, auto (all that "
        "the study has), or none."
    ),
]
ScoresTable = Annotated[
    Path | None, typer.Option(help="Where the scores are; by default in the study.")
]
PUBLISHED_SCORES = "imagereward,pickscore,hpsv2"
"""Those that the paper joins with the face."""

ModelOut = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help="Model to write, .safetensors.")
]


@app.command("valence")
def train_valence(
    study: StudyFolder, out: ModelOut, quiet: Quiet = False, as_json: AsJson = False
) -> None:
    """Learn FAU-Net, from twelve action units to valence.

    By the published recipe; needs the extra 'train'. On the authors' release this gives the
    model that fergi ships.

    Example: fergi train valence fergi-release --out fau-net.safetensors
    """
    require_model_ending(out)
    require_no_file_at(out.parent)
    with needing_extras():
        from fergi.training.ranked_reactions import ranked_reactions
        from fergi.training.valence_network import trained_network
    source, activations, problems = read_reactions(study, quiet=quiet or as_json)
    reactions = ranked_reactions(source.images, activations)
    with progress_bar("Training", quiet=quiet or as_json) as progress:
        network = trained_network(reactions, progress=progress)
    facts = {
        "participants": len(reactions.participants),
        "reactions": len(reactions.activations),
        "ranked_pairs": len(reactions.pairs),
    }
    tensors = network.tensors()
    _write(out, tensors, facts, problems, settings={}, evidence=(reactions.images, activations))
    print_summary({**facts, "written": str(out)}, problems, quiet=quiet, as_json=as_json)
    finish(problems)


@app.command("fusion")
def train_fusion(
    study: StudyFolder,
    out: ModelOut,
    scores: JoinedScores = PUBLISHED_SCORES,
    scores_table: ScoresTable = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Learn what weight face and text-to-image scores deserve.

    For each of the valences, and for each set of scores that may be known of a pair; needs
    the extra 'train'. Any scores that the study has will do: see 'fergi score'. Every
    participant's valence comes from a network that was trained without them, so the face is
    not believed more than it deserves.

    Example: fergi train fusion fergi-release --out fusion.safetensors
    """
    require_model_ending(out)
    require_no_file_at(out.parent)
    with needing_extras():
        from fergi.training.fusion import fitted_fusion, fusion_pairs, out_of_fold_valence
        from fergi.training.ranked_reactions import ranked_reactions
    source, activations, problems = read_reactions(study, quiet=quiet or as_json)
    reactions = ranked_reactions(source.images, activations)
    table = known_scores(source, scores_table)
    names = joined_scores(scores, table)
    tensors = {}
    with progress_bar(
        "Training networks without each participant", quiet=quiet or as_json
    ) as progress:
        for valence in Valence:
            values = out_of_fold_valence(reactions, valence, progress=progress)
            pairs = fusion_pairs(source.images, reactions, values, table, names)
            model = fitted_fusion(pairs, face_is_calibrated=valence is Valence.FAU_NET)
            tensors[valence.value] = model.weights
    facts = {
        "participants": len(reactions.participants),
        "ranked_pairs": len(pairs.differences),
        "pairs_with_faces": len(reactions.pairs),
        "sources": ",".join(model.sources),
    }
    _write(
        out,
        tensors,
        facts,
        problems,
        settings=score_settings(scores, scores_table),
        evidence=(source.images, activations, table),
    )
    print_summary({**facts, "written": str(out)}, problems, quiet=quiet, as_json=as_json)
    finish(problems)


def joined_scores(scores: str, table: pl.DataFrame) -> tuple[str, ...]:
    """Name the scores to join: those that are asked for, or all that there are.

    Raises:
        UsageError: If they are too many.
        ScoresError: If a name cannot be written in a list.
    """
    if scores == NO_SCORES:
        return ()
    names = tuple(table.drop(IMAGE_KEY).columns) if scores == AUTO_SCORES else names_in(scores)
    if len(names) > _MOST_SCORES:
        raise UsageError(
            f"{len(names)} scores make {2 ** (len(names) + 1):,} sets to fit; "
            f"name {_MOST_SCORES} at most with --scores"
        )
    unlisted = [name for name in names if names_in(name) != (name,)]
    if unlisted:
        raise ScoresError(
            f"the name of a score cannot hold a comma, or begin or end with a space: "
            f"{', '.join(map(repr, unlisted))}; rename the column"
        )
    return names


def score_settings(scores: str, scores_table: Path | None) -> dict[str, str | None]:
    """Give the options that name scores as JSON holds them."""
    return {"scores": scores, "scores_table": None if scores_table is None else str(scores_table)}


_MOST_SCORES = 10

_EXTRA_OF = {
    "torch": "train",
    "onnx": "train",
    "kornia_rs": "train",
    "sklearn": "train",
    "matplotlib": "report",
    "scipy": "report",
    "statsmodels": "report",
    "alembic": "studio",
    "fastapi": "studio",
    "sqlalchemy": "studio",
    "uvicorn": "studio",
}


@contextmanager
def needing_extras() -> Iterator[None]:
    """Say which extra is missing, if an import inside fails for lack of it.

    Raises:
        MissingExtraError: If a package of an extra is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA_OF:
            raise
        raise MissingExtraError("this command", _EXTRA_OF[package]) from error


def read_reactions(folder: Path, *, quiet: bool) -> tuple[Study, pl.DataFrame, list[Problem]]:
    """Read a study and the activation values of its reactions."""
    study = read_study(folder)
    clips = [clip for clip in study.clips if clip.kind is ClipKind.REACTION]
    with progress_bar("Reading clips", quiet=quiet) as progress:
        activations, problems = activation_table(clips, progress=progress)
    return study, activations, [*study.problems, *problems]


def _write(
    out: Path,
    tensors: Mapping[str, Any],
    facts: Mapping[str, object],
    problems: Sequence[Problem],
    *,
    settings: Mapping[str, object],
    evidence: Sequence[pl.DataFrame],
) -> None:
    source = fingerprint(*evidence)
    texts = {name: str(value) for name, value in facts.items()}
    write_model(out, tensors, texts | {"input_fingerprint": source})
    write_provenance(
        out,
        settings=settings,
        models={out.name: model_file(out).sha256},
        input_fingerprint=source,
        summary={**facts, "problems": [asdict(problem) for problem in problems]},
    )
