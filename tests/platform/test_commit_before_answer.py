"""The promise behind every 2xx: it leaves after the commit, and never without one.

The commit is made slow, made to fail or cut off by a deferred trigger, which PostgreSQL fires
while it commits: no other place in the service is touched.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from uuid import UUID

import people
import pytest
from httpx2 import Response
from hubs import Hub
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from twinstile.operations.startup import DatabaseTarget

SLOW = "PERFORM pg_sleep(0.4);"
FAILING = "RAISE EXCEPTION 'the commit fails';"
CUT = "PERFORM pg_terminate_backend(pg_backend_pid());"


@asynccontextmanager
async def commits(place: DatabaseTarget, hub: Hub, act: str) -> AsyncGenerator[None]:
    """While this lasts, committing a check of this hub does `act`."""
    engine = create_async_engine(
        make_url(place.owner_url).set(drivername="postgresql+asyncpg"),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
    )
    name = f"commit_{hub.hub_id}"
    async with engine.connect() as owner:
        await owner.execute(
            text(
                f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER"
                f" AS $$ BEGIN {act} RETURN NULL; END $$"
            )
        )
        await owner.execute(
            text(
                f'CREATE CONSTRAINT TRIGGER {name} AFTER INSERT ON "check"'
                f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
                f" WHEN (NEW.hub_id = '{hub.hub_id}') EXECUTE FUNCTION {name}()"
            )
        )
        try:
            yield
        finally:
            await owner.execute(text(f'DROP TRIGGER {name} ON "check"'))
            await owner.execute(text(f"DROP FUNCTION {name}()"))
    await engine.dispose()


async def send(hub: Hub, check_id: UUID, body: people.Json) -> Response:
    return await hub.client().put(f"/v1/checks/{check_id}", json=body)


async def is_stored(hub: Hub, check_id: UUID) -> bool:
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            'SELECT EXISTS (SELECT FROM "check" WHERE hub_id = $1 AND id = $2)',
            hub.hub_id,
            check_id,
        )
    assert row is not None
    return row[0]


async def test_the_answer_leaves_after_a_slow_commit(place: DatabaseTarget, hub: Hub) -> None:
    check_id, body = people.new_id(), people.check()
    async with commits(place, hub, SLOW):
        answering = asyncio.create_task(send(hub, check_id, body))
        stored_first = False
        while not answering.done():
            stored_first = await is_stored(hub, check_id)
            await asyncio.sleep(0.01)
        assert answering.result().status_code == 201
        assert stored_first or await is_stored(hub, check_id)
        assert answering.result().elapsed.total_seconds() >= 0.4


@pytest.mark.parametrize(("act", "status"), [(FAILING, 500), (CUT, 503)])
async def test_a_commit_that_fails_is_never_a_success_and_a_resend_settles_it(
    place: DatabaseTarget, hub: Hub, act: str, status: int
) -> None:
    check_id, body = people.new_id(), people.check()
    async with commits(place, hub, act):
        answer = await send(hub, check_id, body)
        assert answer.status_code == status
        assert answer.json()["stored"] is None
        assert answer.headers["content-type"] == "application/problem+json"
        assert not await is_stored(hub, check_id)
    assert (await send(hub, check_id, body)).status_code == 201
    assert await is_stored(hub, check_id)


async def test_a_batch_whose_commit_is_cut_off_is_unknown_not_acknowledged(
    place: DatabaseTarget, hub: Hub
) -> None:
    facts = [people.new_id() for _ in range(3)]
    items = [
        {"kind": "check", "id": str(fact), "counter": counter, "body": people.fact()}
        for counter, fact in enumerate(facts, 1)
    ]
    body = {"sent_at": people.now(), "items": items}
    async with commits(place, hub, CUT):
        answer = await hub.client().post("/v1/facts:batch", json=body)
        acknowledged = answer.status_code == 200 and any(
            item["status"] != "retry" for item in answer.json()["items"]
        )
        assert not acknowledged
        assert not any([await is_stored(hub, fact) for fact in facts])
    again = (await hub.client().post("/v1/facts:batch", json=body)).json()
    assert {item["status"] for item in again["items"]} == {"stored"}
