"""The guard's rules, each met by a client on a socket; its figures are made small for that."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

import module_database
import people
import pytest
from hubs import DEVICE, Hub

from twinstile.platform.http import guard

service = module_database.service
"""Connections of other tests would be of the crowd."""
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GET = b"GET /livez HTTP/1.1\r\nHost: hub\r\n\r\n"


@asynccontextmanager
async def line(hub: Hub) -> AsyncGenerator[Line]:
    place = urlsplit(hub.service.base_url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def head(hub: Hub, *fields: str, target: str = "POST /v1/facts:batch") -> bytes:
    bearer = f"Authorization: Bearer {hub.tokens[DEVICE]}"
    lines = [f"{target} HTTP/1.1", "Host: hub", "Content-Type: application/json", bearer]
    return "\r\n".join([*lines, *fields, "", ""]).encode()


async def all_of(reader: asyncio.StreamReader, patience_s: float = 8) -> bytes:
    """Everything until the connection is closed."""
    return await asyncio.wait_for(reader.read(-1), patience_s)


def statuses(answers: bytes) -> list[int]:
    return [int(part.split()[0]) for part in answers.split(b"HTTP/1.1 ")[1:]]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_S", "BODY_S", "LINGER_S"):
        monkeypatch.setattr(guard, name, 0.4)


@pytest.mark.usefixtures("hurried")
async def test_a_slow_head_is_told_so(hub: Hub) -> None:
    async with line(hub) as (reader, writer):
        writer.write(GET[:-2])
        answer = await all_of(reader)
    assert statuses(answer) == [408]
    assert b'"retryable":true,"stored":false' in answer


@pytest.mark.usefixtures("hurried")
async def test_a_silent_connection_is_closed_without_a_word(hub: Hub) -> None:
    async with line(hub) as (reader, writer):
        writer.write(b"\r\n\r\n")
        assert await all_of(reader) == b""


@pytest.mark.usefixtures("hurried")
async def test_a_connection_that_was_of_use_may_be_idle(hub: Hub) -> None:
    async with line(hub) as (reader, writer):
        for _ in range(2):
            writer.write(GET)
            assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"}"), 5)
            await asyncio.sleep(guard.HEAD_S + 2 * guard.SWEEP_S)


@pytest.mark.usefixtures("hurried")
async def test_a_body_may_be_slow_but_not_stand_still(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "RATE", 1000)
    item = {"kind": "check", "id": str(people.new_id()), "counter": 1, "body": people.fact()}
    sent = json.dumps({"sent_at": people.now(), "items": [item]}).encode().ljust(3000)
    began = time.monotonic()
    async with line(hub) as (reader, writer):
        writer.write(head(hub, f"Content-Length: {len(sent)}", "Connection: close"))
        for start in range(0, len(sent), 150):  # a little faster than is needed
            writer.write(sent[start : start + 150])
            await asyncio.sleep(0.1)
        answer = await all_of(reader)
    assert time.monotonic() - began > 3 * guard.BODY_S
    assert statuses(answer) == [200]
    async with line(hub) as (reader, writer):
        writer.write(head(hub, "Content-Length: 3000") + sent[:1000])
        answer = await all_of(reader)
    assert statuses(answer) == [408]


async def test_requests_before_a_broken_one_keep_their_answers(hub: Hub) -> None:
    body = json.dumps(people.check()).encode()
    target = f"PUT /v1/checks/{people.new_id()}"
    bearer = f"Authorization: Bearer {hub.tokens['screener']}"
    put = "\r\n".join(
        [
            f"{target} HTTP/1.1",
            "Host: hub",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            bearer,
            "",
            "",
        ]
    ).encode()
    async with line(hub) as (reader, writer):
        writer.write(put + body + b"NO HTTP\r\n\r\n")
        answer = await all_of(reader)
    assert statuses(answer) == [201]


async def test_so_many_requests_at_once_and_no_more(hub: Hub) -> None:
    async with line(hub) as (reader, writer):
        writer.write(GET * 200)
        answer = await all_of(reader)
    assert statuses(answer) == [200] * (guard.MAX_PIPELINED + 1)
    assert answer.count(b"connection: close") == 1


@pytest.mark.parametrize("host", [b"", b"Host: a\r\nHost: b\r\n"], ids=["no host", "two hosts"])
async def test_a_request_names_its_host_once(hub: Hub, host: bytes) -> None:
    async with line(hub) as (reader, writer):
        writer.write(b"GET /livez HTTP/1.1\r\n" + host + b"\r\n")
        assert statuses(await all_of(reader)) == [400]


async def test_a_trailer_is_no_header(hub: Hub) -> None:
    """Who sends no token in the head is nobody, whatever comes after the body."""
    token = f"Authorization: Bearer {hub.tokens[DEVICE]}\r\n".encode()
    begun = b"GET /v1/me HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n"
    async with line(hub) as (reader, writer):
        writer.write(begun + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + token + b"\r\n")
        assert statuses(await all_of(reader)) == [401]


async def test_who_still_sends_is_not_reset_before_it_can_hear_the_refusal(hub: Hub) -> None:
    async with line(hub) as (reader, writer):
        writer.write(head(hub, f"Content-Length: {9 << 20}"))
        assert statuses(await all_of(reader)) == [413]
        for _ in range(3):
            writer.write(b" " * (10 << 10))
            await asyncio.sleep(0.1)
            assert not writer.transport.is_closing()


@pytest.mark.usefixtures("hurried")
async def test_who_does_not_read_an_answer_does_not_keep_it(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "RATE", 64 << 20)
    refused = guard.observability.REFUSED.labels("unread")
    before = _value(refused)
    place = urlsplit(hub.service.base_url)
    # a reader that takes at most 64 KiB, and so does the kernel
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 15)
    writer.write(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: hub\r\n\r\n" * 12)
    for _ in range(40):
        await asyncio.sleep(0.1)
        if _value(refused) > before:
            break
    assert _value(refused) == before + 1
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(64 << 20), 5)
    writer.close()


def _value(counter: object) -> float:
    value: float = counter._value.get()
    return value


async def crowd(hub: Hub, stack: AsyncExitStack, begun: bytes, number: int) -> list[Line]:
    lines = [await stack.enter_async_context(line(hub)) for _ in range(number)]
    for _, writer in lines:
        writer.write(begun)
    await asyncio.sleep(0.05)
    return lines


def told(lines: Sequence[Line]) -> int:
    return sum(b" 503 " in reader._buffer for reader, _ in lines)


async def test_in_a_crowd_those_without_a_request_give_way(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "most_connections", lambda: 40)
    async with AsyncExitStack() as stack:
        half = await crowd(hub, stack, GET[:-2], 20)
        useful = await crowd(hub, stack, GET, 10)
        for reader, _ in useful:
            await reader.readuntil(b"}")
        more = await crowd(hub, stack, b"", 30)
        async with asyncio.timeout(guard.HEAD_S / 2):
            while told(half) < 10:  # noqa: ASYNC110 # only the service knows
                await asyncio.sleep(0.01)
        reader, writer = more[-1]
        writer.write(GET)
        assert b" 200 " in await asyncio.wait_for(reader.readuntil(b"}"), 5)
        assert not any(reader.at_eof() or reader._buffer for reader, _ in useful)


async def test_when_all_are_at_work_the_newest_is_turned_away(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 40
    monkeypatch.setattr(guard, "most_connections", lambda: most)
    async with AsyncExitStack() as stack:
        # one after the other, and a few more: idle connections of this hub give way first
        for _ in range(most + 4):
            await crowd(hub, stack, head(hub, "Content-Length: 1000") + b"{", 1)
        ((reader, writer),) = await crowd(hub, stack, b"", 1)
        writer.write(GET)
        answer = await all_of(reader)
    assert statuses(answer) == [503]
    assert b"/problems/busy" in answer
    assert b"retry-after: 1" in answer.lower()
