"""How the parent of several serving processes bears with those that do not start."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from twinstile.cli import processes
from twinstile.cli.processes import NotServing, Orders, WorkerPool, _Member
from twinstile.operations.startup import DatabaseTarget


async def asleep() -> _Member:
    """A process that serves nothing and ends with its input, as a real one does."""
    pipe = asyncio.subprocess.PIPE
    return _Member(await asyncio.create_subprocess_exec("cat", stdin=pipe, stdout=pipe))


@asynccontextmanager
async def one_that_dies(
    start: Callable[[], object], *, served_s: float
) -> AsyncGenerator[deque[float]]:
    """A crew of one, killed after it served so long; the moments of every later try."""
    tries: deque[float] = deque()
    first = await asleep()
    first.since -= served_s
    ready = deque([first])

    async def enlist() -> _Member:
        if ready:
            return ready.popleft()
        tries.append(time.monotonic())
        start()
        return await asleep()

    crew = WorkerPool(1, enlist)
    await crew.assemble()
    first.process.kill()
    try:
        yield tries
    finally:
        await crew.disband()


async def test_a_process_that_cannot_be_started_is_tried_again_with_pauses() -> None:
    def refuse() -> None:
        raise NotServing

    async with one_that_dies(refuse, served_s=3600) as tries:
        await asyncio.sleep(1)
    assert 2 <= len(tries) <= 6  # at once, and after 0.1, 0.2, 0.4 seconds more


async def test_a_machine_that_makes_no_process_now_may_make_one_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short of memory it refuses to fork; the service goes on with what it has."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "gone"))
    orders = Orders(
        socket=0,
        data_dir=tmp_path,
        place=DatabaseTarget("postgresql://", "", "", embedded=False),
    )
    with pytest.raises(NotServing):
        await processes._start(orders, str(tmp_path))
