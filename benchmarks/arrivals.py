"""How fast what departments send is expected at the gates, and what is made of garbage.

    python3 dev.py bench arrivals --json

`manifest_1200_s`: a railway's list of 1,200 travellers, in CSV, from its bytes to the state of
a lane that tells of all of them; the median of `--rounds` lists. `manifest_cpu_ms` is this
process's own share of it. `day_share`: of one core, for 300,000 such rows a day.

`memory_growth_mb`: what this process, which serves too, grows by at most while `--queued` rows
land in deliveries of 10,000 and are applied for `--seconds`; `rows_per_s`: how fast that goes.

`garbage_valid_stored`, `garbage_bad_quarantined`: of lists in which three rows of ten are of no
use, the shares of good rows that are expected, and of bad ones set aside with a reason.

Everything goes the way of a poll: landed, read, applied, in a database with the shipped,
durable settings.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx2
from _hub import LANES, furnish, place_of, settings_of

from twinstile import opening, serving
from twinstile.app import create_app
from twinstile.arrivals.feeds import applying, deliveries, landing
from twinstile.arrivals.feeds.applying import Desk
from twinstile.arrivals.feeds.types import Feed
from twinstile.arrivals.records import Delivery
from twinstile.identity import forms
from twinstile.identity.documents import check_character
from twinstile.platform import clock, embedded
from twinstile.platform.modes import HubMode
from twinstile.platform.web import House

HEAD = "车次,乘车日期,姓名,证件类型,证件号码,车厢,座位,到达时间,手机号,票号"
LIST = 1200
FILE = 10_000
ZONE = ZoneInfo("Asia/Shanghai")
DAY_ROWS = 300_000


def main() -> None:
    options = arguments()
    for name in [name for name in os.environ if name.startswith("TWINSTILE_")]:
        del os.environ[name]  # the settings as shipped
    if options.quick:
        options.rounds, options.queued, options.seconds = 2, 3000, 20.0
    with tempfile.TemporaryDirectory(prefix="twinstile-bench-", dir=options.folder) as made:
        Path(made).chmod(0o711)  # passable for the account of root's database server
        with embedded.start(Path(made)) as server:
            result = asyncio.run(measured(Path(made), server, options))
    print(json.dumps(result) if options.json else readable(result))


@dataclass(frozen=True)
class Stage:
    """The hub, and a feed that has sent nothing yet."""

    house: House
    hub_id: str
    tablet: httpx2.AsyncClient

    def feed(self, name: str) -> Feed:
        return Feed(self.hub_id, name, "rail", self.house.settings.zone)

    async def land(self, feed: Feed, body: bytes) -> None:
        now, keys = clock.now(), self.house.keys.of(self.hub_id)
        async with self.house.database.transaction() as tx:
            await landing.land(tx, keys, feed, Delivery(body, now), now)

    def desk(self) -> Desk:
        terms = forms.terms(self.house.settings, HubMode.DEMO, clock.now())
        return Desk(self.house.database, self.house.keys.of(self.hub_id), terms, clock.now)

    async def work(self, feed: Feed) -> None:
        while await applying.work(self.desk(), feed):
            pass

    async def seen(self) -> dict[str, int]:
        """How many a tablet expects, by run."""
        answer = await self.tablet.get(f"/v1/lanes/{next(iter(LANES))}/state")
        answer.raise_for_status()
        return {run["service_no"]: run["expected"] for run in answer.json()["runs"]}


async def measured(
    folder: Path, server: embedded.Server, options: argparse.Namespace
) -> dict[str, object]:
    settings, place = settings_of(folder), place_of(server, "twinstile")
    (token,) = await furnish(settings, place, 1)
    house = opening.open_house(settings, place)
    listening = serving.listen("127.0.0.1", 0)
    (url,) = serving.addresses(listening)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            serving.running(create_app(house), listening),
            httpx2.AsyncClient(base_url=url, headers=headers) as tablet,
        ):
            stage = Stage(house, settings.hub_id, tablet)
            return {
                **await manifests(stage, options.rounds),
                **await garbage(stage),
                **await queued(stage, options.queued, options.seconds),
            }
    finally:
        await house.database.close()


async def manifests(stage: Stage, rounds: int) -> dict[str, object]:
    feed, taken, worked = stage.feed("lists"), list[float](), list[float]()
    for number in range(rounds):
        run = f"G{number + 1}"
        body = table(rows(run, number * LIST, LIST))
        began, cpu = time.perf_counter(), time.process_time()
        await stage.land(feed, body)
        await stage.work(feed)
        if (await stage.seen()).get(run) != LIST:
            raise SystemExit("a list was not expected at the gate")
        taken.append(time.perf_counter() - began)
        worked.append(time.process_time() - cpu)
    cpu_s = statistics.median(worked)
    return {
        "manifest_1200_s": round(statistics.median(taken), 3),
        "manifest_worst_s": round(max(taken), 3),
        "manifest_cpu_ms": round(cpu_s * 1000),
        "day_share": round(cpu_s / LIST * DAY_ROWS / 86_400, 4),
    }


async def garbage(stage: Stage) -> dict[str, object]:
    """Three of ten rows are of no use, each in a way of its own."""
    dice, feed = random.Random(222), stage.feed("garbage")
    good = rows("G8001", 10**6, 700)
    spoils = (
        lambda cells: [*cells[:4], "770101****0011", *cells[5:]],
        lambda cells: [*cells[:4], "7.70101199E+17", *cells[5:]],
        lambda cells: [cells[0], "gestern", *cells[2:]],
        lambda cells: ["?", *cells[1:]],
        lambda cells: [*cells, "x", "y"],
        lambda cells: [*cells[:4], "", *cells[5:]],
    )
    bad = [spoils[n % len(spoils)](one) for n, one in enumerate(rows("G8001", 2 * 10**6, 300))]
    mixed = [*good, *bad]
    dice.shuffle(mixed)
    await stage.land(feed, table(mixed))
    await stage.work(feed)
    async with stage.house.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT count(*), count(*) FILTER (WHERE reason <> '') FROM feed_reject"
            " WHERE hub_id = $1",
            stage.hub_id,
        )
    stored, reasons = (await stage.seen()).get("G8001", 0), row[1] if row else 0
    return {
        "garbage_valid_stored": round(stored / len(good), 4),
        "garbage_bad_quarantined": round(reasons / len(bad), 4),
    }


async def queued(stage: Stage, count: int, seconds: float) -> dict[str, object]:
    """Deliveries that wait, and the most memory that landing and applying them takes."""
    feed, size = stage.feed("queue"), min(FILE, count)
    table(rows("K0", 0, size))  # what making a list takes is not of the service
    before = peak = resident()

    async def watch() -> None:
        nonlocal peak
        while True:
            peak = max(peak, resident())
            await asyncio.sleep(0.02)

    watcher = asyncio.create_task(watch())
    for place in range(count // size):
        await stage.land(feed, table(rows(f"K{place + 1}", 3 * 10**6 + place * size, size)))
    applied, began = 0, time.perf_counter()
    while (took := time.perf_counter() - began) < seconds:
        async with stage.house.database.reading() as tx:
            due = await deliveries.due(tx, feed, clock.now(), 1)
        if not due:
            break
        await applying.apply(stage.desk(), feed, due[0])
        applied += size
    watcher.cancel()
    return {
        "queued_rows": count // size * size,
        "queued_applied": applied,
        "memory_growth_mb": round(peak - before, 1),
        "rows_per_s": round(applied / took),
    }


def rows(run: str, first: int, count: int) -> list[list[str]]:
    """Travellers nobody has met: a number of its own for each."""
    arrival = clock.now() + timedelta(hours=1)
    told = arrival.astimezone(ZONE)
    return [
        [
            run,
            told.date().isoformat(),
            f"旅客{n}",
            "身份证",
            number(n),
            f"{n // 80 % 16 + 1:02}",
            f"{n % 80 // 5 + 1}{'ABCDF'[n % 5]}",
            told.strftime("%Y-%m-%d %H:%M"),
            f"139{n % 10**8:08}",
            f"E{n}",
        ]
        for n in range(first, first + count)
    ]


def number(n: int) -> str:
    """A resident number of nobody: no division begins with 77."""
    born = (date(1930, 1, 1) + timedelta(days=n // 999 % 30_000)).strftime("%Y%m%d")
    digits = f"77{n // (999 * 30_000) % 10**4:04}{born}{n % 999 + 1:03}"
    return digits + check_character(digits)


def table(made: Sequence[Sequence[str]]) -> bytes:
    return "\n".join([HEAD, *map(",".join, made), ""]).encode()


def resident() -> float:
    """Mebibytes of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def readable(result: dict[str, object]) -> str:
    return "\n".join(f"{name:24} {value}" for name, value in result.items())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="a few seconds, little said")
    parser.add_argument("--rounds", type=int, default=7, help="lists of 1,200")
    parser.add_argument("--queued", type=int, default=1_000_000, help="rows that wait")
    parser.add_argument("--seconds", type=float, default=120, help="of applying what waits")
    parser.add_argument("--folder", type=Path, help="where the data are made, and removed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
