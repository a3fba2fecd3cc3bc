"""A channel by which nothing leaves is told to the commander, and only while it is so."""

from collections.abc import Sequence
from datetime import timedelta

import people
import pytest
from hubs import Hub, Service, open_hub
from people import Json
from reminded_runs import announced, reachable

from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock
from twinstile.platform.security.hub_modes import HubMode
from twinstile.platform.security.roles import Role
from twinstile.reminders import delivery_alert, health, sending
from twinstile.reminders.channels import FILE

NOW = timedelta()


async def look(hub: Hub, after: timedelta) -> None:
    await delivery_alert.look(sending.outbox(hub.runtime), hub.hub_id, clock.now() + after)


async def raised(hub: Hub) -> Sequence[Json]:
    commander = hub.client(Role.DUTY_COMMANDER)
    answer = await commander.get("/v1/alerts", params={"kind": "CHANNEL_DOWN"})
    assert answer.status_code == 200, answer.text
    told: list[Json] = answer.json()["alerts"]
    return told


async def fail(hub: Hub, code: str | None, after: timedelta) -> None:
    async with hub.runtime.database.transaction() as tx:
        await health.note(tx, hub.hub_id, FILE, code, clock.now() + after)


async def test_a_channel_that_fails_for_long_is_an_alert_until_it_works(hub: Hub) -> None:
    await fail(hub, "storage", NOW)
    await look(hub, timedelta(minutes=4))
    assert await raised(hub) == []
    for minutes in (6, 7):
        await look(hub, timedelta(minutes=minutes))
    (alert,) = await raised(hub)
    assert alert["facts"] == {"channel": FILE, "code": "storage"}
    assert "do not leave" in str(alert["text"]) or "发送受阻" in str(alert["text"])
    await fail(hub, None, timedelta(minutes=8))
    await look(hub, timedelta(minutes=8))
    assert await raised(hub) == []


async def test_five_failures_in_a_row_are_an_alert_at_once(hub: Hub) -> None:
    for _ in range(5):
        await fail(hub, "timeout", NOW)
    await look(hub, NOW)
    assert len(await raised(hub)) == 1


async def test_who_has_closed_it_is_left_in_peace_for_some_hours(hub: Hub) -> None:
    await fail(hub, "storage", NOW)
    await look(hub, timedelta(minutes=6))
    (alert,) = await raised(hub)
    closed = await hub.client(Role.SUPERVISOR).put(
        f"/v1/alerts/{alert['alert_id']}/closure", json={"reason": "the disk is being changed"}
    )
    assert closed.status_code == 200
    await look(hub, timedelta(hours=3))
    assert await raised(hub) == []
    await look(hub, timedelta(hours=5))
    assert len(await raised(hub)) == 1


@pytest.mark.parametrize(("mode", "count"), [(HubMode.PRODUCTION, 1), (HubMode.DEMO, 0)])
async def test_files_that_nobody_takes_are_an_alert_where_people_are_real(
    runtime: Runtime, service: Service, mode: HubMode, count: int
) -> None:
    hub = await open_hub(runtime, service, mode)
    run = await announced(hub)
    passport = {"kind": "PASSPORT", "number": "X77112", "issuer": "DEU"}
    await run.land([reachable(people.resident_number()) | {"document": passport}])
    await run.order()
    await run.work()
    late = timedelta(minutes=11)
    await look(hub, timedelta(minutes=9))
    assert await raised(hub) == []
    await look(hub, late)
    told = [alert["facts"] for alert in await raised(hub)]
    assert told == [{"channel": FILE, "code": "not-collected"}] * count
    for file in run.files():
        file.unlink()
    await run.work(late)
    await look(hub, late)
    assert await raised(hub) == []
