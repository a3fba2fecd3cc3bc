"""What the commands do: run the service, let devices and people in, keep the schema."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

import asyncpg
import uvloop
from sqlalchemy.exc import SQLAlchemyError

from twinstile import worker
from twinstile.app import DRAIN_S
from twinstile.cli import processes, serving
from twinstile.cli.processes import NotServing
from twinstile.cli.serving import PortInUse, Serving
from twinstile.cli.simulate import NotStarted
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget, FirstAdministrator
from twinstile.platform.db.embedded_server import EmbeddedError
from twinstile.platform.db.schema import SchemaError
from twinstile.platform.http.problems import Problem
from twinstile.platform.http.routes import Runtime
from twinstile.platform.keys.data_keys import KeyUnavailable
from twinstile.platform.ops import clock, observability
from twinstile.platform.ops.backup_archive import BackupError
from twinstile.platform.ops.settings import Settings, SettingsError
from twinstile.platform.security import devices, shifts
from twinstile.platform.security.devices import Direction, LaneKind
from twinstile.platform.security.roles import Role
from twinstile.platform.security.tls import TlsError
from twinstile.policy.documents import PolicyError
from twinstile.replay.stream import TooManyChecks
from twinstile.web import trust_certificate
from twinstile_simulator.client import RequestRefused, Unreadable
from twinstile_simulator.timetable import TimetableError

Result = TypeVar("Result")


class ServerEnded(Exception):
    """The HTTP server gave up by itself; its log says why."""


_SPEAKING = (
    SettingsError,
    EmbeddedError,
    SchemaError,
    BackupError,
    KeyUnavailable,
    PolicyError,
    PortInUse,
    NotStarted,
    TimetableError,
    RequestRefused,
    Unreadable,
    ServerEnded,
    NotServing,
    TooManyChecks,
    TlsError,
)
_DATABASE = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError)


def in_words(error: Exception) -> str | None:
    """What an operator is told of a mistake that can be mended; None for a fault of ours."""
    if isinstance(error, _SPEAKING):
        return str(error)
    if isinstance(error, Problem):
        return error.detail
    if isinstance(error, _DATABASE):
        return f"The database refused ({type(error).__name__}): `twinstile doctor` looks why."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError):
        return f"{error.strerror or error}: `twinstile doctor` looks why."
    return None


def serve(
    settings: Settings,
    tell: Callable[[Serving], None],
    on_wait: Callable[[float], None],
) -> None:
    """Serve until SIGINT or SIGTERM; requests that run are finished, then our server ends.

    SIGHUP renews the processes where there are several. Raises `ServerEnded`, `PortTaken`,
    `EmbeddedError` and what `serving.serving` and `processes.serving` raise.
    """
    observability.configure_logging()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nothing to renew yet, and no reason to end
    with (
        serving.listen(settings.host, settings.port) as listening,
        startup.kept_server(settings, on_wait) as place,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):

        async def until_stopped() -> None:
            stop = _asked_to_stop()
            how = processes.serving if settings.workers > 1 else serving.serving
            async with how(settings, place, listening) as service:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, service.renew)
                tell(service)
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait(
                    {service.ended, stopping}, return_when=asyncio.FIRST_COMPLETED
                )
                stopping.cancel()
            if not stop.is_set():
                raise ServerEnded("The HTTP server ended by itself; its log says why.")

        runner.run(until_stopped())


def share_authority(
    settings: Settings,
    where: tuple[str, int],
    minutes: int,
    tell: Callable[[list[str]], None],
) -> None:
    """Hand the authority's certificate to devices until SIGINT, SIGTERM or the time is over.

    Raises `PortTaken`, `TlsError`.
    """
    observability.configure_logging()
    page = trust_certificate.app(settings)
    with (
        serving.listen(*where) as listening,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):

        async def until_stopped() -> None:
            stop = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, stop.set)
            async with serving.running(page, listening) as ended:
                tell(serving.addresses(listening))
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait(
                    {ended, stopping},
                    timeout=60 * minutes,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                stopping.cancel()

        runner.run(until_stopped())


def work(
    settings: Settings, tell: Callable[[], None], on_wait: Callable[[float], None]
) -> None:
    """Do the work beside the requests, apart from them, until SIGINT or SIGTERM.

    Any number may run, here or on other machines with the same keys. Raises `SettingsError`,
    `EmbeddedError` and what `startup.prepare` and `startup.open_runtime` raise.
    """
    observability.configure_logging()
    startup.require_keys(settings)
    with (
        startup.kept_server(settings, on_wait) as place,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):

        async def until_stopped() -> None:
            stop = _asked_to_stop()
            await startup.prepare(place)
            runtime = startup.open_runtime(settings, place)
            working = asyncio.ensure_future(worker.background(place)(runtime, stop))
            tell()
            await stop.wait()
            await asyncio.wait({working}, timeout=DRAIN_S)
            working.cancel()
            await asyncio.wait({working})
            await runtime.database.close()

        runner.run(until_stopped())


def _asked_to_stop() -> asyncio.Event:
    """Set on SIGINT and SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def migrate(settings: Settings, on_wait: Callable[[float], None]) -> None:
    """Bring the schema to this version; harmless beside a service that runs."""
    with startup.server(settings, on_wait) as place:
        asyncio.run(startup.prepare(place))


async def enrolment_code(runtime: Runtime, lane_id: str | None) -> tuple[str, datetime]:
    """A code for one device, and when it expires. Raises `NotFound` for an unknown lane."""
    async with runtime.database.transaction() as tx:
        return await devices.mint_code(tx, runtime.settings.hub_id, lane_id, clock.now())


async def enter_lane(
    runtime: Runtime, lane_id: str, checkpoint: str, kind: LaneKind
) -> Direction:
    """Enter a lane, or say anew what it is for; which way people go at its checkpoint."""
    async with runtime.database.transaction() as tx:
        return await devices.add_lane(tx, runtime.settings.hub_id, lane_id, checkpoint, kind)


async def add_operator(
    runtime: Runtime, login: str, name: str, roles: Sequence[Role], passcode: str
) -> None:
    """Enter a person on duty. Raises `AlreadyExists`."""
    async with runtime.database.transaction() as tx:
        await shifts.add_operator(
            tx, runtime.settings.hub_id, login, name, roles, passcode, clock.now()
        )


def at_hub(
    settings: Settings,
    work: Callable[[Runtime], Awaitable[Result]],
    on_wait: Callable[[float], None],
) -> tuple[Result, FirstAdministrator | None]:
    """Do something at the hub, whether its service runs or not; the hub is entered if new."""

    async def run(place: DatabaseTarget) -> tuple[Result, FirstAdministrator | None]:
        async with _runtime(settings, place) as runtime:
            first = await startup.enter_hub(runtime, place, clock.now())
            return await work(runtime), first

    with startup.server(settings, on_wait) as place:
        return asyncio.run(run(place))


def at_known_hub(
    settings: Settings,
    work: Callable[[Runtime], Awaitable[Result]],
    on_wait: Callable[[float], None],
) -> Result:
    """Do something at the hub, which must be there. Raises `SettingsError` where it is not."""

    async def run(place: DatabaseTarget) -> Result:
        async with _runtime(settings, place) as runtime:
            async with runtime.database.reading() as tx:
                known = await devices.mode_of(tx, settings.hub_id)
            if known is None:
                raise SettingsError(
                    f"There is no hub {settings.hub_id} in the database: run this as the "
                    "service's account, with the service's settings."
                )
            return await work(runtime)

    startup.require_installation(settings)
    with startup.server(settings, on_wait) as place:
        return asyncio.run(run(place))


@asynccontextmanager
async def _runtime(settings: Settings, place: DatabaseTarget) -> AsyncGenerator[Runtime]:
    await startup.prepare(place)
    runtime = startup.open_runtime(settings, place)
    try:
        yield runtime
    finally:
        await runtime.database.close()
