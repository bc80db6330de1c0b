"""Bringing the weights of scorers, each file verified, or pinned when it first comes."""

import hashlib
import http.client
import json
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fergi.errors import DownloadError
from fergi.files import replacing
from fergi.progress import Progress, unreported
from fergi.weights.scorer_weights import (
    PINS_FILE,
    PublishedFile,
    ScorerWeights,
    file_hash,
    pins,
)

_TIMEOUT_SECONDS = 60
_PIECE = 1 << 20


def missing_files(entry: ScorerWeights, folder: Path) -> list[PublishedFile]:
    """List the files of an entry that are not in a folder, or not intact."""
    wanted = pins(entry.name, folder)
    return [
        file
        for file in entry.files
        if not (folder / file.name).is_file()
        or file_hash(folder / file.name) != wanted.get(file.name)
    ]


def published_at(file: PublishedFile, address: str | None) -> PublishedFile:
    """Give the same file in another folder of the web, such as a mirror's; None changes nothing."""
    if address is None:
        return file
    return replace(file, url=f"{address.rstrip('/')}/{urllib.parse.quote(file.name)}")


def told_size(file: PublishedFile) -> str:
    """Say how large a file is; the server is asked if the register does not say.

    Raises:
        DownloadError: If it cannot be reached.
    """
    if file.size is not None:
        return f"{file.size:,} bytes"
    if file.about is not None:
        return f"about {file.about}"
    with _opened(file, "HEAD") as response:
        length = response.headers.get("Content-Length", "")
    return f"{int(length):,} bytes" if length.isdecimal() else "of unknown size"


def fetch_file(file: PublishedFile, folder: Path, progress: Progress = unreported) -> str:
    """Bring one file, whole or not at all.

    Args:
        file: With the SHA-256 that is believed, or none: then the file is pinned to what it
            is now, and never believed again if it changes.
        folder: Where to put it; made if need be.
        progress: Told how many bytes have come, of how many.

    Returns:
        Its SHA-256.

    Raises:
        DownloadError: If it cannot be reached, breaks off, or is another file.
        OutputError: If the disk refuses.
    """
    with _opened(file, "GET") as response, replacing(folder / file.name) as target:
        length = response.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() else file.size or 0
        digest, done = hashlib.sha256(), 0
        while piece := _read(file, response):
            target.write(piece)
            digest.update(piece)
            done += len(piece)
            progress(done, max(size, done))
        _require_whole(file, done, size, digest.hexdigest())
    _pin(folder, {file.name: digest.hexdigest()})
    return digest.hexdigest()


def _opened(file: PublishedFile, method: str) -> http.client.HTTPResponse:
    if not file.url.startswith(("https://", "http://")):
        raise DownloadError(f"{file.url} is no web address")
    request = urllib.request.Request(file.url, method=method)  # noqa: S310
    try:
        response: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310
            request, timeout=_TIMEOUT_SECONDS
        )
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(
            f"{file.url} cannot be reached ({getattr(error, 'reason', error)}); check the "
            "connection, or bring the file otherwise and say where it is with --weights"
        ) from error
    return response


def _read(file: PublishedFile, response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_PIECE)
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{file.url} breaks off ({error}); run the command again") from error


def _require_whole(file: PublishedFile, done: int, size: int, digest: str) -> None:
    if size and done != size:
        raise DownloadError(
            f"{file.url} gave {done:,} of {size:,} bytes; nothing was kept, run the command again"
        )
    if file.sha256 is not None and digest != file.sha256:
        raise DownloadError(
            f"{file.url} gave a file with SHA-256 {digest}, not {file.sha256}; nothing was kept"
        )


def _pin(folder: Path, digests: Mapping[str, str]) -> None:
    path = folder / PINS_FILE
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    with replacing(path) as file:
        content = json.dumps({**earlier, **digests}, indent=2, sort_keys=True)
        file.write(content.encode() + b"\n")
