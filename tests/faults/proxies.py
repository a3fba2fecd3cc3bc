"""A proxy between the service and its database that can be slow, silent, or rude."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

SLOW_S = 0.2


class Mood(StrEnum):
    FAIR = "fair"
    SLOW = "slow"
    """Everything arrives, `SLOW_S` later each way."""
    SILENT = "silent"
    """Connections stay open, and nothing arrives any more, ever."""
    RUDE = "rude"
    """Connections are reset, new ones too."""


@dataclass
class Proxy:
    """Listens on a port of this machine, and passes on to a Unix socket."""

    target: Path
    port: int = 0
    mood: Mood = Mood.FAIR
    writers: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def become(self, mood: Mood) -> None:
        """Change the mood. Connections on which something was swallowed stay dead for good."""
        self.mood = mood
        for writer in self.writers if mood is Mood.RUDE else ():
            _reset(writer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if self.mood is Mood.RUDE:
            _reset(writer)
            return
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(self.target))
        self.writers.add(writer)
        pumps = [
            asyncio.create_task(self._pump(reader, inner_writer)),
            asyncio.create_task(self._pump(inner_reader, writer)),
        ]
        self.tasks.update(pumps)
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.wait(pumps)
        self.tasks.difference_update(pumps)
        self.writers.discard(writer)
        inner_writer.close()
        writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silenced = False
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                silenced = silenced or self.mood is Mood.SILENT
                if silenced:
                    continue
                if self.mood is Mood.SLOW:
                    await asyncio.sleep(SLOW_S)
                writer.write(data)
                await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    # close() with this option sends RST in place of FIN
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


@asynccontextmanager
async def proxy(target: Path) -> AsyncGenerator[Proxy]:
    """A proxy to the database server's socket."""
    there = Proxy(target)
    server = await asyncio.start_server(there.serve, "127.0.0.1", 0)
    there.port = server.sockets[0].getsockname()[1]
    try:
        yield there
    finally:
        server.close()
        for task in there.tasks:
            task.cancel()
