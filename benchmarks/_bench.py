"""The stand of `gate`: database, servers and load of one run, and its rounds."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import _cpu
import _hub
import _machine
import _parts
import asyncpg
from _figures import Repetition, summary

from twinstile.platform.db import embedded_server
from twinstile.platform.db.database import APP_ROLE

HERE = Path(__file__).parent
WARM_S = 2.0
LONGEST_WARM_S = 20.0
RAMP_S = 0.3
LOOK_S = 0.2
AT_REST = 0.05
"""Processors' worth of our own work below which what was measured before has ended."""
LONGEST_REST_S = 10.0

VARIANTS = {
    "empty": "twinstile",
    "textbook": "textbook",
    "durable": "twinstile",
    "tablet": "twinstile",
}
"""Each variant and the database it works on."""


@dataclass(frozen=True, slots=True)
class Plan:
    variants: Sequence[str]
    clients: int
    rounds: int
    seconds: float
    calm_per_s: int
    disturbed: float
    redone: int
    warm_requests: int


@dataclass(frozen=True, slots=True)
class Standing:
    """A server that is up."""

    name: str
    database: str
    host: str
    port: int
    pid: int
    batch: bool = False
    """Whether it is sent batches of one, as a tablet does, in place of `PUT`."""


class Bench:
    def __init__(
        self, folder: Path, plan: Plan, server: embedded_server.EmbeddedServer, load: "Load"
    ) -> None:
        self.folder = folder
        self.plan = plan
        self.server = server
        self._load = load
        self._hub_id = _hub.settings_of(folder).hub_id
        self._tablets: dict[str, list[_hub.Tablet]] = {}
        self.acknowledged = dict.fromkeys(VARIANTS.values(), 0)
        first = next(folder.glob("pg*/postmaster.pid")).read_text().split()[0]
        self._postmaster = int(first)

    def furnish(self, database: str) -> None:
        """A hub with tablets in that database, unless it is there."""
        if database not in self._tablets:
            self._tablets[database] = asyncio.run(
                _hub.furnish(
                    _hub.settings_of(self.folder),
                    _hub.place_of(self.server, database),
                    self.plan.clients,
                )
            )
            self.acknowledged.setdefault(database, 0)

    def url(self, database: str) -> str:
        """As the service's own role."""
        return self.server.url(database, APP_ROLE)

    @contextmanager
    def standing(
        self, name: str, database: str, command: Sequence[str], **environment: str
    ) -> Generator[Standing]:
        """A server process that tells its URL in JSON on its first line."""
        self.furnish(database)
        child = subprocess.Popen(  # noqa: S603 # ourselves
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        try:
            line = child.stdout.readline() if child.stdout else ""
            if not line:
                raise SystemExit(f"{name} did not start")
            host, port = json.loads(line)["url"].removeprefix("http://").split(":")
            yield Standing(name, database, host, int(port), child.pid)
        finally:
            child.terminate()
            child.wait(60)

    def command(self, variant: str, workers: int) -> list[str]:
        """How that variant is started."""
        if variant == "durable":
            more = ["--workers", str(workers)] if workers > 1 else []
            serve = ["-m", "twinstile", "serve", "--json", "--port", "0"]
            return [*serve, "--data-dir", str(self.folder), *more]
        url = self.url(VARIANTS[variant])
        return [str(HERE / f"_{variant}.py"), str(self.folder), url, str(workers)]

    def phase(self, workers: int) -> dict[str, object]:
        """Every variant with so many workers, throughput and then calm."""
        plan = self.plan
        with ExitStack() as stack:
            servers = {"durable" if name == "tablet" else name for name in plan.variants}
            started = {
                name: stack.enter_context(
                    self.standing(name, VARIANTS[name], self.command(name, workers))
                )
                for name in VARIANTS
                if name in servers
            }
            if "tablet" in plan.variants:  # the server of DURABLE, asked in another way
                started["tablet"] = replace(started["durable"], name="tablet", batch=True)
            up = [started[name] for name in plan.variants]
            for standing in up:
                self.warm(standing)
            rush = self.rounds(up)
            calm = self.rounds(up, plan.calm_per_s)
        return summary(rush, calm)

    def warm(self, standing: Standing) -> None:
        """Until every connection of every process has prepared what it asks, or long enough."""
        served, ends = 0, time.monotonic() + LONGEST_WARM_S
        while served < self.plan.warm_requests and time.monotonic() < ends:
            served += self.window(standing, min(WARM_S, self.plan.seconds)).result[
                "acknowledged"
            ]
            if not served:
                raise SystemExit(f"{standing.name} stores nothing")

    def rounds(
        self, up: Sequence[Standing], rate: int | None = None
    ) -> dict[str, list[Repetition]]:
        """Each standing server measured once a round, in alternating order."""
        found: dict[str, list[Repetition]] = {standing.name: [] for standing in up}
        for number in range(self.plan.rounds):
            for standing in up if number % 2 == 0 else reversed(up):
                found[standing.name].append(self.repetition(standing, rate))
        return found

    def repetition(self, standing: Standing, rate: int | None) -> Repetition:
        """One window, done again while others use the processors; the quietest is kept."""
        tried: list[Repetition] = []
        while len(tried) <= self.plan.redone:
            tried.append(self.window(standing, self.plan.seconds, rate))
            if tried[-1].foreign <= self.plan.disturbed:
                break
        best = min(tried, key=lambda repetition: repetition.foreign)
        best.redone = len(tried) - 1
        return best

    def window(self, standing: Standing, seconds: float, rate: int | None = None) -> Repetition:
        result = self._load.run(
            tablets=standing.database,
            hub_id=self._hub_id,
            devices=[asdict(tablet) for tablet in self._tablets[standing.database]],
            batch=standing.batch,
            host=standing.host,
            port=standing.port,
            clients=self.plan.clients,
            ramp=RAMP_S,
            seconds=seconds,
            rate=rate,
            pids={
                "server": standing.pid,
                "postgres": self._postmaster,
                "load": self._load.pid,
                "ours": os.getpid(),
            },
        )
        if result["refused"] or result["unanswered"] or not result["counted"]:
            print(f"{standing.name}: {result}", file=sys.stderr)
        if standing.name != "empty":
            self.acknowledged[standing.database] += result["acknowledged"]
        result["rest_s"] = self.rest()
        foreign = (result["machine_cpu_s"] - result["cpu_s"]["ours"]) / result["elapsed"]
        return Repetition(result, round(foreign, 3))

    def rest(self, longest_s: float = LONGEST_REST_S) -> float:
        """Wait until none of our processes works any more; how many seconds that took.

        So no repetition pays for the one before, and what a service puts off shows here.
        """
        began = time.monotonic()
        while (now := time.monotonic()) - began < longest_s:
            before = _cpu.used({"ours": os.getpid()})
            time.sleep(LOOK_S)
            worked = _cpu.used({"ours": os.getpid()}).since(before).trees["ours"]
            if worked / LOOK_S <= AT_REST:
                break
        return round(now - began, 1)

    async def kept(self) -> dict[str, object]:
        """Acknowledgements held against the rows of each table and the tablets' counters.

        `lost` were acknowledged and are not all there; `surplus` are there without having been
        acknowledged, as an answer that never came leaves them. `rows_alike`: the databases hold
        rows of one shape, member by member, null where the others are null.
        """
        lost = surplus = 0
        shapes: list[str] = []
        for database in self._tablets:
            connection = await asyncpg.connect(plain(self.server.url(database)))
            try:
                counted = list(await connection.fetchrow(_ROWS))
                shapes.append(await connection.fetchval(_SHAPE))
            finally:
                await connection.close()
            lost += max(0, self.acknowledged[database] - min(counted))
            surplus += max(0, max(counted) - self.acknowledged[database])
        return {
            "acknowledged": sum(self.acknowledged.values()),
            "lost": lost,
            "surplus": surplus,
            "rows_alike": len(set(shapes)) == 1 if len(shapes) > 1 else None,
        }

    def machine(self) -> dict[str, object]:
        """What the figures were made on, and how."""
        told = asyncio.run(_machine.facts(self.folder, plain(self.server.url("postgres"))))
        plan = self.plan
        return {
            **told,
            "clients": plan.clients,
            "rounds": plan.rounds,
            "seconds": plan.seconds,
            "calm_per_s": plan.calm_per_s,
        }

    def profiled(self, seconds: float) -> str:
        """Where the time of the shipped service goes, by part and by function."""
        out = self.folder / "profile"
        self.furnish("twinstile")
        with subprocess.Popen(  # noqa: S603 # ourselves
            [sys.executable, str(HERE / "_profile.py"), str(self.folder), str(out)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            told = json.loads(child.stdout.readline()) if child.stdout else {}
            host, port = told["url"].removeprefix("http://").split(":")
            standing = Standing("profile", "twinstile", host, int(port), child.pid)
            self.warm(standing)
            requests = 0
            for _ in range(2):  # the profile begins with the first line and ends with the next
                child.stdin.write("\n")
                child.stdin.flush()
                if not requests:
                    requests = self.window(standing, seconds).result["acknowledged"]
        return _parts.report(out, requests)


_ROWS = """
SELECT (SELECT count(*) FROM "check"), (SELECT count(*) FROM screening),
       (SELECT count(*) FROM event WHERE kind = 'screening.checked'),
       (SELECT count(*) FROM vault),
       (SELECT coalesce(sum(upper(r) - lower(r)), 0)::bigint
        FROM device, unnest(counters) AS r)
"""

_SHAPE = """
WITH whole AS (
    SELECT to_jsonb(c) AS "check", to_jsonb(s) AS screening, to_jsonb(e) AS event,
           to_jsonb(v) AS vault
    FROM "check" c
    JOIN screening s USING (hub_id, screening_id)
    JOIN event e ON e.hub_id = c.hub_id AND e.subject_id = c.screening_id
    JOIN vault v ON v.hub_id = c.hub_id AND v.person_id = c.person_id
    WHERE c.verdict = 'PASS' AND NOT c.offline LIMIT 1
), members AS (
    SELECT t.key AS a, m.key AS b, m.value FROM whole w, jsonb_each(to_jsonb(w)) t,
           jsonb_each(t.value) m
    UNION ALL
    SELECT m.key, n.key, n.value FROM whole w, jsonb_each(to_jsonb(w)) t,
           jsonb_each(t.value) m, jsonb_each(m.value) n WHERE jsonb_typeof(m.value) = 'object'
)
SELECT string_agg(a || '.' || b || ' ' || jsonb_typeof(value), E'\\n' ORDER BY a, b)
FROM members
"""


class Load:
    """The process that plays the tablets."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 # ourselves
            [sys.executable, str(HERE / "_load.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def run(self, **order: object) -> dict:
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the load generator ended")
        return json.loads(line)

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)


@contextmanager
def opened(folder: Path, plan: Plan) -> Iterator[Bench]:
    """The database server and the load generator for the length of the block."""
    with embedded_server.start(folder) as server, contextlib.closing(Load()) as load:
        yield Bench(folder, plan, server, load)


def no_workers() -> str | None:
    """Why the service cannot be measured with two workers, or None if it can."""
    told = subprocess.run(
        [sys.executable, "-m", "twinstile", "serve", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200", "TERM": "dumb"},
    )
    return None if "--workers" in told.stdout else "`twinstile serve` has no --workers"


def plain(url: str) -> str:
    """An address as asyncpg reads it."""
    return url.replace("postgresql+asyncpg://", "postgresql://")
