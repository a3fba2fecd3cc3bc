"""A rush of requests leaves the event loop to others between any two of them."""

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from twinstile.platform.http.fair_scheduling import FairScheduling

HTTP: Scope = {"type": "http"}


async def _nothing() -> dict[str, object]:
    return {}


async def _nowhere(_: object) -> None: ...


class _House:
    """Notes who begins, and how often the loop has turned by then."""

    def __init__(self) -> None:
        self.turns = 0
        self.begun: list[tuple[int, int]] = []
        self.app = FairScheduling(self._serve)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        del receive, send
        self.begun.append((self.turns, scope.get("number", -1)))

    async def request(self, number: int, scope: Scope = HTTP) -> None:
        await self.app(scope | {"number": number}, _nothing, _nowhere)

    async def count(self) -> None:
        while True:
            self.turns += 1
            await asyncio.sleep(0)


async def test_one_begins_in_a_turn_and_in_their_order() -> None:
    runtime = _House()
    beside = asyncio.create_task(runtime.count())
    await asyncio.gather(*(runtime.request(number) for number in range(100)))
    beside.cancel()
    turns = [turn for turn, _ in runtime.begun]
    assert max(turns.count(turn) for turn in turns) == 1
    assert turns[-1] - turns[0] <= 100 + 2
    assert [number for _, number in runtime.begun] == list(range(100))


async def test_who_leaves_while_waiting_keeps_nobody_from_their_turn() -> None:
    runtime = _House()
    rush = [asyncio.create_task(runtime.request(number)) for number in range(50)]
    await asyncio.sleep(0)
    for leaving in rush[10:40]:
        leaving.cancel()
    await asyncio.wait(rush)
    assert [number for _, number in runtime.begun] == [*range(10), *range(40, 50)]


async def test_after_a_rush_a_request_begins_at_once() -> None:
    runtime = _House()
    await asyncio.gather(*(runtime.request(number) for number in range(50)))
    for _ in range(3):
        await asyncio.sleep(0)
    runtime.begun.clear()
    with pytest.raises(StopIteration):
        runtime.request(1).send(None)  # it runs through without waiting for anything
    assert runtime.begun == [(0, 1)]


async def test_what_is_no_request_does_not_wait() -> None:
    runtime = _House()
    rush = [asyncio.create_task(runtime.request(number)) for number in range(50)]
    await asyncio.sleep(0)
    await runtime.request(99, {"type": "websocket"})
    assert (0, 99) in runtime.begun
    assert len(runtime.begun) < 50
    await asyncio.wait(rush)
