"""A hub is for real people, for practice or for trying out, and says so in every answer."""

import asyncpg
import people
import pytest
from hubs import DEVICE, Hub, Service, open_hub
from refusals import refused

from twinstile.platform.modes import HubMode
from twinstile.platform.roles import Role
from twinstile.platform.web import House

REAL = people.possible_number()


@pytest.fixture(scope="module")
async def practice(house: House, service: Service) -> Hub:
    return await open_hub(house, service, HubMode.PRACTICE)


async def test_the_service_cannot_change_what_a_hub_is_for(practice: Hub) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with practice.house.database.transaction() as tx:
            await tx.raw.execute(
                "UPDATE hub SET mode = 'PRODUCTION' WHERE hub_id = $1", practice.hub_id
            )


async def test_no_other_word_is_a_mode(house: House) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with house.database.transaction() as tx:
            await tx.raw.execute(
                "INSERT INTO hub (hub_id, name, timezone, opened_at, mode)"
                " VALUES ('odd-mode', 'x', 'UTC', now(), 'REAL')"
            )


@pytest.mark.parametrize("mode", HubMode)
async def test_every_answer_says_what_the_hub_is_for(
    house: House, service: Service, mode: HubMode
) -> None:
    hub = await open_hub(house, service, mode)
    nobody = people.check(1, identity={"result": "NOT_CHECKED"})
    lane = await hub.client(DEVICE).get("/v1/lanes/north-1/state")
    answers = [
        lane,
        await hub.client().get("/v1/me"),
        await hub.client().put(f"/v1/checks/{people.new_id()}", json=nobody),
    ]
    assert [answer.json()["mode"] for answer in answers] == [mode] * 3
    etag = {"If-None-Match": lane.headers["etag"]}
    without = [
        await hub.client(DEVICE).get("/v1/lanes/north-1/state", headers=etag),
        await hub.client().get(f"/v1/checks/{people.new_id()}"),
        await hub.client().get("/v1/operators"),
        await hub.client().put(f"/v1/checks/{people.new_id()}", content="no JSON"),
    ]
    assert [answer.status_code for answer in without] == [304, 404, 403, 415]
    told = None if mode is HubMode.PRODUCTION else mode
    assert {answer.headers.get("hub-mode") for answer in (*answers, *without)} == {told}


@pytest.mark.parametrize(
    ("document", "taken"),
    [
        (people.document(), True),
        ({"kind": "PASSPORT", "issuer": "UTO", "number": "L898902C3"}, True),
        (people.document(REAL), False),
        ({"kind": "PASSPORT", "issuer": "CHN", "number": "E12345678"}, False),
        ({"kind": "OTHER", "number": "1"}, False),
    ],
)
async def test_only_invented_documents_are_taken_in_practice(
    practice: Hub, document: people.Json, taken: bool
) -> None:
    body = people.check(1, identity={"document": document, "result": "MATCH"})
    put = await practice.client().put(f"/v1/checks/{people.new_id()}", json=body)
    look = await practice.client(Role.MEDIC).post(
        "/v1/lookups", json={"purpose": "IDENTIFICATION", "document": document}
    )
    if taken:
        assert (put.status_code, look.status_code) == (201, 200)
        return
    for answer, pointer in ((put, "/identity/document/number"), (look, "/document/number")):
        faults = refused(answer, 422, "real-document-in-practice")
        assert faults == [{"pointer": pointer, "code": "unknown-value"}]


async def test_no_manifest_of_real_people_is_taken_in_practice(practice: Hub) -> None:
    entries = [
        {"entry_id": "1", "document": people.document()},
        {"entry_id": "2", "document": people.document(REAL)},
    ]
    answer = await practice.client(Role.SUPERVISOR).put(
        f"/v1/runs/{people.new_id()}/manifest", json={"batch": 1, "entries": entries}
    )
    faults = refused(answer, 422, "real-document-in-practice")
    assert faults == [{"pointer": "/entries/1/document/number", "code": "unknown-value"}]
