"""Contacts of a case through HTTP: who is found, kept, shown, corrected and forgotten."""

import asyncio
from datetime import timedelta
from uuid import UUID

import access_log_reader
import contact_scenarios
import feed_deliveries
import fever_cases
import people
from feed_deliveries import feed_of
from hubs import Hub
from timetables import PLAIN, packed

from twinstile.arrivals.feeds import applier
from twinstile.operations import retention
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.policy.versions import Policies


async def test_those_near_are_found_by_coach_row_leg_party_and_crew(hub: Hub) -> None:
    first, second, last = contact_scenarios.STOPS
    patient = contact_scenarios.entry("1", "03", "12F", party="P1")
    await contact_scenarios.train(
        hub,
        [
            patient,
            contact_scenarios.entry("2", "3", "14A"),
            contact_scenarios.entry("3", "3", "2A", board_stop=second),
            contact_scenarios.entry("4", "4", "12F"),
            contact_scenarios.entry("5", "9", "1A", party="P1"),
            contact_scenarios.entry("6", "3", role="CREW"),
            contact_scenarios.entry("7", role="CREW"),
            contact_scenarios.entry("8", "5", role="CREW"),
            contact_scenarios.entry("9", "3", "11F", board_stop=first, alight_stop=second),
            contact_scenarios.entry("10", "3", "13F", board_stop=last, alight_stop="Ningbo"),
        ],
    )
    case_id = await contact_scenarios.case_of(hub, patient)
    listed = await contact_scenarios.trace(hub, case_id)
    assert contact_scenarios.seated(listed)[0] == "9/1A CLOSE PARTY"
    assert sorted(contact_scenarios.seated(listed)[1:]) == [
        "3/11F CLOSE TRAIN-ROWS",
        "3/13F CLOSE TRAIN-ROWS",
        "3/14A CLOSE TRAIN-ROWS",
        "3/2A CLOSE TRAIN-COACH",
        "3/None CLOSE TRAIN-COACH",
        "None/None CLOSE TRAIN-CREW",
    ]
    assert (listed["close"], listed["general"]) == (7, 0)
    half = next(one for one in listed["contacts"] if one["seat"] == "2A")
    assert (half["reasons"][0]["legs"], half["reasons"][0]["legs_of"]) == (1, 2)
    known = listed["completeness"]
    assert known["patient"] == known["gate"] == known["crew"] == known["named"] == 100
    assert known["places"] == 67
    assert known["legs"] == 89
    chinese = await contact_scenarios.read(hub, listed["list_id"], language="zh-CN")
    assert chinese["contacts"][0]["reasons"][0]["text"] == "与病例同行"


async def test_who_had_left_before_the_patient_boarded_is_no_contact(hub: Hub) -> None:
    first, second, _ = contact_scenarios.STOPS
    patient = contact_scenarios.entry("1", "3", "12F", board_stop=second)
    early = contact_scenarios.entry("2", "3", "12D", board_stop=first, alight_stop=second)
    await contact_scenarios.train(
        hub, [patient, early, contact_scenarios.entry("3", "3", "12A")]
    )
    listed = await contact_scenarios.trace(hub, await contact_scenarios.case_of(hub, patient))
    assert contact_scenarios.seated(listed) == ["3/12A CLOSE TRAIN-ROWS"]


async def test_near_somebody_who_is_on_no_list_of_their_run_may_be_everybody(hub: Hub) -> None:
    crew = contact_scenarios.entry("2", role="CREW")
    train = await contact_scenarios.train(hub, [contact_scenarios.entry("1", "3", "12F"), crew])
    case_id = await fever_cases.case_of(hub, run_id=str(train.run_id))
    listed = await contact_scenarios.trace(hub, case_id)
    assert contact_scenarios.seated(listed) == [
        "None/None CLOSE TRAIN-CREW",
        "3/12F GENERAL TRAIN-ROWS",
    ]
    assert not any(one["certain"] for one in listed["contacts"][1]["reasons"])
    assert listed["completeness"]["patient"] == 0


async def test_legs_are_known_from_the_timetable_alone(hub: Hub) -> None:
    stops, now = frozenset({"HUB"}), clock.now()
    feed = feed_of(hub, "timetable", format="gtfs", stops=stops)
    today = f"{feed.today(now):%Y%m%d}"
    at = now.astimezone(feed.zone).strftime("%H:%M:%S")
    times = "".join(f"T1,{at},{at},{stop},{n}\n" for n, stop in enumerate("ABC", 1))
    timetable = {
        "calendar": None,
        "calendar_dates": f"service_id,date,exception_type\nMON,{today},1\n",
        "stop_times": f"{PLAIN['stop_times'].splitlines()[0]}\n{times}T1,{at},{at},H1,4\n",
    }
    await feed_deliveries.land(hub, feed, packed(timetable))
    await applier.apply_due(feed_deliveries.desk_of(hub), feed)
    ((run_id,),) = await feed_deliveries.rows(hub, "SELECT run_id FROM run WHERE hub_id = $1")
    patient = contact_scenarios.entry("1", "3", "12F", board_stop="BETA", alight_stop="Hub站")
    early = contact_scenarios.entry("2", "3", "12D", board_stop="Alpha", alight_stop="beta")
    half = contact_scenarios.entry("3", "3", "12A", board_stop="Gamma", alight_stop="Hub")
    await contact_scenarios.Train(hub, run_id).land([patient, early, half])
    listed = await contact_scenarios.trace(hub, await contact_scenarios.case_of(hub, patient))
    (contact,) = listed["contacts"]
    assert contact["seat"] == "12A"
    assert (contact["reasons"][0]["legs"], contact["reasons"][0]["legs_of"]) == (1, 2)
    assert listed["completeness"]["legs"] == 100


async def test_who_passed_the_same_gate_within_a_minute_is_found(hub: Hub) -> None:
    number = people.resident_number()
    beside, later = people.resident_number(), people.resident_number()
    for who, at in ((beside, people.now()), (later, people.ago(minutes=5))):
        body = people.check(number=who, observed_at=at)
        answer = await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
        assert answer.status_code == 201, answer.text
    case_id = await fever_cases.case_of(hub, number=number)
    listed = await contact_scenarios.trace(hub, case_id)
    (contact,) = listed["contacts"]
    assert (contact["class"], contact["run_id"]) == ("GENERAL", None)
    assert [one["rule_id"] for one in contact["reasons"]] == ["GATE"]
    shown = await _reveal(hub, listed["list_id"], 1)
    assert shown.json()["document_number"] == beside
    assert listed["completeness"]["patient"] == 0


async def test_somebody_nobody_knows_beside_the_patient_leaves_the_list_incomplete(
    hub: Hub,
) -> None:
    for body in (people.check(), people.check(2, identity=None)):
        answer = await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
        assert answer.status_code == 201, answer.text
    listed = await contact_scenarios.trace(hub, await fever_cases.case_of(hub))
    assert len(listed["contacts"]) == 1
    assert listed["completeness"]["gate"] == 50


async def test_a_party_registered_at_the_gate_is_close(hub: Hub) -> None:
    party = str(people.new_id())
    companion, patient = people.resident_number(), people.resident_number()
    body = people.check(
        number=companion, party={"id": party}, observed_at=people.ago(minutes=4)
    )
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=body)
    case_id = await fever_cases.case_of(hub, number=patient, party={"id": party})
    (contact,) = (await contact_scenarios.trace(hub, case_id))["contacts"]
    assert [one["rule_id"] for one in contact["reasons"]] == ["PARTY"]


async def test_the_same_list_is_made_once_and_another_content_is_refused(hub: Hub) -> None:
    patient = contact_scenarios.entry("1", "3", "12F")
    await contact_scenarios.train(hub, [patient, contact_scenarios.entry("2", "3", "12A")])
    case_id, list_id = await contact_scenarios.case_of(hub, patient), people.new_id()
    both = await asyncio.gather(
        *(contact_scenarios.ask(hub, case_id, list_id) for _ in range(4))
    )
    assert {one.status_code for one in both} == {200}
    assert len({one.text for one in both}) == 1
    other = await contact_scenarios.ask(hub, case_id, list_id, conveyance="TRAIN_OPEN")
    assert other.status_code == 409
    listed = await hub.client(Role.MEDIC).get(f"/v1/cases/{case_id}/contact-lists")
    assert [one["list_id"] for one in listed.json()["lists"]] == [str(list_id)]


async def test_a_corrected_seat_changes_no_list_and_the_earlier_one_still_counts(
    hub: Hub,
) -> None:
    patient, mover = (
        contact_scenarios.entry("1", "3", "12F"),
        contact_scenarios.entry("2", "3", "12A"),
    )
    run = await contact_scenarios.train(hub, [patient, mover])
    case_id = await contact_scenarios.case_of(hub, patient)
    before = await contact_scenarios.trace(hub, case_id)
    await run.land([patient, {**mover, "coach": "8", "seat": "1A"}], batch=2)
    after = await contact_scenarios.trace(hub, case_id)
    assert contact_scenarios.seated(await contact_scenarios.read(hub, before["list_id"])) == [
        "3/12A CLOSE TRAIN-ROWS"
    ]
    (moved,) = after["contacts"]
    assert (moved["coach"], moved["seat"]) == ("8", "1A")
    assert moved["reasons"][0]["earlier"] is True


async def test_an_officer_may_know_the_conveyance_and_the_seat_better(hub: Hub) -> None:
    patient = contact_scenarios.entry("1")
    others = [
        contact_scenarios.entry("2", "9", "5下"),
        contact_scenarios.entry("3", "9", "8上"),
    ]
    run = await contact_scenarios.train(hub, [patient, *others])
    case_id = await contact_scenarios.case_of(hub, patient)
    place = {"run_id": str(run.run_id), "coach": "9", "seat": "6上", **contact_scenarios.WHOLE}
    listed = await contact_scenarios.trace(
        hub, case_id, conveyance="TRAIN_SLEEPER", places=[place]
    )
    certain = [one for one in listed["contacts"] if one["reasons"][0]["certain"]]
    assert [one["seat"] for one in certain] == ["5下"]
    assert listed["conveyance"] == "TRAIN_SLEEPER"


async def test_a_list_is_read_in_pages(hub: Hub) -> None:
    patient = contact_scenarios.entry("0", "3", "1A")
    await contact_scenarios.train(
        hub, [patient, *(contact_scenarios.entry(str(n), "3") for n in range(1, 6))]
    )
    made = await contact_scenarios.ask(hub, await contact_scenarios.case_of(hub, patient))
    first = await contact_scenarios.read(hub, made.json()["list_id"], limit=3)
    assert [one["n"] for one in first["contacts"]] == [1, 2, 3]
    rest = await contact_scenarios.read(
        hub, made.json()["list_id"], after=first["next"], limit=3
    )
    assert [one["n"] for one in rest["contacts"]] == [4, 5]
    assert rest["next"] is None


async def test_unknown_cases_and_lists_are_not_found(hub: Hub) -> None:
    assert (await contact_scenarios.ask(hub, str(people.new_id()))).status_code == 404
    client = hub.client(Role.EPIDEMIOLOGIST)
    assert (await client.get(f"/v1/contact-lists/{people.new_id()}")).status_code == 404
    assert (await _reveal(hub, people.new_id(), 1)).status_code == 404


async def test_who_a_contact_is_is_shown_for_a_purpose_and_on_the_record(hub: Hub) -> None:
    patient, other = (
        contact_scenarios.entry("1", "3", "12F"),
        contact_scenarios.entry("2", "3", "12A"),
    )
    await contact_scenarios.train(hub, [patient, other])
    listed = await contact_scenarios.trace(hub, await contact_scenarios.case_of(hub, patient))
    assert (await _reveal(hub, listed["list_id"], 1, purpose=None)).status_code == 403
    assert (await _reveal(hub, listed["list_id"], 1, who=Role.MEDIC)).status_code == 403
    shown = await _reveal(hub, listed["list_id"], 1)
    assert shown.json()["document_number"] == other["document"]["number"]
    (row, *_) = await access_log_reader.reads(hub)
    assert (row["action"], row["purpose"]) == ("REVEAL", "FOLLOW_UP")
    assert (await _reveal(hub, listed["list_id"], 2)).status_code == 404


async def test_contacts_end_with_the_identity_of_their_case(hub: Hub) -> None:
    patient = contact_scenarios.entry("1", "3", "12F")
    run = await contact_scenarios.train(
        hub, [patient, contact_scenarios.entry("2", "3", "12A")]
    )
    case_id = await contact_scenarios.case_of(hub, patient)
    place = {"run_id": str(run.run_id), "coach": "3", "seat": "12F"}
    listed = await contact_scenarios.trace(hub, case_id, places=[place])
    await fever_cases.move(hub, case_id, "not_fever")
    now = clock.now()
    await retention.retain(hub.runtime, Policies(), hub.hub_id, now + timedelta(days=59))
    kept = await contact_scenarios.read(hub, listed["list_id"])
    assert len(kept["contacts"]) == 1
    await retention.retain(hub.runtime, Policies(), hub.hub_id, now + timedelta(days=61))
    gone = await contact_scenarios.read(hub, listed["list_id"])
    assert (gone["contacts"], gone["close"]) == ([], 1)
    assert gone["forgotten_at"] is not None
    assert (await _reveal(hub, listed["list_id"], 1)).status_code == 404
    assert (await contact_scenarios.ask(hub, case_id)).status_code == 410
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT asked -> 'places' FROM contact_list WHERE list_id = $1",
            UUID(str(listed["list_id"])),
        )
    assert row is not None
    assert row[0] in ([], "[]")


async def _reveal(
    hub: Hub,
    list_id: object,
    n: int,
    purpose: str | None = "FOLLOW_UP",
    who: Role = Role.EPIDEMIOLOGIST,
) -> access_log_reader.Response:
    body = {"purpose": purpose} if purpose else {}
    path = f"/v1/contact-lists/{list_id}/contacts/{n}/person:reveal"
    return await hub.client(who).post(path, json=body)
