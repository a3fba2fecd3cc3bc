"""Whether a hub grows slow: DURABLE on ten thousand stored checks, and on two million.

Both lie in databases of their own on one server, are measured in alternating order, and are
filled alike: real checks are stored through the service, then copied by SQL with new ids,
people and moments, so that the copies are as large and as varied in their columns as real rows.
They spread over the past days in the order of their ids, each a person of its own, all passages
closed. Then the copied events are sealed, and both databases vacuumed, analysed and written out
by a checkpoint.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

import asyncpg
from _bench import Bench, Standing, plain

from twinstile.platform.db.database import Database
from twinstile.platform.ledger import sealer

DATABASES = {"small": "twinstile", "large": "grown"}
SMALL = 10_000
DAYS = 13
"""The filled days: less than any retention, so that no job begins to clear them away."""
CHUNK = 250_000
TEMPLATES = 500
AFTER_FILLING_S = 60.0
"""For what the server still does about the filled tables by itself."""

_TEMPLATES = """
CREATE TEMP TABLE template AS
SELECT row_number() OVER () - 1 AS of, c.id AS check_id, c.screening_id, c.person_id,
       e.event_id
FROM "check" c
JOIN screening s ON s.hub_id = c.hub_id AND s.screening_id = c.screening_id
                AND s.closed_at IS NOT NULL AND s.checks = 1
JOIN event e ON e.hub_id = c.hub_id AND e.subject_id = c.screening_id
            AND e.kind = 'screening.checked'
WHERE c.verdict = 'PASS' LIMIT $1
"""
_COPIES = """
CREATE TEMP TABLE copy AS
SELECT i, i % (SELECT count(*) FROM template) AS of, age, uuidv7(-age) AS id,
       uuidv7(-age) AS event_id, gen_random_uuid() AS person_id,
       sha256(gen_random_uuid()::text::bytea) AS blind
FROM generate_series($1::int, $2::int - 1) AS i,
     LATERAL (SELECT make_interval(secs => 86400.0 * $4 * ($3 - i) / $3) AS age) a
"""
_SOURCES = {
    "vault": "v.person_id = t.person_id",
    "screening": "v.screening_id = t.screening_id",
    "check": "v.id = t.check_id",
    "event": "v.event_id = t.event_id",
}
_DAY = "(now() - n.age)::date"
_NEW = {
    ("check", "id"): "n.id",
    ("event", "event_id"): "n.event_id",
    ("event", "subject_id"): "n.id",
    ("event", "body"): "jsonb_set(v.body, '{check}', to_jsonb(n.id))",
    ("screening", "fold"): "jsonb_set(v.fold, '{at}', to_jsonb(v.opened_at - n.age))",
    ("vault", "day"): _DAY,
    ("vault", "blind"): "n.blind",
    ("vault", "first_epoch"): f"({_DAY} - DATE '0001-01-01' + 1) / 14",
}
"""What a copy does not take over from the row it is copied from."""
_EVERYWHERE = {"screening_id": "n.id", "person_id": "n.person_id"}


def measured(bench: Bench, stored: int) -> dict[str, object]:
    """Requests a second on either database, and their ratio, round by round."""
    began = time.monotonic()
    with ExitStack() as stack:
        up = _standing(bench, stack)
        for standing in up:
            bench.window(standing, 2.0)
    counts = {
        name: asyncio.run(filled(bench, database, SMALL if name == "small" else stored))
        for name, database in DATABASES.items()
    }
    filling = time.monotonic() - began
    with ExitStack() as stack:
        up = _standing(bench, stack)
        for standing in up:
            bench.warm(standing)
        bench.rest(AFTER_FILLING_S)
        found = bench.rounds(up)
    ratios = [a.rps / b.rps for a, b in zip(found["large"], found["small"], strict=True)]
    rps = {name: round(statistics.median(r.rps for r in each)) for name, each in found.items()}
    every = [repetition for each in found.values() for repetition in each]
    return {
        "growth_ratio": round(statistics.median(ratios), 3),
        "growth_ratios": [round(ratio, 3) for ratio in ratios],
        "rps_10k": rps["small"],
        "rps_2m": rps["large"],
        "stored": counts,
        "cpu_us": {
            name: {
                tree: round(statistics.median(r.cpu_us(tree) for r in each))
                for tree in ("server", "postgres")
            }
            for name, each in found.items()
        },
        "foreign_cpu": {
            "median": statistics.median(r.foreign for r in every),
            "highest": max(r.foreign for r in every),
        },
        "repetitions_redone": sum(r.redone for r in every),
        "filling_s": round(filling),
    }


def _standing(bench: Bench, stack: ExitStack) -> list[Standing]:
    up = []
    for name, database in DATABASES.items():
        bench.furnish(database)
        up.append(
            stack.enter_context(
                bench.standing(
                    name,
                    database,
                    bench.command("durable", 1),
                    TWINSTILE_DATABASE_URL=plain(bench.url(database)),
                    TWINSTILE_OWNER_DATABASE_URL=plain(bench.server.url(database)),
                )
            )
        )
    return up


async def filled(bench: Bench, database: str, wanted: int) -> int:
    """Copy checks until there are `wanted`; how many there are."""
    connection = await asyncpg.connect(plain(bench.server.url(database)))
    try:
        await connection.execute("SET synchronous_commit = off; SET timezone = 'Asia/Shanghai'")
        await connection.execute(
            "SET work_mem = '64MB'; SET plan_cache_mode = force_custom_plan"
        )
        await connection.execute(_TEMPLATES.replace("$1", str(TEMPLATES)))
        there = await connection.fetchval('SELECT count(*) FROM "check"')
        missing = max(0, wanted - there)
        for start in range(0, missing, CHUNK):
            end = min(start + CHUNK, missing)
            await _copy(connection, start, end, missing)
            print(f"{database}: {there + end:,} checks stored", file=sys.stderr, flush=True)
        await _seal(bench.url(database))
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
        return await connection.fetchval('SELECT count(*) FROM "check"')
    finally:
        await connection.close()


async def _seal(url: str) -> None:
    """Enter the copied events in the ledger, as the service would have done day by day."""
    database = Database(url, pool_size=1)
    try:
        await sealer.seal(database)
    finally:
        await database.close()


async def _copy(connection: asyncpg.Connection, start: int, end: int, of: int) -> None:
    series = _COPIES.replace("$1", str(start)).replace("$2", str(end))
    await connection.execute(series.replace("$3", str(of)).replace("$4", str(DAYS)))
    await connection.execute("ANALYZE copy")
    for table, match in _SOURCES.items():
        columns: Sequence[tuple[str, str]] = [
            (name, kind)
            for name, kind in await connection.fetch(_COLUMNS, table)
            if name != "tx"  # that of the event's own transaction
        ]
        names = ", ".join(name for name, _ in columns)
        values = ", ".join(_value(table, name, kind) for name, kind in columns)
        await connection.execute(
            f'INSERT INTO "{table}" ({names}) SELECT {values} FROM copy n'  # noqa: S608 # ours
            f' JOIN template t USING (of) JOIN "{table}" v ON {match} ORDER BY n.i'
        )
    await connection.execute("DROP TABLE copy")


_COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position
"""


def _value(table: str, name: str, kind: str) -> str:
    """What a copy has in that column."""
    if new := _NEW.get((table, name)) or _EVERYWHERE.get(name):
        return new
    return f"v.{name} - n.age" if kind == "timestamp with time zone" else f"v.{name}"
