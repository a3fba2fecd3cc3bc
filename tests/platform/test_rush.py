"""A rush: no request waits for a second connection while it holds one, and turns are fair."""

import asyncio
import itertools
from dataclasses import replace

import httpx2
import people
from hubs import Hub

from twinstile.app import create_app
from twinstile.cli import serving
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.http.routes import Runtime
from twinstile.platform.security.auth import Gatekeeper

SIZE = 4


async def test_one_connection_is_enough_for_any_request(
    hub: Hub, place: DatabaseTarget
) -> None:
    """With a caller looked up every time, as when the memory of tokens runs out in a rush."""
    narrow = Database(place.service_url, pool_size=1, role=place.role)
    runtime = replace(hub.runtime, database=narrow, gatekeeper=Gatekeeper(narrow, remember_s=0))
    listening = serving.listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    headers = {"Authorization": f"Bearer {hub.tokens['screener']}"}
    async with (
        serving.running(create_app(runtime), listening),
        httpx2.AsyncClient(base_url=url, headers=headers, timeout=30) as client,
    ):
        check_id = people.new_id()
        first = await client.put(f"/v1/checks/{check_id}", json=people.check(1))
        read = await client.get(f"/v1/checks/{check_id}")
        rush = await asyncio.gather(
            *(
                client.put(f"/v1/checks/{people.new_id()}", json=people.check(n))
                for n in range(2, 10)
            )
        )
    assert (first.status_code, read.status_code) == (201, 200)
    assert {answer.status_code for answer in rush} == {201}


async def test_connections_are_had_in_the_order_they_were_asked_for(
    place: DatabaseTarget, runtime: Runtime
) -> None:
    """Whoever begins last of those whose turn it is may be overtaken, by few and not by all."""
    assert runtime.settings  # its schema is in place
    database = Database(place.service_url, pool_size=SIZE, role=place.role)
    await database.warm()
    asked = itertools.count()
    had: list[int] = []

    async def client() -> None:
        for _ in range(20):
            turn = next(asked)
            async with database.transaction() as tx:
                had.append(turn)
                await tx.raw.fetch("SELECT pg_sleep(0.01)")

    await asyncio.gather(*(client() for _ in range(8 * SIZE)))
    await database.close()
    overtook = [sum(one > turn for one in had[:at]) for at, turn in enumerate(had)]
    assert len(had) == 8 * SIZE * 20
    assert max(overtook) < 5 * SIZE, "some waited many turns while others went before them"
