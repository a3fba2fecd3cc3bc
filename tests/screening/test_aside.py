"""Facts kept aside: seen by a supervisor, opened for a purpose, resolved once."""

import asyncio
from uuid import uuid4

import people
import pytest
from access_log_reader import reads
from httpx2 import Response
from hubs import DEVICE, Hub, open_hub
from refusals import refused

from twinstile.platform.security.roles import Role
from twinstile.screening import quarantine_review

WHY = {"purpose": "DATA_QUALITY", "reason": "gate 3 cannot read thermometers"}


async def keep(hub: Hub, counter: int = 1, number: str | None = None) -> people.Json:
    """A fact with a temperature nobody has, kept aside."""
    fact = people.fact(number, celsius=3950)
    item = {"kind": "check", "id": str(people.new_id()), "counter": counter, "body": fact}
    answer = await hub.client(DEVICE).post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": [item]}
    )
    assert answer.json()["items"][0]["status"] == "quarantined", answer.text
    return item


async def listed(hub: Hub, **query: object) -> list[people.Json]:
    answer = await hub.client(Role.SUPERVISOR).get("/v1/quarantine", params=query)
    assert answer.status_code == 200, answer.text
    facts: list[people.Json] = answer.json()["facts"]
    return facts


async def reveal(hub: Hub, quarantine_id: object, why: people.Json) -> Response:
    path = f"/v1/quarantine/{quarantine_id}:reveal"
    return await hub.client(Role.SUPERVISOR).post(path, json=why)


async def resolve(hub: Hub, quarantine_id: object, **body: object) -> Response:
    path = f"/v1/quarantine/{quarantine_id}/resolution"
    decided = {"resolution": "DISCARDED", "reason": "old version", **body}
    return await hub.client(Role.SUPERVISOR).put(path, json=decided)


async def test_the_list_says_what_is_wrong_and_not_with_whom(hub: Hub) -> None:
    number = people.resident_number()
    item = await keep(hub, number=number)
    (fact,) = await listed(hub)
    assert fact == {
        "quarantine_id": fact["quarantine_id"],
        "received_at": fact["received_at"],
        "fact_id": item["id"],
        "device_id": str(hub.duties[Role.SCREENER].device_id),
        "kind": "check",
        "code": "invalid-input",
        "errors": [{"pointer": "/body/temperature", "code": "out-of-range"}],
        "resolved": None,
    }
    assert number not in str(fact)
    assert await reads(hub) == []


async def test_what_is_in_it_is_shown_for_a_purpose_and_that_is_kept(hub: Hub) -> None:
    item = await keep(hub)
    (fact,) = await listed(hub)
    answer = await reveal(hub, fact["quarantine_id"], WHY)
    assert answer.json() == {"quarantine_id": fact["quarantine_id"], "item": item}
    assert answer.headers["Cache-Control"] == "no-store"
    (read,) = await reads(hub)
    assert (read["action"], read["purpose"], read["reason"], read["subject_id"]) == (
        "QUARANTINE_READ",
        WHY["purpose"],
        WHY["reason"],
        fact["quarantine_id"],
    )


@pytest.mark.parametrize("why", [{}, {"purpose": "TREATMENT"}])
async def test_it_is_not_opened_without_a_purpose_that_fits(hub: Hub, why: people.Json) -> None:
    await keep(hub)
    (fact,) = await listed(hub)
    answer = await reveal(hub, fact["quarantine_id"], why)
    assert refused(answer, 403, "purpose-required") == []
    assert await reads(hub) == []


async def test_it_ends_with_the_key_of_its_day(hub: Hub) -> None:
    await keep(hub)
    (fact,) = await listed(hub)
    keys = hub.runtime.keys.of(hub.hub_id)
    for day in keys.names("day."):
        keys.destroy(day)
    answer = await reveal(hub, fact["quarantine_id"], WHY)
    assert refused(answer, 410, "gone-destroyed") == []
    assert await reads(hub) == []


async def test_a_fact_is_mended_sent_anew_and_resolved_once(hub: Hub) -> None:
    item = await keep(hub)
    (fact,) = await listed(hub)
    opened = (await reveal(hub, fact["quarantine_id"], WHY)).json()["item"]
    assert opened == item
    mended = {**opened["body"], "temperature": {"value": 39.5, "method": "EAR"}}
    new_id = people.new_id()
    sent = await hub.client(Role.SUPERVISOR).put(
        f"/v1/checks/{new_id}", json={**mended, "counter": 1, "sent_at": people.now()}
    )
    assert sent.status_code == 201, sent.text
    decided = {"resolution": "RESUBMITTED", "fact_id": str(new_id)}
    first = await resolve(hub, fact["quarantine_id"], **decided)
    assert first.status_code == 200, first.text
    again = await resolve(hub, fact["quarantine_id"], **decided)
    assert again.json() == first.json()
    otherwise = await resolve(hub, fact["quarantine_id"])
    assert refused(otherwise, 409, "conflict") == []
    assert await listed(hub) == []
    (seen,) = await listed(hub, resolved=True)
    assert seen["resolved"] == first.json()
    assert first.json()["operator_id"] == str(hub.duties[Role.SUPERVISOR].operator_id)


async def test_a_new_fact_that_was_never_sent_resolves_nothing(hub: Hub) -> None:
    await keep(hub)
    (fact,) = await listed(hub)
    answer = await resolve(
        hub, fact["quarantine_id"], resolution="RESUBMITTED", fact_id=str(uuid4())
    )
    faults = refused(answer, 422, "invalid-input")
    assert faults == [{"pointer": "/fact_id", "code": "unknown-value"}]
    assert len(await listed(hub)) == 1


async def test_of_decisions_at_the_same_moment_one_counts(hub: Hub) -> None:
    await keep(hub)
    (fact,) = await listed(hub)
    answers = await asyncio.gather(
        *(resolve(hub, fact["quarantine_id"], reason=f"reason {n}") for n in range(6))
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT 1 FROM event WHERE hub_id = $1 AND kind = $2",
            hub.hub_id,
            quarantine_review.RESOLVED,
        )
    assert len(rows) == 1


async def test_pages_show_each_fact_once_the_latest_first(hub: Hub) -> None:
    ids = [(await keep(hub, counter))["id"] for counter in range(1, 6)]
    seen: list[object] = []
    cursor: str | None = None
    for _ in range(3):
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await hub.client(Role.SUPERVISOR).get("/v1/quarantine", params=query)).json()
        seen += [fact["fact_id"] for fact in page["facts"]]
        cursor = page["next"]
    assert (seen, cursor) == (ids[::-1], None)


async def test_another_hubs_facts_are_not_there(hub: Hub) -> None:
    elsewhere = await open_hub(hub.runtime, hub.service)
    await keep(elsewhere)
    (fact,) = await listed(elsewhere)
    assert await listed(hub) == []
    for answer in (
        await reveal(hub, fact["quarantine_id"], WHY),
        await resolve(hub, fact["quarantine_id"]),
    ):
        assert refused(answer, 404, "not-found") == []
    assert len(await listed(elsewhere)) == 1
