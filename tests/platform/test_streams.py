"""Streamed answers: written as fast as they are taken, ended when nobody takes them."""

import asyncio

import pytest
from starlette.types import Message

from twinstile.platform.http.problems import TooMany
from twinstile.platform.http.streaming import Sink, Streamed

SCOPE = {"type": "http", "method": "GET", "path": "/"}


class Client:
    """The other end of a request: what it got, and whether it is still there."""

    def __init__(self) -> None:
        self.got: list[Message] = []
        self.left = asyncio.Event()

    async def send(self, message: Message) -> None:
        self.got.append(message)

    async def receive(self) -> Message:
        await self.left.wait()
        return {"type": "http.disconnect"}

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.got if m["type"] == "http.response.body")


async def test_pieces_leave_one_by_one_and_the_last_says_so() -> None:
    client = Client()

    async def write(sink: Sink) -> None:
        for piece in (b"a,b\n", b"1,2\n"):
            await sink(piece)
            assert client.got[-1]["body"] == piece

    await Streamed(write, "text/csv", {"X-Part": "1"})(SCOPE, client.receive, client.send)
    assert client.body == b"a,b\n1,2\n"
    assert client.got[0]["status"] == 200
    assert (b"x-part", b"1") in client.got[0]["headers"]
    assert b"content-length" not in dict(client.got[0]["headers"])
    assert [m.get("more_body") for m in client.got[1:]] == [True, True, False]


async def test_an_empty_answer_is_still_an_answer() -> None:
    client = Client()

    async def write(_: Sink) -> None:
        return

    await Streamed(write, "text/csv", {})(SCOPE, client.receive, client.send)
    assert client.got[0]["status"] == 200
    assert client.got[-1]["more_body"] is False


async def test_a_refusal_before_the_first_piece_sends_nothing() -> None:
    client = Client()

    async def write(_: Sink) -> None:
        raise TooMany

    with pytest.raises(TooMany):
        await Streamed(write, "text/csv", {})(SCOPE, client.receive, client.send)
    assert client.got == []


async def test_a_failure_on_the_way_never_looks_like_the_end() -> None:
    client = Client()

    async def write(sink: Sink) -> None:
        await sink(b"half")
        raise OSError

    with pytest.raises(OSError, match=r"^$"):
        await Streamed(write, "text/csv", {})(SCOPE, client.receive, client.send)
    assert client.got[-1]["more_body"] is True


async def test_a_client_that_leaves_ends_the_writer_which_still_cleans_up() -> None:
    client = Client()
    cleaned = False

    async def write(sink: Sink) -> None:
        nonlocal cleaned
        try:
            while True:
                await sink(b"row\n")
                await asyncio.sleep(0)
                if len(client.got) == 5:
                    client.left.set()
        finally:
            await asyncio.sleep(0)  # as a rollback does: awaiting must still be possible
            cleaned = True

    await Streamed(write, "text/csv", {})(SCOPE, client.receive, client.send)
    assert cleaned


async def test_a_server_that_stops_ends_the_writer() -> None:
    client = Client()
    writing = asyncio.Event()
    ended = asyncio.Event()

    async def write(_: Sink) -> None:
        writing.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    response = Streamed(write, "text/csv", {})
    answering = asyncio.create_task(response(SCOPE, client.receive, client.send))
    await writing.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert ended.is_set()
