"""F8: every connection is taken. Who cannot be served is told so at once."""

import asyncio
import time

import fleets
import httpx2
import judges
import stations
from stations import Station

CROWD, POOL = 40, 12
PROMPT_S = 1.2
"""For who gets no connection; who has one waits for a lock as long as locks may take."""
BUSY_MACHINE_S = 3.0


async def test_who_cannot_be_served_is_told_at_once() -> None:
    async with stations.station() as station:
        crew = await station.crew(4)
        async with fleets.fleet(station, crew) as ledger:
            await fleets.until(ledger, 20)
            refusals = await _locked_out(station, crew[0].shift)
            await fleets.until(ledger, 40)
        judgement = await judges.judge(station, ledger)
    assert judgement.harmless, judgement
    assert {answer.status_code for _, answer in refusals} == {503}
    assert {answer.headers["Retry-After"] for _, answer in refusals} == {"1"}
    assert {answer.json()["stored"] for _, answer in refusals} == {False}
    waited = sorted(took for took, _ in refusals)
    assert waited[CROWD - POOL - 1] < PROMPT_S + BUSY_MACHINE_S


async def _locked_out(station: Station, token: str) -> list[tuple[float, httpx2.Response]]:
    """Hold what every request of a shift needs, and let a crowd ask for it."""
    connection = await station.connect()
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx2.Limits(max_connections=CROWD)
    async with (
        httpx2.AsyncClient(
            base_url=station.url, headers=headers, limits=limits, timeout=20
        ) as client,
        connection.transaction(),
    ):
        await connection.execute('LOCK TABLE "check", lane, run IN ACCESS EXCLUSIVE MODE')

        async def ask() -> tuple[float, httpx2.Response]:
            began = time.monotonic()
            answer = await client.get("/v1/lanes")
            return time.monotonic() - began, answer

        found = await asyncio.gather(*(ask() for _ in range(CROWD)))
    await connection.close()
    return found
