"""Browsers that keep the server waiting: how long, and then no longer."""

import asyncio

import anyio
import h11
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive
from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS_FOR_A_HEAD = 10.0
"""From the first byte of a request to the last of its head."""
SECONDS_FOR_A_BODY = 30.0
SLOWEST_BYTES_A_SECOND = 8192
"""Of a body; the slowest mobile connections are faster."""


class ImpatientProtocol(H11Protocol):
    """Closes connections that do not say in time what they want, and those that are too many.

    uvicorn waits without end for the rest of a request, so that few slow senders would keep
    all others out.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, and wait for its first request."""
        super().connection_made(transport)
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency:
            transport.abort()
        else:
            self._expect_more()

    def data_received(self, data: bytes) -> None:
        """Read what came, and wait on if it was no whole head."""
        super().data_received(data)
        is_between = self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        # Whoever was answered before the whole body came may not keep sending it either.
        is_late = self.conn.our_state is h11.DONE
        if (self.conn.their_state is h11.IDLE and not is_between) or is_late:
            self._expect_more()
        else:
            self._expect_nothing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._expect_nothing()
        super().connection_lost(exc)

    def _expect_more(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(SECONDS_FOR_A_HEAD, self.transport.abort)

    def _expect_nothing(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class TimelyBody:
    """The body of a request, which must be there in a time that fits its length."""

    def __init__(self, receive: Receive, length: int) -> None:
        self._receive = receive
        seconds = SECONDS_FOR_A_BODY + length / SLOWEST_BYTES_A_SECOND
        self._deadline = anyio.current_time() + seconds
        self._is_whole = False

    async def __call__(self) -> Message:
        """Receive the next part.

        Raises:
            HTTPException: If it comes too late.
        """
        if self._is_whole:  # what comes now is only that the browser has gone
            return await self._receive()
        with anyio.CancelScope(deadline=self._deadline):
            message = await self._receive()
            self._is_whole = not message.get("more_body", False)
            return message
        raise HTTPException(408)
