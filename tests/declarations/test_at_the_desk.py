"""Declarations keyed at a desk, found by their pass, and appeals that a person answers."""

from datetime import datetime, timedelta
from uuid import uuid4

import people
import pytest
import worker_clock
from access_log_reader import reads
from declared_travellers import ILL, OWN, declare, dispute, find, key_in, report, show
from hubs import Hub, open_hub
from people import Json
from refusals import refused

from twinstile.platform.ledger import events
from twinstile.platform.security.roles import Role


async def test_a_slip_holds_all_that_somebody_without_a_phone_needs(hub: Hub) -> None:
    number = people.resident_number()
    answer = await key_in(hub, document=people.document(number), help=True)
    assert answer.status_code == 201, answer.text
    slip: Json = answer.json()
    told = await show(hub, slip["short_code"], number)
    assert told["declaration"] == {"standing": "COUNTED", "help": True}
    read = await report(hub, slip)
    assert (read["source"], read["short_code"]) == ("SPOKEN", slip["short_code"])


async def test_keyed_with_a_document_it_counts_for_nobody_else(hub: Hub) -> None:
    slip: Json = (await key_in(hub, document=people.document())).json()
    assert (await show(hub, slip["pass_code"]))["declaration"] == {
        "standing": "OTHERS",
        "help": False,
    }


async def test_the_same_keyed_twice_is_one_slip(hub: Hub) -> None:
    told: Json = {"key": str(uuid4()), "document": people.document()}
    first, second = [await key_in(hub, **told) for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    another = await key_in(hub, **{**told, "document": people.document()})
    assert refused(another, 409, "id-reused") == []


async def test_who_agreed_is_on_the_record(hub: Hub) -> None:
    slip: Json = (await key_in(hub, source="PAPER", consent="GUARDIAN")).json()
    seen = (await find(hub, slip["short_code"])).json()["declaration"]
    async with hub.runtime.database.reading() as tx:
        kinds = ["declaration.keyed"]
        (told,) = await events.of_subject(tx, hub.hub_id, seen["declaration_id"], kinds, 5)
    assert told.body == {"consent_by": "GUARDIAN", "source": "PAPER"}
    assert told.operator_id == hub.duties[Role.ASSISTANT].operator_id


async def test_the_desk_finds_by_the_square_what_was_declared(hub: Hub) -> None:
    given = await declare(hub, **ILL)
    answer = await find(hub, given["pass_code"])
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    (read,) = await reads(hub)
    assert told["lookup_id"] == read["access_id"]
    assert (read["action"], read["outcome"], read["fields"]) == (
        "LOOK_UP",
        "SHOWN",
        ["declaration"],
    )
    assert told["declaration"]["answers"] == ILL
    assert read["subject_id"] == told["declaration"]["declaration_id"]
    assert told["left"] == 19


async def test_who_tries_digits_uses_up_the_quota(hub: Hub) -> None:
    other = await open_hub(hub.runtime, hub.service)
    theirs = (await key_in(other)).json()["short_code"]
    answers = [await find(hub, code) for code in [theirs, *["12345678"] * 20]]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert all(answer.json()["declaration"] is None for answer in answers[:20])


async def test_one_that_was_destroyed_is_looked_for_on_the_record_like_one_never_made(
    hub: Hub,
) -> None:
    slip: Json = (await key_in(hub)).json()
    keys = hub.runtime.keys.of(hub.hub_id)
    for name in keys.names("day."):
        keys.destroy(name)
    destroyed, never = [await find(hub, code) for code in (slip["short_code"], "12345678")]
    assert destroyed.status_code == 200, destroyed.text
    told = [answer.json() for answer in (destroyed, never)]
    assert [(one["declaration"], one["left"]) for one in told] == [(None, 19), (None, 18)]
    assert {(read["outcome"], read["rows"]) for read in await reads(hub)} == {("NOTHING", 0)}


async def test_nobody_finds_one_without_a_purpose(hub: Hub) -> None:
    given = await declare(hub)
    answer = await find(hub, given["pass_code"], purpose=None)
    assert refused(answer, 403, "purpose-required") == []


async def test_an_appeal_is_answered_by_a_person_and_read_with_the_receipt(hub: Hub) -> None:
    given = await declare(hub)
    passed = await show(hub, given["pass_code"])
    made = await dispute(hub, given, "我昨天做过核酸")
    assert made.status_code == 201, made.text
    supervisor = hub.client(Role.SUPERVISOR)
    page = (await supervisor.get("/v1/appeals")).json()
    (listed,) = page["appeals"]
    assert "核酸" not in str(page)
    assert listed["screening_id"] == passed["screening_id"]
    path = f"/v1/appeals/{listed['appeal_id']}"
    asked = {"purpose": "SUBJECT_REQUEST"}
    assert (await supervisor.post(f"{path}:reveal", json=asked)).json()["text"] == (
        "我昨天做过核酸"
    )
    (read,) = await reads(hub)
    assert (read["action"], read["subject_id"]) == ("REVEAL", listed["appeal_id"])
    said = {"decided": "UPHELD", "text": "It counts."}
    for _ in range(2):
        assert (await supervisor.put(f"{path}/answer", json=said)).status_code == 204
    other = {**said, "decided": "REJECTED"}
    assert refused(await supervisor.put(f"{path}/answer", json=other), 409, "conflict") == []
    appeals = (await report(hub, given))["appeals"]
    assert isinstance(appeals, list)
    assert [(a["text"], a["decided"], a["answer"]) for a in appeals] == [
        ("我昨天做过核酸", "UPHELD", "It counts.")
    ]
    assert (await supervisor.get("/v1/appeals")).json()["appeals"] == []
    everything = await supervisor.get("/v1/appeals", params={"answered": "true"})
    assert len(everything.json()["appeals"]) == 1


async def test_an_appeal_nobody_answers_in_time_is_an_alert_until_somebody_does(
    hub: Hub,
) -> None:
    given, appeal_id = await declare(hub), uuid4()
    await dispute(hub, given, "x", appeal_id)
    (told,) = (await report(hub, given))["appeals"]
    made, due = (datetime.fromisoformat(told[name]) for name in ("made_at", "due_at"))
    assert due - made == timedelta(hours=72)

    async def overdue() -> list[object]:
        found = await hub.client(Role.SUPERVISOR).get(
            "/v1/alerts", params={"kind": "APPEAL_OVERDUE"}
        )
        return [one["subject_id"] for one in found.json()["alerts"]]

    await worker_clock.later(hub, hours=71)
    assert await overdue() == []
    await worker_clock.later(hub, hours=73)
    assert await overdue() == [str(appeal_id)]
    answer = {"decided": "UPHELD", "text": "You are right."}
    path = f"/v1/appeals/{appeal_id}/answer"
    answered = await hub.client(Role.SUPERVISOR).put(path, json=answer)
    assert answered.status_code == 204, answered.text
    await worker_clock.later(hub, hours=73, minutes=1)
    assert await overdue() == []


async def test_the_same_appeal_again_is_one_and_after_five_staff_help(hub: Hub) -> None:
    given = await declare(hub)
    appeal_id = uuid4()
    first, again = [await dispute(hub, given, "x", appeal_id) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 200)
    assert refused(await dispute(hub, given, "y", appeal_id), 409, "id-reused") == []
    for _ in range(4):
        assert (await dispute(hub, given, "z")).status_code == 201
    assert refused(await dispute(hub, given, "z"), 409, "conflict") == []


@pytest.mark.parametrize("told", [{"text": "x" * 1001}, {"text": ""}, {"text": "a\0b"}])
async def test_an_appeal_is_bounded_text(hub: Hub, told: Json) -> None:
    given = await declare(hub)
    answer = await hub.service.client(str(given["receipt"])).put(
        f"{OWN}/appeals/{uuid4()}", json={"about": "OTHER", **told}
    )
    refused(answer, 422, "invalid-input")


async def test_appeals_come_in_pages(hub: Hub) -> None:
    for _ in range(3):
        given = await declare(hub)
        await dispute(hub, given, "x")
    supervisor = hub.client(Role.SUPERVISOR)
    first = (await supervisor.get("/v1/appeals", params={"limit": 2})).json()
    rest = (await supervisor.get("/v1/appeals", params={"cursor": first["next"]})).json()
    assert (len(first["appeals"]), len(rest["appeals"]), rest["next"]) == (2, 1, None)
    assert len({a["appeal_id"] for a in first["appeals"] + rest["appeals"]}) == 3
