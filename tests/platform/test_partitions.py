"""Months of checks, made ahead of time; a clock that runs ahead stops no start."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import people
import pytest
from hubs import Hub
from sqlalchemy.engine import make_url

from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import schema
from twinstile.platform.ops import clock


def id_of(moment: datetime) -> UUID:
    """A UUIDv7 of that moment, with the random bits of another."""
    ahead = (int(moment.timestamp() * 1000) << 80) | (people.new_id().int & ((1 << 80) - 1))
    return UUID(int=ahead)


async def connect(place: DatabaseTarget) -> asyncpg.Connection:
    url = make_url(place.owner_url).set(drivername="postgresql")
    return await asyncpg.connect(url.render_as_string(hide_password=False))


async def made(place: DatabaseTarget, start: datetime) -> list[bool]:
    """Whether there is a partition, for each month from `start` that is made ahead."""
    index = start.year * 12 + start.month - 1
    names = [
        f"check_{month // 12}_{month % 12 + 1:02}"
        for month in range(index, index + schema.MONTHS_AHEAD + 1)
    ]
    owner = await connect(place)
    try:
        return [
            await owner.fetchval("SELECT to_regclass($1)", name) is not None for name in names
        ]
    finally:
        await owner.close()


async def test_a_check_of_a_month_to_come_stops_neither_the_job_nor_a_start(
    hub: Hub, place: DatabaseTarget, logged: Callable[[], str]
) -> None:
    later = clock.now() + timedelta(days=200)
    path = f"/v1/checks/{id_of(later)}"
    answer = await hub.client().put(path, json=people.check())
    assert answer.status_code == 201
    await schema.keep_partitions(place.owner_url, later)
    assert await made(place, later) == [False, True, True, True]
    assert logged().count("partition.skipped") == 1
    await startup.prepare(place)
    assert (await hub.client().get(path)).status_code == 200


@pytest.mark.usefixtures("runtime")
async def test_a_busy_table_is_not_waited_for_long(
    place: DatabaseTarget, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    monkeypatch.setattr(schema, "LOCK_TIMEOUT", "20ms")
    later = clock.now() + timedelta(days=800)
    owner = await connect(place)
    try:
        async with owner.transaction():
            await owner.execute('LOCK TABLE "check" IN ROW EXCLUSIVE MODE')
            await schema.keep_partitions(place.owner_url, later)
            assert logged().count("LockNotAvailableError") == schema.MONTHS_AHEAD + 1
    finally:
        await owner.close()
    await schema.keep_partitions(place.owner_url, later)
    assert await made(place, later) == [True] * (schema.MONTHS_AHEAD + 1)
