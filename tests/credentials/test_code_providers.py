"""The simulated providers that tests and benchmarks ask."""

import asyncio

import pytest
from _code_providers import STYLES, Simulator


async def ask(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which a question was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /elsewhere HTTP/1.1\r\nContent-Type: application/json\r\n")
    writer.write(b"Content-Length: 2\r\n\r\n{}")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    return reader, writer


async def test_a_provider_that_is_away_hangs_up_and_comes_back_where_it_was() -> None:
    there = Simulator(STYLES["generic-rest"], b"a secret of two sides")
    await there.start()
    port = there.port
    reader, first = await ask(port)
    async with there.away():
        assert (await reader.read()).endswith(b"</title>")
        with pytest.raises(ConnectionError):
            await ask(port)
    _, second = await ask(port)
    await there.stop()
    for one in (first, second):
        one.close()
        await one.wait_closed()
