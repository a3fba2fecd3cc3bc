"""A tablet's backlog: judged item by item, none dropped, none twice."""

from uuid import UUID

import people
import pytest
import step_bodies
from faulty_checks import spoiled
from httpx2 import Response
from hubs import DEVICE, PASSCODE, Hub

from twinstile.platform.security.roles import Role
from twinstile.screening import intake
from twinstile.screening.intake import Receiver


def item(
    counter: int, body: people.Json | None = None, kind: str = "check", **more: object
) -> people.Json:
    return {
        "kind": kind,
        "id": str(people.new_id()),
        "counter": counter,
        "body": body or people.fact(offline=True),
        **more,
    }


async def hand_over(hub: Hub, *items: object, who: str = DEVICE) -> Response:
    return await hub.client(who).post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": list(items)}
    )


async def test_a_backlog_is_stored_in_order_and_acknowledged(hub: Hub) -> None:
    answer = await hand_over(hub, *(item(n) for n in range(1, 6)))
    assert answer.status_code == 200
    told = answer.json()
    assert [i["status"] for i in told["items"]] == ["stored"] * 5
    assert [i["check"]["verdict"] for i in told["items"]] == ["PASS"] * 5
    assert (told["ack_through"], told["missing"]) == (5, [])


async def test_missing_counters_are_named(hub: Hub) -> None:
    told = (await hand_over(hub, item(1), item(2), item(5), item(9))).json()
    assert (told["ack_through"], told["missing"]) == (2, [[3, 4], [6, 8]])
    filled = (await hand_over(hub, item(4), item(3))).json()
    assert (filled["ack_through"], filled["missing"]) == (5, [[6, 8]])


async def test_sending_a_backlog_again_stores_nothing_twice(hub: Hub) -> None:
    items = [item(n) for n in range(1, 4)]
    first, again = await hand_over(hub, *items), await hand_over(hub, *items)
    assert [i["status"] for i in again.json()["items"]] == ["duplicate"] * 3
    same = [i["check"]["screening_id"] for i in again.json()["items"]]
    assert same == [i["check"]["screening_id"] for i in first.json()["items"]]


async def test_a_kind_of_fact_that_is_taken_no_more_is_answered_by_itself(hub: Hub) -> None:
    given = item(2, {"card": "TWH1" + "ABCD" * 4, "to": "DESK"}, kind="card")
    told = (await hand_over(hub, item(1), given, item(3))).json()
    assert [i["status"] for i in told["items"]] == ["stored", "quarantined", "stored"]
    assert told["items"][1]["problem"]["errors"][0]["pointer"] == "/kind"
    assert told["ack_through"] == 3


async def test_a_fact_twice_in_a_backlog_is_the_same_at_the_turn_of_an_epoch(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes with a key more, and is compared under that of the first."""
    honest, later = intake.fingerprints, iter((False, True))

    def fingerprints(receiver: Receiver, content: str) -> dict[str, bytes]:
        newer = {"epoch.99999": bytes(32)} if next(later) else {}
        return newer | honest(receiver, content)

    monkeypatch.setattr(intake, "fingerprints", fingerprints)
    one = item(1)
    told = (await hand_over(hub, one, one)).json()
    assert [i["status"] for i in told["items"]] == ["stored", "duplicate"]


async def test_the_largest_counter_json_holds_exactly_is_taken_by_either_route(
    hub: Hub,
) -> None:
    largest = 2**53 - 1
    alone = await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check(largest))
    assert alone.status_code == 201
    told = (await hand_over(hub, item(2**31), item(largest), item(largest + 1))).json()
    assert [i["status"] for i in told["items"]] == ["stored", "stored", "quarantined"]
    assert told["items"][2]["problem"]["errors"] == [
        {"pointer": "/counter", "code": "out-of-range"}
    ]
    assert told["ack_through"] == 0
    assert told["missing"] == [[1, 2**31 - 1], [2**31 + 1, largest - 1]]


async def test_a_fact_from_before_all_policies_is_kept_aside_and_sinks_no_neighbour(
    hub: Hub,
) -> None:
    """A clock that lost its battery, and ran ahead when the backlog was sent."""
    old, ahead = "2000-01-01T00:00:01Z", "2099-01-01T00:00:00Z"
    known = {"clock_offset_ms": 0}
    items = [item(1, **known), item(2, people.fact(observed_at=old)), item(3, **known)]
    answer = await hub.client(DEVICE).post(
        "/v1/facts:batch", json={"sent_at": ahead, "items": items}
    )
    told = [i["status"] for i in answer.json()["items"]]
    assert told == ["stored", "quarantined", "stored"]
    alone = people.check(4) | {"observed_at": old, "sent_at": ahead}
    answer = await hub.client().put(f"/v1/checks/{people.new_id()}", json=alone)
    assert answer.status_code == 201


async def test_a_bad_item_is_kept_aside_and_its_neighbours_are_stored(hub: Hub) -> None:
    bad = item(2, people.fact(temperature={"value": 99.9, "method": "EAR"}))
    told = (await hand_over(hub, item(1), bad, item(3))).json()
    assert [i["status"] for i in told["items"]] == ["stored", "quarantined", "stored"]
    assert told["items"][1]["problem"]["errors"] == [
        {"pointer": "/body/temperature", "code": "out-of-range"}
    ]
    assert told["ack_through"] == 3
    await hand_over(hub, bad)
    duty = hub.duties[Role.SCREENER]
    status = await hub.client(DEVICE).get(f"/v1/devices/{duty.device_id}/sync-status")
    assert status.json()["quarantined"] == 1


async def test_a_fact_that_an_error_of_ours_meets_is_kept_aside_and_sinks_no_neighbour(
    hub: Hub,
) -> None:
    items = [item(n) for n in range(1, 7)]
    bad = items[3]
    with spoiled(UUID(bad["id"])):
        told = (await hand_over(hub, *items)).json()
    statuses = ["stored"] * 6
    assert [i["status"] for i in told["items"]] == [*statuses[:3], "quarantined", *statuses[4:]]
    assert told["items"][3]["problem"] == {"type": "/problems/internal", "errors": []}
    assert (told["ack_through"], told["missing"]) == (6, [])
    client = hub.client()
    stored = [await client.get(f"/v1/checks/{i['id']}") for i in items]
    assert [answer.status_code for answer in stored] == [200] * 3 + [404] + [200] * 2
    assert (await hand_over(hub, bad)).json()["items"][0]["status"] == "stored"


async def test_where_no_fact_can_be_stored_the_tablet_keeps_them(hub: Hub) -> None:
    bad = item(1)
    with spoiled(UUID(bad["id"])):
        refused = await hand_over(hub, bad)
    assert (refused.status_code, refused.json()["stored"]) == (500, None)
    assert (await hand_over(hub, bad)).json()["items"][0]["status"] == "stored"


async def test_an_id_used_again_with_other_content_is_kept_aside(hub: Hub) -> None:
    first = item(1)
    second = {**first, "counter": 2, "body": people.fact(celsius=38.0)}
    told = (await hand_over(hub, first, second)).json()
    assert [i["status"] for i in told["items"]] == ["stored", "quarantined"]
    assert told["items"][1]["problem"]["type"] == "/problems/id-reused"


async def test_a_fever_and_a_normal_reading_give_the_same_in_one_batch_as_in_two(
    hub: Hub,
) -> None:
    def readings(number: str, start: int) -> list[people.Json]:
        ear = {"value": 38.3, "method": "EAR"}
        normal = {"value": 36.5, "method": "AXILLARY"}
        return [
            item(start, people.fact(number, 38.1)),
            item(start + 1, people.fact(number, temperature=ear)),
            item(start + 2, people.fact(number, temperature=normal)),
        ]

    together = readings(people.resident_number(), 1)
    one = (await hand_over(hub, *together)).json()["items"]
    apart = readings(people.resident_number(), 4)
    two = [(await hand_over(hub, fact)).json()["items"][0] for fact in apart]
    states = [i["check"]["state"] for i in one]
    assert states == [i["check"]["state"] for i in two] == ["SECONDARY", "HELD", "HELD"]
    assert len({i["check"]["case_id"] for i in one[1:]}) == 1


async def test_a_fact_names_the_shift_it_was_made_in(hub: Hub) -> None:
    duty = hub.duties[Role.SCREENER]
    told = (await hand_over(hub, item(1, shift_id=str(duty.shift_id)))).json()
    check = await hub.client().get(f"/v1/checks/{told['items'][0]['id']}")
    assert check.json()["operator_id"] == str(duty.operator_id)
    stranger = hub.duties[Role.MEDIC]
    refused = (await hand_over(hub, item(2, shift_id=str(stranger.shift_id)))).json()
    assert refused["items"][0]["status"] == "quarantined"


async def refusal(hub: Hub, fact: people.Json, who: str = DEVICE) -> object:
    told = (await hand_over(hub, fact, who=who)).json()["items"][0]
    return told["problem"] and told["problem"]["errors"][0]


OUT_OF_SHIFT = {"pointer": "/shift_id", "code": "out-of-range"}
NEEDS_LIVE_SHIFT = {"pointer": "/shift_id", "code": "needs-live-shift"}


@pytest.mark.parametrize(
    ("minutes_ago", "answer"), [(0, None), (3, None), (8, OUT_OF_SHIFT), (-1000, OUT_OF_SHIFT)]
)
async def test_a_fact_of_another_time_does_not_bear_the_shifts_name(
    hub: Hub, minutes_ago: int, answer: object
) -> None:
    fact = people.fact(observed_at=people.ago(minutes=minutes_ago))
    shift = str(hub.duties[Role.SCREENER].shift_id)
    assert await refusal(hub, item(1, fact, shift_id=shift)) == answer


async def test_a_slow_clock_does_not_move_a_fact_out_of_its_shift(hub: Hub) -> None:
    fact = item(
        1,
        people.fact(observed_at=people.ago(hours=20)),
        shift_id=str(hub.duties[Role.SCREENER].shift_id),
    )
    answer = await hub.client(DEVICE).post(
        "/v1/facts:batch", json={"sent_at": people.ago(hours=20), "items": [fact]}
    )
    assert answer.json()["items"][0]["status"] == "stored"


async def test_nothing_is_done_in_the_name_of_a_disabled_operator(hub: Hub) -> None:
    duty = hub.duties[Role.SCREENER]
    seen = people.ago(seconds=20)  # the way here counts as an offset of the clock
    made_before = item(1, people.fact(observed_at=seen), shift_id=str(duty.shift_id))
    administrator = hub.client(Role.ADMINISTRATOR)
    answer = await administrator.delete(f"/v1/operators/{duty.operator_id}")
    assert answer.status_code == 204
    made_after = item(2, people.fact(), shift_id=str(duty.shift_id))
    assert await refusal(hub, made_after) == OUT_OF_SHIFT
    assert await refusal(hub, made_before) is None


async def test_each_check_is_recorded_in_the_name_of_who_made_it(hub: Hub) -> None:
    screener = hub.duties[Role.SCREENER]
    medics_shift, _ = await medic_on_the_tablet(hub)
    first, second = people.resident_number(), people.resident_number()
    ear = {"value": 38.4, "method": "EAR"}
    told = await hand_over(
        hub,
        item(1, people.fact(first, 38.2), shift_id=str(screener.shift_id)),
        item(2, people.fact(second, 38.2), shift_id=medics_shift),
        item(3, people.fact(first, temperature=ear), shift_id=str(screener.shift_id)),
        item(4, people.fact(second, temperature=ear), shift_id=medics_shift),
        item(5, people.fact(celsius=38.0)),
    )
    assert [i["status"] for i in told.json()["items"]] == ["stored"] * 5
    async with hub.runtime.database.reading() as tx:
        opened = await tx.raw.fetch(
            "SELECT subject_id::text, operator_id FROM event"
            " WHERE hub_id = $1 AND kind = 'case.opened'",
            hub.hub_id,
        )
    cases = [i["check"]["case_id"] for i in told.json()["items"][2:4]]
    medic = hub.duties[Role.MEDIC]
    assert dict(opened) == {cases[0]: screener.operator_id, cases[1]: medic.operator_id}


async def held(hub: Hub) -> people.Json:
    """Somebody held with a fever, and the step that would let go of them."""
    number = people.resident_number()
    ear = people.fact(number, temperature={"value": 38.4, "method": "EAR"})
    told = (await hand_over(hub, item(1, people.fact(number, 38.2)), item(2, ear))).json()
    check: people.Json = told["items"][1]["check"]
    assert check["state"] == "HELD"
    return {
        "screening_id": check["screening_id"],
        "event": "not_a_case",
        "at": people.now(),
        "reason": "seen by the medic",
    }


async def medic_on_the_tablet(hub: Hub) -> tuple[str, str]:
    """The shift and the token of the medic, signed in on the screener's tablet."""
    body = {"login": hub.duties[Role.MEDIC].login, "passcode": PASSCODE}
    answer = await hub.client(DEVICE).post("/v1/shifts", json=body)
    assert answer.status_code == 201
    return answer.json()["shift_id"], answer.json()["token"]


async def test_a_suspicion_is_not_lowered_by_naming_a_medics_shift(hub: Hub) -> None:
    step = await held(hub)
    shift, token = await medic_on_the_tablet(hub)
    alone = item(3, step, "transition", shift_id=shift)
    assert await refusal(hub, alone) == NEEDS_LIVE_SHIFT
    assert await refusal(hub, alone, Role.SCREENER) == NEEDS_LIVE_SHIFT
    assert await refusal(hub, item(4, step, "transition")) == NEEDS_LIVE_SHIFT
    async with hub.service.client(token) as medic:
        answer = await medic.post(
            "/v1/facts:batch",
            json={
                "sent_at": people.now(),
                "items": [item(5, step, "transition", shift_id=shift)],
            },
        )
        assert answer.json()["items"][0]["status"] == "stored"
        whole = await medic.get(f"/v1/screenings/{step['screening_id']}")
    assert whole.json()["state"] == "CLEARED_CONDITIONAL"
    assert whole.json()["steps"][-1]["operator_id"] == str(hub.duties[Role.MEDIC].operator_id)


async def test_a_medic_on_shift_need_not_name_the_shift(hub: Hub) -> None:
    step = await held(hub)
    assert await refusal(hub, item(1, step, "transition"), Role.MEDIC) is None


async def test_steps_reminders_and_services_come_in_a_backlog_too(hub: Hub) -> None:
    shift = str(hub.duties[Role.SCREENER].shift_id)
    check = item(1, people.fact(celsius=38.0), shift_id=shift)
    first = (await hand_over(hub, check)).json()["items"][0]["check"]
    screening = first["screening_id"]
    refuse = {
        "screening_id": screening,
        **step_bodies.body("refuse", reason="wants no second reading"),
    }
    service = {
        "screening_id": screening,
        "kind": "S1",
        "outcome": "ACCEPTED",
        "given_at": people.now(),
    }
    reminder = {
        "kind": "R2",
        "checkpoint": "north",
        "channel": "screen",
        "language": "en",
        "given_at": people.now(),
    }
    facts = (
        item(2, refuse, "transition", shift_id=shift),
        item(3, service, "service"),
        item(4, reminder, "reminder"),
    )
    told = (await hand_over(hub, *facts)).json()
    assert [i["status"] for i in told["items"]] == ["stored"] * 3
    again = (await hand_over(hub, *facts)).json()
    assert [i["status"] for i in again["items"]] == ["duplicate"] * 3
    whole = (await hub.client().get(f"/v1/screenings/{screening}")).json()
    assert whole["state"] == "REFUSAL"
    assert whole["steps"][-1]["reason"] == "wants no second reading"


async def test_a_step_without_the_role_is_kept_aside(hub: Hub) -> None:
    held = {
        "screening_id": str(people.new_id()),
        **step_bodies.body("refuse", reason="x"),
    }
    told = (await hand_over(hub, item(1, held, "transition"))).json()
    assert told["items"][0]["status"] == "quarantined"


async def test_an_item_that_is_no_fact_at_all_is_kept_aside(hub: Hub) -> None:
    told = (await hand_over(hub, 5, None, {"kind": "check"}, item(1))).json()
    assert [i["status"] for i in told["items"]] == ["quarantined"] * 3 + ["stored"]


async def test_what_is_kept_aside_is_not_missing(hub: Hub) -> None:
    unreadable = {**item(2), "role": "admin"}
    bodiless = {name: part for name, part in item(3).items() if name != "body"}
    told = (await hand_over(hub, item(1), unreadable, bodiless)).json()
    assert [i["status"] for i in told["items"]] == ["stored", "quarantined", "quarantined"]
    assert [i["id"] for i in told["items"][1:]] == [unreadable["id"], bodiless["id"]]
    faults = [i["problem"]["errors"] for i in told["items"][1:]]
    assert faults == [
        [{"pointer": "/role", "code": "unknown-field"}],
        [{"pointer": "/body", "code": "missing"}],
    ]
    assert (told["ack_through"], told["missing"]) == (3, [])


async def test_a_fault_found_late_is_pointed_at_from_the_item_too(hub: Hub) -> None:
    nobody = people.fact(identity={"document": people.document(" "), "result": "MATCH"})
    nowhere = {
        "kind": "R1",
        "channel": "screen",
        "language": "en",
        "given_at": people.now(),
    }
    told = (await hand_over(hub, item(1, nobody), item(2, nowhere, "reminder"))).json()
    assert [i["problem"]["errors"][0]["pointer"] for i in told["items"]] == [
        "/body/identity/document/number",
        "/body/run_id",
    ]
