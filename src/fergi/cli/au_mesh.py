"""`fergi au synthesize`, and the mesh estimator in `fergi au train`."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fergi.cli.console import AsJson, Quiet, finish, print_summary, progress_bar
from fergi.cli.train import needing_extras
from fergi.errors import UsageError
from fergi.files import write_table
from fergi.provenance import write_provenance
from fergi.records.clip import Problem
from fergi.weights.store import model_file, require_model_ending, write_model

if TYPE_CHECKING:
    from fergi.execution.protocol import Failure

_FACE_MODEL = "face-landmarker"


class TrainedEstimator(StrEnum):
    """What `fergi au train` can learn."""

    NETWORK = "network"
    MESH = "mesh"


def synthesize(
    people: Annotated[int, typer.Option(min=1, help="How many people to invent.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the pictures.")
    ],
    neutrals: Annotated[
        int, typer.Option(min=1, help="Pictures of each person's resting face.")
    ] = 3,
    expressions: Annotated[
        int, typer.Option(min=0, help="Expressions of each person, each with the head turned too.")
    ] = 5,
    seed: Annotated[int, typer.Option(help="Everyone is drawn from it and from their name.")] = 0,
    face_model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The morphable face, if it is not where fergi fetch ict-facekit puts it.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Draw people who do not exist, with known action units.

    Every picture is also taken by a poor camera. Stopped at any moment, the same command goes
    on where it was; more people are added to those that are there.

    Example: fergi au synthesize --people 1000 --out people
    """
    from fergi.synthesis.morphable_face import known_morphable_face
    from fergi.synthesis.picture_set import PicturePlan, synthesize

    plan = PicturePlan(seed=seed, neutrals=neutrals, expressions=expressions)
    face = face_model or known_morphable_face()
    with progress_bar("Drawing people", quiet=quiet or as_json) as progress:
        failures = synthesize(face, out, people, plan, workers=workers, progress=progress)
    facts = {
        "people": people - len(failures),
        "pictures_of_each": plan.pictures,
        "written": str(out),
    }
    problems = _problems(failures)
    print_summary(facts, problems, quiet=quiet, as_json=as_json)
    finish(problems)


def train_mesh(
    folders: Sequence[Path], out: Path, *, seed: int, workers: int, quiet: bool, as_json: bool
) -> None:
    """Learn the mesh estimator from the pictures of `fergi au synthesize`."""
    require_model_ending(out)
    if len(folders) != 1:
        raise UsageError("the mesh estimator learns from one folder of fergi au synthesize")
    from fergi.weights.fetched import fetched_model

    with needing_extras():
        from fergi.evaluation.planted_units import planted_judgement
        from fergi.training.mesh_estimator import TrainingPlan, trained_mesh_estimator
        from fergi.training.picture_faces import seen_pictures
    task = fetched_model(_FACE_MODEL)
    plan = TrainingPlan(seed=seed)
    is_quiet = quiet or as_json
    with progress_bar("Looking at pictures", quiet=is_quiet) as progress:
        seen, failures = seen_pictures(folders[0], task, workers=workers, progress=progress)
    is_held_out = seen.is_held_out()
    with progress_bar("Training", quiet=is_quiet) as progress:
        weights = trained_mesh_estimator(seen.chosen(~is_held_out), plan, progress)
    found = planted_judgement(seen.chosen(is_held_out), weights)
    facts = {"people": int(seen.people.max()) + 1, **found.summary()}
    write_model(out, weights.tensors(), {name: str(value) for name, value in facts.items()})
    write_table(found.units, out.with_suffix(".units.csv"))
    write_table(found.responses, out.with_suffix(".responses.csv"))
    write_provenance(
        out,
        settings=asdict(plan),
        models={out.name: model_file(out).sha256, _FACE_MODEL: hashlib.sha256(task).hexdigest()},
        input_fingerprint=seen.fingerprint(),
        summary=facts,
    )
    problems = _problems(failures)
    by_unit = dict(zip(found.units["unit"], found.units["icc"], strict=True))
    print_summary(
        {**facts, "icc": by_unit, "written": str(out)}, problems, quiet=quiet, as_json=as_json
    )
    finish(problems)


def _problems(failures: Sequence["Failure"]) -> list[Problem]:
    return [Problem(failure.name, failure.reason) for failure in failures]
