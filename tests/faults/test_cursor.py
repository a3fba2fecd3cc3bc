"""F20: eight writers, a fifth of whose commits are slow; the feed's cursor skips nothing.

A reader with the usual cursor (ids beyond the last one seen) reads the same events at the same
time: it must lose some, else the writers did not try hard enough and the test shows nothing.
"""

import asyncio
import random
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import UUID, uuid4

import partner_systems
import pytest
from hubs import Hub
from partner_systems import Department

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.ledger import events, sealer
from twinstile.platform.ledger.events import Event
from twinstile.platform.ops import clock

WRITERS = 8
EACH = 650
SLOW = 0.2
KIND = "case.overdue"


@pytest.fixture
async def sealing(hub: Hub, place: DatabaseTarget, tmp_path: Path) -> AsyncGenerator[None]:
    """The sealer as every process of a service runs it; two of them, as in two processes."""
    stop = asyncio.Event()
    pools = [Database(place.service_url, pool_size=1, role=place.role) for _ in range(2)]
    running = [
        asyncio.create_task(sealer.run(pool, hub.runtime.keys, tmp_path / "audit.jsonl", stop))
        for pool in pools
    ]
    yield
    stop.set()
    await asyncio.gather(*running)
    for pool in pools:
        await pool.close()


async def write(database: Database, hub_id: str, writer: int) -> None:
    dice = random.Random(writer)
    for i in range(EACH):
        happening = Event(hub_id, KIND, uuid4(), clock.now(), {"case_no": f"{writer}-{i}"})
        async with database.transaction() as tx:
            await events.append(tx, [happening])
            if dice.random() < SLOW:
                await asyncio.sleep(dice.uniform(0.005, 0.05))


async def follow(department: Department, done: asyncio.Event) -> list[str]:
    """Everything the feed says until it has nothing more after the writers were done."""
    got: list[str] = []
    after = None
    while True:
        last = done.is_set()
        response = await department.changes(after=after, limit=500, wait=2)
        assert response.status_code == 200, response.text
        answer = response.json()
        got += [change["fields"]["case_no"] for change in answer["changes"]]
        after = answer["next"]
        await asyncio.sleep(0.3)  # within the quota of requests
        if last and not answer["changes"] and not answer["more"]:
            return got


async def follow_naively(database: Database, hub_id: str, done: asyncio.Event) -> list[str]:
    """The usual cursor: what has a greater id than the last one seen."""
    got: list[str] = []
    last_id = UUID(int=0)
    while True:
        last = done.is_set()
        async with database.reading() as tx:
            rows = await tx.raw.fetch(
                "SELECT event_id, body ->> 'case_no' FROM event WHERE hub_id = $1"
                " AND kind = $2 AND event_id > $3 ORDER BY event_id LIMIT 500",
                hub_id,
                KIND,
                last_id,
            )
        got += [case_no for _, case_no in rows]
        if rows:
            last_id = rows[-1][0]
        elif last:
            return got
        await asyncio.sleep(0.05)


@pytest.mark.usefixtures("sealing")
@pytest.mark.timeout(300)
async def test_the_feed_skips_nothing_where_the_usual_cursor_does(
    hub: Hub, place: DatabaseTarget
) -> None:
    department = await partner_systems.enter(hub)
    database = Database(place.service_url, pool_size=WRITERS + 1, role=place.role)
    done = asyncio.Event()
    reading = asyncio.gather(
        follow(department, done), follow_naively(database, hub.hub_id, done)
    )
    await asyncio.gather(*(write(database, hub.hub_id, n) for n in range(WRITERS)))
    done.set()
    fed, naive = await reading
    await database.close()
    written = {f"{writer}-{i}" for writer in range(WRITERS) for i in range(EACH)}
    assert len(written) >= 5000
    assert set(fed) == written
    assert len(fed) == len(written)
    assert len(set(naive)) < len(written), "the mutant was not caught: commits were too quick"
