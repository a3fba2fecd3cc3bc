"""What is owed of people let through: to whom, and what settles it without anybody's hand."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import people
import pytest
import screening_states
import step_bodies
import worker_clock
from httpx2 import Response
from hubs import Hub

from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role


async def deferred(hub: Hub) -> str:
    """A passage that waits to be settled by data."""
    await screening_states.govern(hub)
    return await screening_states.reach(hub, "DEFERRED", people.resident_number())


async def owed(hub: Hub, **query: str) -> list[people.Json]:
    answer = await hub.client(Role.EPIDEMIOLOGIST).get("/v1/deferrals", params=query)
    assert answer.status_code == 200, answer.text
    listed: list[people.Json] = answer.json()["deferrals"]
    return listed


async def route(
    hub: Hub, deferral_id: object, area: str, who: Role = Role.EPIDEMIOLOGIST
) -> Response:
    path = f"/v1/deferrals/{deferral_id}/destination"
    return await hub.client(who).put(path, json={"area": area})


async def say(hub: Hub, screening: str, colour: str, *, close_contact: bool = False) -> None:
    """What a health department's feed says of that person from now on."""
    now = clock.now()
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            """
            INSERT INTO health_status (hub_id, feed, key, person_id, issuer, colour,
                close_contact, valid_from, valid_to, day, recorded_at)
            SELECT $1, 'health', $2, person_id, 'x', $3, $4, $5, $6, $7, $5
            FROM screening WHERE hub_id = $1 AND screening_id = $8
            """,
            hub.hub_id,
            uuid4().bytes * 2,
            colour,
            close_contact,
            now,
            now + timedelta(days=1),
            now.date(),
            UUID(screening),
        )


async def alerts(hub: Hub) -> list[people.Json]:
    answer = await hub.client(Role.DUTY_COMMANDER).get("/v1/alerts")
    listed: list[people.Json] = answer.json()["alerts"]
    return listed


async def test_debts_are_counted_and_listed_by_destination(hub: Hub) -> None:
    for _ in range(3):
        await deferred(hub)
    first, second, third = await owed(hub)
    assert {one["destination"] for one in (first, second, third)} == {None}
    for one, area in ((first, "330106"), (second, "330106"), (third, "310000")):
        assert (await route(hub, one["deferral_id"], area)).status_code == 204
    listed = await owed(hub, destination="330106")
    assert [one["deferral_id"] for one in listed] == [
        first["deferral_id"],
        second["deferral_id"],
    ]
    counted = await hub.client(Role.SUPERVISOR).get("/v1/deferrals/destinations")
    told = {one["destination"]: one for one in counted.json()["destinations"]}
    assert {area: one["open"] for area, one in told.items()} == {"330106": 2, "310000": 1}
    assert datetime.fromisoformat(told["330106"]["next_due_at"]) > datetime.now(UTC)


async def test_a_destination_is_an_area_of_an_open_deferral(hub: Hub) -> None:
    screening = await deferred(hub)
    (one,) = await owed(hub)
    assert (await route(hub, one["deferral_id"], "Hangzhou")).status_code == 422
    assert (await route(hub, people.new_id(), "330106")).status_code == 404
    medic = await route(hub, one["deferral_id"], "330106", Role.MEDIC)
    assert medic.status_code == 403
    assert (await route(hub, one["deferral_id"], "330106")).status_code == 204
    await step_bodies.take(hub, Role.EPIDEMIOLOGIST, screening, "matched_clear")
    assert (await route(hub, one["deferral_id"], "330106")).status_code == 204
    assert (await route(hub, one["deferral_id"], "310000")).status_code == 409


async def test_a_green_word_since_settles_a_deferral(hub: Hub) -> None:
    screening, other = await deferred(hub), await deferred(hub)
    await say(hub, screening, "GREEN")
    await say(hub, other, "UNKNOWN")
    await worker_clock.later(hub)
    read = await step_bodies.read(hub, screening)
    assert read["state"] == "CLEARED"
    assert read["steps"][-1]["particulars"] == {"matched": "HEALTH_STATUS"}
    assert [one["screening_id"] for one in await owed(hub)] == [other]


async def test_a_cleared_passage_under_another_document_settles_a_deferral(hub: Hub) -> None:
    screening, other = await deferred(hub), people.resident_number()
    (one,) = await owed(hub)
    revealed = await hub.client(Role.EPIDEMIOLOGIST).post(
        f"/v1/deferrals/{one['deferral_id']}/person:reveal", json={"purpose": "FOLLOW_UP"}
    )
    passed = await screening_states.check(hub, other)
    assert passed.json()["state"] == "CLEARED"
    await worker_clock.later(hub)
    assert len(await owed(hub)) == 1
    link = {
        "document": people.document(revealed.json()["document_number"]),
        "other": people.document(other),
        "evidence": "BOTH_DOCUMENTS_SHOWN",
        "purpose": "IDENTIFICATION",
        "reason": "both shown",
    }
    linked = await hub.client(Role.ASSISTANT).put(f"/v1/links/{uuid4()}", json=link)
    assert linked.status_code < 300, linked.text
    await worker_clock.later(hub)
    assert await owed(hub) == []
    read = await step_bodies.read(hub, screening)
    assert read["state"] == "CLEARED"
    assert read["steps"][-1]["particulars"] == {
        "matched": "LATER_CHECK",
        "reference": passed.json()["screening_id"],
    }


@pytest.mark.parametrize(
    ("colour", "close"), [("RED", False), ("YELLOW", False), ("GREEN", True)]
)
async def test_a_word_of_risk_closes_nothing_and_is_an_alert(
    hub: Hub, colour: str, close: bool
) -> None:
    screening = await deferred(hub)
    await say(hub, screening, colour, close_contact=close)
    await worker_clock.later(hub)
    await worker_clock.later(hub, seconds=10)
    assert len(await owed(hub)) == 1
    (alert,) = await alerts(hub)
    assert (alert["kind"], alert["subject_id"]) == ("DEFERRAL_RISK", screening)
    await step_bodies.take(hub, Role.EPIDEMIOLOGIST, screening, "matched_risk")
    await worker_clock.later(hub, seconds=20)
    assert await alerts(hub) == []


async def test_what_is_left_after_a_day_is_an_alert_and_a_figure(hub: Hub) -> None:
    screening = await deferred(hub)
    await worker_clock.later(hub, hours=24, minutes=1)
    assert [one["kind"] for one in await alerts(hub)] == ["DEFERRAL_UNRESOLVED"]
    assert (await step_bodies.read(hub, screening))["state"] == "DEFERRED_UNRESOLVED"
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1)}
    report = await hub.client(Role.SUPERVISOR).get("/v1/reports/period", params=period)
    told = report.json()
    assert (told["deferred"], told["deferred_closed_24h"]) == (1, 0)
    assert told["deferred_unresolved"] == 1
