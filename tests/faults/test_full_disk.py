"""F7: the disk is full. Writes are refused in words, reads go on, and space heals it."""

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path

import fleets
import httpx2
import judges
import pytest
import stations
from stations import Station

SIZE_MB = 400
HEALED_S = 30
"""However busy the machine; see `dev.py faults`."""


@contextmanager
def small_disk(folder: Path) -> Generator[None]:
    """A file system of a few hundred megabytes, mounted on the folder."""
    options = f"size={SIZE_MB}m,mode=711"
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", folder],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk needs the right to mount one")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
async def station() -> AsyncGenerator[Station]:
    with stations.home() as home, small_disk(home / "data"):
        there = Station(home, stations.free_port())
        try:
            await there.start()
            yield there
        finally:
            await stations.end(there)


def fill(folder: Path) -> Path:
    """Take all space there is."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        size = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
        while size > 4096:
            try:
                os.posix_fallocate(file.fileno(), file.tell(), size)
                file.seek(0, os.SEEK_END)
            except OSError:
                size //= 2
    return ballast


async def test_a_full_disk_refuses_writes_and_heals(station: Station) -> None:
    crew = await station.crew(6)
    reads: list[int] = []
    async with fleets.fleet(station, crew, batches=1) as ledger:
        await fleets.until(ledger, 60)
        before = next(iter(ledger.acknowledged))
        ballast = fill(station.data)
        headers = {"Authorization": f"Bearer {crew[0].shift}"}
        async with httpx2.AsyncClient(base_url=station.url, headers=headers) as client:
            for _ in range(20):
                await asyncio.sleep(0.1)
                reads.append((await client.get(f"/v1/checks/{before}")).status_code)
        ballast.unlink()
        freed = time.monotonic()
        await fleets.until(ledger, 60)
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, judgement
    assert set(reads) == {200}
    assert ledger.answers["507 storage-full"]
    assert ledger.healed(freed) < HEALED_S
