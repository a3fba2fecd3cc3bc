"""The worker as a process of its own: the service lands, it applies, and it may be killed."""

import asyncio
import os
import sys
from pathlib import Path

import httpx2
import processes
import pytest
import stations
from stations import Station

from twinstile.platform.db import child_process
from twinstile.platform.http import request_signatures
from twinstile.platform.http.request_signatures import SharedKey
from twinstile.platform.ops import clock

KEY = SharedKey("rail-1", b"sixteen bytes or more")
TARGET = "/v1/feeds/rail/deliveries"
FEEDS = """
[[feed]]
name = "rail"
department = "rail"
format = "rail"
[feed.transport]
kind = "push"
keys = [{ key_id = "rail-1", key_file = "HERE/rail.key" }]
"""
pytestmark = pytest.mark.timeout(200)  # a busy machine needs long to start a program


async def begin(there: Station) -> asyncio.subprocess.Process:
    """A worker beside the service, which ends with us."""
    ours = [str(os.getpid()), str(os.getuid()), str(os.getgid())]
    with (there.home / "worker.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", child_process.__file__, *ours),
            *(sys.executable, *there.program, "worker"),
            stderr=log,
            env=there._environment(),
            cwd=there.home,
        )


async def push(there: Station, body: bytes) -> None:
    headers = request_signatures.headers(KEY, "POST", TARGET, body, clock.now())
    async with httpx2.AsyncClient(base_url=there.url) as department:
        answer = await department.post(TARGET, content=body, headers=headers)
    assert answer.json()["outcome"] == "NEW", answer.text


async def landed(there: Station) -> int:
    """Deliveries nobody has applied yet."""
    owner = await there.connect()
    try:
        return await owner.fetchval("SELECT count(*) FROM feed_delivery WHERE state = 'LANDED'")
    finally:
        await owner.close()


async def nothing_waits(there: Station) -> None:
    async with asyncio.timeout(stations.PATIENCE_S):
        while await landed(there):  # noqa: ASYNC110 # in other processes
            await asyncio.sleep(0.1)


async def test_what_landed_is_applied_by_a_process_apart_or_by_another() -> None:
    with stations.home() as made:
        data = Path(made, "data")
        (data / "rail.key").write_bytes(KEY.secret)
        (data / "feeds.toml").write_text(FEEDS.replace("HERE", str(data)))
        there = Station(made, stations.free_port(), options=["--no-worker"])
        try:
            await there.start()
            await push(there, b"a,b\n1,2\n")
            await asyncio.sleep(1)
            assert await landed(there) == 1  # the service itself applies nothing
            first, second = await asyncio.gather(begin(there), begin(there))
            await nothing_waits(there)
            processes.kill(first.pid)
            await first.wait()
            await push(there, b"a,b\n3,4\n")
            await nothing_waits(there)
            second.terminate()
            assert await second.wait() == 0
        finally:
            await stations.end(there)
