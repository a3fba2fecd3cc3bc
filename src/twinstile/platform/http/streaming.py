"""Answers too long to hold in memory: written piece by piece, as fast as the client takes them.

The writer waits for each piece to leave, so nothing piles up here. A client that goes away ends
its writer, and with it the query behind it. Until the first piece the writer can still raise a
`Problem` that becomes an ordinary answer; after it, the connection is cut short, which the
client sees, because the last chunk never comes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from typing_extensions import override

Sink = Callable[[bytes], Awaitable[None]]


class Streamed(Response):
    """A response whose body `write` gives to its sink."""

    def __init__(  # pyright: ignore[reportMissingSuperCall] # it would announce a length of 0
        self,
        write: Callable[[Sink], Awaitable[None]],
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        self._write = write
        self.status_code = 200
        self.media_type = media_type
        self.background = None
        self.init_headers(headers)

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Tasks, not a cancel scope: a scope would go on cancelling the rollback that the writer
        # owes its connection.
        writing = asyncio.create_task(self._body(send))
        leaving = asyncio.create_task(_client_left(receive))
        try:
            await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writing, leaving):
                task.cancel()
            await asyncio.wait({writing, leaving})
        if not writing.cancelled():
            await writing

    async def _body(self, send: Send) -> None:
        started = False

        async def sink(piece: bytes) -> None:
            nonlocal started
            if not started:
                started = True
                await send(
                    {
                        "type": "http.response.start",
                        "status": self.status_code,
                        "headers": self.raw_headers,
                    }
                )
            await send({"type": "http.response.body", "body": piece, "more_body": True})

        await self._write(sink)
        if not started:
            await sink(b"")
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _client_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
