"""F2, F18: a service of several processes, of which one is killed or all are renewed."""

import asyncio
import re
import signal
import time
from collections import Counter
from dataclasses import asdict, dataclass

import fleets
import httpx2
import judges
import processes
import stations
from fleets import Ledger
from judges import Judgement
from stations import Station

WORKERS, TABLETS = 2, 16
OPTIONS = ("--workers", str(WORKERS))
PATIENCE_S = 90
RENEWED = '"event": "processes renewed"'


@dataclass(frozen=True, slots=True)
class Loss:
    """One process killed: the longest time without an acknowledgement until it was replaced."""

    victim: int
    gap_s: float
    replaced_s: float


def workers(station: Station) -> set[int]:
    """The processes that serve, as the service logged them."""
    assert station.process is not None
    serving = re.findall(r'"pid": (\d+), "event": "process serves"', station.log())
    return set(map(int, serving)) & set(processes.children(station.process.pid))


async def kill_one(station: Station, ledger: Ledger) -> Loss:
    """Kill the process that has served longest, and wait until another has its place."""
    victim = min(workers(station))
    began = time.monotonic()
    processes.kill(victim)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            there = workers(station)
            if len(there) == WORKERS and victim not in there:
                break
            await asyncio.sleep(0.02)
    replaced = time.monotonic()
    await fleets.until(ledger, TABLETS, PATIENCE_S)
    return Loss(victim, ledger.gap(began, replaced), replaced - began)


async def renew(station: Station) -> float:
    """Have all processes replaced; the seconds it took."""
    assert station.process is not None
    before, began = station.log().count(RENEWED), time.monotonic()
    station.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if station.log().count(RENEWED) > before:
                return time.monotonic() - began
            await asyncio.sleep(0.05)


async def counted(station: Station) -> int:
    """Answers to checks, as the metrics of the whole service count them."""
    async with httpx2.AsyncClient(base_url=station.url) as client:
        text = (await client.get("/metrics")).text
    found = re.findall(r"twinstile_http_requests_total\{.*checks/.*\} (\S+)", text)
    return sum(int(float(number)) for number in found)


def failed(ledger: Ledger) -> Counter[str]:
    """Answers, and failures to get one, that a tablet should not have had.

    `busy` is not among them: a machine may be asked for more than it can do, and says so.
    """
    fine = {"200", "201", "503 busy"}
    return Counter({said: n for said, n in ledger.answers.items() if said not in fine})


async def run(kills: int, renewals: int) -> dict[str, object]:
    """The long tier: what the tablets and the database say of both faults."""
    losses: list[Loss] = []
    judgement, failures = Judgement(), Counter[str]()
    async with stations.station(options=OPTIONS) as station:
        crew = await station.crew(TABLETS)
        async with fleets.fleet(station, crew, batches=2) as ledger:
            for _ in range(kills):
                await fleets.until(ledger, 20 * TABLETS, PATIENCE_S)
                losses.append(await kill_one(station, ledger))
        judgement += await judges.judge(station, ledger)
        async with fleets.fleet(station, crew, batches=2) as ledger:
            for _ in range(renewals):
                await fleets.until(ledger, 20 * TABLETS, PATIENCE_S)
                await renew(station)
            await fleets.until(ledger, 20 * TABLETS, PATIENCE_S)
        judgement += await judges.judge(station, ledger)
        failures += failed(ledger)
    return {
        **asdict(judgement),
        "kills": kills,
        "worst_gap_s": round(max(loss.gap_s for loss in losses), 3),
        "renewals": renewals,
        "failed_in_renewal": dict(failures),
        "harmless": judgement.harmless and not failures,
    }
