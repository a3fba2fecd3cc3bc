"""A department's server over a real socket that answers what a test wants, byte by byte."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field


@dataclass
class Asked:
    """A request as it came."""

    target: str
    headers: dict[str, str]


Script = Callable[[Asked], Iterable[bytes]]


@dataclass
class Department:
    url: str
    asked: list[Asked] = field(default_factory=list[Asked])

    def __post_init__(self) -> None:
        self.hung_up = 0


def answer(
    body: bytes = b"", status: str = "200 OK", length: int | None = None, **headers: str
) -> bytes:
    told = {"content-type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in told.items())]
    size = len(body) if length is None else length
    return "\r\n".join([*lines, f"content-length: {size}", "", ""]).encode() + body


@contextlib.asynccontextmanager
async def department(
    script: Script, tls: ssl.SSLContext | None = None, drip_s: float = 0
) -> AsyncIterator[Department]:
    """Answers each request with the pieces the script gives; then hangs up."""
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(task := asyncio.current_task())  # type: ignore[arg-type]
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *fields = head.split("\r\n")
            headers = {
                name.lower(): value.strip()
                for name, _, value in (one.partition(":") for one in fields if one)
            }
            asked = Asked(line.split(" ")[1], headers)
            here.asked.append(asked)
            for piece in script(asked):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(drip_s)
        except (ConnectionError, asyncio.IncompleteReadError):
            here.hung_up += 1
        finally:
            talks.discard(task)
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    here = Department(f"{'https' if tls else 'http'}://localhost:{port}/v1/list")
    try:
        yield here
    finally:
        server.close()
        for one in talks:
            one.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
