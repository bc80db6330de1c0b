"""A small filmed study of people who do not exist, which comes with the package.

See `descriptions/demo_study.md`.
"""

import shutil
from importlib import resources
from pathlib import Path

from fergi.datasets.synthetic import StudySize
from fergi.files import complete_folder

DEMO_FILMS = StudySize(participants=3, sessions=2, images=4, seed=57)
"""What was invented; `fergi demo --render` begins with the same numbers."""

DEMO_CLIP_SECONDS = 2.5

_FOLDER = "films"


def write_demo_study(root: Path) -> None:
    """Write the filmed study to a folder, whole or not at all.

    Args:
        root: The folder to make; not there yet, or empty.

    Raises:
        UsageError: If the folder is not empty.
        OutputError: If it cannot be written.
    """
    with (
        complete_folder(root) as folder,
        resources.as_file(resources.files(__package__) / _FOLDER) as films,
    ):
        shutil.copytree(films, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
