"""Action-unit networks judged by people whom they have not seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from jaxtyping import Int

from fergi.datasets.disfa_protocol import neutral_rows
from fergi.datasets.prepared_faces import PreparedFaces
from fergi.errors import UsageError
from fergi.evaluation.action_units import MEAN, agreement_of_heads
from fergi.files import write_table
from fergi.progress import Progress, unreported
from fergi.records.action_units import UNIT_NAMES
from fergi.records.clip import Problem
from fergi.training.action_units.batches import Lesson
from fergi.training.action_units.licences import network_licence
from fergi.training.action_units.loop import CHECKPOINT_FILE, PLAIN_RUN, RunOptions, train
from fergi.training.action_units.networks import ActionUnitNetwork, initial_network, start_from
from fergi.training.action_units.origin import Origin
from fergi.training.action_units.predictions import WRITTEN_HEAD, Estimates, estimates
from fergi.training.action_units.processes import Team
from fergi.training.action_units.recipe import Recipe
from fergi.training.action_units.start import Start
from fergi.training.action_units.trained import (
    NETWORK_FILE,
    TrainedNetwork,
    require_origin,
    write_trained,
)

AGREEMENT_FILE = "agreement.csv"


@dataclass(frozen=True, slots=True, eq=False)
class FoldTraining:
    """A network to be trained on some people, and judged by the others.

    Attributes:
        faces: Of everyone.
        held_out: Those whom it must not see; nobody, for a network that learns from all.
        recipe: How it is trained.
        start: Initial weights; None to draw them.
        folder: Takes its files.
    """

    faces: PreparedFaces
    held_out: tuple[str, ...]
    recipe: Recipe
    start: Start | None
    folder: Path

    def __post_init__(self) -> None:
        """Refuse initial weights that have seen whom the network must not see.

        Raises:
            UsageError: If they have.
        """
        known = sorted({*self.held_out}.intersection(self.start.people if self.start else ()))
        if self.start and known:
            shown = ", ".join(known[:5]) + (" …" if len(known) > 5 else "")
            raise UsageError(
                f"{self.start.path}: has seen {shown}, whom this training holds out; start from "
                "weights that have not, or hold no one out"
            )

    def run(
        self, team: Team, options: RunOptions = PLAIN_RUN, progress: Progress = unreported
    ) -> tuple[dict[str, Any], list[Problem]]:
        """Train, judge and write; a network that is there already is kept.

        Args:
            team: The processes that share each batch.
            options: How it runs.
            progress: Told after each step.

        Returns:
            What to say of it, and who could not be learned from, or not be judged.
        """
        seen, problems = learnable(self._part(is_held_out=False), self.recipe.is_calibrated)
        unseen, unmeasured = learnable(self._part(is_held_out=True), self.recipe.is_calibrated)
        problems += unmeasured
        network = initial_network(self.recipe)
        checkpoint = None if self.start is None else start_from(network, self.start.path)
        digest = None if checkpoint is None else checkpoint.sha256
        neutrals = _neutrals(seen, self.recipe.is_calibrated)
        lesson = Lesson(seen, neutrals, self.recipe, digest)
        origin = self._origin(lesson, unseen)
        facts: dict[str, Any] = {"already_there": str(self.folder)}
        if (self.folder / NETWORK_FILE).exists():
            require_origin(self.folder / NETWORK_FILE, origin)
        else:
            train(network, lesson, self.folder, team, options, progress)
            facts = {"people": len(seen.people), "pictures": len(seen)}
            if team.is_first:
                agreement = self._measured(network, unseen, team)
                write_trained(self.folder, network, origin, agreement)
                facts |= {} if agreement is None else mean_agreement(agreement)
            facts |= {"written": str(self.folder)}
        team.wait()
        if team.is_first:
            (self.folder / CHECKPOINT_FILE).unlink(missing_ok=True)
        return facts, problems

    def _part(self, *, is_held_out: bool) -> PreparedFaces:
        condition = pl.col("person").is_in(self.held_out)
        return self.faces.where(condition if is_held_out else ~condition)

    def _measured(
        self, network: ActionUnitNetwork, unseen: PreparedFaces, team: Team
    ) -> pl.DataFrame | None:
        if not len(unseen):
            return None
        neutrals = _neutrals(unseen, self.recipe.is_calibrated)
        found = estimates(network, unseen, neutrals, team.device)
        agreement = agreement_of_heads(found.heads(), unseen.labels.astype(float), unseen.table)
        write_table(agreement, self.folder / AGREEMENT_FILE)
        return agreement

    def _origin(self, lesson: Lesson, unseen: PreparedFaces) -> Origin:
        seen, start = lesson.faces, self.start
        counts = seen.table["dataset"].value_counts().sort("dataset").rows()
        datasets = {str(name): int(count) for name, count in counts}
        return Origin(
            recipe=self.recipe,
            datasets=datasets,
            people=seen.people,
            held_out=self.held_out,
            faces=self.faces.fingerprint,
            training=lesson.identity,
            licence=network_licence(datasets, start.licences if start else ()),
            start=start.path.name if start else None,
            start_sha256=lesson.start_sha256,
            start_people=start.people if start else (),
            start_datasets=start.datasets if start else (),
            start_is_foreign=start.is_foreign if start else False,
            unmeasured=tuple(one for one in self.held_out if one not in unseen.people),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What networks said of people whom they had not seen.

    Attributes:
        table: A row for each picture, with all estimates beside the labels.
        agreement: What `agreement_of_heads` gives.
        problems: People who could not be judged.
    """

    table: pl.DataFrame
    agreement: pl.DataFrame
    problems: tuple[Problem, ...]


def judgement(
    networks: Sequence[TrainedNetwork],
    faces: PreparedFaces,
    device: torch.device,
    progress: Progress = unreported,
) -> Judgement:
    """Judge each person's pictures by the first network that has not seen the person.

    Args:
        networks: Such as those of all folds; all of them compare with neutrals, or none.
        faces: With labels.
        device: Where they run.
        progress: Told how many pictures of a network's share are done.

    Raises:
        UsageError: If some networks compare with neutrals and some do not, or every network
            has seen everyone.
    """
    kinds = {network.is_calibrated for network in networks}
    if len(kinds) != 1:
        raise UsageError(
            "some networks compare with a neutral face and some do not; evaluate them apart"
        )
    faces, problems = learnable(faces, kinds.pop())
    parts: list[PreparedFaces] = []
    found: list[Estimates] = []
    for network, people in _shares(networks, faces.people):
        part = faces.where(pl.col("person").is_in(people))
        neutrals = _neutrals(part, network.is_calibrated)
        found.append(estimates(network.network, part, neutrals, device, progress))
        parts.append(part)
    if not parts:
        raise UsageError("every network has seen everyone in the data; train with --folds")
    judged = {person for part in parts for person in part.people}
    problems += [
        Problem(person, "was seen in training by every network; not judged: hold the person out")
        for person in faces.people
        if person not in judged
    ]
    names = found[0].heads()
    heads = {name: np.concatenate([one.heads()[name] for one in found]) for name in names}
    truths = np.concatenate([part.labels for part in parts]).astype(float)
    table = pl.concat([part.table for part in parts])
    agreement = agreement_of_heads(heads, truths, table)
    columns = [
        pl.Series(f"{unit}_{head}", values[:, at])
        for head, values in heads.items()
        for at, unit in enumerate(UNIT_NAMES)
    ]
    return Judgement(table.with_columns(columns), agreement, tuple(problems))


def learnable(faces: PreparedFaces, is_calibrated: bool) -> tuple[PreparedFaces, list[Problem]]:
    """Leave out people without a neutral picture, where one is needed; and name them."""
    if not is_calibrated:
        return faces, []
    is_without = neutral_rows(faces) < 0
    without = faces.table.filter(is_without)["person"].unique().sort().to_list()
    problems = [
        Problem(person, "has no picture in which every unit rests; left out") for person in without
    ]
    return faces.where(~pl.col("person").is_in(without)), problems


def mean_agreement(agreement: pl.DataFrame) -> dict[str, Any]:
    """Say how good the head is whose estimates are written, over all units of each data set."""
    rows = agreement.filter((pl.col("unit") == MEAN) & (pl.col("head") == WRITTEN_HEAD))
    return {"head": WRITTEN_HEAD} | {
        f"{row['dataset']}_{name}": row[name]
        for row in rows.iter_rows(named=True)
        for name in ("icc", "mae")
        if row[name] is not None
    }


def _neutrals(faces: PreparedFaces, is_calibrated: bool) -> Int[np.ndarray, " pictures"] | None:
    return neutral_rows(faces) if is_calibrated else None


def _shares(
    networks: Sequence[TrainedNetwork], people: Sequence[str]
) -> Iterator[tuple[TrainedNetwork, list[str]]]:
    """Give each network the people whom it is to be judged by."""
    left = list(people)
    for network in networks:
        unseen = [person for person in left if person not in network.people]
        left = [person for person in left if person in network.people]
        if unseen:
            yield network, unseen
