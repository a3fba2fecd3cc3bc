"""The HTTP server around the application: its socket, its beginning and its end."""

import asyncio
import gc
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import formatdate
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from typing_extensions import override

from twinstile import worker
from twinstile.app import create_app
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget, FirstAdministrator
from twinstile.platform.http import guard
from twinstile.platform.http.problems import HubClosed
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock, observability
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security import devices, tls
from twinstile.platform.security.tls import TlsError

KEEP_ALIVE_S = 75
"""Longer than the pause between two travellers, so that a tablet keeps its connection."""
LINGER_S = 1.0
"""How long a connection stays open for one more request after the service stopped listening."""
DRAIN_S = 10
"""How long requests that run may go on then."""
BACKLOG = 2048
_TICKS = round(guard.SWEEP_S / 0.1)
"""uvicorn's server ticks ten times a second."""
YOUNG = 50_000
"""Containers that may be made, above those that were let go, before the collector looks. A rush
has thousands under way that all end by themselves; looked through every 700 of them, as Python
does by itself, they cost a check 30 us and found nothing."""

_GLANCE_S = 0.02


class PortInUse(Exception):
    """The address cannot be listened on; the message says why."""


class _Secret:
    """The key and certificates of a server, looked at again and again: they are renewed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._context = tls.context(file)
        self._seen = file.stat().st_mtime_ns

    async def served(
        self, connection: Callable[[], guard.Guard], listening: socket.socket
    ) -> asyncio.Server:
        """Listen. A greeting takes no longer than a head, as without TLS."""
        return await asyncio.get_running_loop().create_server(
            connection,
            sock=listening,
            ssl=self._context,
            ssl_handshake_timeout=guard.HEAD_S,
            ssl_shutdown_timeout=guard.LINGER_S,
            backlog=BACKLOG,
        )

    def look(self) -> None:
        """Take up what was renewed; what cannot be read changes nothing."""
        try:
            written = self._file.stat().st_mtime_ns
            if written == self._seen:
                return
            tls.load(self._context, self._file)
            self._seen = written
        except (OSError, TlsError):
            observability.log.error("certificate cannot be read: `twinstile doctor` looks why")
        else:
            observability.log.info("certificate renewed")


class _Server(uvicorn.Server):
    """uvicorn, except that signals are the caller's: it would raise them again when it is done.

    A signal raised again ends the process before the database server and its lock are released.
    """

    def __init__(self, app: FastAPI, config: uvicorn.Config, tls_file: Path | None) -> None:
        super().__init__(config)
        self._app = app
        self._secret: _Secret | None = _Secret(tls_file) if tls_file else None
        self.ready: asyncio.Event = asyncio.Event()

    @override
    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup([] if self._secret else sockets)
        if self._secret:
            for listening in sockets or ():
                self.servers.append(await self._secret.served(self._connection, listening))
        # What is there by now stays: the collector need not look through it again and again,
        # which held up every request of a rush for tens of milliseconds.
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
        self.ready.set()

    def _connection(self) -> guard.Guard:
        return guard.Guard(self.config, self.server_state, self.lifespan.state)

    @override
    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS == 0:
            guard.sweep(self.server_state.connections)
            if self._secret:
                self._secret.look()
        return await super().on_tick(counter)

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen no more, tell every caller to go elsewhere, then finish what runs.

        A busy client has its next request on the way when a connection is closed: cut off, it
        would not know what became of it. So each gets an answer that ends its connection.
        """
        self._app.state.leaving = True
        for server in self.servers:
            server.close()
        # one list for all requests, the running ones too; uvicorn renews it no more
        self.server_state.default_headers.append((b"connection", b"close"))
        ticking = asyncio.create_task(self._tick())
        try:
            # from the first glance on, connections accepted last are counted too
            with suppress(TimeoutError):
                async with asyncio.timeout(LINGER_S):
                    await asyncio.sleep(_GLANCE_S)
                    while self.server_state.connections:  # noqa: ASYNC110 # uvicorn's: no event
                        await asyncio.sleep(_GLANCE_S)
            await super().shutdown(sockets)
        finally:
            ticking.cancel()
            await asyncio.wait({ticking})
        if not ticking.cancelled():
            ticking.result()  # raises what ended it

    async def _tick(self) -> None:
        """What uvicorn's ticks did.

        Whoever is not waited for while the service works is not at its end, and answers tell
        the time, by which tablets set their clocks.
        """
        headers = self.server_state.default_headers
        while True:
            guard.sweep(self.server_state.connections)
            date = formatdate(usegmt=True).encode()
            headers[:] = [(n, date if n == b"date" else value) for n, value in headers]
            await asyncio.sleep(guard.SWEEP_S)


@asynccontextmanager
async def running(
    app: FastAPI, listening: socket.socket, tls_file: Path | None = None
) -> AsyncGenerator[asyncio.Task[None]]:
    """Serve the application as long as the block, then drain: `LINGER_S`, then `DRAIN_S`.

    Over HTTPS with the key and certificates of a file. The task that is handed out is done
    early only when the server gave up by itself. Raises `TlsError`.
    """
    inner = _Server(
        app,
        uvicorn.Config(
            app,
            http=guard.Guard,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing here depends on the caller's address
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
        ),
        tls_file,
    )
    task = asyncio.create_task(inner.serve([listening]))
    ready = asyncio.create_task(inner.ready.wait())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        yield task
    finally:
        ready.cancel()
        inner.should_exit = True
        await task


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises `PortTaken`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise PortInUse(f"{host} port {port}: {_reason(error)}") from error
    # Connections inherit it. asyncio sets it only where a socket names its protocol, which this
    # one does not; without it each answer waits 40 ms for the client to confirm its head.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    guard.bound(listening)
    return listening


def _reason(error: OSError) -> str:
    """Without the address, which `create_server` appends in brackets."""
    return (error.strerror or str(error)).partition(" (while ")[0]


def addresses(listening: socket.socket, tls_file: Path | None = None) -> list[str]:
    """Where the service is reached: for an unspecified host, this machine's own addresses.

    With a certificate it is reached by the names in it. Raises `TlsError`.
    """
    host, port = listening.getsockname()[:2]
    if tls_file is not None:
        return [f"https://{name}:{port}" for name in tls.server(tls_file).names.all]
    if host not in {"0.0.0.0", "::"}:  # noqa: S104 # compared, not bound
        return [_url(host, port)]
    outward = [_url(own, port) for own in (_outward_address(listening.family),) if own]
    return [_url("127.0.0.1", port), *outward]


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _outward_address(family: socket.AddressFamily) -> str | None:
    """The address other machines see, as the routing table says; nothing is sent."""
    target = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))
        except OSError:
            return None
        return probe.getsockname()[0]


@dataclass(frozen=True, slots=True)
class Serving:
    """A service that takes requests, and what its operator is told once."""

    addresses: list[str]
    administrator: FirstAdministrator | None
    code: tuple[str, datetime] | None
    """An enrolment code and when it expires; None of a hub that is closed for good."""
    ended: asyncio.Task[None]
    renew: Callable[[], None]
    """Replace the processes that serve by new ones of the program now on disk."""


@asynccontextmanager
async def serving(
    settings: Settings, place: DatabaseTarget, listening: socket.socket
) -> AsyncGenerator[Serving]:
    """Open the hub and serve as long as the block; `ended` is done when the server gave up.

    Raises `SchemaError`, `KeyUnavailable`, `PolicyError`, `Unavailable`.
    """
    await startup.prepare(place)
    runtime = startup.open_runtime(settings, place)
    told = await introduce(runtime, place)
    app, tls_file = create_app(runtime, worker.background_worker(runtime, place)), settings.tls
    async with running(app, listening, tls_file) as task:
        yield Serving(addresses(listening, tls_file), *told, task, _cannot_renew)


async def introduce(
    runtime: Runtime, place: DatabaseTarget
) -> tuple[FirstAdministrator | None, tuple[str, datetime] | None]:
    """Enter the hub if it is new, and make what its operator is told once.

    No code where the hub is closed for good: it lets no device in.

    Raises `PolicyError`, `Unavailable`.
    """
    now = clock.now()
    first = await startup.enter_hub(runtime, place, now)
    async with runtime.database.transaction() as tx:
        try:
            return first, await devices.mint_code(tx, runtime.settings.hub_id, None, now)
        except HubClosed:
            return first, None


def _cannot_renew() -> None:
    observability.log.warning(
        "one process cannot be renewed: set TWINSTILE_WORKERS to 2 or more"
    )
