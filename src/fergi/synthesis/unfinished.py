"""What killed runs leave unfinished in a folder of pictures, and when it may be removed."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # Windows has none
    fcntl = None  # type: ignore[assignment]

_UNFINISHED = re.compile(r"\.(person-\d+|truth\.parquet|truth\.parquet\.json|plan\.csv)\.\w+\.part")
"""How `fergi.files` names what has not got its own name yet."""


@contextmanager
def tidied(folder: Path) -> Iterator[None]:
    """Hold a folder of pictures during a run, and first remove what killed runs left in it.

    While another run holds the folder, what is unfinished may be that one's, and stays. Where
    the system knows no locks on folders this cannot be told, and it is removed.

    Args:
        folder: Which people are drawn into.
    """
    held = _opened(folder)
    try:
        if _is_free(held):
            _remove_unfinished(folder)
        _share(held)
        yield
    finally:
        if held is not None:
            os.close(held)  # which gives the lock back, as does any end of this process


def _opened(folder: Path) -> int | None:
    try:
        return os.open(folder, os.O_RDONLY)
    except PermissionError:  # Windows opens no folder
        return None


def _is_free(held: int | None) -> bool:
    """Tell whether no other run holds a folder, as far as can be told."""
    if held is None:
        return True
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # network drives may have no locks on folders
        return True
    return True


def _share(held: int | None) -> None:
    """Hold a folder in such a way that other runs can do so as well."""
    if held is not None:
        with suppress(OSError):
            fcntl.flock(held, fcntl.LOCK_SH)


def _remove_unfinished(folder: Path) -> None:
    for path in folder.iterdir():
        if not _UNFINISHED.fullmatch(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
