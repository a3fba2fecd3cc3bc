"""Several serving processes under one parent that holds the socket and the database server.

The parent opens the hub once, answers no request itself, and keeps `workers` processes going:
one that dies is started again, and all are replaced one by one when asked to (`renew`). No
connection is refused meanwhile, because the socket stays open here: what one process does not
accept, another does.

A process is started from the program on disk, so its parent may be of an older release. What
the two say to each other is therefore little, and only ever added to: the parent writes one
line (`Orders`) to the process's standard input, the process writes `READY` to its standard
output when it serves, and drains when its input ends. It ends when the parent does, however
that ends.
"""

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uvloop
from pydantic import BaseModel

from twinstile import worker
from twinstile.app import DRAIN_S as JOBS_DRAIN_S
from twinstile.app import create_app
from twinstile.cli import serving as one
from twinstile.cli.serving import Serving
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import observability, settings
from twinstile.platform.ops.settings import Settings

READY = b"ready\n"
START_S = 60.0
"""How long a new process may take until it serves."""
FAREWELL_S = one.LINGER_S + one.DRAIN_S + JOBS_DRAIN_S + 5
"""How long one may take to drain; it is killed then."""
STEADY_S = 10.0
"""A process that served this long is replaced at once, a shorter-lived one after a pause."""
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0


class NotServing(Exception):
    """A new process did not come to serve; its log says why."""


class Orders(BaseModel):
    """What a process is told at its start. Members are added, never changed or removed."""

    socket: int
    """The listening socket's descriptor, inherited."""
    data_dir: Path
    place: DatabaseTarget
    worker: bool = True


class _Member:
    """A process that serves, since when, and whether it was asked to end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.since = time.monotonic()
        self.leaving = False

    async def leave(self) -> None:
        """Let it drain, and end it if it does not end by itself."""
        self.leaving = True
        observability.log.info("process drains", pid=self.process.pid)
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self.process.wait()
        except TimeoutError:
            observability.log.error(
                "process killed", pid=self.process.pid, reason="did not drain"
            )
            await _kill(self.process)


class WorkerPool:
    """The processes that serve; `start` makes them one at a time."""

    def __init__(self, size: int, start: Callable[[], Awaitable[_Member]]) -> None:
        self._size = size
        self._start = start
        self._members: set[_Member] = set()
        self._watches: set[asyncio.Task[None]] = set()
        self._asked = asyncio.Event()
        self._pause_s = 0.0

    def renew(self) -> None:
        """Have all processes replaced; asked meanwhile, once more afterwards."""
        self._asked.set()

    async def assemble(self) -> None:
        """Start all. Raises `NotServing` when one does not come to serve."""
        starts = (self._enlist() for _ in range(self._size))
        for outcome in await asyncio.gather(*starts, return_exceptions=True):
            if outcome is not None:
                raise outcome

    async def run(self) -> None:
        """Replace them whenever asked to, until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._replace_all()
            except NotServing:
                observability.log.error(
                    "renewal given up", reason="a new process did not serve"
                )
            else:
                observability.log.info("processes renewed", count=self._size)

    async def _replace_all(self) -> None:
        """One by one: the new one serves before an old one stops listening.

        One that dies meanwhile is replaced by its watch, so that each round has one too many.
        """
        before = set(self._members)
        while any(member in before for member in self._staying()):
            await self._enlist()
            surplus = min(self._staying(), key=lambda member: member.since)
            await surplus.leave()

    def _staying(self) -> list[_Member]:
        return [member for member in self._members if not member.leaving]

    async def disband(self) -> None:
        """Drain all at once; whatever is about to be started is not."""
        for member in self._members:
            member.leaving = True
        await _cancelled(self._watches)
        await asyncio.gather(*(member.leave() for member in self._members))

    async def _enlist(self) -> None:
        member = await self._start()
        observability.log.info("process serves", pid=member.process.pid)
        self._members.add(member)
        watch = asyncio.create_task(self._watch(member))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)

    async def _watch(self, member: _Member) -> None:
        """See the process to its end, and another one to its place."""
        status = await member.process.wait()
        self._members.discard(member)
        if member.leaving:
            return
        observability.log.error("process died", pid=member.process.pid, status=status)
        steady = time.monotonic() - member.since >= STEADY_S
        self._pause_s = 0.0 if steady else max(SHORTEST_PAUSE_S, self._pause_s)
        while True:
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(max(SHORTEST_PAUSE_S, 2 * self._pause_s), LONGEST_PAUSE_S)
            try:
                await self._enlist()
            except NotServing as error:
                observability.log.error("process not replaced", reason=str(error))
            else:
                return


@asynccontextmanager
async def serving(
    configuration: Settings, place: DatabaseTarget, listening: socket.socket
) -> AsyncGenerator[Serving]:
    """Open the hub and have it served by several processes as long as the block.

    Raises `NotServing`, `SchemaError`, `KeyUnavailable`, `PolicyError`, `Unavailable`.
    """
    await startup.prepare(place)
    runtime = startup.open_runtime(configuration, place)
    try:
        told = await one.introduce(runtime, place)
    finally:
        await runtime.database.close()
    orders = Orders(
        socket=listening.fileno(),
        data_dir=configuration.data_path,
        place=place,
        worker=configuration.worker,
    )
    with tempfile.TemporaryDirectory(prefix="twinstile-metrics-") as metrics:
        crew = WorkerPool(configuration.workers, lambda: _start(orders, metrics))
        renewing = asyncio.create_task(crew.run())
        try:
            await crew.assemble()
            reached = one.addresses(listening, configuration.tls)
            yield Serving(reached, *told, renewing, crew.renew)
        finally:
            listening.close()
            await _cancelled({renewing})
            await crew.disband()


async def _start(orders: Orders, metrics: str) -> _Member:
    """A new process, once it serves. Raises `NotServing`."""
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "twinstile.cli.processes"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(orders.socket,),
            env=os.environ | {observability.METRICS_FOLDER: metrics},
        )
    except OSError as error:  # no memory, no more processes, or no program just now
        raise NotServing(f"No process can be made: {error.strerror}.") from error
    if process.stdin is None or process.stdout is None:
        raise NotServing("A new process has no pipes.")
    try:
        async with asyncio.timeout(START_S):
            process.stdin.write(orders.model_dump_json().encode() + b"\n")
            if await process.stdout.readline() == READY:
                return _Member(process)
    except TimeoutError:
        pass
    except BaseException:
        await _kill(process)
        raise
    await _kill(process)
    raise NotServing("A process did not come to serve; its log says why.")


async def _kill(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()


async def _cancelled(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def main() -> None:
    """Serve as one of several, as the parent says on standard input."""
    observability.configure_logging()
    orders = Orders.model_validate_json(sys.stdin.buffer.readline())
    configuration = settings.load(data_dir=orders.data_dir, worker=orders.worker)
    listening = socket.socket(fileno=orders.socket)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(configuration, orders.place, listening))


async def _serve(
    configuration: Settings, place: DatabaseTarget, listening: socket.socket
) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), stop.set)  # it ends, or the parent has
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    for number in (signal.SIGINT, signal.SIGHUP):  # a terminal sends them to everybody
        signal.signal(number, signal.SIG_IGN)
    await startup.prepare(place)  # this may be the first process of a newer release
    runtime = startup.open_runtime(configuration, place)
    app = create_app(runtime, worker.background_worker(runtime, place))
    async with one.running(app, listening, configuration.tls) as ended:
        if not ended.done():  # else it gave up; its log says why
            os.write(sys.stdout.fileno(), READY)
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # nobody reads more
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()


if __name__ == "__main__":
    main()
