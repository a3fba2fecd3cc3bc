"""Whoever publishes trust lists, over a real line, and the hub that fetches them."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from hubs import Hub
from people import Json

from twinstile.credentials.sources import fetching, settings, signatures
from twinstile.credentials.sources.settings import Source
from twinstile.platform import clock


@dataclass
class Publisher:
    """Whoever publishes a list, over HTTP."""

    url: str = ""
    body: bytes = b""
    status: str = "200 OK"
    etag: str = '"1"'
    silent: bool = False
    signature: bytes = b""
    """What is answered to whoever asks for a path that ends in `.sig`."""
    asked: list[dict[str, str]] = field(default_factory=list)

    def publish(self, told: Json) -> None:
        self.body = json.dumps(told).encode()
        self.etag = f'"{hash(self.body)}"'

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked, *rest = head.split("\r\n")
        lines = [line.split(": ", 1) for line in rest if line]
        headers = {name.lower(): value for name, value in lines}
        self.asked.append(headers)
        if self.silent:
            await reader.read()
        same = headers.get("if-none-match") == self.etag
        status, body = ("304 Not Modified", b"") if same else (self.status, self.body)
        if asked.split()[1].endswith(".sig"):
            body = self.signature
        writer.write(
            f"HTTP/1.1 {status}\r\nETag: {self.etag}\r\nContent-Length: {len(body)}\r\n"
            "Connection: close\r\n\r\n".encode()
            + body
        )
        writer.close()


@pytest.fixture
async def publisher() -> AsyncIterator[Publisher]:
    found = Publisher()
    server = await asyncio.start_server(found.talk, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/list"
    yield found
    server.close()


def source(hub: Hub, publisher: Publisher, form: str = "list", **more: object) -> Source:
    told = {"domains": ["EU_DCC"]} if form == "list" else {}
    given = {"name": "main", "url": publisher.url, "inside": True, "form": form}
    one = settings.SourceSettings.model_validate({**given, **told, **more})
    signer = signatures.signer(one.signer_file) if one.signer_file else None
    return Source(hub.hub_id, one, one.line(1.5, settings.MOST_BYTES), signer)


async def fetch(hub: Hub, *sources: Source, after: dt.timedelta = dt.timedelta(0)) -> None:
    keys = hub.house.keys.of(hub.hub_id)
    now = clock.now() + after
    await fetching.run(hub.house.database, keys, sources, hub.hub_id, now)
