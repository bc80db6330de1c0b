"""A folder of pictures of invented people, with the action units that were planted in them.

Each person has a folder of their own, made whole or not at all, so that a run that was stopped
goes on where it was; what it was drawing then is removed and drawn again. `truth.parquet` joins
them at the end.
"""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fergi.errors import UsageError
from fergi.execution.processes import Processes
from fergi.execution.protocol import Failure, Perform, Tell
from fergi.execution.serial import Serial
from fergi.files import complete_folder, read_table, write_table
from fergi.progress import Progress, unreported
from fergi.provenance import fingerprint, write_provenance
from fergi.records.action_units import UNIT_NAMES
from fergi.seeds import random_stream
from fergi.synthesis.camera import Camera, jpeg, random_camera
from fergi.synthesis.expressions import Expression, random_expression, random_neutral
from fergi.synthesis.morphable_face import morphable_face
from fergi.synthesis.people import invented_person
from fergi.synthesis.rendering import Renderer
from fergi.synthesis.scene import (
    Framing,
    Light,
    Pose,
    moved_pose,
    random_framing,
    random_light,
    random_pose,
)

TRUTH_FILE = "truth.parquet"
_UNFINISHED = re.compile(r"\.(person-\d+|truth\.parquet|truth\.parquet\.json|plan\.csv)\.\w+\.part")
"""How `fergi.files` names what has not got its own name yet."""
_SIZE = (256, 256)
_QUALITY = 95
_TURN, _MOST_YAW = 15.0, 25.0


@dataclass(frozen=True, slots=True)
class PicturePlan:
    """What is drawn of each person.

    Attributes:
        seed: Everything is drawn from it and from names.
        neutrals: How many pictures of the resting face.
        expressions: How many expressions; each is drawn twice, the head turned by 15° between.
    """

    seed: int = 0
    neutrals: int = 3
    expressions: int = 5

    @property
    def pictures(self) -> int:
        """Pictures of a person, each by a good camera and by a poor one."""
        return 2 * (self.neutrals + 2 * self.expressions)


@dataclass(frozen=True, slots=True)
class PersonTask:
    """One person to draw."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class _Shot:
    """A picture to be taken."""

    name: str
    is_neutral: bool
    expression: Expression
    pose: Pose


def person_names(people: int) -> list[str]:
    """Name the people of a set: the first of a larger set are those of a smaller one."""
    return [f"person-{number:05d}" for number in range(people)]


def synthesize(
    face: Path,
    out: Path,
    people: int,
    plan: PicturePlan,
    *,
    workers: int = 1,
    progress: Progress = unreported,
) -> list[Failure]:
    """Draw invented people into a folder; those that are there already are kept.

    What a killed run left half-drawn is removed; so run one at a time on a folder.

    Args:
        face: The packed morphable face.
        out: The folder to fill or to complete.
        people: How many people.
        plan: What is drawn of each.
        workers: How many processes draw.
        progress: Told after each person.

    Returns:
        The people who could not be drawn.

    Raises:
        UsageError: If the folder holds pictures of another plan.
        WeightsError: If the morphable face cannot be read.
        OutputError: If the disk refuses.
    """
    morphable_face(face)  # so that a wrong file is refused before anything is made
    _require_same_plan(out, plan)
    _remove_unfinished(out)
    names = person_names(people)
    missing = [PersonTask(name) for name in names if not (out / name).is_dir()]
    failures = []
    done = people - len(missing)
    progress(done, people)
    prepare = partial(_prepared, face, out, plan)
    with Serial(prepare) if workers == 1 else Processes(prepare, workers) as executor:
        for found in executor.outcomes(missing):
            done += 1
            progress(done, people)
            if isinstance(found, Failure):
                failures.append(found)
    _write_truth(out, [name for name in names if (out / name).is_dir()], plan)
    return failures


def _remove_unfinished(folder: Path) -> None:
    for path in folder.iterdir():
        if _UNFINISHED.fullmatch(path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _require_same_plan(out: Path, plan: PicturePlan) -> None:
    """Note the plan of a folder, or compare it with the one that is noted."""
    note = out / "plan.csv"
    wanted = pl.DataFrame([asdict(plan)])
    if not note.exists():
        write_table(wanted, note)
    elif not read_table(note).equals(wanted):
        raise UsageError(
            f"{out} holds pictures of another plan ({read_table(note).to_dicts()[0]}); "
            "ask for the same, or choose another folder"
        )


def _prepared(face: Path, out: Path, plan: PicturePlan) -> Perform:
    renderer = Renderer(morphable_face(face))

    def perform(task: PersonTask, _tell: Tell) -> None:
        with complete_folder(out / task.name) as folder:
            rows = list(_drawn(renderer, task.name, plan, folder))
            write_table(pl.DataFrame(rows), folder / TRUTH_FILE)

    return perform


def _drawn(
    renderer: Renderer, name: str, plan: PicturePlan, folder: Path
) -> Iterator[Mapping[str, Any]]:
    """Draw one person, each picture by a good camera and a poor one; yield what was planted."""
    person = invented_person(name, plan.seed)
    stream = random_stream(plan.seed, "pictures", name)
    light, framing, camera = random_light(stream), random_framing(stream), random_camera(stream)
    for shot in _shots(plan, stream):
        near = _moved(framing, stream)
        image = renderer.picture(person, shot.expression, shot.pose, light, near, size=_SIZE)
        spoiled = camera.spoiled(image, stream)
        for ending, taken, by in (("", image, None), ("-poor", spoiled, camera)):
            file = f"{shot.name}{ending}.jpg"
            (folder / file).write_bytes(jpeg(taken, _QUALITY))
            yield _truth(name, file, shot, light, by)


def _shots(plan: PicturePlan, stream: np.random.Generator) -> Iterator[_Shot]:
    habit = random_pose(stream)
    for number in range(plan.neutrals):
        pose = moved_pose(habit, stream)
        yield _Shot(f"neutral-{number}", True, random_neutral(stream), pose)
    for number in range(plan.expressions):
        expression, pose = random_expression(stream), moved_pose(habit, stream)
        yield _Shot(f"expression-{number}", False, expression, pose)
        yield _Shot(f"expression-{number}-turned", False, expression, _turned(pose, stream))


def _turned(pose: Pose, stream: np.random.Generator) -> Pose:
    """Turn a head by 15° to one side, without leaving what is ever seen."""
    turns = [turn for turn in (-_TURN, _TURN) if abs(pose.yaw + turn) <= _MOST_YAW]
    return replace(pose, yaw=pose.yaw + float(stream.choice(turns)))


def _moved(framing: Framing, stream: np.random.Generator) -> Framing:
    """Let a person sit a little elsewhere in each picture."""
    return replace(
        framing,
        face_share=framing.face_share * float(stream.uniform(0.95, 1.05)),
        across=framing.across + float(stream.normal(0, 0.01)),
        down=framing.down + float(stream.normal(0, 0.01)),
    )


def _truth(
    person: str, file: str, shot: _Shot, light: Light, camera: Camera | None
) -> dict[str, Any]:
    expression = shot.expression
    poor = asdict(camera) if camera else dict.fromkeys(Camera.__dataclass_fields__)
    return {
        "person": person,
        "picture": file,
        "shot": shot.name,
        "is_neutral": shot.is_neutral,
        "is_poor": camera is not None,
        **asdict(shot.pose),
        **dict(zip(UNIT_NAMES, expression.intensities.tolist(), strict=True)),
        **_sided("left", expression.left),
        **_sided("right", expression.right),
        "gaze_left": expression.gaze[0],
        "gaze_up": expression.gaze[1],
        **{f"light_{name}": value for name, value in asdict(light).items()},
        **{f"camera_{name}": value for name, value in poor.items()},
    }


def _sided(side: str, intensities: np.ndarray) -> dict[str, float]:
    names = (f"{unit}_{side}" for unit in UNIT_NAMES)
    return dict(zip(names, intensities.tolist(), strict=True))


def _write_truth(out: Path, names: list[str], plan: PicturePlan) -> None:
    """Join what was planted in everyone, and say how it came about."""
    if not names:
        return
    truth = pl.concat(
        [read_table(out / name / TRUTH_FILE) for name in names], how="vertical_relaxed"
    )
    write_table(truth, out / TRUTH_FILE)
    write_provenance(
        out / TRUTH_FILE,
        settings=asdict(plan),
        models={},
        input_fingerprint=fingerprint(truth),
        summary={"people": len(names), "pictures": len(truth)},
    )
