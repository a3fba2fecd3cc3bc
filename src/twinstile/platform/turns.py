"""Requests take turns, so that none of them keeps the event loop from whoever waits for it.

Sixteen answers of one batch bring sixteen requests at once. Read one after the other, they keep
the loop for longer than a statement takes in the database: its answer lies there, the committer
does not hear of it, and the database has nothing to do. See docs/decisions/0018.
"""

import asyncio
from collections import deque
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

MOST_A_TURN: Final = 4
"""How many requests begin before the loop looks again at what has come from outside."""


class InTurn:
    """ASGI middleware: requests begin in the order in which they came, a few in each turn."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._left = MOST_A_TURN
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an HTTP request on when it is its turn, anything else at once."""
        if scope["type"] == "http":
            loop = asyncio.get_running_loop()
            if not self._turning:
                self._turning = True
                loop.call_soon(self._turn)
            if self._left and not self._waiting:
                self._left -= 1
            else:
                mine: asyncio.Future[None] = loop.create_future()
                self._waiting.append(mine)
                await mine
        await self._app(scope, receive, send)

    def _turn(self) -> None:
        """The loop has looked around: some more may begin."""
        begun = 0
        while self._waiting and begun < MOST_A_TURN:
            waited = self._waiting.popleft()
            if not waited.done():  # its sender may have left
                waited.set_result(None)
                begun += 1
        self._left = MOST_A_TURN - begun
        self._turning = begun > 0
        if self._turning:
            asyncio.get_running_loop().call_soon(self._turn)
