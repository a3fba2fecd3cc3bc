"""What of cases is shown to whom."""

from uuid import UUID

import fever
import people
import pytest
from hubs import Hub

from twinstile.cases.bodies import Purpose
from twinstile.identity import vault
from twinstile.platform import events
from twinstile.platform.roles import Role


async def test_pages_show_every_case_once_the_latest_first(hub: Hub) -> None:
    opened = [await fever.case_of(hub) for _ in range(5)]
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
    first = [await fever.case_of(hub) for _ in range(2)]
    client = hub.client(Role.MEDIC)
    page = (await client.get("/v1/cases?limit=1")).json()
    await fever.case_of(hub)
    rest = (await client.get("/v1/cases", params={"cursor": page["next"]})).json()
    assert [case["case_id"] for case in rest["cases"]] == [first[0]]


async def test_a_page_that_holds_all_has_no_next(hub: Hub) -> None:
    await fever.case_of(hub)
    page = (await hub.client(Role.MEDIC).get("/v1/cases?limit=1")).json()
    assert (len(page["cases"]), page["next"]) == (1, None)


async def test_cases_can_be_asked_for_by_state(hub: Hub) -> None:
    one, other = await fever.case_of(hub), await fever.case_of(hub)
    await fever.dispose(hub, other)
    client = hub.client(Role.EPIDEMIOLOGIST)
    for state, expected in (("ASSESSING", [one]), ("DISPOSED", [other]), ("IN_CARE", [])):
        page = (await client.get("/v1/cases", params={"state": state})).json()
        assert [case["case_id"] for case in page["cases"]] == expected


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "state=SUSPECTED", "cursor=abc", "cursor=" + "A" * 101]
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
    case_id = await fever.case_of(hub)
    client = hub.client(role)
    assert (await client.get("/v1/cases")).status_code == status
    assert (await client.get(f"/v1/cases/{case_id}")).status_code == status


async def test_no_list_and_no_case_says_who_it_is(hub: Hub) -> None:
    number = people.resident_number()
    case_id = await fever.case_of(hub, number=number)
    client = hub.client(Role.MEDIC)
    for path in ("/v1/cases", f"/v1/cases/{case_id}"):
        told = (await client.get(path)).text
        assert number not in told
        assert "张伟" not in told
        assert "person" not in told


@pytest.mark.parametrize("purpose", Purpose)
async def test_a_medic_reads_the_name_and_that_is_kept(hub: Hub, purpose: Purpose) -> None:
    number = people.resident_number()
    case_id = await fever.case_of(hub, number=number)
    answer = await hub.client(Role.MEDIC).get(f"/v1/cases/{case_id}/person?purpose={purpose}")
    assert answer.json() == {
        "case_id": case_id,
        "name": "张伟",
        "document_kind": "RESIDENT_ID",
        "document_number": number,
        "document_issuer": None,
    }
    assert answer.headers["Cache-Control"] == "no-store"
    reads = await _reads(hub, case_id)
    assert [read.body for read in reads] == [
        {"purpose": purpose.value, "fields": ["name", "document"]}
    ]
    medic = hub.duties[Role.MEDIC]
    assert (reads[0].operator_id, reads[0].device_id) == (medic.operator_id, medic.device_id)


async def _reads(hub: Hub, case_id: str) -> list[events.Happening]:
    async with hub.house.database.reading() as tx:
        return await events.of_subject(tx, hub.hub_id, UUID(case_id), ["identity.read"], 10)


@pytest.mark.parametrize("query", ["", "?purpose=CURIOSITY", "?purpose="])
async def test_no_name_without_a_purpose(hub: Hub, query: str) -> None:
    case_id = await fever.case_of(hub)
    answer = await hub.client(Role.MEDIC).get(f"/v1/cases/{case_id}/person{query}")
    assert answer.status_code == 422
    assert await _reads(hub, case_id) == []


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.MEDIC])
async def test_nobody_but_a_medic_reads_a_name(hub: Hub, role: Role) -> None:
    case_id = await fever.case_of(hub)
    answer = await hub.client(role).get(f"/v1/cases/{case_id}/person?purpose=FOLLOW_UP")
    assert answer.status_code == 403
    assert await _reads(hub, case_id) == []


async def test_the_name_outlives_the_key_of_the_day_and_ends_with_that_of_the_case(
    hub: Hub,
) -> None:
    case_id = await fever.case_of(hub)
    keys, medic = hub.house.keys.of(hub.hub_id), hub.client(Role.MEDIC)
    (day,) = keys.names("day.")
    keys.destroy(day)
    path = f"/v1/cases/{case_id}/person?purpose=FOLLOW_UP"
    assert (await medic.get(path)).json()["name"] == "张伟"
    keys.destroy(vault.case_key(UUID(case_id)))
    gone = await medic.get(path)
    assert (gone.status_code, gone.json()["type"]) == (410, "/problems/gone-destroyed")
    assert len(await _reads(hub, case_id)) == 1
    assert (await medic.get(f"/v1/cases/{case_id}")).status_code == 200
