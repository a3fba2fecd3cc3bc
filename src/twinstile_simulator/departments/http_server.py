"""An HTTP server of a department: one answer a connection, and down when it is told to be."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

_LONGEST_HEAD_S = 5.0
SKEW_S = 300
_EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request for `target`; names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


@dataclass(frozen=True, slots=True)
class HttpReply:
    status: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class DepartmentServer:
    """Answers on a port of its own, the same after it was away."""

    answer: Callable[[HttpRequest], HttpReply | None]
    """None: say nothing until the other side hangs up."""
    port: int = 0
    asked: int = 0
    _socket: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._socket = await asyncio.start_server(self._talk, "127.0.0.1", self.port)
        self.port = int(self._socket.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._socket:
            self._socket.close()
            await self._socket.wait_closed()

    @asynccontextmanager
    async def away(self) -> AsyncGenerator[None]:
        """Take no connections for as long as the block."""
        await self.stop()
        yield
        await self.start()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_LONGEST_HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
                question = await _question(head, reader)
            self.asked += 1
            reply = self.answer(question)
            if reply is None:
                await reader.read()
                return
            writer.write(_written(reply))
            await writer.drain()
        except (ConnectionError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            pass  # whoever asked has gone, or asked nothing
        finally:
            writer.close()


async def _question(head: bytes, reader: asyncio.StreamReader) -> HttpRequest:
    line, *fields = head.decode("latin-1").rstrip().split("\r\n")
    method, target, _ = line.split(" ")
    pairs = (one.partition(":") for one in fields)
    headers = {name.lower(): told.strip() for name, _, told in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return HttpRequest(method, target, headers, body)


def _written(reply: HttpReply) -> bytes:
    told = {**reply.headers, "Content-Length": str(len(reply.body)), "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {reply.status}\r\n{head}\r\n".encode("latin-1") + reply.body


@dataclass(slots=True)
class SignatureVerifier:
    """Verifies the signature of requests, of which each may come once."""

    key_id: str
    secret: bytes
    refused: int = 0
    _nonces: set[str] = field(default_factory=set[str])

    def verify(self, question: HttpRequest) -> bool:
        """Whether the holder of the key has sent this just now, for the first time."""
        told = question.headers
        stamp, nonce = told.get("feed-timestamp", ""), told.get("feed-nonce", "")
        path, mark, query = question.target.partition("?")
        ordered = f"{path}{mark}{'&'.join(sorted(query.split('&')))}"
        lines = [question.method, ordered, _EMPTY, stamp, nonce, self.key_id]
        expected = hmac.new(self.secret, "\n".join(lines).encode(), "sha256").hexdigest()
        good = (
            told.get("feed-key-id") == self.key_id
            and hmac.compare_digest(expected, told.get("feed-signature", ""))
            and abs(time.time() - int(stamp)) <= SKEW_S
            and nonce not in self._nonces
        )
        self._nonces.add(nonce)
        self.refused += not good
        return good
