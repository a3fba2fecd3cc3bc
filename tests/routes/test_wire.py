"""What comes in below HTTP's good manners: bytes on a socket, honest or not."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import UUID

import people
import pytest
from hubs import DEVICE, Hub

MIB = 1 << 20
CHUNKED = "Transfer-Encoding: chunked"
BATCH = "POST /v1/facts:batch"
RANGES = "Range: bytes=" + ",".join(f"{first}-" for first in range(10_000))
SOME_RANGES = "Range: bytes=" + ",".join(f"{first}-" for first in range(2_000))

BROKEN = [
    (("Content-Length: 5", CHUNKED), b"0\r\n\r\nGET /v1/me HTTP/1.1\r\nHost: hub\r\n\r\n"),
    (("Content-Length: 2", "Content-Length: 3"), b"{} "),
    (("Content-Length: -2",), b"{}"),
    (("Content-Length: +2",), b"{}"),
    (("Transfer-Encoding: chunked, identity",), b"0\r\n\r\n"),
    (("Transfer-Encoding : chunked",), b"0\r\n\r\n"),
    ((CHUNKED,), b"zz\r\n{}\r\n"),
    ((CHUNKED,), b"ffffffffffffffffff\r\n{}"),
    (("X-Name: a\0b", "Content-Length: 2"), b"{}"),
    (("Content-Length: 4, 5",), b"{}  "),
    (("Content-Length: 0x2",), b"{}"),
    (("Transfer-Encoding: gzip, chunked, chunked",), b"0\r\n\r\n"),
    (("Host: elsewhere",), b""),
    ((" folded: line",), b""),
    (("X Name: a",), b""),
    (("X-Name: a\nContent-Length: 2",), b"{}"),
    ((": no name",), b""),
    ((CHUNKED,), b"-1\r\n{}\r\n"),
    ((CHUNKED,), b"2\n{}\r\n0\r\n\r\n"),
    ((CHUNKED,), b"2\r\n{}x\r\n0\r\n\r\n"),
]


@asynccontextmanager
async def line(hub: Hub) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    place = urlsplit(hub.service.base_url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def exchange(hub: Hub, *parts: bytes) -> tuple[int, bytes]:
    """Send what is given and wait for an answer; its status, and everything that comes back."""
    async with line(hub) as (reader, writer):
        for part in parts:
            writer.write(part)
        begun = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        rest = b""
        try:
            while part := await asyncio.wait_for(reader.read(65536), 0.1):
                rest += part
        except (TimeoutError, ConnectionResetError):
            pass
        return int(begun.split()[1]), begun + rest


def head(hub: Hub, target: str, *fields: str, who: str | None = DEVICE) -> bytes:
    lines = [f"{target} HTTP/1.1", "Host: hub", "Content-Type: application/json", *fields]
    if who:
        lines.append(f"Authorization: Bearer {hub.tokens[who]}")
    return "\r\n".join([*lines, "", ""]).encode()


async def serves(hub: Hub) -> bool:
    answer = await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check())
    return answer.status_code == 201


async def test_nobody_without_a_token_makes_us_read_a_body(hub: Hub) -> None:
    begun = head(hub, BATCH, f"Content-Length: {8 * MIB}", who=None)
    status, answer = await exchange(hub, begun, b"[" * 1000)
    assert status == 401
    assert b"/problems/unauthenticated" in answer


@pytest.mark.parametrize(
    ("target", "length"), [(BATCH, 8 * MIB), (f"PUT /v1/reminders/{UUID(int=7)}", MIB)]
)
async def test_a_body_that_announces_too_much_is_refused_unread(
    hub: Hub, target: str, length: int
) -> None:
    who = DEVICE if target == BATCH else "screener"
    begun = head(hub, target, f"Content-Length: {length + 1}", who=who)
    status, answer = await exchange(hub, begun, b"[")
    assert status == 413
    assert b"application/problem+json" in answer
    assert f"At most {length} bytes".encode() in answer


async def test_a_body_without_end_is_refused_when_it_has_become_too_large(hub: Hub) -> None:
    chunk = b"%x\r\n%b\r\n" % (MIB, b"[" * MIB)
    status, answer = await exchange(hub, head(hub, BATCH, CHUNKED), *[chunk] * 9)
    assert status == 413
    assert b"/problems/too-large" in answer
    assert await serves(hub)


@pytest.mark.parametrize(
    ("fields", "body"),
    BROKEN,
    ids=lambda part: part[0] if isinstance(part, tuple) else "",
)
async def test_a_message_two_readers_may_understand_differently_is_cut_off(
    hub: Hub, fields: tuple[str, ...], body: bytes
) -> None:
    status, answer = await exchange(hub, head(hub, BATCH, *fields), body)
    assert status == 400
    assert b"connection: close" in answer.lower()
    assert b"/problems/invalid-request" in answer
    assert answer.count(b"HTTP/1.1 ") == 1
    assert await serves(hub)


@pytest.mark.parametrize(
    ("target", "fields", "status"),
    [
        ("GET /v1/checks/%ff%fe%00", (), 422),
        ("GET /v1/lanes/%00/state", (), 422),
        ("GET /v1/lanes/%ed%a0%80/state", (), 422),
        ("GET /v1/policies/%00", (), 422),
        ("GET /v1/policies/%ed%a0%80", (), 404),
        ("GET /v1/policies/..%2f..%2fetc%2fpasswd", (), 404),
        ("GET /v1/runs?from=%ff&to=%ed%a0%80", (), 422),
        ("GET //v1/me", (), 404),
        ("OPTIONS *", (), 404),
        ("TRACE /v1/me", (), 405),
        ("GET /v1/me", (RANGES,), 431),
        ("GET /v1/me", (SOME_RANGES,), 200),
        ("GET /pages/page.css", (SOME_RANGES,), 200),
        ("GET /docs/swagger-ui-bundle.js", (SOME_RANGES,), 200),
        ("GET /v1/me", ("Connection: Upgrade", "Upgrade: websocket"), 200),
        ("GET /v1/me", ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"), 200),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
async def test_an_odd_request_gets_a_plain_answer(
    hub: Hub, target: str, fields: tuple[str, ...], status: int
) -> None:
    told, answer = await exchange(hub, head(hub, target, *fields, who="screener"))
    assert told == status
    assert status == 200 or b"application/problem+json" in answer


async def test_who_leaves_while_sending_leaves_nothing_behind(hub: Hub) -> None:
    async with line(hub) as (_, writer):
        writer.write(head(hub, BATCH, "Content-Length: 1000") + b'{"sent_at":')
        await writer.drain()
    assert await serves(hub)
