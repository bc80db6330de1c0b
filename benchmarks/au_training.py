"""Speed of making the action-unit network: preparation, loader, training step, inference.

    python benchmarks/au_training.py prepare          # needs: fergi fetch face-landmarker
    python benchmarks/au_training.py loader
    python benchmarks/au_training.py train --device cuda --batch 256 --precision bf16
    python benchmarks/au_training.py infer --device cuda --batch 512 --precision bf16

Each prints one JSON object. The loader runs against a network that does nothing, so it shows the
most pictures a second that any network could be given. How fast a network is is given as a share
of two rates of matrix products, measured on the same device: of the same precision, and of bf16.

In fp32, GPUs multiply in TF32 in convolutions and matrix products alike; --full-fp32 forbids it to
both. (By itself torch allows it to convolutions alone, so they would not be comparable.)
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
import torch
from torch.utils.flop_counter import FlopCounterMode

from fergi.datasets.disfa import DISFA
from fergi.datasets.face_shards import PICTURES_IN_SHARD, Shard, write_shard
from fergi.datasets.prepared_faces import FaceStore, PreparedFaces, prepared_faces
from fergi.errors import FergiError
from fergi.records.action_units import ACTION_UNITS
from fergi.records.labelled_faces import FaceSequence
from fergi.training.action_units.augmentation import random_views, seen_pictures
from fergi.training.action_units.batches import Lesson, batches
from fergi.training.action_units.label_weights import label_weights
from fergi.training.action_units.losses import OUTPUTS, ActionUnitLosses
from fergi.training.action_units.networks import ActionUnitNetwork, initial_network
from fergi.training.action_units.recipe import Precision, Recipe

SIZE = (1024, 768)
H100_BF16 = 989e12
"""Operations a second that NVIDIA states for bf16 without sparsity; no network reaches it."""
HALF = {Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}
FACES = Path(__file__).parents[1] / "tests" / "data" / "disfa_miniature.parquet"


def cpu_seconds() -> float:
    """Seconds that this process and its ended children have computed."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def write_disfa(root: Path, pictures: int) -> None:
    """Write a tree as DISFA has it: the miniature's faces, enlarged, each several times."""
    table = pl.read_parquet(FACES).filter(pl.col("path").str.contains("^DISFA/.*png$"))
    for name, content in table.rows():
        first = root / name
        first.parent.mkdir(parents=True, exist_ok=True)
        first.write_bytes(_enlarged(content))
    for folder in sorted({(root / name).parent for name in table["path"]}):
        frames = _repeat_pictures(folder, max(1, pictures // len(table)))
        _write_labels(root / "DISFA" / "ActionUnit_Labels" / folder.name, frames)


def _enlarged(content: bytes) -> bytes:
    picture = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    face = cv2.resize(picture, (SIZE[1], SIZE[1]), interpolation=cv2.INTER_CUBIC)
    stream = np.random.default_rng(len(content))
    grain = stream.integers(0, 8, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    left = (SIZE[0] - SIZE[1]) // 2
    grain[:, left : left + SIZE[1]] = cv2.add(face, grain[:, left : left + SIZE[1]])
    return cv2.imencode(".png", grain)[1].tobytes()


def _repeat_pictures(folder: Path, times: int) -> range:
    there = sorted(folder.iterdir(), key=lambda path: int(path.stem))
    frames = range(1, times * len(there) + 1)
    for frame in frames[len(there) :]:
        (folder / f"{frame}.png").hardlink_to(there[(frame - 1) % len(there)])
    return frames


def _write_labels(folder: Path, frames: range) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{frame},0\n" for frame in frames)
    for unit in ACTION_UNITS:
        (folder / f"{folder.name}_au{unit}.txt").write_text(lines, encoding="utf-8")


def prepare(options: argparse.Namespace) -> dict[str, Any]:
    """Prepare pictures of DISFA's size, from the start of the command to its end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_disfa(folder, options.pictures)
        command = [sys.executable, "-m", "fergi", "au", "prepare", "--json"]
        command += ["--disfa", str(folder / "DISFA"), "--out", str(folder / "store")]
        command += ["--workers", str(options.workers)]
        start, before = time.perf_counter(), cpu_seconds()
        ended = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        wall, cpu = time.perf_counter() - start, cpu_seconds() - before
    found = json.loads(ended.stdout)["pictures"]
    return {
        "pictures": found,
        "size": "×".join(map(str, SIZE)),
        "workers": options.workers,
        "pictures_per_second": found / wall,
        "pictures_per_cpu_second": found / cpu,
    }


def drawn_store(folder: Path, pictures: int) -> PreparedFaces:
    """Write a store of noise."""
    store = FaceStore(folder)
    store.begin({"noise": True})
    stream = np.random.default_rng(0)
    shards = []
    for number, start in enumerate(range(0, pictures, PICTURES_IN_SHARD)):
        count = min(PICTURES_IN_SHARD, pictures - start)
        labels = stream.integers(0, 6, (count, len(ACTION_UNITS))).astype(float)
        sequence = FaceSequence(DISFA, f"P{number}", "left", folder, (), np.arange(count), labels)
        shard = Shard(
            stream.integers(0, 256, (count, 112, 112, 3), dtype=np.uint8),
            sequence.frames,
            labels,
            np.full((count, 3), 0.9),
        )
        path = store.shard_path(sequence, 0)
        write_shard(path, shard, {})
        shards.append((sequence, path))
    store.finish(shards, [])
    return prepared_faces(folder)


def loader(options: argparse.Namespace) -> dict[str, Any]:
    """Bring batches to a network that does nothing; and how fast could any card learn?"""
    with tempfile.TemporaryDirectory() as name:
        faces = drawn_store(Path(name), options.pictures)
        lesson = Lesson(faces, None, Recipe(batch=options.batch, epochs=options.epochs))
        start, before, count = time.perf_counter(), cpu_seconds(), 0
        for batch in batches(lesson, 0, 0, 1):
            count += len(batch.pictures)
        wall, cpu = time.perf_counter() - start, cpu_seconds() - before
    operations = operations_of_a_picture(options.depth)
    return {
        "pictures": count,
        "batch": options.batch,
        "pictures_per_second": count / wall,
        "pictures_per_cpu_second": count / cpu,
        "depth": options.depth,
        "gigaflops_to_learn_from_a_picture": operations / 1e9,
        "pictures_per_second_at_the_peak_of_an_h100": H100_BF16 / operations,
    }


def operations_of_a_picture(depth: int) -> float:
    """Count the floating-point operations of learning from a picture, forward and backward."""
    pictures = 2
    with torch.device("meta"):  # shapes alone, no numbers
        network = ActionUnitNetwork(depth, OUTPUTS).train()
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(pictures, 3, 112, 112)).sum().backward()
    return counter.get_total_flops() / pictures


def measured(step: Callable[[], None], device: torch.device, repeats: int) -> float:
    """Take the median time of a step, in seconds, after some that do not count."""
    times = []
    for number in range(repeats + 3):
        _wait(device)
        start = time.perf_counter()
        step()
        _wait(device)
        if number >= 3:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Measure what the device reaches in its best discipline: operations a second."""
    size = 8192 if device.type == "cuda" else 1024
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / measured(lambda: torch.mm(left, right), device, 10)


def train(options: argparse.Namespace) -> dict[str, Any]:
    """Measure a whole training step: variation, forward, backward, Adam."""
    device, half = torch.device(options.device), HALF.get(options.precision)
    recipe = Recipe(depth=options.depth, batch=options.batch)
    layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    network = initial_network(recipe).train().to(device, memory_format=layout)
    optimiser = torch.optim.Adam(network.parameters(), fused=device.type == "cuda")
    stream = np.random.default_rng(0)
    labels = torch.tensor(stream.integers(0, 6, (options.batch, 12)).astype(np.float32))
    losses = ActionUnitLosses(label_weights(labels.double().numpy()), device)
    pictures = torch.randint(0, 256, (options.batch, 112, 112, 3), dtype=torch.uint8).to(device)
    truth = labels.to(device)

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        shown = seen_pictures(pictures, random_views(stream, options.batch))
        with torch.autocast(device.type, dtype=half, enabled=half is not None):
            outputs = network(shown)
        losses(outputs, truth).total.backward()
        optimiser.step()

    return _rates(step, options, device, half)


def infer(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the evaluation of pictures that lie on the device."""
    device, half = torch.device(options.device), HALF.get(options.precision)
    layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    network = initial_network(Recipe(depth=options.depth)).eval().to(device, memory_format=layout)
    pictures = torch.rand((options.batch, 3, 112, 112), device=device)

    @torch.inference_mode()
    def step() -> None:
        with torch.autocast(device.type, dtype=half, enabled=half is not None):
            network(pictures)

    return _rates(step, options, device, half)


def _rates(
    step: Callable[[], None],
    options: argparse.Namespace,
    device: torch.device,
    half: torch.dtype | None,
) -> dict[str, Any]:
    with FlopCounterMode(display=False) as counter:
        step()
    seconds = measured(step, device, options.repeats)
    rate = counter.get_total_flops() / seconds
    same, bf16 = (matrix_rate(device, dtype) for dtype in (half or torch.float32, torch.bfloat16))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    return {
        "device": name,
        "depth": options.depth,
        "batch": options.batch,
        "precision": options.precision.value,
        "is_tf32_allowed": device.type == "cuda" and torch.backends.cuda.matmul.allow_tf32,
        "pictures_per_second": options.batch / seconds,
        "teraflops": rate / 1e12,
        "teraflops_of_matrix_products": same / 1e12,
        "share_of_that": rate / same,
        "teraflops_of_matrix_products_in_bf16": bf16 / 1e12,
        "share_of_the_bf16_rate": rate / bf16,
    }


COMMANDS = {"prepare": prepare, "loader": loader, "train": train, "infer": infer}


def main() -> None:
    """Measure one thing, and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=COMMANDS)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--depth", type=int, default=50)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--precision", type=Precision, default=Precision.FP32)
    parser.add_argument("--full-fp32", action="store_true")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--pictures", type=int, default=2048)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    torch.backends.cudnn.allow_tf32 = not options.full_fp32
    torch.backends.cuda.matmul.allow_tf32 = not options.full_fp32
    try:
        found = COMMANDS[options.what](options)
    except FergiError as error:
        parser.exit(error.exit_status, f"{error}\n")
    print(json.dumps(found, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
