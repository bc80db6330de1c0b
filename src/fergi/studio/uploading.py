"""Receiving a video: piece by piece into a file, counted and hashed on the way."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread
from starlette.requests import ClientDisconnect, Request

from fergi.studio.clip_files import Uploads
from fergi.studio.clip_messages import VideoFacts
from fergi.studio.refusals import RequestRefusedError

_PIECE = 2**18
_SECONDS_WITHOUT_A_BYTE = 30.0
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


@dataclass(frozen=True, slots=True)
class ReceivedVideo:
    """A video that has come in, and lies under a hidden name.

    Attributes:
        path: Where.
        sha256: Of what was written.
        bytes: How many.
    """

    path: Path
    sha256: str
    bytes: int


async def received_video(
    request: Request, uploads: Uploads, announced: VideoFacts
) -> ReceivedVideo:
    """Write the body of a request under a hidden name.

    Raises:
        RequestRefusedError: If it is not as announced, or stops coming. Nothing is left then.
    """
    _require_announced_headers(request, announced)
    path = uploads.new()
    try:
        return await _written(request, path, announced)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


async def _written(request: Request, path: Path, announced: VideoFacts) -> ReceivedVideo:
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:

        def write(piece: bytes) -> None:
            file.write(piece)
            digest.update(piece)

        async for piece in _pieces(request, announced.bytes):
            size += len(piece)
            await to_thread.run_sync(write, piece)
    _require_digest(request, digest.digest())
    return ReceivedVideo(path, digest.hexdigest(), size)


async def _pieces(request: Request, most: int) -> AsyncIterator[bytes]:
    """Gather the small chunks of a connection into pieces worth a write."""
    waiting, size = bytearray(), 0
    async for chunk in _chunks(request):
        size += len(chunk)
        if size > most:
            raise RequestRefusedError("bad-request", "More bytes came than announced.")
        waiting += chunk
        if len(waiting) >= _PIECE:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


async def _chunks(request: Request) -> AsyncIterator[bytes]:
    stream = aiter(request.stream())
    while True:
        try:
            with anyio.fail_after(_SECONDS_WITHOUT_A_BYTE):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise RequestRefusedError(
                "timeout", "The video stopped coming; send it again."
            ) from error
        except ClientDisconnect as error:
            raise RequestRefusedError("bad-request", "The connection was lost.") from error
        yield chunk


def _require_announced_headers(request: Request, announced: VideoFacts) -> None:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != announced.type:
        raise RequestRefusedError(
            "wrong-type", f"Announced was {announced.type}, not '{content_type}'."
        )
    length = request.headers.get("content-length")
    if length is None:
        raise RequestRefusedError("length-needed", "Send the video with Content-Length.")
    if int(length) != announced.bytes:
        raise RequestRefusedError(
            "bad-request", f"{length} bytes are sent, where {announced.bytes} were announced."
        )


def _require_digest(request: Request, digest: bytes) -> None:
    header = request.headers.get("content-digest")
    if header is None:
        return
    match = _DIGEST.search(header)
    if match is None or base64.b64decode(match[1]) != digest:
        raise RequestRefusedError(
            "bad-request", "The bytes do not have the hash of Content-Digest; send them again."
        )
