"""A declaration shown at a check: it counts as what was declared, for one person."""

import asyncio

import database_sessions
import people
import pytest
from declared_travellers import ILL, OWN, correct, declare, report, show
from hubs import Hub, open_hub
from people import Json

from twinstile.declarations import codes, store
from twinstile.declarations.types import Answers
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.screening.claim_words import Symptom, Tristate


async def evidence(hub: Hub, told: Json) -> Json:
    answer = await hub.client().get(f"/v1/checks/{told['id']}")
    found: Json = answer.json()["evidence"]
    return found


async def alerts(hub: Hub) -> list[Json]:
    answer = await hub.client(Role.SUPERVISOR).get("/v1/alerts")
    found: list[Json] = answer.json()["alerts"]
    return found


async def test_what_was_declared_before_is_the_declaration_of_the_check(hub: Hub) -> None:
    given = await declare(hub, help=True)
    told = await show(hub, given["pass_code"])
    assert (told["verdict"], told["declaration"]) == (
        "PASS",
        {"standing": "COUNTED", "help": True},
    )
    stored = await evidence(hub, told)
    assert stored["declaration"] == {
        "symptoms": [],
        "contact": "NO",
        "fever_medicine": False,
        "source": "OWN",
    }
    assert str(given["pass_code"]) not in str(stored)


async def test_a_declared_symptom_leads_to_the_second_check(hub: Hub) -> None:
    given = await declare(hub, **ILL)
    told = await show(hub, given["pass_code"])
    assert told["verdict"] == "CHECK"
    assert "symptoms-declared" in str(told["reasons"])


async def test_what_the_check_says_itself_is_not_lowered_by_it(hub: Hub) -> None:
    given = await declare(hub)
    said = {"symptoms": ["RASH"], "contact": "UNSURE", "source": "SPOKEN"}
    told = await show(hub, given["pass_code"], declaration=said)
    assert told["verdict"] == "CHECK"
    stored = await evidence(hub, told)
    assert stored["declaration"] == {
        "symptoms": ["RASH"],
        "contact": "UNSURE",
        "fever_medicine": False,
        "source": "OWN",
    }


async def test_the_traveller_reads_what_became_of_it(hub: Hub) -> None:
    given = await declare(hub)
    told = await show(hub, given["pass_code"])
    read = await report(hub, given)
    passage = read["passage"]
    assert isinstance(passage, dict)
    assert (passage["state"], passage["checkpoint"]) == ("CLEARED", "north")
    assert passage["reminders"] == ["R2"]
    assert str(told["screening_id"]) not in str(read)
    assert read["presented_at"] is not None


async def test_a_reminder_that_was_read_counts_as_the_first_of_two(hub: Hub) -> None:
    given = await declare(hub)
    client = hub.service.client(str(given["receipt"]))
    first = await client.put(f"{OWN}/reminder", json={"kind": "R1"})
    assert first.status_code == 200, first.text
    assert (await client.put(f"{OWN}/reminder", json={"kind": "R1"})).json() == first.json()
    told = await show(hub, given["pass_code"])
    completeness = told["completeness"]
    assert isinstance(completeness, dict)
    assert (completeness["reminders"], completeness["complete"]) == (2, True)


async def test_one_square_counts_for_one_person(hub: Hub) -> None:
    given = await declare(hub)
    number = people.resident_number()
    assert (await show(hub, given["pass_code"], number))["declaration"] == {
        "standing": "COUNTED",
        "help": False,
    }
    other = await show(hub, given["pass_code"])
    assert other["declaration"] == {"standing": "OTHERS", "help": False}
    assert "declaration" not in await evidence(hub, other)
    again = await show(hub, given["pass_code"], number)
    assert again["declaration"] == {"standing": "COUNTED", "help": False}


async def test_of_two_people_at_two_lanes_at_once_it_counts_for_one(hub: Hub) -> None:
    for _ in range(3):
        given = await declare(hub)
        told = await asyncio.gather(*(show(hub, given["pass_code"]) for _ in range(4)))
        standings = sorted(str(one["declaration"]) for one in told)
        assert [("COUNTED" in one) for one in standings].count(True) == 1


async def test_a_resend_hears_the_same(hub: Hub) -> None:
    given = await declare(hub)
    path = f"/v1/checks/{people.new_id()}"
    check = people.check(pass_code=given["pass_code"])
    first = await hub.client().put(path, json=check)
    second = await hub.client().put(path, json=check)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["declaration"] == first.json()["declaration"]


async def test_it_counts_in_a_passage_without_a_document_and_stays_with_it(hub: Hub) -> None:
    given = await declare(hub)
    first = await show(hub, given["pass_code"], identity=None)
    assert first["declaration"] == {"standing": "COUNTED", "help": False}
    number = people.resident_number()
    with_paper = await show(hub, given["pass_code"], number)
    assert with_paper["screening_id"] == first["screening_id"]
    assert with_paper["declaration"] == {"standing": "COUNTED", "help": False}
    assert (await show(hub, given["pass_code"]))["declaration"] == {
        "standing": "OTHERS",
        "help": False,
    }


async def test_a_passage_of_nobody_known_takes_its_declaration_along_when_it_ends(
    hub: Hub,
) -> None:
    given = await declare(hub)
    unchecked = {"identity": {"result": "MATCH"}}
    path, check = f"/v1/checks/{people.new_id()}", people.check(**unchecked)
    check["pass_code"] = given["pass_code"]
    first = (await hub.client().put(path, json=check)).json()
    assert (first["state"], first["declaration"]["standing"]) == ("CLEARED", "COUNTED")
    again = (await hub.client().put(path, json=check)).json()
    assert again["declaration"] == first["declaration"]
    assert (await show(hub, given["pass_code"]))["declaration"] == {
        "standing": "OTHERS",
        "help": False,
    }


async def test_of_another_hub_or_of_nobody_it_is_unknown(hub: Hub) -> None:
    other = await open_hub(hub.runtime, hub.service)
    given = await declare(other)
    for code in (given["pass_code"], f"TWD1{'A' * 26}", "1234 5678"):
        told = await show(hub, code)
        assert (told["verdict"], told["declaration"]) == (
            "PASS",
            {"standing": "UNKNOWN", "help": False},
        )


async def test_two_days_later_it_counts_no_more(hub: Hub) -> None:
    given = await declare(hub, **ILL)
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "UPDATE declaration SET said_at = said_at - interval '49 hours' WHERE hub_id = $1",
            hub.hub_id,
        )
    told = await show(hub, given["pass_code"])
    assert (told["verdict"], told["declaration"]) == (
        "PASS",
        {"standing": "EXPIRED", "help": False},
    )
    await correct(hub, given, 1, **{**ILL, "symptoms": ["FEVER"]})
    assert (await show(hub, given["pass_code"]))["verdict"] == "CHECK"


async def test_a_tablet_that_was_alone_hands_the_pass_over_later(hub: Hub) -> None:
    given = await declare(hub, **ILL)
    fact = people.fact(pass_code=given["pass_code"], offline=True)
    item = {"kind": "check", "id": str(people.new_id()), "counter": 1, "body": fact}
    batch = {"sent_at": people.now(), "items": [item]}
    answer = await hub.client("device").post("/v1/facts:batch", json=batch)
    (done,) = answer.json()["items"]
    assert (done["status"], done["check"]["verdict"]) == ("stored", "CHECK")
    assert done["check"]["declaration"]["standing"] == "COUNTED"


async def test_keys_that_were_lost_cost_what_was_declared_and_no_check(hub: Hub) -> None:
    given = await declare(hub, **ILL)
    (key,) = hub.runtime.keys.of(hub.hub_id)._folder.glob("day.*.key")
    key.unlink()  # no tombstone: nobody destroyed it
    gone = await hub.service.client(str(given["receipt"])).get(OWN)
    assert (gone.status_code, key.exists()) == (410, False)
    for _ in range(2):  # the second time the day has another key
        told = await show(hub, given["pass_code"])
        assert (told["verdict"], told["declaration"]) == (
            "PASS",
            {"standing": "UNKNOWN", "help": False},
        )
    gone = await hub.service.client(str(given["receipt"])).get(OWN)
    assert (gone.status_code, key.exists()) == (410, True)


async def hand_over(hub: Hub, *facts: Json) -> list[Json]:
    """The checks of a tablet that was alone, as they are told after one batch."""
    items = [
        {"kind": "check", "id": str(people.new_id()), "counter": counter, "body": fact}
        for counter, fact in enumerate(facts, 1)
    ]
    batch = {"sent_at": people.now(), "items": items}
    for _ in range(5):
        answer = await hub.client("device").post("/v1/facts:batch", json=batch)
        if answer.status_code != 503:  # a tablet that is told to come again does
            break
    return [done["check"] for done in answer.json()["items"]]


@pytest.mark.parametrize("named", [True, False], ids=["by its passage", "by its slip alone"])
async def test_somebody_without_a_document_is_the_same_in_one_batch_as_in_two(
    hub: Hub, named: bool
) -> None:
    given = await declare(hub, **ILL)
    passage = {"screening_id": str(people.new_id())} if named else {}
    shown = {"pass_code": given["pass_code"], "identity": None, "offline": True, **passage}
    first, second = await hand_over(hub, people.fact(**shown), people.fact(**shown))
    assert first["screening_id"] == second["screening_id"]
    assert [str(one["declaration"]) for one in (first, second)] == [
        str({"standing": "COUNTED", "help": False})
    ] * 2


async def test_a_passage_that_ended_in_the_batch_takes_its_declaration_along(hub: Hub) -> None:
    given = await declare(hub)
    shown = {"pass_code": given["pass_code"], "offline": True}
    ended = people.fact(**shown, identity={"result": "MATCH"})
    first, second = await hand_over(hub, ended, people.fact(**shown))
    assert (first["state"], str(first["declaration"])[:25]) == (
        "CLEARED",
        "{'standing': 'COUNTED', '",
    )
    assert second["declaration"] == {"standing": "OTHERS", "help": False}


async def test_a_correction_made_while_the_pass_is_read_counts(
    hub: Hub, place: DatabaseTarget
) -> None:
    given = await declare(hub)
    known = codes.read_token(str(given["receipt"]))
    assert known is not None
    ill = Answers(frozenset({Symptom.COUGH}), Tristate.NO, fever_medicine=False, help=False)
    keys = hub.runtime.keys.of(hub.hub_id)
    async with hub.runtime.database.transaction() as tx:
        await store.correct(tx, keys, hub.hub_id, known[1], 1, ill, clock.now())
        reading = asyncio.create_task(
            hand_over(hub, people.fact(pass_code=given["pass_code"], offline=True))
        )
        await database_sessions.until_one_waits(place)
    (told,) = await reading
    assert told["declaration"] == {"standing": "COUNTED", "help": False}
    assert told["verdict"] == "CHECK"


async def test_who_falls_ill_after_passing_is_told_of_and_not_decided_anew(hub: Hub) -> None:
    given = await declare(hub)
    told = await show(hub, given["pass_code"])
    assert await alerts(hub) == []
    await correct(hub, given, 1, **ILL)
    (alert,) = await alerts(hub)
    assert (alert["kind"], alert["subject_id"]) == ("RETROSPECTIVE", told["screening_id"])
    passage = (await report(hub, given))["passage"]
    assert isinstance(passage, dict)
    assert passage["state"] == "CLEARED"
    await correct(hub, given, 2, **{**ILL, "symptoms": ["RASH"]})
    assert len(await alerts(hub)) == 1
