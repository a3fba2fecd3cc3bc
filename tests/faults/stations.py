"""A real service in a process of its own, which can be killed and started again.

    async with station() as there:
        crew = await there.crew(4)
        await there.kill()
        await there.start()

It serves one address throughout, so that clients meet it again after a restart. Without
`database_url` it has its own PostgreSQL, with durable commits, in the same folder.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

import asyncpg
import httpx2
import processes

import twinstile
from twinstile.platform.db import child_process

PATIENCE_S = 60.0
SCREENER, PASSCODE = "screener", "fault 222 222"
SERVE = ("-m", "twinstile")


class NotServing(Exception):
    """The service did not start; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Token:
    """A tablet that is signed in: its device, the device's token and the shift's."""

    device_id: UUID
    device: str
    shift: str


@dataclass
class Station:
    """One installation: a folder, an address, and the process that serves it at present."""

    home: Path
    port: int
    database_url: str | None = None
    program: Sequence[str] = SERVE
    """What Python runs; a mutant has a script of its own in place of the package."""
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    process: asyncio.subprocess.Process | None = None
    told: dict[str, str] = field(default_factory=dict[str, str])
    """What the service said at its very first start: login, passcode, enrolment code."""
    hub_id: str = "hub"

    @property
    def data(self) -> Path:
        """The data folder: keys and, unless it is elsewhere, the database."""
        return self.home / "data"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> float:
        """Start the service and wait until it takes requests; the seconds that took.

        Raises `NotServing`.
        """
        began = time.monotonic()
        ours = [str(os.getpid()), str(os.getuid()), str(os.getgid())]
        arguments = ["serve", "--host", "127.0.0.1", "--port", str(self.port), "--json"]
        with (self.home / "service.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", child_process.__file__, *ours),  # ends with us
                *(sys.executable, *self.program, *arguments, *self.options),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=self._environment(),
                cwd=self.home,
            )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE_S)
        if not line:
            raise NotServing(self.log()[-2000:])
        self.told = self.told or json.loads(line)
        return time.monotonic() - began

    def _environment(self) -> dict[str, str]:
        plain = {k: v for k, v in os.environ.items() if not k.upper().startswith("TWINSTILE_")}
        external = {"TWINSTILE_DATABASE_URL": self.database_url} if self.database_url else {}
        return {
            **plain,
            "PYTHONPATH": str(Path(twinstile.__file__).parents[1]),  # the code under test
            "TWINSTILE_PROFILE": "demo",
            "TWINSTILE_DATA_DIR": str(self.data),
            "TWINSTILE_HUB_ID": self.hub_id,
            **external,
            **self.environment,
        }

    async def kill(self) -> None:
        """End the service without a word of warning (SIGKILL)."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """Ask the service to end (SIGTERM), as systemd would; its exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    def log(self) -> str:
        """Everything the service has logged, over all its starts."""
        return (self.home / "service.log").read_text(errors="replace")

    # -- its PostgreSQL, when that is embedded

    def postmaster(self) -> int:
        """The process id of the embedded server."""
        return int(self._pidfile()[0])

    def _pidfile(self) -> list[str]:
        """Raises IndexError while the server is not up: one that starts again has none."""
        return [*self.data.glob("pg*/postmaster.pid")][0].read_text().splitlines()  # noqa: RUF015

    def backends(self) -> list[int]:
        """The server's processes that work for the service's connections."""
        working = processes.children(self.postmaster())
        return [
            pid for pid in working if processes.title(pid).startswith("postgres: twinstile_")
        ]

    def kill_backend(self) -> int:
        """Kill one backend, upon which the server restarts all of them; which one it was."""
        victim = self.backends()[-1]
        processes.kill(victim)
        return victim

    def kill_database(self) -> list[int]:
        """Kill every process of the server, the postmaster last, so that none can tidy up."""
        postmaster = self.postmaster()
        processes.kill(postmaster, signal.SIGSTOP)
        victims = [*processes.children(postmaster), postmaster]
        for victim in victims:
            processes.kill(victim)
        return victims

    async def connect(self) -> asyncpg.Connection:
        """A connection of the database's owner, past the service, once it is there again."""
        async with asyncio.timeout(30):
            while True:
                try:
                    return await self._connect()
                except (OSError, IndexError, asyncpg.CannotConnectNowError):
                    await asyncio.sleep(0.1)

    async def _connect(self) -> asyncpg.Connection:
        if self.database_url:
            url = self.database_url.replace("+asyncpg", "")
            return await asyncpg.connect(url, timeout=10)
        return await asyncpg.connect(
            user="postgres", database="twinstile", host=self._pidfile()[4], timeout=10
        )

    # -- its people

    async def crew(self, number: int) -> list[Token]:
        """Tablets with a screener on shift, signed in over HTTP."""
        async with httpx2.AsyncClient(base_url=self.url, timeout=30) as client:
            admin = await _sign_in(
                client, self.told["enrolment_code"], self.told["login"], self.told["passcode"]
            )
            await _post(client, "/v1/operators", admin.shift, _OPERATOR)
            found = []
            for _ in range(number):
                code = (await _post(client, "/v1/enrolments", admin.shift, {}))["code"]
                found.append(await _sign_in(client, code, SCREENER, PASSCODE))
            return found


_OPERATOR = {
    "login": SCREENER,
    "display_name": "Screener",
    "roles": ["screener"],
    "passcode": PASSCODE,
}


async def _post(
    client: httpx2.AsyncClient, path: str, token: str | None, body: object
) -> dict[str, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await client.post(path, json=body, headers=headers)
    assert answer.is_success, (path, answer.status_code, answer.text)
    return answer.json()


async def _sign_in(client: httpx2.AsyncClient, code: str, login: str, passcode: str) -> Token:
    device = await _post(client, "/v1/devices:enrol", None, {"code": code, "name": "tablet"})
    signed = {"login": login, "passcode": passcode}
    shift = await _post(client, "/v1/shifts", device["token"], signed)
    return Token(UUID(device["device_id"]), device["token"], shift["token"])


def free_port() -> int:
    """A port nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@asynccontextmanager
async def station(
    *,
    database_url: str | None = None,
    program: Sequence[str] = SERVE,
    options: Sequence[str] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> AsyncGenerator[Station]:
    """A station that serves when the block begins and has ended with it, however it ends."""
    with home() as made:
        there = Station(made, free_port(), database_url, program, options, environment)
        try:
            await there.start()
            yield there
        finally:
            await end(there)


@contextmanager
def home() -> Generator[Path]:
    """An empty folder that root's database server, which is another account, may pass."""
    with tempfile.TemporaryDirectory(prefix="twinstile-fault-") as made:
        Path(made).chmod(0o711)
        (Path(made) / "data").mkdir(0o711)
        yield Path(made)


async def end(there: Station) -> None:
    """End the service, and wait until its database server let go of the folder."""
    if there.process is None:
        return
    try:
        await there.stop()
    except TimeoutError:
        await there.kill()
    deadline = time.monotonic() + PATIENCE_S
    while next(there.data.glob("pg*/postmaster.pid"), None) and time.monotonic() < deadline:
        if not processes.alive(there.postmaster()):
            return
        await asyncio.sleep(0.05)
