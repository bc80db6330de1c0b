"""The study that `fergi studio init` makes: a commented `study.toml` and invented pictures."""

from importlib import resources
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fergi.files import complete_folder
from fergi.seeds import random_stream
from fergi.studio.configuration import STUDY_FILE

_FOLDERS = ("stimuli/lighthouse", "stimuli/fox")
_PICTURES = 3
_SIDE = 512


def write_example(root: Path) -> None:
    """Write a study to begin with.

    Args:
        root: The folder to make; not there yet, or empty.

    Raises:
        UsageError: If the folder holds something.
        OutputError: If it cannot be written.
    """
    with complete_folder(root) as folder:
        for name in _FOLDERS:
            (folder / name).mkdir(parents=True)
            for number in range(1, _PICTURES + 1):
                (folder / name / f"{number}.png").write_bytes(_picture(name, number))
        template = (resources.files("fergi.studio") / "example.toml").read_bytes()
        (folder / STUDY_FILE).write_bytes(template)


def _picture(name: str, number: int) -> bytes:
    """Paint some discs, so that there is something to prefer."""
    stream = random_stream(0, name, number)
    picture = Image.new("RGB", (_SIDE, _SIDE), _colour(stream))
    draw = ImageDraw.Draw(picture)
    for _ in range(3 + 3 * number):
        x, y, radius = (int(part) for part in stream.integers(_SIDE // 10, _SIDE, 3))
        radius //= 5
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_colour(stream))
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _colour(stream: np.random.Generator) -> tuple[int, int, int]:
    red, green, blue = (int(part) for part in stream.integers(40, 230, 3))
    return red, green, blue
