"""F1, F3, F4: processes are killed under load, and nothing acknowledged is lost."""

import asyncio
import time
from collections.abc import AsyncGenerator

import fleets
import httpx2
import judges
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


async def test_the_service_is_killed_again_and_again(
    station: Station, crew: list[Token]
) -> None:
    gaps = []
    async with fleets.fleet(station, crew, batches=1) as ledger:
        for _ in range(2):
            await fleets.until(ledger, 60)
            killed = time.monotonic()
            await station.kill()
            await station.start()
            await fleets.until(ledger, 60)
            gaps.append(ledger.gap(killed))
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, (judgement, ledger.refused[:3])
    assert judgement.acknowledged >= 240
    assert max(gaps) < HEALED_S


async def test_one_backend_is_killed(station: Station, crew: list[Token]) -> None:
    async with fleets.fleet(station, crew, batches=1) as ledger:
        await fleets.until(ledger, 60)
        killed = time.monotonic()
        station.kill_backend()
        await fleets.until(ledger, 120)
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, (judgement, ledger.refused[:3])
    assert ledger.gap(killed) < HEALED_S


async def test_every_process_of_the_database_is_killed(
    station: Station, crew: list[Token]
) -> None:
    async with fleets.fleet(station, crew, batches=1) as ledger:
        await fleets.until(ledger, 60)
        killed = time.monotonic()
        assert len(station.kill_database()) > 5
        await fleets.until(ledger, 120)
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, (judgement, ledger.refused[:3])
    assert ledger.gap(killed) < HEALED_S


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
