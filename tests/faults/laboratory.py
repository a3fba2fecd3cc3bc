"""The long tier: twenty kills under load, twenty thousand acknowledgements, four mutants.

    python3 dev.py faults --json

Prints one JSON object, and ends with 1 unless nothing was lost, falsified or torn and every
mutant was caught.
"""

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

sys.path.append(str(Path(__file__).resolve().parents[1]))  # as pytest has it

import fleets
import judges
import mutants
import stations
import worker_groups
from fleets import Ledger
from judges import Judgement
from stations import Station, Token

TABLETS, BATCHES = 12, 3


async def kill_service(station: Station) -> None:
    """F1."""
    await station.kill()
    await station.start()


async def kill_backend(station: Station) -> None:
    """F3: the postmaster restarts all others."""
    station.kill_backend()


async def kill_database(station: Station) -> None:
    """F4: the service's supervisor starts it again."""
    station.kill_database()


async def hold_up(station: Station) -> None:
    """Keep checks from being written for longer than a batch waits for a lock."""
    connection = await station.connect()
    try:
        async with connection.transaction():
            await connection.execute('LOCK TABLE "check" IN SHARE MODE')
            await asyncio.sleep(0.5)
    finally:
        await connection.close()


async def dawdle(station: Station) -> None:
    """Enter an event, and commit it only when later ones have long been committed."""
    connection = await station.connect()
    try:
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO event (hub_id, event_id, at, kind, subject_id, body)"
                " VALUES ($1, $2, $3, 'laboratory.slow', $2, '{}')",
                station.hub_id,
                uuid4(),
                datetime.now(UTC),
            )
            await asyncio.sleep(1)
    finally:
        await connection.close()


Fault = Callable[[Station], Awaitable[None]]
KILLS: Mapping[str, Fault] = {
    "service": kill_service,
    "backend": kill_backend,
    "database": kill_database,
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """The fault under which a mutant shows, and how often it is tried at most."""

    fault: Fault
    rounds: int


CHALLENGES: Mapping[str, Challenge] = {
    "early-acknowledge": Challenge(kill_service, 4),
    "asynchronous-commit": Challenge(kill_database, 8),
    "dropped-retry": Challenge(hold_up, 4),
    "naive-cursor": Challenge(dawdle, 4),
}


async def endure(
    station: Station, crew: Sequence[Token], kills: int, acknowledged: int, calm: Judgement
) -> dict[str, object]:
    """Kill one after the other while the crew works; what the crew and the database say.

    `calm` is what was found before the kills, and counts too.
    """
    gaps: defaultdict[str, float] = defaultdict(float)
    done: Counter[str] = Counter()
    async with fleets.fleet(station, crew, batches=BATCHES) as ledger:
        for kind in itertools.islice(itertools.cycle(KILLS), kills):
            await fleets.until(ledger, acknowledged // kills, patience_s=300)
            began = time.monotonic()
            await KILLS[kind](station)
            done[kind] += 1
            await fleets.until(ledger, 3 * TABLETS, patience_s=60)
            gaps[kind] = max(gaps[kind], ledger.gap(began, time.monotonic()))
            _say(f"{done.total()}. killed: {kind}, {len(ledger.acknowledged)} acknowledged")
    judgement = calm + await judges.judge(station, ledger)
    return {
        "kills": done.total(),
        **asdict(judgement),
        "worst_gap_s": {kind: round(gap, 2) for kind, gap in gaps.items()},
        "kills_by_kind": dict(done),
        "answers": dict(ledger.answers),
        "harmless": judgement.harmless,
    }


async def challenge(
    station: Station, crew: Sequence[Token], name: str
) -> tuple[Judgement, Ledger]:
    """Let a mutant serve under its fault until it has lost something, or never does."""
    station.program = mutants.program(name)
    await station.stop()
    await station.start()
    before = await judges.judge(station, Ledger())
    for _ in range(CHALLENGES[name].rounds):
        async with fleets.fleet(station, crew) as ledger:
            await fleets.until(ledger, 10 * TABLETS, patience_s=60)
            await CHALLENGES[name].fault(station)
            await fleets.until(ledger, TABLETS, patience_s=60)
        found = await judges.judge(station, ledger)
        if found.lost or found.skipped > before.skipped:
            break
    return found, ledger


async def control(station: Station, crew: Sequence[Token]) -> Judgement:
    """The honest service under the faults of the mutants that no kill brings."""
    async with fleets.fleet(station, crew, batches=BATCHES) as ledger:
        for fault in (hold_up, dawdle):
            await fleets.until(ledger, 5 * TABLETS, patience_s=60)
            await fault(station)
            await fleets.until(ledger, TABLETS, patience_s=60)
    return await judges.judge(station, ledger)


async def run(kills: int, acknowledged: int) -> dict[str, object]:
    """The whole tier on a station of its own."""
    began = time.monotonic()
    async with stations.station() as station:
        crew = await station.crew(TABLETS)
        calm = await control(station, crew)
        report = await endure(station, crew, kills, acknowledged, calm)
        caught: dict[str, object] = {}
        for name in CHALLENGES:
            found, _ = await challenge(station, crew, name)
            _say(f"mutant {name}: {found}")
            caught[name] = {
                "lost": found.lost,
                "skipped": found.skipped,
                "of": found.acknowledged,
            }
    several = await worker_groups.run(kills=6 * kills // 21 or 1, renewals=3)
    return report | {
        "several_processes": several,
        "harmless": report["harmless"] and several["harmless"],
        "mutants_caught": sum(any((f["lost"], f["skipped"])) for f in caught.values()),
        "mutants": caught,
        "seconds": round(time.monotonic() - began),
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
    }


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=21)
    parser.add_argument("--acknowledged", type=int, default=20_000)
    parser.add_argument("--long", action="store_true", help="five times as much")
    parser.add_argument("--json", action="store_true", help="one JSON object, one line")
    options = parser.parse_args()
    times = 5 if options.long else 1
    report = asyncio.run(run(options.kills * times, options.acknowledged * times))
    print(json.dumps(report, indent=None if options.json else 2))  # noqa: T201
    well = report["harmless"] and report["mutants_caught"] == len(CHALLENGES)
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()
