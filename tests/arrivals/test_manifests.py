"""Manifests as carriers send them: late, twice, empty, cut short."""

from collections.abc import Sequence
from uuid import UUID

import people
from hubs import Hub

from twinstile.platform.security.roles import Role


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


async def _seats_before(hub: Hub, run: UUID) -> list[tuple[object, ...]]:
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT entry_id, coach, seat FROM seat_before WHERE hub_id = $1 AND run_id = $2"
            " ORDER BY until, entry_id",
            hub.hub_id,
            run,
        )
    return [tuple(row) for row in rows]


async def test_where_somebody_had_been_placed_is_kept_when_they_move(hub: Hub) -> None:
    run, (one, other) = await announce(hub, people.new_id()), travellers(2)
    await land(hub, run, 1, [{**one, "coach": "3", "seat": "12A"}, {**other, "coach": "3"}])
    moved = [{**one, "coach": "5", "seat": "1F"}, {**other, "coach": "3"}]
    await land(hub, run, 2, moved)
    await land(hub, run, 2, moved)
    assert await _seats_before(hub, run) == [("0", "3", "12A")]
    await land(hub, run, 3, [{**moved[0], "coach": "6"}])
    assert await _seats_before(hub, run) == [("0", "3", "12A"), ("0", "5", "1F")]


async def test_roles_parties_and_stops_are_kept_of_a_run(hub: Hub) -> None:
    run, (one,) = await announce(hub, people.new_id()), travellers(1)
    await land(hub, run, 1, [{**one, "role": "CREW", "party": "P1"}])
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT role, party FROM manifest_entry WHERE hub_id = $1 AND run_id = $2",
            hub.hub_id,
            run,
        )
    assert row is not None
    assert tuple(row) == ("CREW", "P1")
    stops = ["Beijing South", "Jinan West", "Hangzhou East"]
    body = {
        "mode": "RAIL",
        "service_no": "G31",
        "service_date": people.now()[:10],
        "origin": stops[0],
        "terminus": stops[-1],
        "scheduled_arrival": people.now(),
        "stops": stops,
    }
    answer = await hub.client(Role.SUPERVISOR).put(f"/v1/runs/{people.new_id()}", json=body)
    assert answer.json()["stops"] == stops
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1)}
    listed = await hub.client(Role.SUPERVISOR).get("/v1/runs", params=period)
    assert {tuple(one["stops"]) for one in listed.json()["runs"]} == {(), tuple(stops)}
