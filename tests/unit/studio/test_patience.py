import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest
import uvicorn
from starlette.exceptions import HTTPException
from starlette.types import Message

from fergi.studio import patience
from fergi.studio.application import application
from fergi.studio.patience import TimelyBody
from fergi.studio.server import Place, server_settings
from fergi.studio.studio import Studio

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"])]

_HEALTH = b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_BODY_TO_COME = (
    b"POST /api/participants HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\n\r\n{"
)
_SECONDS = 0.5


def _run(visit: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end, in a thread: a browser that other tests drive has a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, visit).result()


@contextlib.asynccontextmanager
async def serving(studio: Studio, connections: int = 50) -> AsyncIterator[int]:
    settings = server_settings(application(studio), Place(port=0))
    settings.limit_concurrency, settings.lifespan = connections, "off"
    settings.port = 0
    server = uvicorn.Server(settings)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "SECONDS_FOR_A_HEAD", _SECONDS)
    monkeypatch.setattr(patience, "SECONDS_FOR_A_BODY", _SECONDS)


async def _drip(port: int, begun: bytes, dripped: bytes) -> tuple[float, bytes]:
    """Send a byte now and then, as long as the server takes them; give the seconds it did."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start = time.monotonic()
    writer.write(begun)
    answer = asyncio.create_task(reader.read())
    with contextlib.suppress(ConnectionError):
        for _ in range(100):
            if answer.done():
                break
            writer.write(dripped)
            await writer.drain()
            await asyncio.sleep(0.05)
    writer.close()
    with contextlib.suppress(ConnectionError):
        return time.monotonic() - start, await asyncio.wait_for(answer, 5)
    return time.monotonic() - start, b""


async def _health(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_HEALTH)
    answer = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    return answer


def test_a_head_that_comes_byte_by_byte_is_not_waited_for(studio: Studio) -> None:
    async def visit() -> None:
        async with serving(studio) as port:
            seconds, answer = await _drip(port, b"GET /api/health HTTP/1.1\r\nX: ", b"x")
            assert seconds < 3
            assert answer == b""

    _run(visit())


def test_a_body_that_comes_byte_by_byte_is_refused_in_time(studio: Studio) -> None:
    async def visit() -> None:
        async with serving(studio) as port:
            seconds, answer = await _drip(port, _BODY_TO_COME, b" ")
            assert seconds < 4
            assert answer.startswith(b"HTTP/1.1 408 ")

    _run(visit())


def test_many_who_say_nothing_keep_nobody_out_for_long(studio: Studio) -> None:
    async def visit() -> None:
        async with serving(studio, connections=10) as port:
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
            await asyncio.sleep(2 * _SECONDS)
            assert (await _health(port)).startswith(b"HTTP/1.1 200 ")
            for _, writer in silent:
                writer.close()

    _run(visit())


def test_who_keeps_a_connection_may_use_it_again_and_again(studio: Studio) -> None:
    async def visit() -> None:
        async with serving(studio) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(3):
                writer.write(_HEALTH)
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 ")
                await reader.readuntil(b"}")
                await asyncio.sleep(1.5 * _SECONDS)
            writer.close()

    _run(visit())


def test_a_long_body_gets_the_time_that_it_needs() -> None:
    async def receive() -> Message:
        await anyio.sleep(2 * _SECONDS)
        return {"type": "http.request", "body": b"", "more_body": True}

    async def read(length: int) -> Message:
        return await TimelyBody(receive, length)()

    with pytest.raises(HTTPException):
        _run(read(1))
    assert _run(read(10 * patience.SLOWEST_BYTES_A_SECOND))["more_body"]
