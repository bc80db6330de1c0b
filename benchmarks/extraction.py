"""Speed and memory of `fergi extract`, and of iResNet-50 on the processor, in one run.

Run `make bench`, or `python benchmarks/extraction.py`. It films the invented people of the demo
at 640 × 360; with FERGI_MEDIA_DIR set, the real face that lies there too. Detection is done in
every frame, and decoding is counted. About five minutes; all times are wall times, so nothing
else should be running.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import resources
from itertools import chain, cycle, islice
from pathlib import Path

import av
import cv2
import numpy as np

from bench import OUT, Cost, cost
from fergi.execution.worker import ONE_THREAD
from fergi.stages.perception.estimators.networks.graph import iresnet_graph
from fergi.stages.perception.estimators.networks.layout import iresnet_layout
from fergi.stages.perception.estimators.runtime import compiled_network
from fergi.stages.perception.video import video_frames

WIDTH, HEIGHT = 640, 360
FRAME_RATE = 30
BIT_RATE = 1_000_000
CLIPS, CLIP_SECONDS = 12, 10
SHORT_SECONDS, LONG_SECONDS = 2, 120

DEPTH, OUTPUTS = 50, 12
PICTURES = 64

Row = dict[str, float]


def demo_frames() -> Iterator[np.ndarray]:
    """Give the frames of the demo's films, enlarged, without an end."""
    films = resources.files("fergi.datasets.demo_study") / "films"
    with resources.as_file(films) as folder:
        paths = sorted(folder.rglob("reaction_clip_*.mp4"))
        decoded = chain.from_iterable(video_frames(path) for path in cycle(paths))
        for frame in decoded:
            height, width = frame.image.shape[:2]
            size = (round(width * HEIGHT / height), HEIGHT)
            enlarged = cv2.resize(frame.image, size, interpolation=cv2.INTER_CUBIC)
            edge = (WIDTH - size[0]) // 2
            yield cv2.copyMakeBorder(enlarged, 0, 0, edge, edge, cv2.BORDER_REPLICATE)


def real_frames(video: Path) -> Iterator[np.ndarray]:
    """Give the frames of a video without an end."""
    while True:
        yield from (frame.image for frame in video_frames(video))


def write_film(path: Path, images: Iterator[np.ndarray], frames: int) -> None:
    """Film as a webcam does: H.264, 1 Mbit/s."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", FRAME_RATE, options={"preset": "veryfast"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.bit_rate = BIT_RATE
        for image in islice(images, frames):
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode())


def extraction_cost(videos: Path, workers: int) -> Cost:
    """Measure the whole command, from its start to the last feature file."""
    features = OUT / "features"
    shutil.rmtree(features, ignore_errors=True)
    arguments = ["extract", str(videos), "--out", str(features), "--workers", str(workers), "-q"]
    found = cost([sys.executable, "-m", "fergi", *arguments])
    if len(list(features.glob("*_features.csv"))) != len(list(videos.glob("*.mp4"))):
        sys.exit(f"{videos} could not be extracted; the reason stands above")
    return found


def extraction_row(videos: Path, workers: int, frames: int) -> Row:
    """Measure the command on videos with so many frames in all."""
    found = extraction_cost(videos, workers)
    return {
        "frames_per_second": frames / found.wall_seconds,
        "cpu_milliseconds_a_frame": found.cpu_seconds / frames * 1000,
        "peak_megabytes": found.peak_megabytes,
    }


def measured_extraction(name: str, images: Iterator[np.ndarray]) -> dict[str, Row]:
    """Measure speed by one worker and two, memory by length, and the start."""
    folder = OUT / "films" / name
    shutil.rmtree(folder, ignore_errors=True)
    frames = CLIP_SECONDS * FRAME_RATE
    for clip in range(CLIPS):
        write_film(folder / "many" / f"{clip}.mp4", images, frames)
    for clip in range(2):
        write_film(folder / "start" / f"{clip}.mp4", images, 2)
    lengths = {"short": SHORT_SECONDS * FRAME_RATE, "long": LONG_SECONDS * FRAME_RATE}
    for length, count in lengths.items():
        write_film(folder / length / "clip.mp4", images, count)
    extraction_cost(folder / "start", 1)  # so that files are in memory
    rows = {}
    for workers in (1, 2):
        rows[f"{name}: {workers} workers"] = extraction_row(
            folder / "many", workers, CLIPS * frames
        )
    for length, count in lengths.items():
        rows[f"{name}: a {length} video"] = extraction_row(folder / length, 1, count)
    for workers in (1, 2):
        start = min(extraction_cost(folder / "start", workers).wall_seconds for _ in range(5))
        rows[f"{name}: two videos of two frames, {workers} workers"] = {"seconds": start}
    return rows


def drawn_tensors() -> dict[str, np.ndarray]:
    """Draw weights in the public layout."""
    stream = np.random.default_rng(0)

    def drawn(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if len(shape) > 1:
            return stream.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        return np.zeros(shape) if name.endswith(("bias", "mean")) else np.full(shape, 0.5)

    layout = iresnet_layout(DEPTH, OUTPUTS)
    return {name: drawn(name, shape).astype(np.float32) for name, shape in layout.items()}


def pictures() -> np.ndarray:
    """Give what the network takes."""
    return np.random.default_rng(0).random((PICTURES, 3, 112, 112), dtype=np.float32)


def torch_loop() -> float:
    """Evaluate picture after picture as a plain script does; give pictures per second."""
    import torch  # noqa: PLC0415

    from fergi.stages.perception.estimators.networks.iresnet import IResNet  # noqa: PLC0415

    network = IResNet(DEPTH, OUTPUTS).eval()
    tensors = {name: torch.tensor(array) for name, array in drawn_tensors().items()}
    network.load_state_dict(tensors, strict=False)
    given = torch.from_numpy(pictures())
    with torch.no_grad():
        network(given[:1])
        start = time.perf_counter()
        for picture in given:
            network(picture[None])
    return PICTURES / (time.perf_counter() - start)


def our_network() -> float:
    """Evaluate pictures as one worker does; give pictures per second."""
    evaluate = compiled_network(iresnet_graph(drawn_tensors(), DEPTH))
    given = pictures()
    evaluate(given[:4])
    start = time.perf_counter()
    evaluate(given)
    return PICTURES / (time.perf_counter() - start)


def side_by_side(what: str, processes: int, environment: dict[str, str]) -> float:
    """Run a part of this script in several processes; give pictures per second of them all."""
    command = [sys.executable, __file__, what]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(processes)
    ]
    return sum(float(process.communicate()[0]) for process in running)


def measured_network() -> dict[str, Row]:
    """Compare one torch loop that has all cores with a worker of ours on each."""
    unlimited = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    cores = len(os.sched_getaffinity(0))
    loop = side_by_side("torch_loop", 1, unlimited)
    ours = side_by_side("our_network", cores, unlimited | ONE_THREAD)
    return {
        "iResNet-50: a torch loop over single frames": {"frames_per_second": loop},
        f"iResNet-50: ours, {cores} workers": {
            "frames_per_second": ours,
            "times_the_torch_loop": ours / loop,
        },
    }


def main() -> None:
    """Measure, print and save."""
    OUT.mkdir(exist_ok=True)
    os.environ |= ONE_THREAD  # a single worker is the command itself, and is to have one thread
    rows = measured_extraction("demo", demo_frames())
    media = os.environ.get("FERGI_MEDIA_DIR")
    if media:
        rows |= measured_extraction("real face", real_frames(Path(media) / "single_face.mp4"))
    rows |= measured_network()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}\n")  # fmt: skip
    for label, row in rows.items():
        found = ", ".join(f"{name.replace('_', ' ')} {number:.4g}" for name, number in row.items())
        print(f"{label:<50}{found}")
    (OUT / "extraction.json").write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    parts = {"torch_loop": torch_loop, "our_network": our_network}
    if len(sys.argv) > 1:
        print(parts[sys.argv[1]]())
    else:
        main()
