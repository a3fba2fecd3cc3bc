"""The socket the service listens on, and how it leaves those it served."""

import asyncio
import gc
import socket
import weakref
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import pytest
from fastapi import FastAPI, Request

from twinstile.cli import serving
from twinstile.platform.http import guard

HEAD = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\n"
KEPT, LAST = False, True


def test_no_answer_waits_for_the_client_to_confirm_its_head() -> None:
    with (
        closing(serving.listen("127.0.0.1", 0)) as listening,
        closing(socket.create_connection(listening.getsockname())),
        closing(listening.accept()[0]) as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@dataclass
class Leaving:
    """A service, told to leave when `leave` is set; it answers once `go_on` is."""

    port: int
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: Request) -> str:
        self.begun.set()
        text = (await request.body()).decode()
        await self.go_on.wait()
        return text

    @asynccontextmanager
    async def client(self) -> AsyncGenerator["Client"]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()

    async def left_within(self, client: "Client", sent: bytes, seconds: float) -> None:
        """It is told to leave while that request is under way, and so much time passes."""
        client.send(HEAD + sent)
        await self.begun.wait()
        self.leave.set()
        await self.refuses()
        await asyncio.sleep(seconds)

    async def refuses(self) -> None:
        """Wait until nobody new is let in."""
        for _ in range(200):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
            except ConnectionRefusedError:
                return
            except ConnectionError:  # it came while the door was being shut
                pass
            await asyncio.sleep(0.02)
        pytest.fail("it listens on")


@dataclass
class Client:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, content: bytes) -> None:
        self.writer.write(content)

    async def answer(self) -> tuple[bytes, bool]:
        """The body of the next answer, and whether it says that it is the last one."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await self.reader.readexactly(length), b"\r\nconnection: close" in head

    async def end(self) -> bytes:
        """What else comes until the service closes."""
        return await self.reader.read()


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Leaving]:
    monkeypatch.setattr(serving, "DRAIN_S", 3)
    listening = serving.listen("127.0.0.1", 0)
    there = Leaving(listening.getsockname()[1])
    app = FastAPI()
    app.post("/")(there.answer)

    async def serve() -> None:
        async with serving.running(app, listening):
            await there.leave.wait()
        there.left.set()

    task = asyncio.create_task(serve())
    yield there
    there.leave.set()
    there.go_on.set()
    await task


class Knot:
    """Something that only the collector can let go."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def untuned() -> None:
    """The collector as Python has it, whatever was served in this process before."""
    gc.set_threshold(700, 10, 10)


@pytest.mark.usefixtures("untuned", "service")
async def test_what_a_rush_has_under_way_is_not_looked_through(service: Leaving) -> None:
    service.go_on.set()
    async with service.client() as client:
        client.send(HEAD + b"here")
        await client.answer()
    gc.collect()
    before = gc.get_stats()[0]["collections"]
    under_way: list[list[int]] = [[] for _ in range(serving.YOUNG // 2)]
    assert gc.get_stats()[0]["collections"] == before
    del under_way
    knot = weakref.ref(Knot())
    assert knot()
    assert [Knot() for _ in range(2 * serving.YOUNG)]
    assert knot() is None


async def test_a_request_that_runs_is_answered(service: Leaving) -> None:
    async with service.client() as client:
        await service.left_within(client, b"slow", serving.LINGER_S + 0.3)
        service.go_on.set()
        assert await client.answer() == (b'"slow"', LAST)
        assert await client.end() == b""
    await service.left.wait()


async def test_a_body_that_is_on_its_way_is_taken(service: Leaving) -> None:
    service.go_on.set()
    async with service.client() as client:
        await service.left_within(client, b"s", serving.LINGER_S + 0.3)
        client.send(b"low")
        assert await client.answer() == (b'"slow"', LAST)


async def test_an_open_connection_gets_one_more_answer_and_is_told(service: Leaving) -> None:
    service.go_on.set()
    async with service.client() as client, service.client() as silent:
        client.send(HEAD + b"1st.")
        assert await client.answer() == (b'"1st."', KEPT)
        service.leave.set()
        await service.refuses()
        client.send(HEAD + b"2nd.")
        assert await client.answer() == (b'"2nd."', LAST)
        assert await client.end() == b""
        assert await silent.end() == b""  # closed, not reset
    await service.left.wait()


async def test_with_nobody_there_it_leaves_at_once(service: Leaving) -> None:
    service.leave.set()
    async with asyncio.timeout(serving.LINGER_S):
        await service.left.wait()


async def test_it_does_not_wait_for_ever(service: Leaving) -> None:
    async with service.client() as client:
        client.send(HEAD + b"slow")
        await service.begun.wait()
        service.leave.set()
        async with asyncio.timeout(10):
            await service.left.wait()
        assert b"slow" not in await client.end()


async def test_who_goes_on_sending_after_a_refusal_does_not_keep_it(service: Leaving) -> None:
    async with service.client() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"1;x=" + b"a" * (9 << 20))
        assert b" 413 " in await client.reader.readuntil(b"}")
        service.leave.set()
        async with asyncio.timeout(serving.DRAIN_S):
            await service.left.wait()


async def test_who_is_too_slow_is_told_so_to_the_end(
    service: Leaving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "BODY_S", 0.4)
    async with service.client() as client:
        client.send(HEAD + b"s")
        await service.begun.wait()
        service.leave.set()
        told = (await client.end()).lower()
    assert told.startswith(b"http/1.1 408")
    assert told.count(b"connection: close") == 1


async def test_the_last_answers_tell_the_time_as_well(service: Leaving) -> None:
    async with service.client() as client:
        await service.left_within(client, b"slow", serving.DRAIN_S - 0.5)
        service.go_on.set()
        head = (await client.reader.readuntil(b"\r\n\r\n")).decode()
    told = parsedate_to_datetime(head.partition("date: ")[2].partition("\r\n")[0])
    assert (datetime.now(UTC) - told).total_seconds() < serving.DRAIN_S - 0.5
