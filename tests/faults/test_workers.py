"""F2, F18: one of two processes is killed, a release is rolled out; no tablet notices."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import fleets
import httpx2
import judges
import pytest
import releases
import stations
import worker_groups
from stations import Station, Token

PATIENCE_S = worker_groups.PATIENCE_S
TABLETS = 8
pytestmark = pytest.mark.timeout(400)  # a busy machine needs long to start a program


@pytest.fixture(scope="module")
async def programs() -> AsyncGenerator[releases.Programs]:
    with stations.home() as made:
        yield releases.Programs(made)


@pytest.fixture(scope="module")
async def station(programs: releases.Programs) -> AsyncGenerator[Station]:
    surroundings = releases.path(programs.installed)
    async with stations.station(
        options=worker_groups.OPTIONS, environment=surroundings
    ) as there:
        yield there


@pytest.fixture(scope="module")
async def crew(station: Station) -> list[Token]:
    return await station.crew(TABLETS)


async def test_one_of_two_processes_is_killed(station: Station, crew: list[Token]) -> None:
    async with fleets.fleet(station, crew) as ledger:
        await fleets.until(ledger, 50, PATIENCE_S)
        loss = await worker_groups.kill_one(station, ledger)
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, (judgement, ledger.refused[:3])
    # the other one served on: 0.25 s on a quiet machine, and less than a start on any
    assert loss.gap_s < max(0.25, loss.replaced_s / 2), loss
    assert f'"pid": {loss.victim}, "status": -9' in station.log()
    # the one that was killed has counted, too
    assert await worker_groups.counted(station) >= len(ledger.acknowledged)


async def test_a_release_is_rolled_out_and_back_and_no_request_fails(
    station: Station, crew: list[Token], programs: releases.Programs
) -> None:
    async with (
        asking(station) as seen,
        fleets.fleet(station, crew[:2], batches=1) as ledger,
    ):
        await migrate(station, programs.later)
        assert await revision(station) == "later"
        await fleets.until(ledger, 30, PATIENCE_S)
        assert set(seen) == {(200, None)}
        for program, release in ((programs.later, "later"), (programs.now, None)):
            old = worker_groups.workers(station)
            programs.install(program)
            await worker_groups.renew(station)
            assert not old & worker_groups.workers(station)
            seen.clear()
            await fleets.until(ledger, 30, PATIENCE_S)
            async with asyncio.timeout(PATIENCE_S):
                while not seen:  # noqa: ASYNC110 # thirty checks may be quicker than one who asks anew
                    await asyncio.sleep(0.05)
            assert set(seen) == {(200, release)}
    assert not worker_groups.failed(ledger)
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, (judgement, ledger.refused[:3])
    assert judgement.duplicates == 0


@asynccontextmanager
async def asking(station: Station) -> AsyncGenerator[list[tuple[int, str | None]]]:
    """Ask for readiness on new connections: each status, and the release that answered."""
    seen: list[tuple[int, str | None]] = []

    async def ask() -> None:
        while True:
            async with httpx2.AsyncClient(
                base_url=station.url, timeout=20, verify=False
            ) as client:
                answer = await client.get("/readyz")
            seen.append((answer.status_code, answer.headers.get(releases.HEADER)))
            await asyncio.sleep(0.05)

    task = asyncio.create_task(ask())
    try:
        yield seen
    finally:
        assert task.cancel(), task.exception()
        await asyncio.wait([task])


async def migrate(station: Station, program: Path) -> None:
    """What an operator does first, with the release that is to be."""
    settings = {"TWINSTILE_DATA_DIR": str(station.data), **releases.path(program)}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "twinstile", "migrate"),
        env=os.environ | settings,
        cwd=station.home,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await child.wait() == 0


async def revision(station: Station) -> str:
    connection = await station.connect()
    try:
        return await connection.fetchval("SELECT version_num FROM alembic_version")
    finally:
        await connection.close()
