"""The jobs of the clock, run as the schedule runs them."""

from datetime import timedelta

import people
from hubs import Hub

from twinstile import worker
from twinstile.opening import Place
from twinstile.platform import clock
from twinstile.platform.roles import Role


async def test_retention_forgets_manifests_and_identities_of_every_hub(
    hub: Hub, place: Place
) -> None:
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
    jobs = {job.name: job for job in worker.jobs_of(hub.house, place)}

    async def rows() -> tuple[int, int]:
        async with hub.house.database.reading() as tx:
            row = await tx.raw.fetchrow(
                "SELECT (SELECT count(*) FROM manifest_entry WHERE hub_id = $1),"
                " (SELECT count(*) FROM vault WHERE hub_id = $1)",
                hub.hub_id,
            )
        assert row is not None
        return row[0], row[1]

    await jobs["retention"].work(clock.now() + timedelta(days=13))
    assert await rows() == (3, 3)
    await jobs["retention"].work(clock.now() + timedelta(days=15, hours=1))
    assert await rows() == (0, 0)
