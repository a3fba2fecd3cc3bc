"""What of cases is shown to whom."""

from uuid import UUID, uuid4

import fever_cases
import people
import pytest
from access_log_reader import reads
from hubs import Hub
from refusals import refused

from twinstile.identity import vault
from twinstile.platform.ledger import events
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import PURPOSES, Action, Purpose
from twinstile.platform.security.roles import Role


async def test_pages_show_every_case_once_the_latest_first(hub: Hub) -> None:
    opened = [await fever_cases.case_of(hub) for _ in range(5)]
    seen: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor:
        query = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await hub.client(Role.SUPERVISOR).get("/v1/cases", params=query)).json()
        seen += [case["case_id"] for case in page["cases"]]
        cursor, pages = page["next"], pages + 1
    assert seen == opened[::-1]
    assert pages == 3


async def test_a_case_that_opens_meanwhile_disturbs_no_page(hub: Hub) -> None:
    first = [await fever_cases.case_of(hub) for _ in range(2)]
    client = hub.client(Role.MEDIC)
    page = (await client.get("/v1/cases?limit=1")).json()
    await fever_cases.case_of(hub)
    rest = (await client.get("/v1/cases", params={"cursor": page["next"]})).json()
    assert [case["case_id"] for case in rest["cases"]] == [first[0]]


async def test_a_page_that_holds_all_has_no_next(hub: Hub) -> None:
    await fever_cases.case_of(hub)
    page = (await hub.client(Role.MEDIC).get("/v1/cases?limit=1")).json()
    assert (len(page["cases"]), page["next"]) == (1, None)


async def test_cases_can_be_asked_for_by_state(hub: Hub) -> None:
    one, other = await fever_cases.case_of(hub), await fever_cases.case_of(hub)
    await fever_cases.dispose(hub, other)
    client = hub.client(Role.EPIDEMIOLOGIST)
    for state, expected in (("ASSESSING", [one]), ("DISPOSED", [other]), ("IN_CARE", [])):
        page = (await client.get("/v1/cases", params={"state": state})).json()
        assert [case["case_id"] for case in page["cases"]] == expected


async def test_open_cases_are_listed_by_the_time_left(hub: Hub) -> None:
    assessed, sent, other, closed = [await fever_cases.case_of(hub) for _ in range(4)]
    await fever_cases.dispose(hub, sent)  # ten minutes; the others have half an hour
    await fever_cases.move(hub, closed, "excluded")
    client, seen, cursor = hub.client(Role.MEDIC), list[str](), None
    while not seen or cursor:
        query = {"by": "DUE", "limit": "1"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/v1/cases", params=query)).json()
        seen += [case["case_id"] for case in page["cases"]]
        cursor = page["next"]
    assert seen == [sent, assessed, other]


@pytest.mark.parametrize(
    "query",
    ["by=AGE", "limit=0", "limit=201", "state=SUSPECTED", "cursor=abc", "cursor=" + "A" * 101],
)
async def test_a_list_is_not_asked_for_like_that(hub: Hub, query: str) -> None:
    assert (await hub.client(Role.MEDIC).get(f"/v1/cases?{query}")).status_code == 422


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.MEDIC, 200),
        (Role.SUPERVISOR, 200),
        (Role.DUTY_COMMANDER, 200),
        (Role.EPIDEMIOLOGIST, 200),
        (Role.SCREENER, 403),
        (Role.ASSISTANT, 403),
        (Role.ADMINISTRATOR, 403),
    ],
)
async def test_cases_are_for_those_who_work_on_them(hub: Hub, role: Role, status: int) -> None:
    case_id = await fever_cases.case_of(hub)
    client = hub.client(role)
    assert (await client.get("/v1/cases")).status_code == status
    assert (await client.get(f"/v1/cases/{case_id}")).status_code == status


async def test_no_list_and_no_case_says_who_it_is(hub: Hub) -> None:
    number = people.resident_number()
    case_id = await fever_cases.case_of(hub, number=number)
    client = hub.client(Role.MEDIC)
    for path in ("/v1/cases", f"/v1/cases/{case_id}"):
        told = (await client.get(path)).text
        assert number not in told
        assert "张伟" not in told
        assert "person" not in told


@pytest.mark.parametrize("purpose", sorted(PURPOSES[Action.REVEAL] - {Purpose.EMERGENCY}))
async def test_a_medic_reads_the_name_and_that_is_kept(hub: Hub, purpose: Purpose) -> None:
    number = people.resident_number()
    case_id = await fever_cases.case_of(hub, number=number)
    answer = await fever_cases.reveal(
        hub, case_id, purpose=purpose, reason="hand-over at gate 3"
    )
    assert answer.json() == {
        "case_id": case_id,
        "masked": False,
        "name": "张伟",
        "document_kind": "RESIDENT_ID",
        "document_number": number,
        "document_issuer": None,
        "synthetic": True,
    }
    assert answer.headers["Cache-Control"] == "no-store"
    (read,) = await reads(hub)
    medic = hub.duties[Role.MEDIC]
    assert {name: read[name] for name in read if name not in {"access_id", "at"}} == {
        "operator_id": str(medic.operator_id),
        "partner_id": None,
        "device_id": str(medic.device_id),
        "shift_id": str(medic.shift_id),
        "roles": ["medic"],
        "action": "REVEAL",
        "purpose": purpose,
        "reason": "hand-over at gate 3",
        "subject_id": case_id,
        "fields": ["name", "document"],
        "rows": 1,
        "outcome": "SHOWN",
    }


async def test_without_a_purpose_the_name_is_masked_and_that_is_kept_too(hub: Hub) -> None:
    number = people.resident_number()
    case_id = await fever_cases.case_of(hub, number=number)
    answer = await hub.client(Role.MEDIC).get(f"/v1/cases/{case_id}/person")
    assert answer.json() == {
        "case_id": case_id,
        "masked": True,
        "name": "张*",
        "document_kind": "RESIDENT_ID",
        "document_number": f"{number[:6]}********{number[-4:]}",
        "document_issuer": None,
        "synthetic": True,
    }
    assert answer.headers["Cache-Control"] == "no-store"
    (read,) = await reads(hub)
    assert (read["action"], read["purpose"], read["subject_id"]) == (
        "MASKED_READ",
        None,
        case_id,
    )


@pytest.mark.parametrize("purpose", [None, "INVESTIGATION", "DATA_QUALITY"])
async def test_no_name_without_a_purpose_that_fits(hub: Hub, purpose: str | None) -> None:
    case_id = await fever_cases.case_of(hub)
    answer = await fever_cases.reveal(hub, case_id, purpose=purpose)
    assert refused(answer, 403, "purpose-required") == []
    assert await reads(hub) == []


async def test_an_emergency_needs_a_reason_and_is_announced(hub: Hub) -> None:
    case_id = await fever_cases.case_of(hub)
    silent = await fever_cases.reveal(hub, case_id, purpose="EMERGENCY")
    assert refused(silent, 422, "invalid-input") == [{"pointer": "/reason", "code": "missing"}]
    assert await reads(hub) == []
    told = await fever_cases.reveal(
        hub, case_id, purpose="EMERGENCY", reason="collapsed in hall B"
    )
    assert told.status_code == 200
    (read,) = await reads(hub)
    assert (read["purpose"], read["reason"]) == ("EMERGENCY", "collapsed in hall B")
    async with hub.runtime.database.reading() as tx:
        (heard,) = await events.of_subject(
            tx, hub.hub_id, UUID(case_id), [access_log.EMERGENCY], 10
        )
    assert heard.body == {"access_id": read["access_id"], "action": "REVEAL"}
    assert heard.operator_id == hub.duties[Role.MEDIC].operator_id


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.MEDIC])
async def test_nobody_but_a_medic_reads_a_name(hub: Hub, role: Role) -> None:
    case_id = await fever_cases.case_of(hub)
    masked = await hub.client(role).get(f"/v1/cases/{case_id}/person")
    whole = await fever_cases.reveal(hub, case_id, role)
    assert (masked.status_code, whole.status_code) == (403, 403)
    assert await reads(hub) == []


async def test_a_name_that_is_not_there_leaves_no_row(hub: Hub) -> None:
    assert (await fever_cases.reveal(hub, str(uuid4()))).status_code == 404
    assert await reads(hub) == []


async def test_the_name_outlives_the_key_of_the_day_and_ends_with_that_of_the_case(
    hub: Hub,
) -> None:
    case_id = await fever_cases.case_of(hub)
    keys, medic = hub.runtime.keys.of(hub.hub_id), hub.client(Role.MEDIC)
    (day,) = keys.names("day.")
    keys.destroy(day)
    assert (await fever_cases.reveal(hub, case_id)).json()["name"] == "张伟"
    keys.destroy(vault.case_key(UUID(case_id)))
    for gone in (
        await fever_cases.reveal(hub, case_id),
        await medic.get(f"/v1/cases/{case_id}/person"),
    ):
        assert (gone.status_code, gone.json()["type"]) == (410, "/problems/gone-destroyed")
    assert len(await reads(hub)) == 1
    assert (await medic.get(f"/v1/cases/{case_id}")).status_code == 200


@pytest.mark.parametrize("what", ["legs", "follow-ups", "suspicions", "contact-lists"])
async def test_of_a_case_that_is_not_there_nothing_is_listed(hub: Hub, what: str) -> None:
    reader = hub.client(Role.EPIDEMIOLOGIST)
    case_id = await fever_cases.case_of(hub)
    assert (await reader.get(f"/v1/cases/{case_id}/{what}")).status_code == 200
    assert (await reader.get(f"/v1/cases/{uuid4()}/{what}")).status_code == 404
