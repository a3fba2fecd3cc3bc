"""Alerts: raised with what they tell, passed on by the clock, closed by people or events."""

import people
import step_bodies
import worker_clock
from hubs import Hub, open_hub

from twinstile.platform.security.roles import Role


async def flagged(hub: Hub, number: str | None = None) -> str:
    body = people.check(1, number, celsius=38.0)
    answer = await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    return str(answer.json()["screening_id"])


async def listed(hub: Hub, **query: str) -> list[people.Json]:
    answer = await hub.client().get(
        "/v1/alerts", params=query, headers={"Accept-Language": "zh-CN"}
    )
    assert answer.status_code == 200, answer.text
    alerts: list[people.Json] = answer.json()["alerts"]
    return alerts


async def told(hub: Hub, kind: str) -> list[people.Json]:
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT body FROM event WHERE hub_id = $1 AND kind = $2", hub.hub_id, kind
        )
    return [row[0] for row in rows]


async def test_who_walks_off_is_looked_for_and_after_a_day_by_the_authority(hub: Hub) -> None:
    screening, other = await flagged(hub), await open_hub(hub.runtime, hub.service)
    await step_bodies.take(hub, Role.SCREENER, screening, "absconded")
    (alert,) = await listed(hub)
    assert (alert["kind"], alert["subject_id"]) == ("ABSCONDED", screening)
    assert alert["text"] == "可疑人员擅自离开"
    assert alert["facts"]["last_lane"] == "north-s"
    assert await listed(other) == []
    await worker_clock.later(hub, hours=23)
    assert (await listed(hub))[0]["level"] == 0
    await worker_clock.later(hub, hours=25)
    await worker_clock.later(hub, hours=60)
    (alert,) = await listed(hub)
    assert (alert["level"], alert["due_at"]) == (1, None)
    assert [event["to"] for event in await told(hub, "alert.escalated")] == ["authority"]


async def test_who_is_found_again_is_known_and_no_longer_looked_for(hub: Hub) -> None:
    number = people.resident_number()
    held = await flagged(hub, number)
    await step_bodies.take(hub, Role.MEDIC, held, "confirmed_abnormal")
    await step_bodies.take(hub, Role.MEDIC, held, "absconded")
    await worker_clock.later(hub, minutes=1)
    assert len(await listed(hub)) == 1
    back = await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check(2, number))
    assert back.json()["state"] == "SECONDARY"
    assert [r["rule_id"] for r in back.json()["reasons"]] == ["PRIOR-HOLD"]
    await worker_clock.later(hub, minutes=2)
    assert await listed(hub) == []
    (alert,) = await listed(hub, closed="true")
    assert (alert["closed_by"], alert["closed_reason"]) == (None, "overtaken")


async def test_what_nobody_decides_is_raised_once_until_somebody_does(hub: Hub) -> None:
    screening = await flagged(hub)
    await step_bodies.take(hub, Role.SCREENER, screening, "refuse")
    since = (await step_bodies.read(hub, screening))["state_since"]
    for minutes in (31, 62, 93):
        await worker_clock.later(hub, minutes=minutes)
    (alert,) = await listed(hub)
    assert (alert["kind"], alert["facts"]["state"]) == ("OVERDUE", "REFUSAL")
    assert (await step_bodies.read(hub, screening))["state_since"] == since
    await step_bodies.take(hub, Role.SCREENER, screening, "return_chosen")
    await worker_clock.later(hub, minutes=94)
    assert await listed(hub) == []


async def test_a_check_left_half_done_is_an_alert_for_a_day(hub: Hub) -> None:
    half = people.check(1, credential=None)
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=half)
    await worker_clock.later(hub, minutes=3)
    assert [alert["kind"] for alert in await listed(hub)] == ["LEFT_LANE"]
    await worker_clock.later(hub, hours=25)
    assert await listed(hub) == []
    assert (await listed(hub, closed="true"))[0]["closed_reason"] == "expired"


async def test_a_supervisor_closes_an_alert_once_and_says_why(hub: Hub) -> None:
    screening = await flagged(hub)
    await step_bodies.take(hub, Role.SCREENER, screening, "absconded")
    (alert,) = await listed(hub)
    path = f"/v1/alerts/{alert['alert_id']}/closure"
    found = {"reason": "found on platform 4"}
    assert (await hub.client().put(path, json=found)).status_code == 403
    supervisor = hub.client(Role.SUPERVISOR)
    first, again = (
        await supervisor.put(path, json=found),
        await supervisor.put(path, json=found),
    )
    assert (first.status_code, first.json()) == (200, again.json())
    assert first.json()["closed_by"] == str(hub.duties[Role.SUPERVISOR].operator_id)
    other = await supervisor.put(path, json={"reason": "a mistake"})
    assert other.status_code == 409
    assert await listed(hub) == []
    unknown = await supervisor.put(f"/v1/alerts/{people.new_id()}/closure", json=found)
    assert unknown.status_code == 404


async def test_pages_of_alerts_hold_each_one_once(hub: Hub) -> None:
    for _ in range(5):
        await step_bodies.take(hub, Role.SCREENER, await flagged(hub), "absconded")
    seen: list[object] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        answer = (await hub.client().get("/v1/alerts", params=query)).json()
        seen += [alert["alert_id"] for alert in answer["alerts"]]
        if answer["next"] is None:
            break
        query["cursor"] = answer["next"]
    assert len(seen) == len(set(seen)) == 5
