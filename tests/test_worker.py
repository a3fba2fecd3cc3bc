"""The jobs of the clock, run as the schedule runs them."""

from datetime import date, datetime, time, timedelta

import module_database
import people
import pytest
from hubs import Hub

from twinstile import worker
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.screening import retention

place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)


async def test_days_end_in_the_zone_of_the_settings_whatever_the_hub_was_opened_with(
    hub: Hub, place: DatabaseTarget
) -> None:
    owner = Database(place.owner_url, pool_size=1)
    async with owner.transaction() as tx:
        await tx.raw.execute(
            "UPDATE hub SET timezone = 'Etc/GMT+12' WHERE hub_id = $1", hub.hub_id
        )
    await owner.close()
    checked = await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check())
    assert checked.status_code == 201
    keys = hub.runtime.keys.of(hub.hub_id)
    (day,) = (date.fromisoformat(name.removeprefix("day.")) for name in keys.names("day."))
    jobs = {job.name: job for job in worker.jobs_of(hub.runtime, place)}
    end = datetime.combine(day + timedelta(days=15), time(), hub.runtime.settings.zone)
    await jobs["retention"].work(end - timedelta(seconds=1))
    assert keys.names("day.")
    await jobs["retention"].work(end)
    assert not keys.names("day.")


async def test_nothing_is_destroyed_by_a_clock_that_jumped(
    hub: Hub, place: DatabaseTarget
) -> None:
    """Weeks ahead it would end the keys of today, and every check with them, beyond repair."""
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check(1))
    began, keys = clock.now(), hub.runtime.keys.of(hub.hub_id)
    elapsed = [0.0]
    watch = clock.ClockWatch(began, lambda: elapsed[0])
    jobs = {job.name: job for job in worker.jobs_of(hub.runtime, place, watch.steady)}
    await jobs["retention"].work(began + timedelta(days=45))
    assert keys.names("day.")
    after = await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check(2))
    assert after.status_code == 201
    assert not watch.steady(began)  # set right again, which is a jump too
    elapsed[0] = clock.CALM_S + 1
    assert watch.steady(began + timedelta(seconds=elapsed[0]))
    elapsed[0] = 45 * 86_400
    await jobs["retention"].work(began + timedelta(seconds=elapsed[0]))
    assert not keys.names("day.")


async def test_retention_forgets_manifests_and_identities_of_every_hub(
    hub: Hub, place: DatabaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    supervisor, run = hub.client(Role.SUPERVISOR), people.new_id()
    arrival = people.now()
    await supervisor.put(
        f"/v1/runs/{run}",
        json={
            "mode": "RAIL",
            "service_no": "G1",
            "service_date": arrival[:10],
            "origin": "Beijing South",
            "terminus": "Hangzhou East",
            "scheduled_arrival": arrival,
        },
    )
    entries = [{"entry_id": str(n), "document": people.document()} for n in range(3)]
    await supervisor.put(f"/v1/runs/{run}/manifest", json={"batch": 1, "entries": entries})
    for counter, entry in enumerate(entries, 1):
        identity = {"document": entry["document"], "result": "MATCH"}
        checked = await hub.client().put(
            f"/v1/checks/{people.new_id()}", json=people.check(counter, identity=identity)
        )
        seen = await supervisor.get(f"/v1/screenings/{checked.json()['screening_id']}")
        assert seen.json()["run_id"] == str(run)
        assert "entry_id" not in seen.json()
    jobs = {job.name: job for job in worker.jobs_of(hub.runtime, place)}

    async def rows() -> tuple[int, int, int]:
        async with hub.runtime.database.reading() as tx:
            row = await tx.raw.fetchrow(
                "SELECT (SELECT count(*) FROM manifest_entry WHERE hub_id = $1),"
                " (SELECT count(*) FROM vault WHERE hub_id = $1),"
                " (SELECT count(entry_id) FROM screening WHERE hub_id = $1)",
                hub.hub_id,
            )
        assert row is not None
        return row[0], row[1], row[2]

    await jobs["retention"].work(clock.now() + timedelta(days=13))
    assert await rows() == (3, 3, 3)
    await jobs["retention"].work(clock.now() + timedelta(days=15, hours=1))
    assert await rows() == (0, 0, 0)
