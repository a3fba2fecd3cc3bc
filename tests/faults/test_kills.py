"""F1, F3, F4, F6: processes are killed, disks fail; nothing acknowledged is lost."""

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator

import fleets
import httpx2
import judges
import laboratory
import pytest
import stations
from stations import Station, Token

HEALED_S = 30
"""It heals by itself, however busy the machine; `dev.py faults` measures how fast."""


@pytest.fixture(scope="module")
async def station() -> AsyncGenerator[Station]:
    async with stations.station() as there:
        yield there


@pytest.fixture(scope="module")
async def crew(station: Station) -> list[Token]:
    return await station.crew(6)


async def test_whatever_is_killed_nothing_acknowledged_is_lost(
    station: Station, crew: list[Token]
) -> None:
    gaps = {}
    async with fleets.fleet(station, crew, batches=1) as ledger:
        for kind, kill in laboratory.KILLS.items():
            await fleets.until(ledger, 60)
            killed = time.monotonic()
            await kill(station)
            await fleets.until(ledger, 30, patience_s=HEALED_S)
            gaps[kind] = ledger.gap(killed)
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, (judgement, ledger.refused[:3])
    assert judgement.acknowledged >= 270
    assert max(gaps.values()) < HEALED_S, gaps


async def test_readiness_tells_the_truth_while_the_database_is_down(station: Station) -> None:
    async with httpx2.AsyncClient(base_url=station.url, timeout=10) as client:
        assert (await client.get("/readyz")).status_code == 200
        station.kill_database()
        refused = await client.get("/readyz")
        assert (refused.status_code, refused.json()["stored"]) == (503, False)
        assert (await client.get("/livez")).status_code == 200
        async with asyncio.timeout(HEALED_S):
            while (await client.get("/readyz")).status_code != 200:  # noqa: ASYNC110 # polled
                await asyncio.sleep(0.05)


async def test_a_disk_that_does_not_sync_loses_nothing(
    station: Station, crew: list[Token]
) -> None:
    async with fleets.fleet(station, crew) as ledger:
        await fleets.until(ledger, 40)
        await failing_sync(station)
        await fleets.until(ledger, 40, patience_s=HEALED_S)
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, (judgement, ledger.refused[:3])


async def failing_sync(station: Station) -> None:
    """Let the next sync of any backend fail with EIO, until PostgreSQL has panicked."""
    program = shutil.which("strace")
    if program is None:
        pytest.skip("failing syncs need strace")
    log = next(station.data.glob("pg*.log"))
    before = log.read_text().count("PANIC")
    tracing = await asyncio.create_subprocess_exec(
        *(program, "-f", "-qq", "-o", "/dev/null"),
        *("-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO"),
        *(f"--attach={pid}" for pid in station.backends()),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(HEALED_S):
            while log.read_text().count("PANIC") == before:
                if tracing.returncode:
                    pytest.skip("strace may not look into other processes here")
                await asyncio.sleep(0.05)
    finally:
        if tracing.returncode is None:
            tracing.terminate()
        await tracing.wait()
