"""Requests nobody thought of, made from the contract: each answer is one the contract knows.

Longer than for every change: `python3 dev.py slow tests/routes/test_schemathesis.py`; different
each time: `TWINSTILE_FUZZ_EXAMPLES=500 python3 dev.py test tests/routes/test_schemathesis.py`.
"""

import asyncio
import os
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

import fever_cases
import partner_systems
import people
import pytest
import requests
import schemathesis
from hubs import DEVICE, Hub
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from twinstile import app
from twinstile.platform.security.auth import DEVICE_SCOPES, PARTNER_SCOPES, ROLE_SCOPES
from twinstile.platform.security.roles import Role

ASKED = os.environ.get("TWINSTILE_FUZZ_EXAMPLES")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def spelled(node: object) -> object:
    """The contract with pairs as arrays of two: schemathesis 4.32 breaks on `prefixItems`."""
    match node:
        case {"prefixItems": [first, *others], **rest} if all(o == first for o in others):
            return {**rest, "items": spelled(first)}
        case dict():
            return {name: spelled(member) for name, member in node.items()}
        case list():
            return [spelled(member) for member in node]
        case _:
            return node


SCHEMA = schemathesis.openapi.from_dict(cast("dict[str, object]", spelled(app.contract())))
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations()}
NOW = datetime.now(UTC)


PARTNER = "partner"
SIGNED = {
    "POST /v1/feeds/{feed}/deliveries",  # tests/arrivals/test_feed_api.py
    "GET /v1/declarations/own",  # by a receipt: tests/declarations
}
"""No token opens these: beyond the door they are tried elsewhere."""


def recent(minutes: int) -> str:
    return (NOW - timedelta(minutes=minutes)).isoformat()


# Of all moments of the calendar hardly one is in a period somebody could ask for.
schemathesis.openapi.format("date-time", st.integers(-60, 20_000).map(recent))


async def inhabit(hub: Hub) -> Mapping[str, object]:
    """A run, a passage and a case in the hub, by the names their ids have in paths."""
    run, held = uuid4(), await fever_cases.confirmed(hub)
    announced = {
        "mode": "RAIL",
        "service_no": "G1",
        "service_date": people.now()[:10],
        "origin": "A",
        "terminus": "B",
        "scheduled_arrival": people.now(),
    }
    await hub.client(Role.SUPERVISOR).put(f"/v1/runs/{run}", json=announced)
    spare = await hub.another(Role.SCREENER)
    return {
        "run_id": run,
        "check_id": held["id"],
        "screening_id": held["screening_id"],
        "case_id": held["case_id"],
        "device_id": spare.device_id,
        "operator_id": spare.operator_id,
        "lane_id": "north-1",
        "version": "cn-hub-2",
    }


def holders(operation: APIOperation) -> list[str]:
    """Who of a hub has the right to it."""
    rights = operation.definition.raw.get("security", [])
    needed = {scope for right in rights for scopes in right.values() for scope in scopes}
    devices = [DEVICE] if needed <= DEVICE_SCOPES else []
    partners = [PARTNER] if needed <= PARTNER_SCOPES else []
    return [
        *devices,
        *partners,
        *(role for role, scopes in ROLE_SCOPES.items() if needed <= scopes),
    ]


def impatient(case: Case) -> Case:
    """Nobody waits for what may never come."""
    if case.query and isinstance(case.query.get("wait"), int):
        case.query["wait"] = min(case.query["wait"], 0)
    return case


def explore(
    hub: Hub,
    tokens: Mapping[str, str],
    operation: APIOperation,
    known: Mapping[str, object],
    examples: int,
) -> None:
    """Send requests of all sorts, most of them by somebody who may, about something known."""
    anybody = sorted(tokens)
    entitled = st.sampled_from(holders(operation) or anybody)
    senders = entitled | entitled | st.sampled_from(anybody)
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    seen = Counter[int]()

    def about(case: Case) -> Case:
        for name in case.path_parameters.keys() & known.keys():
            case.path_parameters[name] = str(known[name])
        return case

    @settings(
        max_examples=int(ASKED or examples),
        derandomize=ASKED is None,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given((right.map(about) | right | wrong).map(impatient), senders)
    def send(case: Case, who: str) -> None:
        answer = case.call_and_validate(
            base_url=hub.service.base_url,
            session=session,
            headers={"Authorization": f"Bearer {tokens[who]}"},
            checks=CHECKS,
        )
        seen[answer.status_code] += 1

    with requests.Session() as session:
        send()
    beyond = seen.keys() - {401, 403}
    if operation.label in SIGNED:
        assert not beyond, "nobody gets past the door"
    else:
        assert beyond or not holders(operation), "who got past the door"


@pytest.mark.parametrize("examples", [10, pytest.param(50, marks=pytest.mark.slow)])
@pytest.mark.parametrize("label", OPERATIONS)
async def test_every_answer_is_one_the_contract_knows(
    hub: Hub, label: str, examples: int
) -> None:
    department = await partner_systems.enter(hub)
    tokens = {**hub.tokens, PARTNER: department.token}
    known = await inhabit(hub)
    await asyncio.to_thread(explore, hub, tokens, OPERATIONS[label], known, examples)
