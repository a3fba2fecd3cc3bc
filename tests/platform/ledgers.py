"""A hub's ledger as another program reads it: nothing here calls the code that seals."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from twinstile.platform import clock, events, ledger
from twinstile.platform.db import Database
from twinstile.platform.events import Happening
from twinstile.platform.web import House

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BODY = {
    "reason": 'sch\u00f6n "quoted" \\ \n\t\u0001 \u5f20\u4f1f \U0001f600',
    "b": [1, -5, 1.50, 1e3, True, None, {"zz": 1, "a": {}}],
    "aa": "",
}


async def enter(
    house: House, hub_id: str, count: int, kind: str = "test.happened", **more: object
) -> list[UUID]:
    """So many events in one transaction; their ids in order."""
    made = [
        Happening(
            hub_id,
            kind,
            uuid4(),
            clock.now(),
            {**BODY, "i": i, **more},
            uuid4() if i % 2 else None,
            uuid4() if i % 3 else None,
            event_id=uuid7(),
        )
        for i in range(count)
    ]
    async with house.database.transaction() as tx:
        await events.append(tx, made)
    return [happening.event_id for happening in made if happening.event_id]


async def seal(database: Database, hub_id: str) -> int:
    """Seal one hub to the end; how many entries that made."""
    total, deadline = 0, asyncio.get_running_loop().time() + 60
    while True:
        async with database.transaction() as tx:
            sealed = await ledger.seal(tx, hub_id, clock.now())
        total += sealed
        async with database.reading() as tx:
            row = await tx.raw.fetchrow(
                "SELECT count(*) FROM event e WHERE hub_id = $1 AND (SELECT n FROM ledger"
                " l WHERE l.hub_id = e.hub_id AND l.event_id = e.event_id) IS NULL",
                hub_id,
            )
        if row is not None and row[0] == 0:
            return total
        assert asyncio.get_running_loop().time() < deadline, "the fence never moved"
        if not sealed:
            await asyncio.sleep(0.02)  # another test's transaction is open


async def entries(house: House, hub_id: str) -> list[tuple[int, UUID, bytes]]:
    async with house.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT n, event_id, link FROM ledger WHERE hub_id = $1 ORDER BY n", hub_id
        )
    return [(n, event_id, link) for n, event_id, link in rows]


async def contents(house: House, hub_id: str) -> dict[UUID, str]:
    """The content of each event, made from its columns by the words of the documentation."""
    async with house.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT event_id, at, kind, subject_id, device_id, operator_id, body::text"
            " FROM event WHERE hub_id = $1",
            hub_id,
        )
    return {
        row[0]: content([hub_id, *row[:1], microseconds(row[1]), *row[2:6], row[6]])
        for row in rows
    }


def microseconds(moment: datetime) -> int:
    passed = moment - EPOCH
    return (passed.days * 86400 + passed.seconds) * 1_000_000 + passed.microseconds


def content(columns: Sequence[object]) -> str:
    *plain, body = columns
    words = [str(value) if isinstance(value, UUID) else value for value in plain]
    return f"{json.dumps(words, ensure_ascii=False)[:-1]}, {_printed(body)}]"


def _printed(body: object) -> str:
    """JSON as PostgreSQL prints it, by the rules of the documentation."""
    assert isinstance(body, str)
    return json.dumps(_ordered(json.loads(body)), ensure_ascii=False)


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
        return {name: _ordered(value[name]) for name in names}
    return [_ordered(part) for part in value] if isinstance(value, list) else value


def chained(contents_in_order: Sequence[str]) -> list[bytes]:
    """The links of the documentation."""
    links: list[bytes] = []
    previous = bytes(32)
    for n, text in enumerate(contents_in_order, 1):
        previous = hashlib.sha256(previous + n.to_bytes(8, "big") + text.encode()).digest()
        links.append(previous)
    return links
