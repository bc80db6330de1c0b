"""Folders of pictures and labels: what is in them, and what does not belong there."""

from collections.abc import Collection, Iterable
from pathlib import Path

from fergi.datasets.unit_labels import Oddities
from fergi.records.labelled_faces import OddityKind

PICTURE_ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp"})


def is_plain_folder(path: Path) -> bool:
    """Tell whether a path is a folder that is not hidden."""
    return path.is_dir() and not path.name.startswith(".")


def plain_folders(root: Path) -> list[Path]:
    """List the folders in a folder, in order; none if it is not there."""
    return sorted(filter(is_plain_folder, root.iterdir())) if root.is_dir() else []


def folder_names(root: Path) -> str:
    """Name the folders in a folder, the first few of them."""
    return shown_names(folder.name for folder in plain_folders(root)) or "no folder"


def numbered_pictures(folder: Path, place: str, oddities: Oddities) -> dict[int, str]:
    """Find the pictures of a folder by their numbers; whatever else is there is an oddity."""
    pictures: dict[int, str] = {}
    for path in sorted(folder.iterdir()):
        is_numbered = path.suffix.lower() in PICTURE_ENDINGS and path.stem.isdecimal()
        if is_numbered and int(path.stem) not in pictures and path.is_file():
            pictures[int(path.stem)] = path.name
    note_extras(folder, pictures.values(), place, oddities)
    return dict(sorted(pictures.items()))


def note_extras(folder: Path, known: Collection[str], place: str, oddities: Oddities) -> None:
    """Note whatever a folder holds beside what is known."""
    known = set(known)
    extras = [path for path in folder.iterdir() if path.name not in known]
    note_unread(extras, place, oddities)


def note_unread(paths: Collection[Path], place: str, oddities: Oddities) -> None:
    """Note files and folders that do not belong where they are."""
    names = (f"{path.name}/" if path.is_dir() else path.name for path in sorted(paths))
    oddities.add(OddityKind.EXTRA_FILE, place, len(paths), f"{shown_names(names)}; not read")


def shown_names(names: Iterable[str], shown: int = 5) -> str:
    """Put names in a row, the first few of them.

    Example:
        >>> shown_names(["a", "b", "c"], shown=2)
        'a, b …'
    """
    given = list(names)
    return ", ".join(given[:shown]) + (" …" if len(given) > shown else "")
