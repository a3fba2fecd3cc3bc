"""People who travel together, through the gates: families, classes, in any order, at once."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import people
import pytest
from httpx2 import Response
from hubs import DEVICE, Hub

from twinstile.platform.security.roles import Role
from twinstile.policy import documents
from twinstile.screening import parties

EAR_FEVER = {"value": 38.9, "method": "EAR"}
EAR_NORMAL = {"value": 36.5, "method": "EAR"}
NO_PHONE: people.Json = {"credential": None, "reminders": [], "services": []}
CHILD = "20200101"


def of(party: UUID, role: str = "MEMBER") -> people.Json:
    return {"party": {"id": str(party), "role": role}}


def child(party: UUID, role: str = "MINOR", **more: object) -> people.Json:
    """A child without a telephone of its own."""
    number = people.resident_number(born=CHILD)
    return people.fact(number, **{**NO_PHONE, **of(party, role), **more})


async def put(hub: Hub, body: people.Json, role: Role = Role.SCREENER) -> people.Json:
    path = f"/v1/checks/{people.new_id()}"
    whole = {**body, "counter": 1, "sent_at": people.now()}
    answer = await persistent(lambda: hub.client(role).put(path, json=whole))
    assert answer.status_code == 201, answer.text
    told: people.Json = answer.json()
    return told


async def persistent(send: Callable[[], Awaitable[Response]]) -> Response:
    """The answer, asked for again while the service is busy, as a tablet does."""
    for _ in range(8):
        answer = await send()
        if answer.status_code != 503:
            break
    return answer


async def scan(hub: Hub, *bodies: people.Json, who: str = DEVICE) -> list[people.Json]:
    """A group in one request."""
    items = [
        {"kind": "check", "id": str(people.new_id()), "counter": n, "body": body}
        for n, body in enumerate(bodies, 1)
    ]
    answer = await hub.client(who).post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": items}
    )
    assert answer.status_code == 200, answer.text
    return [item["check"] for item in answer.json()["items"]]


async def read(hub: Hub, party: UUID) -> people.Json:
    answer = await hub.client().get(f"/v1/parties/{party}")
    assert answer.status_code == 200, answer.text
    whole: people.Json = answer.json()
    return whole


async def screening(hub: Hub, told: people.Json) -> people.Json:
    whole: people.Json = (
        await hub.client().get(f"/v1/screenings/{told['screening_id']}")
    ).json()
    return whole


def rules(told: people.Json) -> set[str]:
    return {str(reason["rule_id"]) for reason in told["reasons"]}


async def test_a_group_scan_is_one_request_and_as_many_screenings(hub: Hub) -> None:
    party = uuid4()
    guardian = people.fact(**of(party, "GUARDIAN"))
    told = await scan(hub, guardian, child(party), people.fact(**of(party)), child(party))
    assert [answer["state"] for answer in told] == ["CLEARED"] * 4
    assert len({answer["screening_id"] for answer in told}) == 4
    assert told[1]["party"] == {"party_id": str(party), "role": "MINOR"}
    whole = await read(hub, party)
    assert whole["people"] == 4
    assert whole["guardian"] == told[0]["screening_id"]
    assert [m["role"] for m in whole["members"]] == ["GUARDIAN", "MINOR", "MEMBER", "MINOR"]


async def test_a_minor_inherits_reminders_and_declaration_and_needs_no_telephone(
    hub: Hub,
) -> None:
    party = uuid4()
    declared = {"declaration": {"symptoms": [], "contact": "NO"}}
    guardian = people.fact(reminders=["R1", "R2"], **of(party, "GUARDIAN"), **declared)
    _, told = await scan(hub, guardian, child(party))
    assert told["completeness"]["reminders"] == 2
    assert told["completeness"]["verifications"] == 2
    check = (await hub.client().get(f"/v1/checks/{told['id']}")).json()
    assert check["evidence"]["inherited"] is not None
    assert "credential" not in check["evidence"]


async def test_what_the_guardian_declares_counts_for_the_minor(hub: Hub) -> None:
    party = uuid4()
    met = {"declaration": {"symptoms": [], "contact": "YES"}}
    _, told = await scan(hub, people.fact(**of(party, "GUARDIAN"), **met), child(party))
    assert "DECL-CONTACT" in rules(told)


async def test_a_minor_has_a_temperature_and_an_identity_of_its_own(hub: Hub) -> None:
    party = uuid4()
    guardian = people.fact(**of(party, "GUARDIAN"))
    _, cold = await scan(hub, guardian, child(party, temperature=None))
    assert rules(cold) == {"TEMP-MISSING"}
    (nobody,) = await scan(hub, child(party, identity={"result": "NOT_CHECKED"}))
    assert rules(nobody) == {"ID-MISSING"}
    register = {
        "document": {"kind": "OTHER", "number": "HK-7781", "issuer": "household register"},
        "result": "MATCH",
    }
    (known,) = await scan(hub, child(party, identity=register))
    assert known["state"] == "CLEARED"


async def test_the_guardians_credential_must_be_good_to_count_for_the_minor(hub: Hub) -> None:
    party = uuid4()
    unknown = {"credential": {"status": "NOT_PRESENTED"}}
    guardian = people.fact(**{**unknown, **of(party, "GUARDIAN")})
    first, told = await scan(hub, guardian, child(party))
    assert first["state"] == "ASSISTED"
    assert rules(told) == {"CRED-MISSING"}


async def test_a_child_who_comes_first_waits_for_the_guardian_and_goes_with_them(
    hub: Hub,
) -> None:
    party = uuid4()
    early = await put(hub, child(party))
    assert early["state"] == "PRESENTED"
    assert rules(early) >= {"MINOR-ALONE"}
    assert (await put(hub, people.fact(**of(party, "GUARDIAN"))))["state"] == "CLEARED"
    whole = await screening(hub, early)
    assert whole["state"] == "CLEARED"
    assert len(whole["checks"]) == 1
    assert [step["event"] for step in whole["steps"]][-1] == "pass"


async def test_in_one_batch_the_order_of_child_and_guardian_makes_no_difference(
    hub: Hub,
) -> None:
    party = uuid4()
    early, _ = await scan(hub, child(party), people.fact(**of(party, "GUARDIAN")))
    assert (await screening(hub, early))["state"] == "CLEARED"


async def test_the_document_says_who_is_a_minor(hub: Hub) -> None:
    party = uuid4()
    grown = people.resident_number(born="20050101")
    told = await scan(
        hub,
        people.fact(**of(party, "GUARDIAN")),
        child(party, "MEMBER"),
        child(party, "GUARDIAN"),
        people.fact(grown, **of(party)),
        people.fact(grown, **of(party, "MINOR")),
    )
    roles = [answer["party"]["role"] for answer in told]
    assert roles[:4] == ["GUARDIAN", "MINOR", "MINOR", "MEMBER"]


async def test_an_officers_word_makes_a_minor_of_somebody_without_a_birth_date(
    hub: Hub,
) -> None:
    party = uuid4()
    passport = {"document": {"kind": "PASSPORT", "number": "L898902C3", "issuer": "UTO"}}
    told = await scan(
        hub,
        people.fact(**of(party, "GUARDIAN")),
        people.fact(
            **{**NO_PHONE, **of(party, "MINOR")}, identity={**passport, "result": "MATCH"}
        ),
    )
    assert told[1]["party"]["role"] == "MINOR"
    assert told[1]["state"] == "CLEARED"


async def test_one_abnormal_member_flags_those_who_come_after_in_the_same_batch(
    hub: Hub,
) -> None:
    party = uuid4()
    told = await scan(
        hub,
        people.fact(celsius=38.4, **of(party, "GUARDIAN")),
        child(party),
        people.fact(**of(party)),
    )
    assert [answer["state"] for answer in told] == ["SECONDARY"] * 3
    assert rules(told[2]) == {"PARTY"}
    late = await put(hub, people.fact(**of(party)))
    assert rules(late) == {"PARTY"}


async def test_those_who_have_passed_are_alerted_and_their_passage_stays(hub: Hub) -> None:
    party = uuid4()
    well = await put(hub, people.fact(**of(party)))
    ill = await put(hub, people.fact(celsius=38.4, **of(party)))
    assert (well["state"], ill["state"]) == ("CLEARED", "SECONDARY")
    whole = await screening(hub, well)
    assert whole["state"] == "CLEARED"
    (alert,) = whole["alerts"]
    assert alert["kind"] == "PARTY_FLAGGED"
    assert alert["facts"] == {"party_id": str(party), "by": ill["screening_id"]}
    assert (await screening(hub, ill))["alerts"] == []
    listed = (await hub.client(Role.SUPERVISOR).get("/v1/alerts")).json()["alerts"]
    assert [one["alert_id"] for one in listed] == [alert["alert_id"]]


async def test_a_medics_finding_alerts_those_who_have_passed_too(hub: Hub) -> None:
    party = uuid4()
    well = await put(hub, people.fact(**of(party)))
    odd = {"document": people.document(), "result": "MISMATCH"}
    seen = await put(hub, people.fact(identity=odd, **of(party)))
    assert (await screening(hub, well))["alerts"] == []
    held = {"event": "confirmed_abnormal", "at": people.now(), "reason": "ill"}
    path = f"/v1/screenings/{seen['screening_id']}/steps/{people.new_id()}"
    assert (await hub.client(Role.MEDIC).put(path, json=held)).status_code == 200
    assert [a["kind"] for a in (await screening(hub, well))["alerts"]] == ["PARTY_FLAGGED"]


async def test_who_is_flagged_for_the_others_alone_flags_nobody(hub: Hub) -> None:
    party = uuid4()
    number, other = people.resident_number(), people.resident_number()
    await scan(hub, people.fact(number, 38.4, **of(party)), people.fact(other, **of(party)))
    cleared = await put(hub, people.fact(number, temperature=EAR_NORMAL), Role.MEDIC)
    assert cleared["state"] == "CLEARED"
    again = await put(hub, people.fact(other), Role.MEDIC)
    assert again["state"] == "CLEARED"
    assert (await put(hub, people.fact(**of(party))))["state"] == "CLEARED"


async def test_a_later_check_need_not_name_the_party_to_flag_it(hub: Hub) -> None:
    party = uuid4()
    number = people.resident_number()
    await put(hub, people.fact(number, temperature=None, **of(party)))
    await put(hub, people.fact(number, temperature=EAR_FEVER))
    assert rules(await put(hub, people.fact(**of(party)))) == {"PARTY"}


async def test_a_mismatch_of_one_document_flags_nobody_else(hub: Hub) -> None:
    party = uuid4()
    odd = {"document": people.document(), "result": "MISMATCH"}
    told = await scan(hub, people.fact(identity=odd, **of(party)), people.fact(**of(party)))
    assert [answer["state"] for answer in told] == ["SECONDARY", "CLEARED"]


async def test_two_tablets_may_scan_one_party_at_once(hub: Hub) -> None:
    party = uuid4()
    bodies = [
        [people.fact(**of(party, "GUARDIAN")), *(child(party) for _ in range(5))],
        [people.fact(**of(party, "GUARDIAN")), *(child(party) for _ in range(5))],
    ]

    async def tablet(role: Role, group: list[people.Json]) -> list[people.Json]:
        items = [
            {"kind": "check", "id": str(people.new_id()), "counter": n, "body": body}
            for n, body in enumerate(group, 1)
        ]
        body = {"sent_at": people.now(), "items": items}
        answer = await persistent(lambda: hub.client(role).post("/v1/facts:batch", json=body))
        assert answer.status_code == 200, answer.text
        return [item["check"] for item in answer.json()["items"]]

    await asyncio.gather(
        tablet(Role.SCREENER, bodies[0]),
        tablet(Role.ASSISTANT, bodies[1]),
        *(put(hub, child(party)) for _ in range(4)),
    )
    whole = await read(hub, party)
    roles = [member["role"] for member in whole["members"]]
    assert (roles.count("GUARDIAN"), roles.count("MEMBER"), roles.count("MINOR")) == (1, 1, 14)
    assert whole["people"] == 16
    assert {member["state"] for member in whole["members"]} == {"CLEARED"}


async def test_a_party_takes_sixty_people_and_a_check_is_never_lost_for_it(hub: Hub) -> None:
    party = uuid4()
    told = await scan(hub, *(people.fact(**of(party)) for _ in range(61)))
    assert [answer["party"] is not None for answer in told] == [True] * 60 + [False]
    assert told[60]["state"] == "CLEARED"
    assert (await read(hub, party))["people"] == 60


async def test_the_same_check_again_gets_the_same_answer(hub: Hub) -> None:
    party, check_id = uuid4(), people.new_id()
    body = {**people.fact(**of(party, "GUARDIAN")), "counter": 1, "sent_at": people.now()}
    first = await hub.client().put(f"/v1/checks/{check_id}", json=body)
    again = await hub.client().put(f"/v1/checks/{check_id}", json=body)
    assert again.json()["party"] == first.json()["party"]
    assert (await read(hub, party))["people"] == 1
    other = {**body, **of(uuid4(), "GUARDIAN")}
    assert (await hub.client().put(f"/v1/checks/{check_id}", json=other)).status_code == 409


async def change(
    hub: Hub, party: UUID, told: people.Json, change_id: UUID | None = None, **more: object
) -> Response:
    body = {
        "screening_id": told["screening_id"],
        "at": "2026-11-24T08:00:00+08:00",
        "reason": "the mother was taken to hospital",
        **more,
    }
    return await hub.client().put(
        f"/v1/parties/{party}/guardians/{change_id or uuid4()}", json=body
    )


async def test_the_guardian_is_changed_with_a_reason(hub: Hub) -> None:
    party, change_id = uuid4(), uuid4()
    mother, aunt, minor = await scan(
        hub, people.fact(**of(party, "GUARDIAN")), people.fact(**of(party)), child(party)
    )
    assert (await change(hub, party, aunt, change_id)).json() == {"status": "stored"}
    assert (await change(hub, party, aunt, change_id)).json() == {"status": "duplicate"}
    assert (await change(hub, party, aunt, change_id, reason="other")).status_code == 409
    assert (await change(hub, party, minor)).status_code == 409
    assert (await change(hub, party, {"screening_id": str(uuid4())})).status_code == 404
    assert (await change(hub, uuid4(), aunt)).status_code == 404
    whole = await read(hub, party)
    assert whole["guardian"] == aunt["screening_id"]
    assert [m["role"] for m in whole["members"]] == ["MEMBER", "GUARDIAN", "MINOR"]
    assert whole["guardians"][0]["before"] == mother["screening_id"]


async def step(
    hub: Hub, told: people.Json, event: str, role: Role = Role.MEDIC, **particulars: object
) -> Response:
    body = {
        "event": event,
        "at": people.now(),
        "reason": "as seen",
        "particulars": {"receiver": "First Hospital", **particulars},
    }
    return await hub.client(role).put(
        f"/v1/screenings/{told['screening_id']}/steps/{people.new_id()}", json=body
    )


@pytest.mark.parametrize("first", [0, 1], ids=["guardian", "minor"])
async def test_a_minor_and_the_guardian_are_parted_only_with_a_reason(
    hub: Hub, first: int
) -> None:
    party = uuid4()
    told = await scan(
        hub,
        people.fact(celsius=38.4, **of(party, "GUARDIAN")),
        child(party),
        people.fact(**of(party)),
    )
    for answer in told:
        held = {"event": "confirmed_abnormal", "at": people.now(), "reason": "ill"}
        path = f"/v1/screenings/{answer['screening_id']}/steps/{people.new_id()}"
        assert (await hub.client(Role.MEDIC).put(path, json=held)).status_code == 200
    one, other = told[first], told[1 - first]
    refused = await step(hub, one, "handover_ack")
    assert refused.status_code == 409
    assert refused.json()["type"] == "/problems/separation-reason-needed"
    assert (await screening(hub, one))["state"] == "HELD"
    why = "the child needs a paediatric ward"
    assert (await step(hub, one, "handover_ack", separation_reason=why)).status_code == 200
    assert (await step(hub, other, "handover_ack")).status_code == 200  # to the same end
    assert (await step(hub, told[2], "handover_ack")).status_code == 200  # nobody's minor


def rule(name: str, outcome: str, *conditions: people.Json) -> people.Json:
    text = {"en": "x", "zh-CN": "x"}
    when = {"and": [*conditions, True]}
    return {"id": name, "when": when, "outcome": outcome, "code": "of-tests", "text": text}


def reads(fact: str, value: str) -> people.Json:
    return {"===": [{"var": fact}, value]}


async def govern(hub: Hub, *rules: people.Json) -> None:
    document = documents.pack("cn-hub")
    await hub.adopt({**document, "version": "of-tests", "rules": [*document["rules"], *rules]})


async def test_a_minor_who_waits_is_decided_about_by_all_that_is_known(hub: Hub) -> None:
    """The guardian's check asks of the minor what a check of the minor would ask."""
    await govern(
        hub,
        rule("T-ENTRY", "REPEAT", reads("direction", "ARRIVING"), reads("test.result", "NONE")),
    )
    party, number = uuid4(), people.resident_number(born=CHILD)
    tested = {"test": {"kind": "PCR", "result": "NEGATIVE", "sampled_at": people.ago(hours=3)}}
    minor = people.fact(number, **{**NO_PHONE, **of(party, "MINOR")})
    untested, early = await scan(hub, child(party), {**minor, **tested})
    fever = people.fact(number, 38.4, observed_at=people.ago(hours=5))
    late = await put(hub, fever)
    assert late["screening_id"] != early["screening_id"]
    await scan(hub, people.fact(**of(party, "GUARDIAN"), **tested))
    assert (await screening(hub, untested))["state"] == "PRESENTED"
    assert (await screening(hub, early))["state"] == "SECONDARY"


async def test_a_minor_held_with_the_guardian_has_a_case_of_its_own(hub: Hub) -> None:
    red = rule("T-RED", "HOLD", reads("credential.status", "RED"))
    ward = rule("T-WARD", "HOLD", reads("party.guardian", "RED"))
    await govern(hub, red, ward)
    party = uuid4()
    (early,) = await scan(hub, child(party))
    red_code = people.fact(credential={"status": "RED"}, **of(party, "GUARDIAN"))
    (guardian,) = await scan(hub, red_code)
    minor = await screening(hub, early)
    assert (guardian["state"], minor["state"]) == ("HELD", "HELD")
    assert minor["case_id"] not in {None, guardian["case_id"]}


async def test_who_joins_a_party_under_suspicion_flags_those_who_have_passed(hub: Hub) -> None:
    party, number = uuid4(), people.resident_number()
    (passed,) = await scan(hub, people.fact(**of(party)))
    await put(hub, people.fact(number, 38.4))
    await put(hub, people.fact(number, temperature=EAR_FEVER, **of(party)), Role.MEDIC)
    alerts = (await screening(hub, passed))["alerts"]
    assert [alert["kind"] for alert in alerts] == ["PARTY_FLAGGED"]


async def test_the_latest_passage_of_somebody_speaks_for_them(hub: Hub) -> None:
    """In whatever order the rows lie: making the first one the guardian's moves its row."""
    party, number = uuid4(), people.resident_number()
    first = await put(hub, people.fact(number, **of(party)))
    await put(hub, people.fact(number, 38.4, **of(party)))
    body = {
        "screening_id": first["screening_id"],
        "at": people.now(),
        "reason": "the mother answers for all",
    }
    change_of = f"/v1/parties/{party}/guardians/{people.new_id()}"
    answer = await hub.client().put(change_of, json=body)
    assert answer.status_code in {200, 201}, answer.text
    (flagged,) = await scan(hub, people.fact(**of(party)))
    assert rules(flagged) == {"PARTY"}


async def test_a_party_is_read_whole_so_its_passages_are_bounded(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parties, "MOST_PASSAGES", 3)
    party, number = uuid4(), people.resident_number()
    told = [await put(hub, people.fact(number, **of(party))) for _ in range(5)]
    assert [answer["state"] for answer in told] == ["CLEARED"] * 5
    assert [answer["party"] is None for answer in told] == [False] * 3 + [True] * 2
    assert len((await read(hub, party))["members"]) == 3
