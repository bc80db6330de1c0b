import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from fergi.datasets.disfa_protocol import neutral_rows
from fergi.datasets.prepared_faces import PreparedFaces
from fergi.errors import TrainingError, UsageError
from fergi.training.action_units.batches import Lesson
from fergi.training.action_units.journal import LOG_FILE, read_log
from fergi.training.action_units.loop import CHECKPOINT_FILE, RunOptions, train
from fergi.training.action_units.networks import initial_network
from fergi.training.action_units.processes import Team, joined_team
from fergi.training.action_units.recipe import Precision, Recipe

RECIPE = Recipe(depth=18, width=2, epochs=2, batch=4, body_rate=1e-3, last_rate=1e-3)
EVERY_STEP = RunOptions(checkpoint_steps=1, log_steps=1)
ALONE = Team(0, 1, torch.device("cpu"))


def _trained(
    faces: PreparedFaces,
    folder: Path,
    recipe: Recipe = RECIPE,
    options: RunOptions = EVERY_STEP,
    stop_after: int | None = None,
) -> dict[str, torch.Tensor]:
    """Train, and give all weights and statistics; or be stopped after some steps."""

    def stop(done: int, _total: int) -> None:
        if done == stop_after:
            raise KeyboardInterrupt

    neutrals = neutral_rows(faces) if recipe.is_calibrated else None
    network = initial_network(recipe)
    train(network, Lesson(faces, neutrals, recipe), folder, ALONE, options, stop)
    return network.state_dict()


def _require_equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


@pytest.mark.parametrize("is_calibrated", [False, True])
def test_a_training_that_is_gone_on_from_a_checkpoint_gives_the_same_weights(
    faces: PreparedFaces, tmp_path: Path, is_calibrated: bool
) -> None:
    recipe = replace(RECIPE, is_calibrated=is_calibrated)
    whole = _trained(faces, tmp_path / "whole", recipe)
    options = RunOptions(checkpoint_steps=3, log_steps=2)
    with pytest.raises(KeyboardInterrupt):  # two steps after the checkpoint, in another epoch
        _trained(faces, tmp_path / "stopped", recipe, options, stop_after=8)
    _require_equal(_trained(faces, tmp_path / "stopped", recipe, options), whole)


KILLED = """
import sys, torch
from pathlib import Path
from fergi.datasets.prepared_faces import prepared_faces
from fergi.training.action_units.batches import Lesson
from fergi.training.action_units.loop import RunOptions, train
from fergi.training.action_units.networks import initial_network
from fergi.training.action_units.processes import Team
from fergi.training.action_units.recipe import Recipe
torch.set_num_threads(1)
recipe = Recipe(depth=18, width=2, epochs=2, batch=4, body_rate=1e-3, last_rate=1e-3)
lesson = Lesson(prepared_faces(Path(sys.argv[1])), None, recipe)
team = Team(0, 1, torch.device("cpu"))
train(initial_network(recipe), lesson, Path(sys.argv[2]), team, RunOptions(2, 1))
"""


def test_a_training_that_was_killed_gives_the_same_weights(
    make_store: Callable[..., Path], tmp_path: Path
) -> None:
    from fergi.datasets.prepared_faces import prepared_faces

    store, folder = make_store(), tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(store), str(folder)])
    while process.poll() is None and not len(read_log(folder / LOG_FILE)) >= 3:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (folder / CHECKPOINT_FILE).exists()
    faces = prepared_faces(store)
    _require_equal(
        _trained(faces, folder, options=RunOptions(2, 1)), _trained(faces, tmp_path / "whole")
    )


def test_the_log_of_a_training_that_was_stopped_has_each_step_once(
    faces: PreparedFaces, tmp_path: Path
) -> None:
    options = RunOptions(checkpoint_steps=3, log_steps=1)
    with pytest.raises(KeyboardInterrupt):
        _trained(faces, tmp_path, options=options, stop_after=5)
    assert [row.step for row in read_log(tmp_path / LOG_FILE)] == [1, 2, 3, 4, 5]
    _trained(faces, tmp_path, options=options)
    rows = read_log(tmp_path / LOG_FILE)
    assert [row.step for row in rows] == list(range(1, 13))
    assert rows[-1].epoch == 2
    assert all(row.loss == pytest.approx(row.squared + row.cosine + row.ordinal) for row in rows)
    assert rows[-1].seconds >= rows[0].seconds


def test_the_loss_falls(faces: PreparedFaces, tmp_path: Path) -> None:
    _trained(faces, tmp_path, replace(RECIPE, epochs=6))
    losses = [row.loss for row in read_log(tmp_path / LOG_FILE)]
    assert np.mean(losses[-6:]) < 0.7 * np.mean(losses[:6])


def test_another_seed_gives_other_weights(faces: PreparedFaces, tmp_path: Path) -> None:
    first = _trained(faces, tmp_path / "a")
    second = _trained(faces, tmp_path / "b", replace(RECIPE, seed=43))
    assert not torch.equal(first["fc.weight"], second["fc.weight"])


def test_a_checkpoint_of_another_training_is_refused(faces: PreparedFaces, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        _trained(faces, tmp_path, stop_after=2)
    for other in (
        (faces, replace(RECIPE, seed=43)),
        (faces.where(pl.col("person") != "P2"), RECIPE),
    ):
        with pytest.raises(TrainingError, match="is of another training"):
            _trained(other[0], tmp_path, other[1])


def test_a_checkpoint_that_is_no_checkpoint_is_refused(
    faces: PreparedFaces, tmp_path: Path
) -> None:
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"nonsense")
    with pytest.raises(TrainingError, match="is no checkpoint"):
        _trained(faces, tmp_path)


def test_a_loss_that_is_no_number_ends_the_training(faces: PreparedFaces, tmp_path: Path) -> None:
    recipe = replace(RECIPE, body_rate=1e30, last_rate=1e30)
    with pytest.raises(TrainingError, match="the loss is no number any more") as first:
        _trained(faces, tmp_path / "first", recipe, RunOptions(log_steps=1))
    assert "checkpoint" not in str(first.value)
    with pytest.raises(TrainingError, match=r"choose another --out, or remove .*checkpoint"):
        _trained(faces, tmp_path / "second", recipe)


def test_a_training_that_is_done_is_not_done_again(faces: PreparedFaces, tmp_path: Path) -> None:
    """So that nothing is lost if the network could not be judged or written."""
    first = _trained(faces, tmp_path, options=RunOptions())
    log = (tmp_path / LOG_FILE).read_bytes()
    _require_equal(_trained(faces, tmp_path, options=RunOptions()), first)
    assert (tmp_path / LOG_FILE).read_bytes() == log


def test_labels_that_are_no_intensities_are_refused(faces: PreparedFaces) -> None:
    labels = faces.labels.copy()
    labels[3, 0] = 6
    with pytest.raises(TrainingError, match=r"1 of the pictures .* such as P0, frame 3; mend"):
        Lesson(replace(faces, labels=labels), None, RECIPE)


def test_processes_wait_while_the_first_judges_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default after 10 to 30 minutes they would give up; DISFA takes longer."""
    given: dict[str, timedelta] = {}
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(
        "torch.distributed.init_process_group", lambda _name, **kw: given.update(kw)
    )
    monkeypatch.setattr("torch.distributed.destroy_process_group", lambda: None)
    with joined_team("cpu"):
        assert given["timeout"] >= timedelta(days=1)


def test_a_processor_trains_in_bf16_and_not_in_fp16(faces: PreparedFaces, tmp_path: Path) -> None:
    half = _trained(faces, tmp_path / "half", replace(RECIPE, precision=Precision.BF16))
    assert all(tensor.isfinite().all() for tensor in half.values())
    assert half["fc.weight"].dtype == torch.float32
    whole = _trained(faces, tmp_path / "whole")
    assert not torch.equal(half["fc.weight"], whole["fc.weight"])
    with pytest.raises(UsageError, match="cannot train in fp16"):
        _trained(faces, tmp_path / "fp16", replace(RECIPE, precision=Precision.FP16))


def test_a_deterministic_training_gives_the_same_weights(
    faces: PreparedFaces, tmp_path: Path
) -> None:
    options = RunOptions(is_deterministic=True)
    first = _trained(faces, tmp_path / "a", options=options)
    assert not torch.are_deterministic_algorithms_enabled()
    _require_equal(first, _trained(faces, tmp_path / "b", options=options))


def test_too_few_pictures_for_a_batch_are_refused(faces: PreparedFaces) -> None:
    with pytest.raises(TrainingError, match="24 pictures to learn from, and a batch has 25"):
        Lesson(faces, None, replace(RECIPE, batch=25))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 51}, "there is no iResNet-51"),
        ({"width": 0}, "width is 0"),
        ({"forward_batch": 3}, "a batch of 4 cannot be split into parts of 3"),
        ({"forward_batch": 0}, "forward_batch is 0"),
        ({"forward_batch": -2}, "forward_batch is -2"),
        ({"body_rate": -1.0}, "body_rate is -1.0"),
        ({"last_rate": float("nan")}, "last_rate is nan"),
        ({"weight_decay": float("inf")}, "weight_decay is inf"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**64}, "it must be from 0 to 18446744073709551615"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(RECIPE, **changes)


def test_processes_share_a_batch_evenly_or_not_at_all() -> None:
    assert RECIPE.shared_by(2).forward_batch == 2
    assert replace(RECIPE, forward_batch=1).shared_by(2).forward_batch == 1
    with pytest.raises(UsageError, match="3 processes cannot share"):
        RECIPE.shared_by(3)


SHARED = """
import os, sys, torch
from pathlib import Path
from safetensors.torch import save_file
from fergi.datasets.prepared_faces import prepared_faces
from fergi.training.action_units.batches import Lesson
from fergi.training.action_units.loop import RunOptions, train
from fergi.training.action_units.networks import initial_network
from fergi.training.action_units.processes import joined_team
from fergi.training.action_units.recipe import Recipe
torch.set_num_threads(1)
recipe = Recipe(
    depth=18, width=2, epochs=1, batch=4, forward_batch=2, body_rate=1e-3, last_rate=1e-3
)
with joined_team("cpu") as team:
    network = initial_network(recipe)
    lesson = Lesson(prepared_faces(Path(sys.argv[1])), None, recipe)
    train(network, lesson, Path(sys.argv[2]), team, RunOptions(2, 1))
    if team.is_first:
        save_file(network.state_dict(), Path(sys.argv[2]) / "weights.safetensors")
"""


def test_two_processes_learn_what_one_learns_from_two_parts(
    make_store: Callable[..., Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    store = make_store()
    (tmp_path / "shared.py").write_text(SHARED, encoding="utf-8")
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"),
        *(str(tmp_path / "shared.py"), str(store), str(tmp_path / "two")),
    ]
    ended = subprocess.run(
        command,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert ended.returncode == 0, ended.stderr
    assert "Warning: " not in ended.stderr
    from fergi.datasets.prepared_faces import prepared_faces

    faces = prepared_faces(store)
    one = _trained(faces, tmp_path / "one", replace(RECIPE, epochs=1, forward_batch=2))
    # Halves are exact, and a sum of two numbers has no order: equal to the bit.
    _require_equal(load_file(tmp_path / "two" / "weights.safetensors"), one)
    logs = [
        [(row.step, row.loss) for row in read_log(tmp_path / name / LOG_FILE)]
        for name in ("one", "two")
    ]
    # Means of two single-precision numbers.
    np.testing.assert_allclose(logs[0], logs[1], rtol=1e-5)


def test_parts_of_a_batch_add_up_to_the_batch(faces: PreparedFaces, tmp_path: Path) -> None:
    """But for normalisation, which knows only the part: so, without it."""
    recipe = replace(RECIPE, epochs=1)
    gradients = []
    for name, part in (("whole", 4), ("parts", 2)):
        network = initial_network(replace(recipe, forward_batch=part))
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.forward = lambda features: features  # type: ignore[method-assign]
        lesson = Lesson(faces, None, replace(recipe, forward_batch=part))
        train(network, lesson, tmp_path / name, ALONE, EVERY_STEP)
        gradients.append(network.state_dict())
    for key, tensor in gradients[0].items():
        if "running" not in key and "tracked" not in key:
            # Adam moves a weight by at most its rate a step; where a gradient is next to 0, its
            # rounding decides how far. Six steps.
            torch.testing.assert_close(tensor, gradients[1][key], rtol=0, atol=6 * 1e-3)
            close = (tensor - gradients[1][key]).abs() < 1e-5
            assert close.float().mean() > 0.9, key
