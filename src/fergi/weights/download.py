"""Bringing the models that fergi does not ship, from whichever source gives the right bytes."""

import contextlib
import hashlib
import http.client
import subprocess
import sys
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from fergi.errors import DownloadError
from fergi.files import replacing
from fergi.progress import Progress, unreported
from fergi.weights.fetched import FetchedEntry, Source, WebFile, WheelMember, how_to_get

_TIMEOUT_SECONDS = 20
_PIP_SECONDS = 600
_PIECE = 1 << 18
_Read = Callable[[int], bytes]
_PIP_DOWNLOAD = (
    *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
    # Only wheels: to look into a source archive, pip would run code of it.
    *("--no-deps", "--only-binary=:all:", "--ignore-requires-python"),
)


class _SourceError(Exception):
    """One source cannot give the file."""


def fetch_model(
    entry: FetchedEntry,
    folder: Path,
    sources: tuple[Source, ...] | None = None,
    progress: Progress = unreported,
) -> Source:
    """Bring a model from the first of its sources that gives the registered bytes.

    Only the hash is believed: a source that gives other bytes leaves no trace, and the next is
    tried. Nothing that is brought is run.

    Args:
        entry: What the register says of the model.
        folder: Where to put it; made if need be.
        sources: Others than the register's.
        progress: Told how many bytes have come, of how many.

    Returns:
        The source that gave it.

    Raises:
        DownloadError: If none does; the message says why, and how else to get the file.
        OutputError: If the disk refuses.
    """
    faults = []
    for source in sources or entry.sources:
        try:
            with _opened(source) as read:
                _keep(read, folder / entry.file, entry, progress)
        except _SourceError as error:
            faults.append(f"{source}: {error}")
        else:
            return source
    raise DownloadError(
        f"{entry.file} could not be brought ({'; '.join(faults)}); "
        f"check the connection, then {how_to_get(entry)}"
    )


def _keep(read: _Read, path: Path, entry: FetchedEntry, progress: Progress) -> None:
    """Write what comes, which takes its name only if it is the registered file."""
    digest, done = hashlib.sha256(), 0
    with replacing(path) as file:
        while done <= entry.size and (piece := _piece(read)):
            file.write(piece)
            digest.update(piece)
            done += len(piece)
            progress(min(done, entry.size), entry.size)
        if digest.hexdigest() != entry.sha256:
            raise _SourceError(f"gives another file ({done:,} bytes read of {entry.size:,})")


def _piece(read: _Read) -> bytes:
    """Read on; what goes wrong here is the source's fault, not the disk's."""
    try:
        return read(_PIECE)
    except (OSError, zipfile.BadZipFile, zlib.error, http.client.HTTPException) as error:
        raise _SourceError(f"breaks off ({error})") from error


def _opened(source: Source) -> contextlib.AbstractContextManager[_Read]:
    return _web_file(source) if isinstance(source, WebFile) else _wheel_member(source)


@contextlib.contextmanager
def _web_file(source: WebFile) -> Iterator[_Read]:
    if not source.address.startswith(("https://", "http://")):
        raise _SourceError("is no web address")
    try:
        response = urllib.request.urlopen(source.address, timeout=_TIMEOUT_SECONDS)  # noqa: S310
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _SourceError(f"cannot be reached ({getattr(error, 'reason', error)})") from error
    with response:
        yield response.read


@contextlib.contextmanager
def _wheel_member(source: WheelMember) -> Iterator[_Read]:
    """Open one file of a wheel, which pip brings from the index that it is set up for."""
    with tempfile.TemporaryDirectory() as folder:
        _download_wheel(source.wheel, folder)
        with contextlib.ExitStack() as opened:
            try:
                wheel = next(Path(folder).glob("*.whl"))
                archive = opened.enter_context(zipfile.ZipFile(wheel))
                member = opened.enter_context(archive.open(source.member))
            except (StopIteration, KeyError, zipfile.BadZipFile) as error:
                raise _SourceError("the wheel does not hold the file") from error
            yield member.read


def _download_wheel(wheel: str, folder: str) -> None:
    command = [*_PIP_DOWNLOAD, "--dest", folder, wheel]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PIP_SECONDS)  # noqa: S603
    except subprocess.CalledProcessError as error:
        raise _SourceError(f"pip cannot bring it ({_last_line(error.stderr)})") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _SourceError(f"pip cannot bring it ({error})") from error


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "without a reason"
