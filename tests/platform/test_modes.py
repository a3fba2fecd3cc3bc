"""A hub is for real people or for trying out, and says so in every answer."""

import asyncpg
import people
import pytest
from hubs import DEVICE, Hub, Service, open_hub
from refusals import footprint, refused

from twinstile.platform.http.routes import Runtime
from twinstile.platform.security.hub_modes import HubMode
from twinstile.platform.security.roles import Role


async def test_the_service_cannot_change_what_a_hub_is_for(hub: Hub) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with hub.runtime.database.transaction() as tx:
            await tx.raw.execute(
                "UPDATE hub SET mode = 'PRODUCTION' WHERE hub_id = $1", hub.hub_id
            )


async def test_no_other_word_is_a_mode(runtime: Runtime) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with runtime.database.transaction() as tx:
            await tx.raw.execute(
                "INSERT INTO hub (hub_id, name, timezone, opened_at, mode)"
                " VALUES ('odd-mode', 'x', 'UTC', now(), 'REAL')"
            )


@pytest.mark.parametrize("mode", HubMode)
async def test_every_answer_says_what_the_hub_is_for(
    runtime: Runtime, service: Service, mode: HubMode
) -> None:
    hub = await open_hub(runtime, service, mode)
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


@pytest.fixture(scope="module")
async def real(runtime: Runtime, service: Service) -> Hub:
    return await open_hub(runtime, service, HubMode.PRODUCTION)


def backlog(made_for: str) -> people.Json:
    fact = people.fact(people.resident_number(), offline=True)
    item = {"kind": "check", "id": str(people.new_id()), "counter": 1, "body": fact}
    return {"sent_at": people.now(), "items": [item], "made_for": made_for}


async def test_a_backlog_of_another_hub_is_refused_and_not_stored(real: Hub, hub: Hub) -> None:
    before = await footprint(hub)
    for made_for in (real.hub_id, "nowhere"):
        batch = await hub.client(DEVICE).post("/v1/facts:batch", json=backlog(made_for))
        assert refused(batch, 409, "other-hub") == []
        check = people.check() | {"made_for": made_for}
        put = await hub.client().put(f"/v1/checks/{people.new_id()}", json=check)
        assert refused(put, 409, "other-hub") == []
    assert await footprint(hub) == before


async def test_a_backlog_that_names_its_own_hub_is_taken(hub: Hub) -> None:
    batch = await hub.client(DEVICE).post("/v1/facts:batch", json=backlog(hub.hub_id))
    assert [item["status"] for item in batch.json()["items"]] == ["stored"]
    check_id, body = people.new_id(), people.check() | {"made_for": hub.hub_id}
    for status in (201, 200):  # and it is not part of the content
        put = await hub.client().put(f"/v1/checks/{check_id}", json=body)
        assert put.status_code == status
        body = {name: part for name, part in body.items() if name != "made_for"}


async def test_a_tablet_enrolled_at_two_hubs_has_two_tokens(real: Hub, hub: Hub) -> None:
    tokens: list[str] = []
    for one in (real, hub):
        code = await one.client(Role.ADMINISTRATOR).post("/v1/enrolments", json={})
        body = {"code": code.json()["code"], "name": "North 3"}
        answer = await one.service.client().post("/v1/devices:enrol", json=body)
        tokens.append(answer.json()["token"])
    seen = [(await real.service.client(token).get("/v1/me")).json() for token in tokens]
    assert [me["mode"] for me in seen] == ["PRODUCTION", "DEMO"]
    assert len({me["device_id"] for me in seen}) == 2
