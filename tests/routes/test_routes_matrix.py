"""Every route with every role, a device without anybody on shift, and nobody at all.

The table is written by hand, not derived from the scopes: who may do what is decided here a
second time, so that one slip of the pen is noticed. A route that is not in it fails.
"""

import re
from collections.abc import Mapping

import partner_systems
import pytest
from example_requests import sent
from httpx2 import Response
from hubs import DEVICE, Hub, Service, open_hub
from uuid_utils.compat import uuid7

from twinstile import app
from twinstile.platform.http.json_body import FORM
from twinstile.platform.http.routes import Runtime
from twinstile.platform.security.roles import Role
from twinstile.web import openapi

OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, method, operation in openapi.operations(app.contract())
}

NOBODY = "nobody"
STAFF = frozenset(Role)
PARTNER = "partner"
EVERYBODY = STAFF | {DEVICE, NOBODY, PARTNER}
TOKEN = STAFF | {DEVICE}
LANE = frozenset({Role.SCREENER, Role.ASSISTANT, Role.MEDIC, Role.SUPERVISOR})
ON_THE_FLOOR = LANE | {Role.DUTY_COMMANDER}
DESK = frozenset({Role.SUPERVISOR, Role.ADMINISTRATOR})
PLANNERS = DESK | {Role.DUTY_COMMANDER}
CASE_READERS = frozenset(
    {Role.MEDIC, Role.SUPERVISOR, Role.DUTY_COMMANDER, Role.EPIDEMIOLOGIST}
)
CASE_WRITERS = CASE_READERS - {Role.DUTY_COMMANDER}
COMMAND = frozenset({Role.SUPERVISOR, Role.DUTY_COMMANDER})
SECONDS = COMMAND | {Role.MEDIC}
COUNTERS = frozenset({Role.SUPERVISOR, Role.DUTY_COMMANDER, Role.EPIDEMIOLOGIST})

ALLOWED: Mapping[str, frozenset[str]] = {
    "GET /livez": EVERYBODY,
    "GET /readyz": EVERYBODY,
    "GET /metrics": EVERYBODY,  # from this machine
    "POST /v1/devices:enrol": EVERYBODY,  # with a code
    "POST /v1/enrolments": DESK,
    "GET /v1/devices": DESK,
    "DELETE /v1/devices/{device_id}": DESK,
    "GET /v1/devices/{device_id}/sync-status": TOKEN,
    "PUT /v1/lanes/{lane_id}": DESK,
    "GET /v1/lanes": TOKEN,
    "GET /v1/lanes/{lane_id}/state": TOKEN,
    "GET /v1/operators": frozenset({Role.ADMINISTRATOR}),
    "POST /v1/operators": frozenset({Role.ADMINISTRATOR}),
    "DELETE /v1/operators/{operator_id}": frozenset({Role.ADMINISTRATOR}),
    "POST /v1/shifts": frozenset({DEVICE}),
    "DELETE /v1/shifts/current": STAFF,
    "GET /v1/offline-shifts": DESK,
    "PUT /v1/offline-shifts/{shift_id}/confirmation": STAFF,
    "GET /v1/me": TOKEN,
    "GET /v1/policies": STAFF,
    "GET /v1/policies/{version}": STAFF,
    "PUT /v1/policies/{version}": COMMAND,
    "POST /v1/policies/{version}/activations": COMMAND,
    "POST /v1/policies/{version}/replays": COMMAND,
    "GET /v1/policies/{version}/replays": COUNTERS,
    "GET /v1/policies/{version}/replays/{replay_id}": COUNTERS,
    "DELETE /v1/policies/{version}/replays/{replay_id}": COMMAND,
    "GET /v1/entry-rules": STAFF,
    "GET /v1/entry-rules/{pack}": STAFF,
    "POST /v1/entry-rules/{pack}/judgements": LANE,
    "POST /v1/credentials:verify": LANE,
    "POST /v1/credentials:verify-picture": LANE,
    "GET /v1/trust-lists": TOKEN,
    "POST /v1/trust-lists/{number}/activations": COMMAND,
    "GET /v1/trust-sources": TOKEN,
    "PUT /v1/trust-lists/{number}": COMMAND,
    "GET /v1/trust-lists/{number}": TOKEN,
    "PUT /v1/runs/{run_id}": PLANNERS,
    "GET /v1/runs": ON_THE_FLOOR,
    "PUT /v1/runs/{run_id}/manifest": PLANNERS,
    "GET /v1/runs/{run_id}/expectations": ON_THE_FLOOR,
    "GET /v1/runs/{run_id}/expected-tags": ON_THE_FLOOR,
    "GET /v1/runs/{run_id}/outstanding": ON_THE_FLOOR,
    "POST /v1/runs/{run_id}/outstanding:reveal": frozenset(
        {Role.SUPERVISOR, Role.DUTY_COMMANDER}
    ),
    "POST /v1/runs/{run_id}:close": PLANNERS,
    "GET /v1/feeds": ON_THE_FLOOR,
    "GET /v1/feeds/{feed}/quarantine": frozenset({Role.SUPERVISOR}),
    "POST /v1/feeds/{feed}/replays": frozenset({Role.SUPERVISOR}),
    "POST /v1/feeds/{feed}/deliveries": frozenset(),  # nobody without a signature
    "PUT /v1/reminders/{reminder_id}": ON_THE_FLOOR,
    "GET /v1/reminder-texts": TOKEN,
    "GET /v1/runs/{run_id}/reminders": ON_THE_FLOOR,
    "PUT /v1/runs/{run_id}/notices/{order_id}": PLANNERS,
    "GET /v1/runs/{run_id}/notices": ON_THE_FLOOR,
    "PUT /v1/notices/{notice_id}/receipt": ON_THE_FLOOR,
    "GET /v1/channels": ON_THE_FLOOR,
    "POST /v1/declarations": EVERYBODY,
    "GET /v1/declarations/own": frozenset(),  # nobody without a receipt
    "PUT /v1/declarations/own": frozenset(),
    "PUT /v1/declarations/own/reminder": frozenset(),
    "PUT /v1/declarations/own/appeals/{appeal_id}": frozenset(),
    "POST /v1/declarations:key": frozenset({Role.ASSISTANT, Role.MEDIC, Role.SUPERVISOR}),
    "POST /v1/declarations:find": frozenset({Role.ASSISTANT, Role.MEDIC, Role.SUPERVISOR}),
    "GET /v1/appeals": COMMAND,
    "POST /v1/appeals/{appeal_id}:reveal": COMMAND,
    "PUT /v1/appeals/{appeal_id}/answer": COMMAND,
    "PUT /v1/checks/{check_id}": LANE,
    "GET /v1/checks/{check_id}": ON_THE_FLOOR,
    "POST /v1/facts:batch": LANE | {DEVICE},
    "GET /v1/screenings": ON_THE_FLOOR,
    "GET /v1/screenings/{screening_id}": ON_THE_FLOOR,
    "PUT /v1/screenings/{screening_id}/steps/{step_id}": ON_THE_FLOOR | {Role.EPIDEMIOLOGIST},
    "PUT /v1/paper-forms/{form_no}": LANE,
    "GET /v1/paper-forms": ON_THE_FLOOR,
    "PUT /v1/paper-forms/{form_no}/second-look": LANE,
    "PUT /v1/tallies/{tally_id}": LANE,
    "GET /v1/tallies": ON_THE_FLOOR,
    "GET /v1/disagreements": ON_THE_FLOOR,
    "PUT /v1/runs/{run_id}/steps/{step_id}": ON_THE_FLOOR | {Role.EPIDEMIOLOGIST},
    "POST /v1/runs/{run_id}:bypass": frozenset({Role.SUPERVISOR, Role.DUTY_COMMANDER}),
    "PUT /v1/fuses/{fuse_id}": frozenset({Role.DUTY_COMMANDER}),
    "GET /v1/fuses": TOKEN,
    "PUT /v1/fuses/{fuse_id}/end": frozenset({Role.SUPERVISOR, Role.DUTY_COMMANDER}),
    "GET /v1/deferrals": COUNTERS,
    "POST /v1/deferrals/{deferral_id}/person:reveal": frozenset({Role.EPIDEMIOLOGIST}),
    "GET /v1/alerts": ON_THE_FLOOR,
    "PUT /v1/alerts/{alert_id}/closure": frozenset({Role.SUPERVISOR, Role.DUTY_COMMANDER}),
    "GET /v1/parties/{party_id}": ON_THE_FLOOR,
    "PUT /v1/parties/{party_id}/guardians/{change_id}": LANE,
    "POST /v1/screenings/{screening_id}/overrides": ON_THE_FLOOR | {Role.EPIDEMIOLOGIST},
    "GET /v1/cases": CASE_READERS,
    "GET /v1/cases/{case_id}": CASE_READERS,
    "GET /v1/cases/{case_id}/person": frozenset({Role.MEDIC}),
    "POST /v1/cases/{case_id}/person:reveal": frozenset({Role.MEDIC}),
    "POST /v1/lookups": frozenset({Role.ASSISTANT, Role.MEDIC, Role.SUPERVISOR}),
    "PUT /v1/links/{link_id}": frozenset({Role.ASSISTANT, Role.MEDIC, Role.SUPERVISOR}),
    "GET /v1/links": frozenset({Role.SUPERVISOR}),
    "PUT /v1/links/{link_id}/withdrawal": frozenset({Role.SUPERVISOR}),
    "GET /v1/access": PLANNERS,
    "GET /v1/approvals": ON_THE_FLOOR | {Role.EPIDEMIOLOGIST},
    "GET /v1/approvals/{approval_id}": ON_THE_FLOOR | {Role.EPIDEMIOLOGIST},
    "PUT /v1/approvals/{approval_id}/decision": SECONDS,
    "GET /v1/quarantine": frozenset({Role.SUPERVISOR}),
    "POST /v1/quarantine/{quarantine_id}:reveal": frozenset({Role.SUPERVISOR}),
    "PUT /v1/quarantine/{quarantine_id}/resolution": frozenset({Role.SUPERVISOR}),
    "PUT /v1/cases/{case_id}/dispositions/{disposition_id}": CASE_WRITERS,
    "PUT /v1/cases/{case_id}/dispositions/{disposition_id}/acknowledgements"
    "/{acknowledgement_id}": CASE_WRITERS,
    "PUT /v1/cases/{case_id}/origin-notices/{notice_id}": CASE_WRITERS,
    "PUT /v1/cases/{case_id}/assessments/{assessment_id}": CASE_WRITERS,
    "PUT /v1/cases/{case_id}/stays/{stay_id}": CASE_WRITERS,
    "PUT /v1/cases/{case_id}/stays/{stay_id}/end": CASE_WRITERS,
    "PUT /v1/cases/{case_id}/care/{care_id}": CASE_WRITERS,
    "PUT /v1/cases/{case_id}/legs/{leg_id}": CASE_WRITERS,
    "GET /v1/cases/{case_id}/legs": CASE_READERS,
    "POST /v1/cases/{case_id}/legs/{leg_id}/link": CASE_WRITERS,
    "PUT /v1/cases/{case_id}/legs/{leg_id}/receipts/{receipt_id}": CASE_WRITERS,
    "GET /v1/follow-ups": CASE_READERS,
    "PUT /v1/follow-ups/{follow_up_id}/assignment": CASE_WRITERS,
    "PUT /v1/follow-ups/{follow_up_id}/attempts/{attempt_id}": CASE_WRITERS,
    "GET /v1/cases/{case_id}/follow-ups": CASE_READERS,
    "POST /v1/cases/{case_id}/self-report-link": CASE_WRITERS,
    "POST /v1/self-reports": EVERYBODY,  # with a link
    "POST /v1/handovers:read": EVERYBODY,  # with a link
    "POST /v1/handovers:answer": EVERYBODY,
    "PUT /v1/rooms/{room_id}": DESK,
    "GET /v1/rooms": CASE_READERS,
    "PUT /v1/facilities/{facility_id}": DESK,
    "GET /v1/facilities": CASE_READERS,
    "PUT /v1/cases/{case_id}/identifications/{naming_id}": frozenset(
        {Role.MEDIC, Role.SUPERVISOR}
    ),
    "POST /v1/cases/{case_id}/transitions": CASE_WRITERS,
    "GET /v1/exports/cases.csv": frozenset({Role.EPIDEMIOLOGIST}),
    "GET /v1/reports/reminders": COUNTERS,
    "PUT /v1/cases/{case_id}/contact-lists/{list_id}": CASE_WRITERS,
    "GET /v1/cases/{case_id}/contact-lists": CASE_READERS,
    "GET /v1/contact-lists/{list_id}": CASE_READERS,
    "POST /v1/contact-lists/{list_id}/contacts/{number}/person:reveal": frozenset(
        {Role.EPIDEMIOLOGIST}
    ),
    "GET /v1/deferrals/destinations": frozenset(
        {Role.SUPERVISOR, Role.DUTY_COMMANDER, Role.EPIDEMIOLOGIST}
    ),
    "PUT /v1/deferrals/{deferral_id}/destination": frozenset(
        {Role.SUPERVISOR, Role.DUTY_COMMANDER, Role.EPIDEMIOLOGIST}
    ),
    # a supervisor writes cases, and is no responsible reporter
    "PUT /v1/cases/{case_id}/suspicions/{suspicion_id}": frozenset(
        {Role.MEDIC, Role.EPIDEMIOLOGIST}
    ),
    "PUT /v1/suspicions/{suspicion_id}/filing": CASE_WRITERS,
    "GET /v1/suspicions": CASE_READERS,
    "GET /v1/cases/{case_id}/suspicions": CASE_READERS,
    "GET /v1/cases/{case_id}/report-card": frozenset({Role.MEDIC}),
    "POST /v1/cases/{case_id}/report-card:reveal": frozenset({Role.MEDIC}),
    "POST /v1/exports/contacts": frozenset({Role.EPIDEMIOLOGIST}),
    "POST /v1/exports/contacts/{approval_id}:take": frozenset({Role.EPIDEMIOLOGIST}),
    "POST /v1/exports/identified": frozenset({Role.EPIDEMIOLOGIST}),
    "POST /v1/exports/identified/{approval_id}:take": frozenset({Role.EPIDEMIOLOGIST}),
    "GET /v1/reports/period": COUNTERS,
    "GET /v1/destructions": COUNTERS | {Role.ADMINISTRATOR},
    "GET /v1/destructions/{key_id}": COUNTERS | {Role.ADMINISTRATOR},
    "POST /v1/partners": frozenset({Role.ADMINISTRATOR}),
    "GET /v1/partners": frozenset({Role.ADMINISTRATOR}),
    "POST /v1/partners/{partner_id}:rotate": frozenset({Role.ADMINISTRATOR}),
    "DELETE /v1/partners/{partner_id}": frozenset({Role.ADMINISTRATOR}),
    "POST /v1/oauth/token": frozenset(),  # without credentials nobody gets one
    "GET /v1/changes": frozenset({PARTNER}),
}
SPAN = "?from=2026-11-24T00:00:00Z&to=2026-11-25T00:00:00Z"
QUERIES = {
    "GET /v1/exports/cases.csv": f"{SPAN}&purpose=INVESTIGATION",
    **dict.fromkeys(
        (
            "GET /v1/runs",
            "GET /v1/screenings",
            "GET /v1/disagreements",
            "GET /v1/tallies",
            "GET /v1/reports/period",
            "GET /v1/reports/reminders",
            "GET /v1/access",
        ),
        SPAN,
    ),
}
REFUSALS = {
    "/problems/unauthenticated": 401,
    "/problems/invalid-client": 401,
    "/problems/signature-refused": 401,
    "/problems/forbidden": 403,
}

OTHER_KEYS = {
    "POST /v1/oauth/token": "invalid-client",
    "POST /v1/feeds/{feed}/deliveries": "signature-refused",
}
"""Where a token helps nobody."""


@pytest.fixture(scope="module")
async def everyone(runtime: Runtime, service: Service) -> Hub:
    return await open_hub(runtime, service)


def test_the_table_names_every_route_and_no_other() -> None:
    assert set(ALLOWED) == set(OPERATIONS)


@pytest.mark.parametrize("who", sorted(EVERYBODY))
@pytest.mark.parametrize("name", OPERATIONS)
async def test_a_route_is_open_to_those_who_need_it_and_to_nobody_else(
    name: str, who: str, everyone: Hub
) -> None:
    answer = await call(name, who, everyone)
    refusal = answer.json()["type"] if answer.status_code >= 400 else None
    if who in ALLOWED.get(name, frozenset()):
        assert refusal not in REFUSALS, answer.text
        assert answer.status_code not in {400, 415, 422, 500, 503}, answer.text
    else:
        # a partner's token is none at the other routes
        expected = "unauthenticated" if who in {NOBODY, PARTNER} else "forbidden"
        expected = OTHER_KEYS.get(name, expected)
        assert refusal == f"/problems/{expected}", answer.text
        assert answer.status_code == REFUSALS[refusal]


async def call(name: str, who: str, hub: Hub) -> Response:
    method, _, template = name.partition(" ")
    path = re.sub(r"{(\w+)}", _value, template) + QUERIES.get(name, "")
    content = OPERATIONS[name].get("requestBody", {}).get("content", {})
    media, body = next(((m, part["example"]) for m, part in content.items()), ("", None))
    form = media == FORM
    if form:  # wrong secrets of one client are counted
        body = {**body, "client_id": f"{hub.hub_id}.{uuid7()}"}
    return await hub.service.client(await _token(name, who, hub)).request(
        method, path, **sent(media, body)
    )


async def _token(name: str, who: str, hub: Hub) -> str | None:
    if who == NOBODY or name == "POST /v1/oauth/token":
        return None  # the header there is for the client's credentials
    if who == PARTNER:
        return (await partner_systems.enter(hub)).token
    if name == "DELETE /v1/shifts/current" and who != DEVICE:
        return (await hub.another(Role(who))).token  # it is used up
    return hub.tokens[who]


def _value(parameter: re.Match[str]) -> str:
    known = {
        "lane_id": "north-1",
        "room_id": "holding-1",
        "facility_id": "first-hospital",
        "version": "cn-hub",
        "number": "1",
        "form_no": f"A-{uuid7().int % 10**8:08}",
    }
    return known.get(parameter[1], str(uuid7()))
