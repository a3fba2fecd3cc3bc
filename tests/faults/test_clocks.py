"""F11: clocks jump, the tablets' and the service's. No check is refused or lost."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

import clocks
import fleets
import httpx2
import judges
import pytest
import stations
from stations import Station

from twinstile.platform.security.auth import PRINCIPAL_CACHE_S

DAY, TWO_HOURS = timedelta(days=1), timedelta(hours=2)


@pytest.fixture
async def station() -> AsyncGenerator[Station]:
    with stations.home() as home:
        program = clocks.program(home / "ahead")
        there = Station(home, stations.free_port(), program=program)
        try:
            await there.start()
            yield there
        finally:
            await stations.end(there)


async def turn(station: Station, ahead: timedelta) -> None:
    """Set the service's clock, and wait until no token is remembered from before."""
    (station.home / "ahead").write_text(str(ahead.total_seconds()))
    await asyncio.sleep(PRINCIPAL_CACHE_S + 0.1)


async def test_clocks_that_jump_cost_no_check(station: Station) -> None:
    crew = await station.crew(4)
    skews = [DAY, -DAY, timedelta(), timedelta()]
    async with fleets.fleet(station, crew, batches=1, skews=skews) as ledger:
        for ahead in (-TWO_HOURS, timedelta(hours=11), timedelta()):
            await turn(station, ahead)
            await fleets.until(ledger, 40)
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, judgement
    assert await unmarked(station) == 0


async def test_a_tablet_hands_over_when_a_jump_has_ended_its_shift(station: Station) -> None:
    (token,) = await station.crew(1)
    await turn(station, -TWO_HOURS)
    assert await greeted(station, token.device) == 200
    await turn(station, DAY)
    assert await greeted(station, token.shift) == 401
    # the facts go with the device's own token, as those of any shift that has ended
    handing = replace(token, shift=token.device)
    async with fleets.fleet(station, [handing], batches=1) as ledger:
        await fleets.until(ledger, 20)
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, judgement


async def greeted(station: Station, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=station.url, headers=headers) as client:
        return (await client.get("/v1/me")).status_code


async def unmarked(station: Station) -> int:
    """Checks whose clocks were further apart than two minutes, and that do not say so."""
    connection = await station.connect()
    try:
        return await connection.fetchval(
            'SELECT count(*) FROM "check" WHERE NOT clock_suspect AND'
            " abs(extract(epoch FROM observed_at - received_at)) > 3600"
        )
    finally:
        await connection.close()
