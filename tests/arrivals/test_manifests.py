"""Manifests as carriers send them: late, twice, empty, cut short."""

from collections.abc import Sequence
from uuid import UUID

import people
from hubs import Hub

from twinstile.platform.roles import Role


async def announce(hub: Hub, run: UUID, service_no: str = "G1") -> UUID:
    arrival = people.now()
    answer = await hub.client(Role.SUPERVISOR).put(
        f"/v1/runs/{run}",
        json={
            "mode": "RAIL",
            "service_no": service_no,
            "service_date": arrival[:10],
            "origin": "Beijing South",
            "terminus": "Hangzhou East",
            "scheduled_arrival": arrival,
        },
    )
    assert answer.status_code == 200
    return run


def travellers(count: int) -> list[people.Json]:
    return [{"entry_id": str(n), "document": people.document()} for n in range(count)]


async def land(hub: Hub, run: UUID, batch: int, entries: Sequence[people.Json]) -> people.Json:
    answer = await hub.client(Role.SUPERVISOR).put(
        f"/v1/runs/{run}/manifest", json={"batch": batch, "entries": entries}
    )
    assert answer.status_code == 200
    told: people.Json = answer.json()
    return told


def changed(*, expected: int, withdrawn: int = 0) -> people.Json:
    return {"applied": True, "expected": expected, "withdrawn": withdrawn}


async def test_a_manifest_withdraws_whom_it_no_longer_names_and_takes_them_back(
    hub: Hub,
) -> None:
    run, entries = await announce(hub, people.new_id()), travellers(3)
    assert await land(hub, run, 1, entries) == changed(expected=3)
    assert await land(hub, run, 2, entries[:1]) == changed(expected=1, withdrawn=2)
    assert await land(hub, run, 3, entries[:2]) == changed(expected=2)


async def test_a_batch_older_than_an_empty_one_changes_nothing(hub: Hub) -> None:
    run = await announce(hub, people.new_id())
    assert await land(hub, run, 5, []) == changed(expected=0)
    late = await land(hub, run, 3, travellers(2))
    assert late == {"applied": False, "expected": 0, "withdrawn": 0}
    assert await land(hub, run, 6, travellers(2)) == changed(expected=2)


async def test_the_same_batch_again_changes_nothing(hub: Hub) -> None:
    run, entries = await announce(hub, people.new_id()), travellers(3)
    assert await land(hub, run, 4, entries) == changed(expected=3)
    assert await land(hub, run, 4, entries) == changed(expected=3)


async def test_the_same_batch_with_fewer_names_withdraws_the_others(hub: Hub) -> None:
    run, entries = await announce(hub, people.new_id()), travellers(3)
    await land(hub, run, 4, entries)
    assert await land(hub, run, 4, entries[1:]) == changed(expected=2, withdrawn=1)
    assert await land(hub, run, 4, []) == changed(expected=0, withdrawn=2)


async def test_a_corrected_run_remembers_its_batch(hub: Hub) -> None:
    run = await announce(hub, people.new_id())
    await land(hub, run, 5, [])
    await announce(hub, run, "G3")
    assert (await land(hub, run, 4, travellers(1)))["applied"] is False
