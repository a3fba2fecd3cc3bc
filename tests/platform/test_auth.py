"""Who gets in, for how long, and how fast somebody is out again."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from httpx2 import Response
from hubs import DEVICE, PASSCODE, Hub, Service

from twinstile.platform.http.problems import EnrolmentRefused, Unauthenticated
from twinstile.platform.ops import clock
from twinstile.platform.security import devices
from twinstile.platform.security.auth import (
    DEVICE_SCOPES,
    ROLE_SCOPES,
    Gatekeeper,
    scopes_of,
)
from twinstile.platform.security.roles import Role
from twinstile.platform.security.shifts import (
    FAILURES_BEFORE_LOCK,
    LOCK,
    SHIFT_LENGTH,
    sign_in,
)

OUT_WITHIN_S = 5.0


async def code_of(hub: Hub, lane_id: str | None = None) -> str:
    body = {"lane_id": lane_id} if lane_id else {}
    answer = await hub.client(Role.ADMINISTRATOR).post("/v1/enrolments", json=body)
    return answer.json()["code"]


async def enrol(service: Service, code: str) -> Response:
    return await service.client().post("/v1/devices:enrol", json={"code": code, "name": "t"})


async def try_passcode(hub: Hub, login: str, passcode: str) -> Response:
    body = {"login": login, "passcode": passcode}
    return await hub.client(DEVICE).post("/v1/shifts", json=body)


async def test_a_code_lets_one_device_in_once(hub: Hub) -> None:
    code = await code_of(hub, "north-1")
    first, second = await asyncio.gather(enrol(hub.service, code), enrol(hub.service, code))
    assert sorted((first.status_code, second.status_code)) == [201, 401]
    device = (first if first.status_code == 201 else second).json()
    me = (await hub.service.client(device["token"]).get("/v1/me")).json()
    assert (me["hub_id"], me["lane_id"], me["operator_id"]) == (hub.hub_id, "north-1", None)
    assert me["scopes"] == sorted(DEVICE_SCOPES)


async def test_a_code_may_be_typed_as_people_type(hub: Hub) -> None:
    hub_id, _, secret = (await code_of(hub)).partition(":")
    typed = f" {hub_id.upper()}: {secret[:5].lower()}-{secret[5:].lower()} "
    assert (await enrol(hub.service, typed)).status_code == 201


async def test_a_code_ends_after_half_an_hour(hub: Hub) -> None:
    code = await code_of(hub)
    late = clock.now() + devices.CODE_LIFETIME + timedelta(seconds=1)
    with pytest.raises(EnrolmentRefused):
        async with hub.runtime.database.transaction() as tx:
            await devices.enrol(tx, code, "late", late)
    assert (await enrol(hub.service, code)).status_code == 201


@pytest.mark.parametrize("code", ["nowhere:7KQ2M4PDXA", "7KQ2M4PDXA", ":", "x" * 200])
async def test_a_wrong_code_tells_nothing(service: Service, code: str) -> None:
    answer = await enrol(service, code)
    assert answer.status_code == 401
    assert answer.json()["type"] == "/problems/enrolment-refused"


async def test_an_operator_signs_in_for_twelve_hours_with_the_rights_of_the_roles(
    hub: Hub,
) -> None:
    before = clock.now()
    answer = await try_passcode(hub, hub.duties[Role.MEDIC].login.upper(), PASSCODE)
    shift = answer.json()
    assert answer.status_code == 201
    assert shift["scopes"] == sorted(scopes_of(frozenset({Role.MEDIC})))
    assert shift["ends_at"] >= (before + SHIFT_LENGTH).isoformat()[:19]
    me = (await hub.service.client(shift["token"]).get("/v1/me")).json()
    assert me["shift_id"] == shift["shift_id"]
    assert me["roles"] == ["medic"]


async def test_a_wrong_passcode_and_an_unknown_login_get_the_same_answer(hub: Hub) -> None:
    wrong = await try_passcode(hub, hub.duties[Role.MEDIC].login, "wrong")
    unknown = await try_passcode(hub, "nobody", "wrong")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() | {"trace_id": ""} == unknown.json() | {"trace_id": ""}


async def test_after_five_wrong_passcodes_the_right_one_waits(hub: Hub) -> None:
    duty = hub.duties[Role.MEDIC]
    for _ in range(FAILURES_BEFORE_LOCK):
        assert (await try_passcode(hub, duty.login, "wrong")).status_code == 401
    locked = await try_passcode(hub, duty.login, PASSCODE)
    assert locked.status_code == 429
    assert 0 < int(locked.headers["retry-after"]) <= LOCK.total_seconds() + 1
    others = await try_passcode(hub, hub.duties[Role.SCREENER].login, PASSCODE)
    assert others.status_code == 201
    device = await hub.runtime.gatekeeper.principal(hub.tokens[DEVICE])
    later = clock.now() + LOCK + timedelta(seconds=1)
    assert await sign_in(hub.runtime.database, device, duty.login, PASSCODE, later)


async def test_a_shift_ends_by_itself(hub: Hub) -> None:
    long_ago = clock.now() - SHIFT_LENGTH - timedelta(seconds=1)
    ended = await hub.another(Role.SCREENER, at=long_ago)
    shift, device = hub.service.client(ended.token), hub.service.client(ended.device_token)
    assert (await shift.get("/v1/me")).status_code == 401
    assert (await device.get("/v1/me")).status_code == 200


async def test_signing_out_ends_the_shift_and_leaves_the_device(hub: Hub) -> None:
    client = hub.client(Role.SCREENER)
    assert (await client.delete("/v1/shifts/current")).status_code == 204
    assert (await client.get("/v1/me")).status_code == 401
    assert (await hub.client(DEVICE).get("/v1/me")).status_code == 200


async def until_refused(gatekeeper: Gatekeeper, token: str) -> None:
    while await gatekeeper.principal(token):  # noqa: ASYNC110 -- it is told by nobody
        await asyncio.sleep(0.1)


async def revoke_device(hub: Hub) -> None:
    device_id = hub.duties[Role.MEDIC].device_id
    answer = await hub.client(Role.SUPERVISOR).delete(f"/v1/devices/{device_id}")
    assert answer.status_code == 204


async def disable_operator(hub: Hub) -> None:
    operator_id = hub.duties[Role.MEDIC].operator_id
    answer = await hub.client(Role.ADMINISTRATOR).delete(f"/v1/operators/{operator_id}")
    assert answer.status_code == 204


@pytest.mark.parametrize("shut_out", [revoke_device, disable_operator])
async def test_who_is_shut_out_is_out_here_at_once_and_elsewhere_within_seconds(
    hub: Hub, shut_out: Callable[[Hub], Awaitable[None]]
) -> None:
    token = hub.tokens[Role.MEDIC]
    elsewhere = Gatekeeper(hub.runtime.database)  # what another process remembers
    await elsewhere.principal(token)
    assert (await hub.client(Role.MEDIC).get("/v1/me")).status_code == 200
    await shut_out(hub)
    assert (await hub.client(Role.MEDIC).get("/v1/me")).status_code == 401
    with pytest.raises(Unauthenticated):
        await asyncio.wait_for(until_refused(elsewhere, token), OUT_WITHIN_S)


async def test_a_token_of_another_kind_or_hub_opens_nothing(hub: Hub) -> None:
    kind, hub_id, secret = hub.tokens[Role.MEDIC].split(".")
    for token in (
        f"tsd.{hub_id}.{secret}",
        f"{kind}.other.{secret}",
        f"{kind}.{hub_id}.{secret[:-1]}",
        f"{kind}.{hub_id}.",
        f"{kind}.{hub_id}.{'x' * 4000}",
        "tss..",
        "Basic",
    ):
        assert (await hub.service.client(token).get("/v1/me")).status_code == 401


def test_no_role_can_do_everything() -> None:
    everything = scopes_of(frozenset(Role))
    for role, scopes in ROLE_SCOPES.items():
        assert scopes < everything, role


async def test_tokens_and_passcodes_are_stored_as_digests_only(hub: Hub) -> None:
    shift = (await try_passcode(hub, hub.duties[Role.MEDIC].login, PASSCODE)).json()
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT row_to_json(d)::text FROM device d WHERE hub_id = $1 UNION ALL"
            " SELECT row_to_json(s)::text FROM shift s WHERE hub_id = $1 UNION ALL"
            " SELECT row_to_json(o)::text FROM operator o WHERE hub_id = $1 UNION ALL"
            " SELECT row_to_json(e)::text FROM event e WHERE hub_id = $1",
            hub.hub_id,
        )
    stored = " ".join(row[0] for row in rows)
    for secret in (*hub.tokens.values(), shift["token"], PASSCODE):
        assert secret.rpartition(".")[2] not in stored
