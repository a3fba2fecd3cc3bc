"""No route lets a token of one hub reach another, whatever id it is asked for.

A demo hub and a real hub of one installation, both ways.
"""

import re
from collections.abc import Mapping
from uuid import UUID

import fever_cases
import people
import pytest
from example_requests import sent
from httpx2 import Response
from hubs import DEVICE, Hub, Service, open_hub
from test_routes_matrix import ALLOWED, NOBODY, OPERATIONS, PARTNER, QUERIES

from twinstile.platform.db.tables import Base
from twinstile.platform.http.routes import Runtime
from twinstile.platform.security.hub_modes import HubMode
from twinstile.platform.security.roles import Role

REACHED = {
    name: who - {PARTNER, NOBODY}
    for name, who in ALLOWED.items()
    if name != "GET /metrics"  # of all hubs, for the operator of the machine
}
MODES = (HubMode.DEMO, HubMode.PRODUCTION)
NAME = "西门孤本"


async def in_use(runtime: Runtime, service: Service, mode: HubMode) -> Hub:
    """A hub with something of everything in it."""
    hub = await open_hub(runtime, service, mode)
    supervisor, run = hub.client(Role.SUPERVISOR), people.new_id()
    parts = {"mode": "RAIL", "service_no": f"G{mode}", "service_date": people.now()[:10]}
    ends = {"origin": "A", "terminus": "B", "scheduled_arrival": people.now()}
    await supervisor.put(f"/v1/runs/{run}", json={**parts, **ends})
    number = None if mode is HubMode.DEMO else people.possible_number()
    person = {"document": people.document(number, name=NAME), "result": "MATCH"}
    told = await fever_cases.confirmed(hub, identity=person, run_id=str(run))
    await fever_cases.dispose(hub, str(told["case_id"]), receiver=f"clinic of {mode}")
    broken = {"kind": "check", "id": str(people.new_id()), "counter": 9, "body": {"x": NAME}}
    await hub.client(DEVICE).post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": [broken]}
    )
    return hub


async def ids(hub: Hub) -> dict[str, set[UUID]]:
    """Every id that a row of the hub holds, by the name of its column."""
    found: dict[str, set[UUID]] = {}
    async with hub.runtime.database.reading() as tx:
        for name, table in Base.metadata.tables.items():
            for column in table.c:
                if "hub_id" in table.c and column.type.python_type is UUID:
                    rows = await tx.raw.fetch(
                        f'SELECT DISTINCT "{column.name}" FROM "{name}"'
                        f' WHERE hub_id = $1 AND "{column.name}" IS NOT NULL',
                        hub.hub_id,
                    )
                    found.setdefault(column.name, set()).update(row[0] for row in rows)
    return found


async def content(hub: Hub) -> dict[str, object]:
    """Everything the hub holds, as a digest of each table."""
    told: dict[str, object] = {}
    async with hub.runtime.database.reading() as tx:
        for name, table in Base.metadata.tables.items():
            if "hub_id" in table.c and not name.startswith("ledger"):
                row = await tx.raw.fetchrow(
                    f"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text))"
                    f' FROM "{name}" t WHERE hub_id = $1',
                    hub.hub_id,
                )
                assert row is not None
                told[name] = tuple(row)
    return told


def test_every_route_is_asked() -> None:
    assert {name for name, who in REACHED.items() if not who} == {
        "POST /v1/oauth/token",
        "POST /v1/feeds/{feed}/deliveries",
        "GET /v1/changes",
        "GET /v1/declarations/own",  # opened by a receipt
        "PUT /v1/declarations/own",
        "PUT /v1/declarations/own/appeals/{appeal_id}",
        "PUT /v1/declarations/own/reminder",
    }


@pytest.mark.parametrize("own", MODES)
async def test_a_token_of_one_hub_reaches_nothing_of_the_other(
    own: HubMode, runtime: Runtime, service: Service
) -> None:
    hubs = {mode: await in_use(runtime, service, mode) for mode in MODES}
    mine, other = hubs[own], hubs[next(mode for mode in MODES if mode is not own)]
    theirs, before = await ids(other), await content(other)
    secrets = {str(i) for of_column in theirs.values() for i in of_column}
    secrets |= {other.hub_id, NAME}
    for name in sorted(REACHED):
        for who in sorted(REACHED[name])[:1]:
            for asked in requests(name, theirs):
                answer = await call(mine, name, who, asked)
                secrets -= set(asked)  # from here on it may be an id of ours
                said = f"{answer.text} {answer.headers}"
                found = {secret for secret in secrets if secret in said}
                assert found == set(), (name, who)
                if name.startswith("GET") and asked and answer.status_code == 200:
                    nobody = [fixed(place) for place in re.findall(r"{(\w+)}", name)]
                    same = await call(mine, name, who, nobody)
                    assert outline(same, nobody) == outline(answer, asked), (name, who)
    assert await content(other) == before


def outline(answer: Response, asked: list[str]) -> str:
    """An answer without what was asked for: of what is not there it is always the same."""
    return re.sub("|".join(map(re.escape, asked)) or "$^", "*", answer.text)


def requests(name: str, theirs: Mapping[str, set[UUID]]) -> list[list[str]]:
    """Values for the route's places: an id of the other hub that fits the name of each."""
    places = re.findall(r"{(\w+)}", name)
    values = [
        sorted(
            map(str, theirs.get(place) or theirs.get("id" if place == "check_id" else "", ()))
        )
        for place in places
    ]
    if not places:
        return [[]]
    longest = max((len(found) for found in values), default=0)
    return [
        [
            found[n % len(found)] if found else fixed(place)
            for place, found in zip(places, values, strict=True)
        ]
        for n in range(max(1, min(longest, 3)))
    ]


def fixed(place: str) -> str:
    known = {
        "lane_id": "north-1",
        "room_id": "holding-1",
        "facility_id": "first-hospital",
        "version": "cn-hub",
        "form_no": "A-0001",
    }
    return known.get(place, str(people.new_id()))


async def call(hub: Hub, name: str, who: str, values: list[str]) -> Response:
    method, _, template = name.partition(" ")
    left = iter(values)
    path = re.sub(r"{\w+}", lambda _: next(left), template) + QUERIES.get(name, "")
    parts = OPERATIONS[name].get("requestBody", {}).get("content", {})
    kind, body = next(((kind, part["example"]) for kind, part in parts.items()), ("", None))
    token = hub.tokens.get(who)
    if name == "DELETE /v1/shifts/current":
        token = (await hub.another(Role(who))).token
    return await hub.service.client(token).request(method, path, **sent(kind, body))
