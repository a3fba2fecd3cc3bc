"""Letting departments' systems in, and shutting them out."""

import asyncio
import base64
from datetime import timedelta
from uuid import UUID

import partner_systems
import pytest
from hubs import DEVICE, Hub

from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.sharing import feed, partners


def basic(client_id: str, secret: str) -> dict[str, str]:
    credentials = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {credentials}"}


async def test_a_token_is_given_for_the_form_and_for_http_basic(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    given = await hub.service.client().post(
        "/v1/oauth/token",
        data={"grant_type": "client_credentials", "scope": "changes:read"},
        headers=basic(department.client_id, department.secret),
    )
    told = given.json()
    assert given.headers["cache-control"] == "no-store"
    assert set(told) == {"access_token", "token_type", "expires_in", "scope"}
    assert (told["token_type"], told["scope"]) == ("Bearer", "changes:read")
    assert told["access_token"].startswith(f"tsp.{hub.hub_id}.")
    assert (await department.changes()).status_code == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        (
            {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"},
            401,
            "invalid_client",
        ),
        (
            {"grant_type": "client_credentials", "client_id": "a.b", "client_secret": "\0"},
            400,
            "invalid_request",
        ),
        (
            {"grant_type": "client_credentials", "client_id": "x" * 300, "client_secret": "y"},
            401,
            "invalid_client",
        ),
        (
            {
                "grant_type": "client_credentials",
                "client_id": "x",
                "client_secret": "y",
                "scope": "cases:read",
            },
            400,
            "invalid_scope",
        ),
    ],
)
async def test_a_request_that_cannot_be_granted_says_so_in_the_words_of_the_rfc(
    hub: Hub, form: dict[str, str], status: int, error: str
) -> None:
    answer = await hub.service.client().post("/v1/oauth/token", data=form)
    problem = answer.json()
    assert (answer.status_code, problem["error"], problem["status"]) == (status, error, status)
    assert answer.headers["content-type"].startswith("application/problem+json")
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    "body",
    [
        b"grant_type=client_credentials&grant_type=client_credentials",
        b"\xff\xfe",
        b"&".join(b"a%d=1" % i for i in range(50)),
        b"%ff%fe%00",
    ],
)
async def test_an_odd_form_is_refused(hub: Hub, body: bytes) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await hub.service.client().post("/v1/oauth/token", content=body, headers=kind)
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"


async def test_json_and_giant_bodies_are_no_forms(hub: Hub) -> None:
    client = hub.service.client()
    assert (await client.post("/v1/oauth/token", json={})).status_code == 415
    assert (await client.post("/v1/oauth/token", data={"a": "x" * 9000})).status_code == 413


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !", "Basic " + "A" * 4000, "Bearer x", "Basic /w=="]
)
async def test_an_odd_header_is_refused(hub: Hub, header: str) -> None:
    answer = await hub.service.client().post(
        "/v1/oauth/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": header},
    )
    assert answer.status_code == 401


async def test_wrong_secrets_are_bounded_and_the_right_one_of_another_is_not(hub: Hub) -> None:
    department, other = [await partner_systems.enter(hub) for _ in range(2)]
    statuses = [
        (await partner_systems.ask(hub, department.client_id, "wrong")).status_code
        for _ in range(feed.WRONG_SECRETS_A_MINUTE + 2)
    ]
    assert statuses[:10] == [401] * 10
    assert statuses[-1] == 429
    assert (await partner_systems.ask(hub, other.client_id, other.secret)).status_code == 200
    # nobody is shut out by a stranger who knows the client's id, which is no secret
    right = await partner_systems.ask(hub, department.client_id, department.secret)
    assert right.status_code == 200


async def test_the_secret_is_shown_once_and_listed_never(hub: Hub) -> None:
    department = await partner_systems.enter(hub, name="Port health office")
    listed = await hub.client(Role.ADMINISTRATOR).get("/v1/partners")
    (entry,) = listed.json()["partners"]
    assert (entry["name"], entry["client_id"]) == ("Port health office", department.client_id)
    assert department.secret not in listed.text
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch("SELECT p::text FROM partner p WHERE hub_id = $1", hub.hub_id)
    assert department.secret not in str(rows)


async def test_after_rotation_only_the_new_secret_counts(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    path = f"/v1/partners/{department.partner_id}:rotate"
    told = (await hub.client(Role.ADMINISTRATOR).post(path)).json()
    assert (await department.changes()).status_code == 401
    old = await partner_systems.ask(hub, department.client_id, department.secret)
    new = await partner_systems.ask(hub, told["client_id"], told["client_secret"])
    assert (old.status_code, new.status_code) == (401, 200)


async def test_no_token_of_the_old_secret_outlives_a_rotation_at_the_same_moment(
    hub: Hub,
) -> None:
    """As a thief would, who asks on and on while the secret is being changed."""
    department = await partner_systems.enter(hub)
    database = hub.runtime.database
    who = await hub.runtime.gatekeeper.principal(hub.tokens[Role.ADMINISTRATOR])

    async def ask() -> str | None:
        async with database.transaction() as tx:
            return await partners.issue(
                tx, department.client_id, department.secret, clock.now()
            )

    async with database.transaction() as tx:
        await partners.rotate(tx, who, UUID(department.partner_id), clock.now())
        asking = asyncio.create_task(ask())
        await asyncio.wait({asking}, timeout=0.5)
    assert await asking is None
    async with database.reading() as reading:
        left = await reading.raw.fetch(
            "SELECT 1 FROM partner_token WHERE hub_id = $1", hub.hub_id
        )
    assert left == []


async def test_a_partner_shut_out_elsewhere_is_out_within_five_seconds(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    assert (await department.changes()).status_code == 200
    async with hub.runtime.database.transaction() as tx:  # as another process would
        await tx.raw.execute(
            "UPDATE partner SET disabled_at = now() WHERE hub_id = $1", hub.hub_id
        )
    await asyncio.sleep(partners.REMEMBER_S + 0.1)
    assert (await department.changes()).status_code == 401
    refused = await partner_systems.ask(hub, department.client_id, department.secret)
    assert refused.status_code == 401


async def test_a_token_ends_and_old_ones_make_room(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    for _ in range(partners.TOKENS_A_PARTNER):
        await partner_systems.ask(hub, department.client_id, department.secret)
    assert (await department.changes()).status_code == 401
    async with hub.runtime.database.transaction() as tx:
        rows = await tx.raw.fetch("SELECT 1 FROM partner_token WHERE hub_id = $1", hub.hub_id)
        assert len(rows) == partners.TOKENS_A_PARTNER
        late = clock.now() + partners.TOKEN_LIFE + timedelta(seconds=1)
        token = await partners.issue(tx, department.client_id, department.secret, late)
        rows = await tx.raw.fetch("SELECT 1 FROM partner_token WHERE hub_id = $1", hub.hub_id)
    assert token is not None
    assert len(rows) == 1


async def test_staff_do_not_read_the_feed_and_partners_nothing_else(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    client = hub.service.client(department.token)
    for path in ("/v1/me", "/v1/cases", "/v1/partners"):
        assert (await client.get(path)).status_code == 401
    for who in (DEVICE, Role.ADMINISTRATOR, Role.EPIDEMIOLOGIST):
        assert (await hub.client(who).get("/v1/changes")).status_code == 403
    for token in ("tsp.", "tsp.x", "tsp.x.y", "tsp..", f"tsp.{hub.hub_id}.{'A' * 43}", "x"):
        assert (await hub.service.client(token).get("/v1/changes")).status_code == 401
