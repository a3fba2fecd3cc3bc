"""The committed document is what the code says, and it says everything a caller needs."""

import json
import re
from pathlib import Path

import declared_travellers
import jsonschema_rs
import pytest
from example_requests import sent
from hubs import DEVICE, Hub
from uuid_utils.compat import uuid7

from twinstile import app
from twinstile.arrivals.feeds.api import SignedRoute
from twinstile.credentials.pictures.api import PictureRoute
from twinstile.platform.http.json_body import FORM
from twinstile.platform.http.routes import BatchRoute, GatedRoute
from twinstile.platform.security.auth import ROLE_SCOPES, TRAVELLER_SCOPES
from twinstile.sharing.api import PartnerRoute
from twinstile.web import openapi
from twinstile.web.openapi import Operation

COMMITTED = Path(__file__).resolve().parents[2] / "openapi" / "v1.json"
DOCUMENT = app.contract()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, method, operation in openapi.operations(DOCUMENT)
}
WITH_BODY = {name: op for name, op in OPERATIONS.items() if "requestBody" in op}


def each(operations: dict[str, Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", operations)


def test_the_committed_document_is_what_the_code_says() -> None:
    committed = json.loads(COMMITTED.read_text("utf-8"))
    changes = list(openapi.differences(committed, json.loads(json.dumps(DOCUMENT))))
    assert not changes, "twinstile openapi openapi/v1.json"


def test_it_is_openapi_3_1_and_names_only_what_it_uses() -> None:
    written = json.dumps(DOCUMENT)
    assert DOCUMENT["openapi"] == "3.1.0"
    assert "HTTPValidationError" not in written
    components = DOCUMENT["components"]
    assert isinstance(components, dict)
    for kind in ("schemas", "examples"):
        for name in components[kind]:
            assert f'"#/components/{kind}/{name}"' in written, name


def test_operation_ids_are_unique_and_tags_described() -> None:
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(ids)) == len(ids)
    used = {tag for operation in OPERATIONS.values() for tag in operation.get("tags", [])}
    assert used == set(openapi.TAGS)


@each(OPERATIONS)
def test_every_operation_says_what_it_is_for(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation.get("description")
    assert operation.get("tags")


@each(WITH_BODY)
def test_every_body_has_an_example_that_it_accepts(name: str) -> None:
    (media,) = WITH_BODY[name]["requestBody"]["content"].values()
    assert "x-no-example" not in media, f"{name}: no example at {media.get('x-no-example')}"
    schema = {**media["schema"], "components": DOCUMENT["components"]}
    jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(media["example"])


@each(WITH_BODY)
async def test_the_service_takes_every_example(name: str, hub: Hub) -> None:
    operation = WITH_BODY[name]
    ((kind, media),) = operation["requestBody"]["content"].items()
    needed = {scope for right in operation.get("security", []) for scope in right["token"]}
    role = next((role for role, held in ROLE_SCOPES.items() if needed <= held), DEVICE)
    method, _, template = name.partition(" ")
    path = re.sub(r"{(\w+)}", _value, template)
    form = kind == FORM
    client = hub.service.client() if form else hub.client(role)
    if needed and needed <= TRAVELLER_SCOPES:
        client = hub.service.client(str((await declared_travellers.declare(hub))["receipt"]))
    answer = await client.request(method, path, **sent(kind, media["example"]))
    assert answer.status_code not in {400, 403, 413, 415, 422}, answer.text


def _value(parameter: re.Match[str]) -> str:
    known = {
        "lane_id": "north-1",
        "room_id": "holding-1",
        "facility_id": "first-hospital",
        "form_no": "A-0001",
        "number": "1",
    }
    return known.get(parameter[1], str(uuid7()))


@each(OPERATIONS)
def test_every_operation_names_the_problems_it_can_answer(name: str) -> None:
    operation = OPERATIONS[name]
    answered = {int(status) for status in operation["responses"]}
    if not name.partition("/")[2].startswith("v1/"):
        return
    expected = {400, 503}
    if any("token" in right for right in operation.get("security", [])):
        expected |= {401, 403}
    if "requestBody" in operation:
        expected |= {413, 415, 422}
    if operation.get("parameters"):
        expected |= {422}
    assert expected <= answered
    if "requestBody" not in operation:
        assert not {413, 415} & answered
    for status, response in operation["responses"].items():
        if int(status) >= 400:
            assert response["description"]
            assert list(response["content"]) == ["application/problem+json"]


WITHOUT_TOKEN = {
    "POST /v1/declarations",
    "POST /v1/devices:enrol",
    "POST /v1/oauth/token",
    "POST /v1/feeds/{feed}/deliveries",  # signed
    "POST /v1/handovers:read",  # with a link
    "POST /v1/self-reports",
    "POST /v1/handovers:answer",
}


@each({n: o for n, o in OPERATIONS.items() if "/v1/" in n and n not in WITHOUT_TOKEN})
def test_every_operation_but_letting_in_says_which_scope_it_needs(name: str) -> None:
    (right,) = OPERATIONS[name].get("security", [])
    assert right["token"]
    for scope in right["token"]:
        assert f"`{scope}`" in OPERATIONS[name].get("description", "")


GATED = {GatedRoute, BatchRoute, PartnerRoute, PictureRoute, SignedRoute}


def test_every_route_reads_its_body_through_the_gate() -> None:
    for router in app.ROUTERS:
        if router.prefix == "/v1":
            assert router.route_class in GATED, router
