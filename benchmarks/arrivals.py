"""What lists of travellers cost, from the sender's push to the tablets.

    python3 dev.py bench arrivals --json

Everything goes through a service as shipped (`twinstile serve`), pushed and signed as a railway
would, and is looked for where people find it: in the state of a lane, in the rows.

`manifest_1200_s`: from the first byte of a list of 1,200 travellers of one train until a tablet
reads all of them as expected; the slowest of `--rounds`. `row_cpu_us`: what one row takes of
the service's and of PostgreSQL's processors; `day_share_of_core`: what 300,000 rows a day come
to. `memory_growth_mb`: by how much the service's memory exceeds at its peak what it was with an
empty queue, while `--queued` rows are pushed and applied; those not applied after `--longest`
seconds stay in the queue (`queue_applied` tells). `garbage_valid_stored`,
`garbage_bad_quarantined`: of a list with three bad rows in ten, the shares of good rows that
are expected and of bad rows that are set aside with a reason. `lag_ratio`: what an alert of
another feed waits while that list is applied, against a list of as many good rows.
"""

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import _cpu
import _hub
import _machine
import asyncpg
import httpx2
from _load import resident_number

from twinstile.platform.db import embedded_server
from twinstile.platform.http.request_signatures import SharedKey, headers

DAY_ROWS = 300_000
LIST = 10_000
KEY = SharedKey("bench", b"a secret of the benchmark")
HEAD = "车次,乘车日期,到达时间,姓名,证件类型,证件号码,车厢,座位,票号\n"
FEEDS = """
[[feed]]
name = "rail"
department = "rail"
format = "rail"
[feed.transport]
kind = "push"
keys = [{{ key_id = "bench", key_file = "{key}" }}]

[[feed]]
name = "police"
department = "police"
format = "police"
[feed.transport]
kind = "push"
keys = [{{ key_id = "bench", key_file = "{key}" }}]
"""


def main() -> None:
    options = arguments()
    for name in [name for name in os.environ if name.startswith("TWINSTILE_")]:
        del os.environ[name]  # the settings as shipped
    if options.quick:
        options.queued, options.rounds, options.garbage = 3_000, 1, 1_000
    with tempfile.TemporaryDirectory(prefix="twinstile-bench-", dir=options.folder) as made:
        folder = Path(made)
        folder.chmod(0o711)  # passable for the account of root's database server
        with embedded_server.start(folder) as server:
            result = asyncio.run(measured(folder, server, options))
    print(json.dumps(result) if options.json else readable(result))
    whole = result["garbage_valid_stored"] == result["garbage_bad_quarantined"] == 1.0
    sys.exit(0 if whole else 1)


@dataclass(slots=True)
class Stand:
    """A service that is up, its database, and a tablet that reads its lane."""

    http: httpx2.AsyncClient
    database: asyncpg.Connection
    service: int
    postmaster: int
    zone: ZoneInfo
    people: Iterator[int] = field(default_factory=itertools.count)
    trains: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def push(self, feed: str, body: bytes, media_type: str) -> None:
        target = f"/v1/feeds/{feed}/deliveries"
        signed = headers(KEY, "POST", target, body, datetime.now(UTC))
        answer = await self.http.post(
            target, content=body, headers={**signed, "Content-Type": media_type}
        )
        if answer.status_code != httpx2.codes.ACCEPTED:
            raise SystemExit(f"{feed}: {answer.status_code} {answer.text}")

    async def expected(self, train: str) -> int:
        """How many a tablet expects of that train."""
        state = (await self.http.get("/v1/lanes/north-1/state")).json()
        return sum(run["expected"] for run in state["runs"] if run["service_no"] == train)

    async def settled(self, longest_s: float) -> bool:
        """Wait until every delivery is applied; whether they are."""
        ends = time.monotonic() + longest_s
        while time.monotonic() < ends:
            if not await self.database.fetchval(
                "SELECT EXISTS (SELECT FROM feed_delivery WHERE state = 'LANDED')"
            ):
                return True
            await asyncio.sleep(0.1)
        return False

    def used(self) -> _cpu.Used:
        return _cpu.used({"service": self.service, "postgres": self.postmaster})

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.service}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def rail(
        self, rows: int, bad: Callable[[int], bool] = lambda _: False
    ) -> tuple[str, bytes]:
        """A list of one train's travellers, and its number."""
        train = f"G{next(self.trains)}"
        coming = datetime.now(self.zone) + timedelta(minutes=40)
        day, at = f"{coming:%Y-%m-%d}", f"{coming:%H:%M}"
        spoil = itertools.cycle(GARBAGE)
        lines = [HEAD]
        for row in range(rows):
            number = resident_number(next(self.people)).decode()
            cells = [train, day, at, "张伟", "身份证", number, f"{row // 100 + 1:02}",
                     f"{row % 100 // 5 + 1}{'ABCDF'[row % 5]}", f"E{train}{row}"]  # fmt: skip
            lines.append(",".join(next(spoil)(cells) if bad(row) else cells) + "\n")
        return train, "".join(lines).encode("gb18030")


def _with(place: int, value: str) -> Callable[[Sequence[str]], list[str]]:
    return lambda cells: [*cells[:place], value, *cells[place + 1 :]]


GARBAGE: Sequence[Callable[[Sequence[str]], Sequence[str]]] = (
    _with(5, "7.70101E+17"),
    _with(5, "77010119900101****"),
    _with(5, "770101199001010000"),
    _with(5, ""),
    _with(0, "??"),
    _with(1, "2026-13-45"),
    lambda cells: cells[:5],
)
"""What goes wrong with a row; each of them costs that row and no other."""


async def measured(
    folder: Path, server: embedded_server.EmbeddedServer, options: argparse.Namespace
) -> dict[str, object]:
    (folder / "push.key").write_bytes(KEY.secret)
    (folder / "feeds.toml").write_text(FEEDS.format(key=folder / "push.key"))
    settings, place = _hub.settings_of(folder), _hub.place_of(server, "twinstile")
    (tablet,) = await _hub.furnish(settings, place, 1)
    up = standing(folder, place.owner_url, tablet.token, postmaster(folder), settings.zone)
    async with up as stand:
        lists = [await manifest(stand) for _ in range(options.rounds)]
        garbage, good = await two_lists(stand, options.garbage)
        return {
            "manifest_1200_s": round(max(lists), 2),
            **await queue(stand, options.queued, options.longest),
            "garbage_valid_stored": garbage["valid_stored"],
            "garbage_bad_quarantined": garbage["bad_quarantined"],
            "lag_ratio": round(garbage["lag_s"] / good["lag_s"], 2),
            "lag_s": round(garbage["lag_s"], 3),
            "garbage_rows": options.garbage,
            **await _machine.facts(folder, place.owner_url.replace("+asyncpg", "")),
        }


def postmaster(folder: Path) -> int:
    return int(next(folder.glob("pg*/postmaster.pid")).read_text().split()[0])


@asynccontextmanager
async def standing(
    folder: Path, owner_url: str, token: str, postmaster: int, zone: ZoneInfo
) -> AsyncGenerator[Stand]:
    serve = [sys.executable, "-m", "twinstile", "serve", "--json", "--port", "0"]
    child = subprocess.Popen(  # noqa: ASYNC220, S603 # ourselves
        [*serve, "--data-dir", str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        line = await asyncio.to_thread(child.stdout.readline) if child.stdout else ""
        if not line:
            raise SystemExit("the service did not start")
        database = await asyncpg.connect(owner_url.replace("+asyncpg", ""))
        async with httpx2.AsyncClient(
            base_url=json.loads(line)["url"],
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        ) as http:
            yield Stand(http, database, child.pid, postmaster, zone)
        await database.close()
    finally:
        child.terminate()
        child.wait(60)


async def manifest(stand: Stand) -> float:
    """Seconds from the push of a list until a tablet expects everybody on it."""
    train, body = stand.rail(1200)
    began = time.monotonic()
    await stand.push("rail", body, "text/csv")
    while await stand.expected(train) < 1200:
        if time.monotonic() - began > 60:
            raise SystemExit("a list of 1,200 travellers does not reach the tablets")
        await asyncio.sleep(0.02)
    took = time.monotonic() - began
    await stand.settled(60)
    return took


async def queue(stand: Stand, rows: int, longest_s: float) -> dict[str, object]:
    """Memory and processors while a long queue is filled and worked off."""
    before, began = stand.resident_mb(), stand.used()
    first = await stand.database.fetchval(
        "SELECT coalesce(sum(rows), 0)::bigint FROM feed_state"
    )
    peak, ended = before, asyncio.Event()

    async def watch() -> None:
        nonlocal peak
        while not ended.is_set():
            peak = max(peak, stand.resident_mb())
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    for size in [LIST] * (rows // LIST) or [rows]:
        _, body = stand.rail(size)
        await stand.push("rail", body, "text/csv")
    queued_at = time.monotonic()
    await stand.settled(longest_s)
    ended.set()
    await watching
    applied = await stand.database.fetchval("SELECT sum(rows)::bigint FROM feed_state") - first
    used = stand.used().since(began).trees
    row_us = {name: round(seconds / applied * 1e6) for name, seconds in used.items()}
    return {
        "day_share_of_core": round(sum(used.values()) / applied * DAY_ROWS / 86_400, 4),
        "row_cpu_us": row_us,
        "memory_growth_mb": round(peak - before, 1),
        "memory_mb": round(before, 1),
        "queued": rows,
        "queue_applied": applied,
        "queue_s": round(time.monotonic() - queued_at, 1),
    }


async def two_lists(stand: Stand, rows: int) -> tuple[dict[str, float], dict[str, float]]:
    """A list with garbage and one without, and what they mean to another feed."""
    good = await one_list(stand, rows, lambda _: False)
    return await one_list(stand, rows, lambda row: row % 10 in {1, 4, 7}), good


async def one_list(stand: Stand, rows: int, bad: Callable[[int], bool]) -> dict[str, float]:
    train, body = stand.rail(rows, bad)
    rejected = "SELECT count(*) FROM feed_reject WHERE reason <> ''"
    before = await stand.database.fetchval(rejected)
    await stand.push("rail", body, "text/csv")
    lags = [await alert(stand) for _ in range(5)]
    await stand.settled(600)
    spoilt = sum(map(bad, range(rows)))
    aside = await stand.database.fetchval(rejected) - before
    stored = await stand.database.fetchval(
        "SELECT count(*) FROM manifest_entry m JOIN run r USING (hub_id, run_id)"
        " WHERE r.service_no = $1 AND m.withdrawn_at IS NULL",
        train,
    )
    return {
        "valid_stored": stored / (rows - spoilt),
        "bad_quarantined": aside / spoilt if spoilt else 1.0,
        "lag_s": statistics.median(lags),
    }


async def alert(stand: Stand) -> float:
    """Seconds from the push of an alert until it is in force."""
    number, now = resident_number(next(stand.people)).decode(), datetime.now(UTC)
    said = {
        "alert_id": f"a{number}",
        "kind": "CLOSE_CONTACT",
        "authority": "bench",
        "legal_basis": "bench",
        "action": "CHECK",
        "valid_from": now.isoformat(),
        "valid_to": (now + timedelta(days=1)).isoformat(),
        "id_type": "RESIDENT_ID",
        "id_no": number,
    }
    count = "SELECT count(*) FROM identity_alert"
    before, began = await stand.database.fetchval(count), time.monotonic()
    await stand.push("police", json.dumps([said]).encode(), "application/json")
    while await stand.database.fetchval(count) == before:
        if time.monotonic() - began > 60:
            raise SystemExit("an alert is not applied")
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def readable(result: dict[str, object]) -> str:
    return "\n".join(f"{name:26} {value}" for name, value in result.items())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--quick", action="store_true", help="small, to see that it runs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--queued", type=int, default=1_000_000, help="rows")
    parser.add_argument("--garbage", type=int, default=20_000, help="rows")
    parser.add_argument("--longest", type=float, default=300, help="seconds for the queue")
    parser.add_argument("--folder", type=Path, help="where the data are made, and removed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
