"""What goes on at once, whatever the machine does meanwhile."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import TypeVar

T = TypeVar("T")
TURNS = 20
"""Of the event loop, in which nothing comes from outside that was not there."""
TICK_S = 0.005
BESIDE = f"""
import sys, threading, time
over = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
print(flush=True)
longest, last = 0.0, time.monotonic()
while not over.wait({TICK_S}):
    now = time.monotonic()
    longest, last = max(longest, now - last), now
print(longest)
"""


async def at_once(asking: Coroutine[object, object, T]) -> T:
    """The answer, or the error, of what waits for no time, no thread and no network."""
    asked = asyncio.ensure_future(asking)
    for _ in range(TURNS):
        await asyncio.sleep(0)
    if not asked.done():
        asked.cancel()
        await asyncio.wait({asked})
        raise AssertionError("it waited for something")
    return await asked


@asynccontextmanager
async def going_on(within_s: float) -> AsyncGenerator[None]:
    """See that this event loop, where the service is, never stands still for so long.

    A machine may: for how long it did, a process beside this one tells.
    """
    beside = await asyncio.create_subprocess_exec(
        sys.executable, "-c", BESIDE, stdin=PIPE, stdout=PIPE
    )
    assert beside.stdout is not None
    await beside.stdout.readline()
    longest, last = 0.0, time.monotonic()

    def look() -> None:
        nonlocal longest, last
        now = time.monotonic()
        longest, last = max(longest, now - last), now

    async def tick() -> None:
        while True:
            look()
            await asyncio.sleep(TICK_S)

    ticking = asyncio.create_task(tick())
    try:
        yield
    finally:
        ticking.cancel()
        await asyncio.wait({ticking})
        look()
        told, _ = await beside.communicate(b"")
    stood = float(told)
    assert longest - stood < within_s, f"{longest:.3f} s, the machine {stood:.3f} s"
