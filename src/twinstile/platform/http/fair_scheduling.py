"""Requests take turns, so that none of them keeps the event loop from whoever waits for it.

Sixteen answers of one batch bring sixteen requests at once. Read one after the other, they keep
the loop for longer than a statement takes in the database: its answer lies there, the committer
does not hear of it, and the database has nothing to do. See docs/decisions/0018.
"""

import asyncio
from collections import deque

from starlette.types import ASGIApp, Receive, Scope, Send


class FairScheduling:
    """ASGI middleware: requests begin in the order in which they came, one in each turn."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._begun = False
        """Whether one has begun since the loop last looked at what has come from outside."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on when it is its turn, anything else at once."""
        if scope["type"] == "http":
            loop = asyncio.get_running_loop()
            if self._begun:
                mine: asyncio.Future[None] = loop.create_future()
                self._waiting.append(mine)
                await mine
            else:
                self._begun = True
                loop.call_soon(self._turn)
        await self._app(scope, receive, send)

    def _turn(self) -> None:
        """The loop has looked around: the next may begin."""
        while self._waiting:
            waited = self._waiting.popleft()
            if not waited.done():  # its sender may have left
                waited.set_result(None)
                asyncio.get_running_loop().call_soon(self._turn)
                return
        self._begun = False
