"""A rehearsal: the simulated day of `demo` against a service in a process of its own.

The service starts as any does, and the day begins with what it prints on its first start. Each
rehearsal is a new hub, so that counts are of this day only. Where TWINSTILE_DATABASE_URL names
an external database the rehearsal is held there, on that hub; keys stay in its own folder.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast
from urllib.parse import urlsplit

from rich.console import Console

from twinstile.platform.db import child_process
from twinstile.platform.ops.settings import Profile
from twinstile_simulator.day import DayOptions, run_day
from twinstile_simulator.departments import feeds
from twinstile_simulator.departments.feeds import Departments
from twinstile_simulator.hub import Bootstrap, OperatorAccount
from twinstile_simulator.report import DayResult

PATIENCE_S = 180.0
"""The first start makes a database; a slow disk may take its time."""
FAREWELL_S = 30.0


class NotStarted(Exception):
    """The service of the rehearsal did not start; it said why on standard error."""


@dataclass(slots=True)
class ServiceUnderTest:
    """A running service, and what its operator was told once."""

    folder: Path
    hub_id: str
    base_url: str
    bootstrap: Bootstrap
    given: dict[str, str]
    """The environment it runs in."""
    process: Process

    @asynccontextmanager
    async def away(self) -> AsyncGenerator[None]:
        """Kill the service without a word; after the block it is there again as before.

        Raises `NotStarted`.
        """
        self.process.kill()
        await self.process.wait()
        yield
        port = urlsplit(self.base_url).port or 0
        self.process = await _serve(self.folder, self.given, port)
        await _line(self.process)


async def run(
    folder: Path,
    options: Callable[[ServiceUnderTest, Departments], DayOptions],
    console: Console,
    *,
    stay: bool = False,
) -> DayResult:
    """Start a service with its data in `folder`, rehearse the day, end the service.

    It may `stay` until SIGINT, for those who look on. Raises `NotStarted`, `TimetableError`,
    `RequestRefused`.
    """
    there = _made(folder)
    with TemporaryDirectory(prefix="departments-", dir=there) as shelves:
        async with (
            feeds.open_departments(Path(shelves)) as departments,
            stage(there, departments.settings) as ready,
        ):
            result = await run_day(options(ready, departments), console)
            if stay:
                await _until_interrupted(console)
            return result


async def _until_interrupted(console: Console) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
    console.print("The service goes on, for you to look at; Ctrl-C ends it.")
    await stop.wait()


def _made(folder: Path) -> Path:
    """The folder, passable for the account of root's database server."""
    there = folder.expanduser().absolute()
    there.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)
    return there


@asynccontextmanager
async def stage(
    folder: Path, settings: Mapping[str, str] | None = None
) -> AsyncGenerator[ServiceUnderTest]:
    """Run a service on a free port for as long as the block. Raises `NotStarted`."""
    hub_id = f"demo-{secrets.token_hex(4)}"
    given = _environment(folder, hub_id) | dict(settings or {})
    first = await _serve(folder, given, 0)
    try:
        told = cast("dict[str, str]", json.loads(await _line(first)))
        second = await _second_administrator(folder, hub_id)
    except BaseException:
        await _end(first)
        raise
    own = OperatorAccount(told["login"], told["passcode"])
    bootstrap = Bootstrap(own, second, told["enrolment_code"])
    ready = ServiceUnderTest(folder, hub_id, told["url"], bootstrap, given, first)
    try:
        yield ready
    finally:
        await _end(ready.process)


async def _serve(folder: Path, environment: dict[str, str], port: int) -> Process:
    return await asyncio.create_subprocess_exec(
        *_command(port),
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        cwd=folder,
    )


async def _end(service: Process) -> None:
    if service.returncode is None:
        service.terminate()
    try:
        async with asyncio.timeout(FAREWELL_S):
            await service.wait()
    except TimeoutError:
        service.kill()
        await service.wait()


def _command(port: int) -> list[str]:
    """The service as a child that ends with us, however we end."""
    ours = [str(os.getpid()), str(os.getuid()), str(os.getgid())]
    serve = ["-m", "twinstile", "serve", "--host", "127.0.0.1", "--port", str(port), "--json"]
    return [sys.executable, "-I", "-S", child_process.__file__, *ours, sys.executable, *serve]


def _environment(folder: Path, hub_id: str) -> dict[str, str]:
    """Our surroundings without settings, the database apart; the folder has no `.env`."""
    plain = {
        k: v
        for k, v in os.environ.items()
        if not k.upper().startswith("TWINSTILE_") or k.upper().endswith("DATABASE_URL")
    }
    return plain | {
        "TWINSTILE_PROFILE": Profile.DEMO.value,
        "TWINSTILE_DATA_DIR": str(folder),
        "TWINSTILE_HUB_ID": hub_id,
        "TWINSTILE_HUB_NAME": "Rehearsal",
    }


async def _line(service: Process) -> bytes:
    """Wait for what the service tells when it is ready. Raises `NotStarted`."""
    if service.stdout is None:
        raise NotStarted("The service has no output.")
    try:
        async with asyncio.timeout(PATIENCE_S):
            line = await service.stdout.readline()
    except TimeoutError:
        raise NotStarted(f"The service was not ready after {PATIENCE_S:.0f} s.") from None
    if not line:
        raise NotStarted("The service ended before it was ready.")
    return line


async def _second_administrator(folder: Path, hub_id: str) -> OperatorAccount:
    """Enter one on the server, as the first may not."""
    command = ["-m", "twinstile", "operator", "add", "second", "--role", "administrator"]
    added = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        "--json",
        stdout=asyncio.subprocess.PIPE,
        env=_environment(folder, hub_id),
        cwd=folder,
    )
    told, _ = await added.communicate()
    if added.returncode:
        raise NotStarted("A second administrator could not be entered.")
    account = cast("dict[str, str]", json.loads(told))
    return OperatorAccount(account["login"], account["passcode"])
