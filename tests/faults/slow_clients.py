"""Clients that hold a connection and give nothing for it, and one that measures meanwhile."""

import asyncio
import itertools
import statistics
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx2
import people
import processes
from stations import Station, Token

HELD_S = 20.0
"""How long a slow client waits to be thrown out."""
HEAD = b"PUT /v1/checks/%b HTTP/1.1\r\nHost: hub\r\nContent-Type: application/json\r\n"

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Slow = Callable[[Line], Awaitable[None]]


@asynccontextmanager
async def line(station: Station) -> AsyncGenerator[Line]:
    """A connection to the service, below HTTP's good manners."""
    reader, writer = await asyncio.open_connection("127.0.0.1", station.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def head(token: Token, *fields: bytes) -> bytes:
    """The head of a check whose body is still to come."""
    bearer = b"Authorization: Bearer " + token.shift.encode()
    return b"\r\n".join([HEAD % str(people.new_id()).encode() + bearer, *fields, b"", b""])


async def silent(_: Line) -> None:
    """Connect, and say nothing."""


async def half_head(there: Line) -> None:
    """Begin a head, go on with it for ever."""
    _, writer = there
    writer.write(HEAD % b"x")
    for n in itertools.count():
        await asyncio.sleep(1)
        writer.write(b"X-%d: a\r\n" % n)


def slow_body(token: Token) -> Slow:
    """Announce a body of a mebibyte, send one byte of it a second."""

    async def drip(there: Line) -> None:
        _, writer = there
        writer.write(head(token, b"Content-Length: 1048576"))
        while True:
            writer.write(b" ")
            await asyncio.sleep(1)

    return drip


async def held(station: Station, slow: Slow) -> float:
    """How long the service lets one of these stay, in seconds."""
    began = time.monotonic()
    async with line(station) as there:
        speaking = asyncio.ensure_future(slow(there))
        try:
            async with asyncio.timeout(HELD_S):
                with suppress(ConnectionError):
                    while await there[0].read(65536):
                        pass
        except TimeoutError:
            pass
        finally:
            speaking.cancel()
            await asyncio.wait({speaking})
    return time.monotonic() - began


def sockets(station: Station) -> int:
    """How many sockets the service's processes hold."""
    assert station.process is not None
    waiting, count = [station.process.pid], 0
    while waiting:
        pid = waiting.pop()
        waiting += processes.children(pid)
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                count += entry.readlink().name.startswith("socket:")
    return count


def resident_kib(station: Station) -> int:
    """The memory the serving process holds."""
    assert station.process is not None
    status = Path(f"/proc/{station.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


class Good:
    """An honest client: one check after the other, timed, in windows of a second."""

    def __init__(self, station: Station, token: Token) -> None:
        self._client = httpx2.AsyncClient(
            base_url=station.url,
            headers={"Authorization": f"Bearer {token.shift}"},
            timeout=10,
        )
        self.refused: list[int] = []

    async def window(self) -> float:
        """The 99th percentile of a second's answers, in milliseconds."""
        took: list[float] = []
        end = time.monotonic() + 1
        while time.monotonic() < end:
            body = people.check()
            began = time.perf_counter()
            answer = await self._client.put(f"/v1/checks/{people.new_id()}", json=body)
            took.append((time.perf_counter() - began) * 1000)
            if answer.status_code != 201:
                self.refused.append(answer.status_code)
            await asyncio.sleep(0.005)
        return statistics.quantiles(took, n=100)[98] if len(took) > 1 else took[0]

    async def windows(self, number: int) -> list[float]:
        return [await self.window() for _ in range(number)]

    async def close(self) -> None:
        await self._client.aclose()
