"""Where the files of participants lie: in the study's folder, or at an fsspec address."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, runtime_checkable

from fergi.errors import MissingExtraError, UsageError
from fergi.studio.database import STUDIO_FOLDER

UPLOADS = "uploads"
"""In the studio's own folder: what is not whole yet."""


@runtime_checkable
class ClipFiles(Protocol):
    """Files by names such as `p4k7w2nq9/session_1/data.json`."""

    folder: Path | None
    """Where they lie, if that is a folder of this machine."""

    def put(self, files: Mapping[str, Path]) -> None:
        """Give complete local files their names, in place of earlier ones."""

    def read(self, name: str) -> bytes:
        """Read a file.

        Raises:
            FileNotFoundError: If there is none of that name.
        """

    def has(self, name: str) -> bool:
        """Tell whether there is a file of that name."""

    def names(self, participant: str) -> list[str]:
        """List the files of a participant."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def remove_participant(self, participant: str) -> None:
        """Remove a participant's folder, and everything in it."""


class LocalFiles:
    """Files in the study's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder: Path | None = folder
        self._folder = folder

    def put(self, files: Mapping[str, Path]) -> None:
        """Give complete files their names; they must lie on the same disk."""
        folders = {(self._folder / name).parent for name in files}
        for folder in folders:
            self._make(folder)
        for name, file in files.items():
            self._name(name, file)
        flush(folders)

    def _name(self, name: str, file: Path) -> None:
        file.replace(self._folder / name)

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make(folder.parent)
            folder.mkdir(mode=0o700, exist_ok=True)
            flush([folder.parent])

    def read(self, name: str) -> bytes:
        """Read a file."""
        return (self._folder / name).read_bytes()

    def has(self, name: str) -> bool:
        """Tell whether there is a file of that name."""
        return (self._folder / name).is_file()

    def names(self, participant: str) -> list[str]:
        """List the files of a participant."""
        found = (self._folder / participant).rglob("*")
        return sorted(path.relative_to(self._folder).as_posix() for path in found if path.is_file())

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        path = self._folder / name
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty, or already gone
            path.parent.rmdir()

    def remove_participant(self, participant: str) -> None:
        """Remove a participant's folder."""
        folder = self._folder / participant
        if folder.exists():
            shutil.rmtree(folder)
            flush([self._folder])


class RemoteFiles:
    """Files at an fsspec address, such as `s3://bucket/study`."""

    def __init__(self, address: str) -> None:
        try:
            import fsspec  # noqa: PLC0415 (only where files lie elsewhere)

            self._files, self._root = fsspec.url_to_fs(address)
        except ModuleNotFoundError as error:
            raise MissingExtraError("--clips", "studio") from error
        except (ValueError, ImportError) as error:
            raise UsageError(f"--clips {address}: {error}; give an fsspec address") from error
        self.folder: Path | None = None

    def _place(self, name: str) -> str:
        return str(PurePosixPath(self._root) / name)

    def put(self, files: Mapping[str, Path]) -> None:
        """Send complete files; stores of objects show each only when it is whole."""
        for name, file in files.items():
            place = self._place(name)
            self._files.makedirs(str(PurePosixPath(place).parent), exist_ok=True)
            self._files.put_file(str(file), place)
            file.unlink()

    def read(self, name: str) -> bytes:
        """Read a file."""
        content: bytes = self._files.cat_file(self._place(name))
        return content

    def has(self, name: str) -> bool:
        """Tell whether there is a file of that name."""
        return bool(self._files.isfile(self._place(name)))

    def names(self, participant: str) -> list[str]:
        """List the files of a participant."""
        root = PurePosixPath(self._files._strip_protocol(self._root))
        try:
            found = self._files.find(self._place(participant))
        except FileNotFoundError:
            return []
        return sorted(str(PurePosixPath(path).relative_to(root)) for path in found)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        _ignoring_absence(self._files.rm_file, self._place(name))

    def remove_participant(self, participant: str) -> None:
        """Remove everything of a participant."""
        _ignoring_absence(
            lambda place: self._files.rm(place, recursive=True), self._place(participant)
        )


class Uploads:
    """Where bytes are gathered until they are whole: hidden, and emptied at every start."""

    def __init__(self, root: Path) -> None:
        self._folder = root / STUDIO_FOLDER / UPLOADS
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def new(self) -> Path:
        """Name a new file."""
        return self._folder / f"{secrets.token_hex(16)}.part"

    def written(self, content: bytes) -> Path:
        """Write bytes; they are on the disk for good only when they are flushed."""
        path = self.new()
        path.write_bytes(content)
        return path

    def empty(self) -> None:
        """Remove what was never finished."""
        for path in self._folder.iterdir():
            path.unlink()


def clip_files(root: Path, address: str | None) -> ClipFiles:
    """Open the place of the files of participants.

    Args:
        root: The study's folder.
        address: An fsspec address, or None for the study's folder.

    Raises:
        UsageError: If the address cannot be understood.
        MissingExtraError: If its driver is not installed.
    """
    return LocalFiles(root) if address is None else RemoteFiles(address)


def flush(paths: Iterable[Path]) -> None:
    """Bring files and folders down to the disk.

    Those that were written together are best flushed together: file systems that keep a journal
    write most of the others with the first.
    """
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _ignoring_absence(remove: Callable[[str], Any], place: str) -> None:
    try:
        remove(place)
    except FileNotFoundError:
        return
