"""The training itself: steps, checkpoints, log."""

import contextlib
import inspect
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fergi.errors import TrainingError, UsageError
from fergi.progress import Progress, unreported
from fergi.training.action_units.augmentation import seen_pictures
from fergi.training.action_units.batches import Batch, Lesson, batches
from fergi.training.action_units.checkpoints import (
    checkpoint_state,
    read_checkpoint,
    write_checkpoint,
)
from fergi.training.action_units.journal import Journal, LogRow
from fergi.training.action_units.label_weights import label_weights
from fergi.training.action_units.losses import ActionUnitLosses
from fergi.training.action_units.networks import ActionUnitNetwork
from fergi.training.action_units.processes import Team
from fergi.training.action_units.recipe import Precision, Recipe
from fergi.training.action_units.running_statistics import RunningStatistics

CHECKPOINT_FILE = "checkpoint.safetensors"

_HALF = {Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What says only how a training runs.

    Attributes:
        checkpoint_steps: Steps between two checkpoints.
        log_steps: Steps between two rows of the log.
        is_deterministic: Whether equal runs on one GPU give equal weights, at some cost; on a
            processor they always do.
    """

    checkpoint_steps: int = 500
    log_steps: int = 20
    is_deterministic: bool = False


PLAIN_RUN = RunOptions()


def train(
    network: ActionUnitNetwork,
    lesson: Lesson,
    folder: Path,
    team: Team,
    options: RunOptions = PLAIN_RUN,
    progress: Progress = unreported,
) -> None:
    """Train a network in place; where the folder holds a checkpoint, go on from there.

    A training that was killed and gone on from its checkpoint gives the same weights as one
    that was not. The last step ends with a checkpoint too, so that nothing is lost if the
    network cannot be judged or written.

    Args:
        network: With its initial weights.
        lesson: What it learns from, and the recipe.
        folder: Takes checkpoint and log.
        team: The processes that share each batch.
        options: How it runs.
        progress: Told after each step.

    Raises:
        TrainingError: If the checkpoint is of another training, or the loss is no number.
        UsageError: If the precision is not for the device.
        OutputError: If the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _deterministic(options.is_deterministic):
        course = _Course(network, lesson, folder, team)
        with contextlib.ExitStack() as stack:
            journal = None
            if team.is_first:
                journal = stack.enter_context(Journal(folder, course.step))
            _follow(course, journal, options, progress)


class _Course:
    """A training in progress."""

    def __init__(
        self, network: ActionUnitNetwork, lesson: Lesson, folder: Path, team: Team
    ) -> None:
        recipe = lesson.recipe
        layout = torch.channels_last if team.device.type == "cuda" else torch.contiguous_format
        network.to(team.device, memory_format=layout)  # type: ignore[call-overload]
        self.network = network.train()
        self.lesson, self.team, self._path = lesson, team, folder / CHECKPOINT_FILE
        self._recipe = recipe
        self._parts = recipe.parts // team.size
        self._losses = ActionUnitLosses(label_weights(lesson.faces.labels), team.device)
        self._optimiser = _optimiser(network, recipe, team)
        self._scaler = _scaler(recipe, team)
        self._identity = lesson.identity
        self.step = self._resumed()
        self._statistics = RunningStatistics(network, self._parts, team)
        self._shared: nn.Module = network
        if team.size > 1:
            self._shared = _shared(network)

    def take_step(self, batch: Batch) -> Tensor:
        """Learn from a batch; give its three losses, in this process's share."""
        self._optimiser.zero_grad(set_to_none=True)
        sums = torch.zeros(3, device=self.team.device)
        for number in range(self._parts):
            self._statistics.before_part(number)
            with self._apart(is_last=number == self._parts - 1):
                sums += self._learn_from_part(batch, number)
            self._statistics.after_part()
        self._statistics.after_step()
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self.step += 1
        return sums / self._parts

    def require_numbers(self, losses: list[float]) -> None:
        """Refuse losses that are no numbers.

        Raises:
            TrainingError: If there are such.
        """
        if all(abs(loss) < float("inf") for loss in losses):
            return
        advice = (
            f"; the checkpoint there is of the settings of now: choose another --out, or remove "
            f"{self._path}"
            if self._path.exists()
            else ""
        )
        raise TrainingError(
            f"after step {self.step} the loss is no number any more; lower the learning rates, or "
            f"choose another precision{advice}"
        )

    def save(self) -> None:
        """Write a checkpoint."""
        if self.team.is_first:
            state = {
                "identity": self._identity,
                "step": self.step,
                "scaler": self._scaler.state_dict(),
            }
            write_checkpoint(self._path, self.network, self._optimiser, state)

    def _learn_from_part(self, batch: Batch, number: int) -> Tensor:
        part = slice(number * self._recipe.part, (number + 1) * self._recipe.part)
        device = self.team.device
        pictures = seen_pictures(_on(device, batch.pictures[part]), batch.views[part])
        neutrals = None
        if batch.neutrals is not None:
            moved = _on(device, batch.neutrals[part])
            neutrals = seen_pictures(moved, batch.neutral_views[part])
        half = _HALF.get(self._recipe.precision)
        with torch.autocast(device.type, dtype=half, enabled=half is not None):
            outputs = self._shared(pictures, neutrals)
        losses = self._losses(outputs, _on(device, batch.labels[part]))
        scaled = self._scaler.scale(losses.total / self._parts)
        scaled.backward()  # type: ignore[no-untyped-call]
        return torch.stack([losses.squared, losses.cosine, losses.ordinal]).detach()

    def _apart(self, *, is_last: bool) -> contextlib.AbstractContextManager[Any]:
        """Let processes exchange gradients only once a step."""
        if isinstance(self._shared, DistributedDataParallel) and not is_last:
            return self._shared.no_sync()
        return contextlib.nullcontext()

    def _resumed(self) -> int:
        """Go on from a checkpoint, if there is one; give the steps that are done."""
        state = checkpoint_state(self._path)
        if state is None:
            return 0
        if state.get("identity") != self._identity:
            raise TrainingError(
                f"{self._path}: is of another training (other pictures or settings); give the "
                "same ones to go on, remove it to begin anew, or choose another folder"
            )
        state = read_checkpoint(self._path, self.network, self._optimiser)
        self._scaler.load_state_dict(state["scaler"])
        return int(state["step"])


def _follow(
    course: _Course, journal: Journal | None, options: RunOptions, progress: Progress
) -> None:
    """Take all steps that are left."""
    lesson, team = course.lesson, course.team
    sums, counted = torch.zeros(3, device=team.device), 0
    before = (journal.seconds if journal else 0.0) - time.perf_counter()
    since = time.perf_counter()
    progress(course.step, lesson.steps)
    is_on_gpu = team.device.type == "cuda"
    for batch in batches(lesson, course.step, team.rank, team.size, is_pinned=is_on_gpu):
        sums += course.take_step(batch)
        counted += 1
        is_last = course.step == lesson.steps
        if course.step % options.log_steps == 0 or is_last:
            means = team.averaged(sums / counted).tolist()
            course.require_numbers(means)
            now = time.perf_counter()
            if journal:
                journal.write(
                    LogRow(
                        step=course.step,
                        epoch=course.step / lesson.steps_in_epoch,
                        loss=sum(means),
                        squared=means[0],
                        cosine=means[1],
                        ordinal=means[2],
                        pictures_per_second=counted * lesson.recipe.batch / (now - since),
                        seconds=before + now,
                    )
                )
            sums, counted, since = torch.zeros_like(sums), 0, now
        if course.step % options.checkpoint_steps == 0 or is_last:
            course.require_numbers(sums.tolist())
            course.save()
        progress(course.step, lesson.steps)


def _optimiser(network: ActionUnitNetwork, recipe: Recipe, team: Team) -> torch.optim.Optimizer:
    """Adam, with a rate for the body and one for the last layer."""
    last = list(network.fc.parameters())
    known = {id(parameter) for parameter in last}
    body = [one for one in network.parameters() if id(one) not in known]
    groups = [{"params": body, "lr": recipe.body_rate}, {"params": last, "lr": recipe.last_rate}]
    is_fused = team.device.type == "cuda"
    return torch.optim.Adam(groups, weight_decay=recipe.weight_decay, fused=is_fused)


def _scaler(recipe: Recipe, team: Team) -> torch.amp.GradScaler:
    is_needed = recipe.precision is Precision.FP16
    if is_needed and team.device.type == "cpu":
        raise UsageError("a processor cannot train in fp16; choose --precision bf16 or fp32")
    return torch.amp.GradScaler(team.device.type, enabled=is_needed)


def _shared(network: nn.Module) -> DistributedDataParallel:
    """Let processes share gradients, and leave running statistics to us."""
    known = inspect.signature(DistributedDataParallel).parameters
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    settings: dict[str, Any] = {name: False}  # renamed in torch 2.13
    return DistributedDataParallel(network, **settings)


def _on(device: torch.device, tensor: Tensor) -> Tensor:
    return tensor.to(device, non_blocking=True)


@contextlib.contextmanager
def _deterministic(is_wanted: bool) -> Iterator[None]:
    """Let torch choose only operations whose results do not vary from run to run."""
    if not is_wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as cuBLAS asks for it
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(mode=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(mode=before)
