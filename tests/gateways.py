"""A gateway of short messages over a real socket, with its own memory and its own troubles."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast
from urllib.parse import parse_qs

from people import Json

TOKEN = "a-token-of-the-gateway"
ACCEPTED = "accepted"
DELIVERED = "delivered"
REJECTED = "rejected"

CHANNELS = """
[[channel]]
name = "sms"
kind = "http"
carries = ["PHONE"]
demo = true
url = "{url}/v1/messages"
inside = true
within_s = 0.4
token_file = "{token}"
together = {together}
{more}
[channel.body]
sender = "Hangzhou East"
messages = "{{messages}}"

[channel.message]
reference = "{{id}}"
to = "{{digits}}"
content = {{ text = "{{text}}", language = "{{language}}" }}
valid_until = "{{not_after}}"

[channel.answer]
results = "/results"
id = "/reference"
ref = "/message_id"
state = "/status"
code = "/error"

[channel.answer.states]
accepted = "HANDED"
delivered = "DELIVERED"
rejected = "FAILED"
never-seen = "WAITING"
"""
ASK = """
[channel.ask]
url = "{url}/v1/status?batch={{batch}}"
every_s = 10
body = {{ references = "{{ids}}" }}
"""


@dataclass
class Gateway:
    """What it took, and what to do with the next batches: a trouble each, None for none."""

    url: str = ""
    troubles: list[str | None] = field(default_factory=list[str | None])
    taken: list[Json] = field(default_factory=list[Json])
    heads: list[str] = field(default_factory=list[str])
    status: str = ACCEPTED
    """Of what it took, when it is asked."""
    asked: int = 0

    def written(
        self, folder: Path, *, ask: bool = True, together: int = 50, more: str = ""
    ) -> Path:
        """The operator's file that tells of it."""
        token = folder / "sms.token"
        token.write_text(TOKEN)
        text = CHANNELS.format(url=self.url, token=token, together=together, more=more)
        file = folder / "channels.toml"
        file.write_text(text + (ASK.format(url=self.url) if ask else ""))
        return file

    def times(self) -> Counter[str]:
        """How often each message was taken."""
        return Counter(str(one["reference"]) for one in self.taken)

    def _take(self, messages: Sequence[Json]) -> list[Json]:
        self.taken += messages
        return [
            {
                "reference": one["reference"],
                "message_id": f"g-{place}",
                "status": ACCEPTED,
                "error": None,
            }
            for place, one in enumerate(messages)
        ]

    def answer(self, path: str, body: bytes) -> Sequence[bytes | float]:
        """Pieces of the answer, and pauses between them."""
        if path == "/v1/form":
            self.taken.append(dict(parse_qs(body.decode())))
            return [_head(202, 0)]
        told: Json = json.loads(body)
        return self._asks(told) if path == "/v1/status" else self._messages(told)

    def _messages(self, told: Json) -> list[bytes | float]:
        trouble = self.troubles.pop(0) if self.troubles else None
        messages = cast("list[Json]", told["messages"])
        if trouble in REFUSED:
            more = "retry-after: 7\r\nlocation: /elsewhere\r\n"
            return [_head(REFUSED[trouble], 0, more)]
        if trouble == "half":
            messages = messages[: len(messages) // 2]
        results = self._take(messages)
        if trouble == "reject":
            number = str(messages[0]["to"])
            bad = {"status": REJECTED, "error": f"bad {number}", "message_id": number}
            results = [one | bad for one in results]
        (whole,) = _answer({"results": results})
        return LOST[trouble](whole) if trouble in LOST else [whole]

    def _asks(self, told: Json) -> list[bytes]:
        self.asked += 1
        known = self.times()
        references = cast("list[str]", told["references"])
        return _answer(
            {
                "results": [
                    {"reference": one, "status": self.status if known[one] else "never-seen"}
                    for one in references
                ]
            }
        )


REFUSED = {"500 before": 500, "429": 429, "401": 401, "302": 302}


def _head(status: int, length: int, more: str = "") -> bytes:
    told = "content-type: application/json\r\nconnection: close\r\n" + more
    return f"HTTP/1.1 {status} X\r\n{told}content-length: {length}\r\n\r\n".encode()


LOST: Mapping[str, Callable[[bytes], list[bytes | float]]] = {
    "hang": lambda whole: [5.0, whole],
    "500 after": lambda _: [_head(500, 0)],
    "garbage": lambda _: [_head(200, 15) + b"<html>so</html>"],
    "other words": lambda whole: [whole.replace(b'"accepted"', b'"approved"')],
    "cut off": lambda whole: [whole[: len(whole) // 2]],
    "drip": lambda whole: [p for byte in whole for p in (bytes([byte]), 0.02)],
    "flood": lambda _: [_head(200, 2 << 20) + b" " * (2 << 20)],
}
"""Answers after which nobody knows that the messages were taken."""


def _answer(body: Json) -> list[bytes]:
    written = json.dumps(body).encode()
    return [_head(200, len(written)) + written]


@contextlib.asynccontextmanager
async def gateway() -> AsyncIterator[Gateway]:
    """Open for as long as the block."""
    here, talks = Gateway(), set[asyncio.Task[None]]()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(task := asyncio.current_task())  # type: ignore[arg-type]
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            here.heads.append(head)
            size = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
            body = await reader.readexactly(size)
            path = head.split(" ")[1].partition("?")[0]
            for piece in here.answer(path, body):
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                else:
                    writer.write(piece)
                    await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            talks.discard(task)
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    here.url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
    try:
        yield here
    finally:
        server.close()
        for one in talks:
            one.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
