"""F2, F18: one of several processes is killed, all are renewed, and no tablet notices."""

import asyncio
import re
import signal
import time
from collections.abc import AsyncGenerator

import fleets
import httpx2
import judges
import processes
import pytest
import stations
from stations import Station, Token

CLIENTS = 16
PATIENCE_S = 90


@pytest.fixture(scope="module")
async def station() -> AsyncGenerator[Station]:
    async with stations.station(options=("--workers", "2")) as there:
        yield there


@pytest.fixture(scope="module")
async def crew(station: Station) -> list[Token]:
    return await station.crew(CLIENTS)


def workers(station: Station) -> set[int]:
    """The processes that serve, as the service logged them."""
    assert station.process is not None
    serving = re.findall(r'"pid": (\d+), "event": "process serves"', station.log())
    return set(map(int, serving)) & set(processes.children(station.process.pid))


async def renewed(station: Station, gone: set[int]) -> None:
    """Wait until those are gone and two others serve."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            there = workers(station)
            if len(there) == 2 and not there & gone:
                return
            await asyncio.sleep(0.05)


async def counted(station: Station) -> int:
    """Answers to checks, as the metrics of the whole service count them."""
    async with httpx2.AsyncClient(base_url=station.url) as client:
        text = (await client.get("/metrics")).text
    found = re.findall(
        r"^twinstile_http_requests_total\{.*checks/.*\} (\S+)$", text, re.MULTILINE
    )
    return sum(int(float(number)) for number in found)


async def test_one_of_two_processes_is_killed(station: Station, crew: list[Token]) -> None:
    gaps, starts = list[float](), list[float]()
    async with fleets.fleet(station, crew) as ledger:
        await fleets.until(ledger, 100, PATIENCE_S)
        for _ in range(2):
            victim = min(workers(station))
            killed = time.monotonic()
            processes.kill(victim)
            await renewed(station, {victim})
            starts.append(time.monotonic() - killed)
            gaps.append(ledger.gap(killed, killed + starts[-1]))
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, (judgement, ledger.refused[:3])
    # the other one served on: 0.25 s on a quiet machine, and less than a start on any
    assert max(gaps) < max(0.25, min(starts) / 2), (gaps, starts)
    assert f'"pid": {victim}, "status": -9' in station.log()
    # those who were killed have counted, too
    assert await counted(station) >= len(ledger.acknowledged)


async def test_all_processes_are_renewed_and_no_request_fails(
    station: Station, crew: list[Token]
) -> None:
    assert station.process is not None
    old = workers(station)
    async with fleets.fleet(station, crew, batches=1) as ledger:
        await fleets.until(ledger, 100, PATIENCE_S)
        station.process.send_signal(signal.SIGHUP)
        await renewed(station, old)
        await fleets.until(ledger, 100, PATIENCE_S)
    assert ledger.answers.keys() <= {"200", "201"}
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, (judgement, ledger.refused[:3])
    assert judgement.extra == 0
    assert judgement.duplicates == 0
