"""A keeper of master keys that takes its time holds up nobody, and loses nobody."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import people
import pytest
from httpx2 import Response
from hubs import Hub
from timing import going_on

from twinstile.platform.security.roles import Role

FEVER = {"value": 38.4, "method": "EAR"}
STALLED_S = 0.6


async def test_a_slow_keeper_of_masters_holds_up_nobody_after_a_restart(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No key is in memory: a check needs those of the epochs, a look-up what it shows."""
    number = people.resident_number()
    first = await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(1, number)
    )
    assert first.status_code == 201
    keys = hub.runtime.keys.of(hub.hub_id)
    honest = keys._masters.unwrap

    def slow(master_id: str, wrapped: bytes) -> bytes:
        time.sleep(0.8)  # as the process of a command would
        return honest(master_id, wrapped)

    monkeypatch.setattr(keys._masters, "unwrap", slow)
    keys._cache.clear()
    asked = {"document": people.document(number), "purpose": "IDENTIFICATION"}
    async with going_on(STALLED_S):
        path, check = f"/v1/checks/{people.new_id()}", people.check(2, number)
        checked, found = await asyncio.gather(
            until_there(lambda: hub.client().put(path, json=check)),
            until_there(lambda: hub.client(Role.ASSISTANT).post("/v1/lookups", json=asked)),
        )
    assert (checked.status_code, found.json()["name"]) == (201, "张*")


async def until_there(ask: Callable[[], Awaitable[Response]]) -> Response:
    """The answer once the keys have come."""
    for _ in range(10):
        answer = await ask()
        if answer.status_code != 503:
            break
        assert answer.json()["type"] == "/problems/keys-unavailable"
        await asyncio.sleep(0.3)
    return answer


async def test_a_slow_keeper_of_masters_delays_its_case_and_nothing_else(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, medic = people.resident_number(), hub.client(Role.MEDIC)
    await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(1, number, celsius=38.1)
    )
    honest = hub.runtime.keys.masters.wrap

    def slow(master_id: str, key: bytes) -> bytes:
        time.sleep(1.2)  # as the process of a command would
        return honest(master_id, key)

    monkeypatch.setattr(hub.runtime.keys.masters, "wrap", slow)
    url, again = f"/v1/checks/{people.new_id()}", people.check(1, number, temperature=FEVER)
    async with going_on(STALLED_S):
        # what comes behind the first is one batch, which the slow case makes fail
        before, first, *behind = await asyncio.gather(
            hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check(2)),
            medic.put(url, json=again),
            *(
                hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check(n))
                for n in range(3, 8)
            ),
        )
        assert first.json()["type"] == "/problems/keys-unavailable"
        first = await until_there(lambda: medic.put(url, json=again))
    assert {answer.status_code for answer in (before, *behind)} == {201}
    assert first.json()["case_no"]
