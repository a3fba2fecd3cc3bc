"""Every read that says who somebody is leaves a row in the access log, on every route there is.

Nothing of it rests on a list somebody remembers to extend: the contract marks operations that
leave a row and members that identify; a traveller whose name and number stand nowhere else is
looked for in the answers of every route; and the code that opens what is encrypted is found in
the source.
"""

import ast
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import cast
from urllib.parse import urlencode
from uuid import uuid4

import access_log_reader
import contact_scenarios
import declared_travellers
import fever_cases
import ledger_reader
import line_lists
import partner_systems
import people
import pytest
import screening_states
import second_person
import step_bodies
from httpx2 import Response
from hubs import DEVICE, Hub

import twinstile
from twinstile import app
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.security.access_log import Action
from twinstile.platform.security.roles import Role
from twinstile.web import openapi

NAME = "欧阳测试"
PERIOD = {"from": people.ago(hours=20), "to": people.ago(hours=-1)}
CONTRACT = app.contract()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, method, operation in openapi.operations(CONTRACT)
}
MARKED = {
    name: str(cast("Mapping[str, object]", operation)["x-access-log"])
    for name, operation in OPERATIONS.items()
    if "x-access-log" in operation
}


async def _masked(hub: Hub, known: Mapping[str, object]) -> Response:
    return await hub.client(Role.MEDIC).get(f"/v1/cases/{known['case_id']}/person")


async def _revealed(hub: Hub, known: Mapping[str, object]) -> Response:
    return await fever_cases.reveal(hub, str(known["case_id"]))


async def _exported(hub: Hub, _: Mapping[str, object]) -> Response:
    return await line_lists.export(hub, urlencode(PERIOD))


async def _taken(hub: Hub, _: Mapping[str, object]) -> Response:
    body = {
        **PERIOD,
        "id": str(uuid4()),
        "purpose": "LEGAL_DUTY",
        "recipient": "a",
        "reason": "b",
    }
    client = hub.client(Role.EPIDEMIOLOGIST)
    asked = await client.post("/v1/exports/identified", json=body)
    await second_person.decide(hub.client(Role.SUPERVISOR), body["id"])
    return await client.post(f"/v1/exports/identified/{asked.json()['approval_id']}:take")


async def _opened(hub: Hub, known: Mapping[str, object]) -> Response:
    path = f"/v1/quarantine/{known['quarantine_id']}:reveal"
    return await hub.client(Role.SUPERVISOR).post(path, json={"purpose": "DATA_QUALITY"})


async def _disclosed(hub: Hub, _: Mapping[str, object]) -> Response:
    department = await partner_systems.enter(hub)
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    return await department.changes()


async def _looked_up(hub: Hub, known: Mapping[str, object]) -> Response:
    return await access_log_reader.look_up(hub, str(known["number"]))


async def _linked(hub: Hub, known: Mapping[str, object]) -> Response:
    body = {
        "document": people.document(str(known["number"])),
        "other": {"kind": "PASSPORT", "number": "L898902C3", "issuer": "UTO"},
        "evidence": "BOTH_DOCUMENTS_SHOWN",
        "purpose": "IDENTIFICATION",
        "reason": "both shown",
    }
    return await hub.client(Role.ASSISTANT).put(f"/v1/links/{uuid4()}", json=body)


async def _settled(hub: Hub, known: Mapping[str, object]) -> Response:
    path = f"/v1/deferrals/{known['deferral_id']}/person:reveal"
    return await hub.client(Role.EPIDEMIOLOGIST).post(path, json={"purpose": "FOLLOW_UP"})


async def _missed(hub: Hub, known: Mapping[str, object]) -> Response:
    path = f"/v1/runs/{known['run_id']}/outstanding:reveal"
    body = {"entry_id": "2", "purpose": "FOLLOW_UP"}
    return await hub.client(Role.SUPERVISOR).post(path, json=body)


async def _traced(hub: Hub) -> object:
    """A list with one close contact, who is called NAME."""
    patient, near = (
        contact_scenarios.entry("1", "3", "12F"),
        contact_scenarios.entry("2", "3", "12A"),
    )
    near["document"]["name"] = NAME
    await contact_scenarios.train(hub, [patient, near])
    listed = await contact_scenarios.trace(hub, await contact_scenarios.case_of(hub, patient))
    return listed["list_id"]


async def _contact(hub: Hub, _: Mapping[str, object]) -> Response:
    path = f"/v1/contact-lists/{await _traced(hub)}/contacts/1/person:reveal"
    return await hub.client(Role.EPIDEMIOLOGIST).post(path, json={"purpose": "FOLLOW_UP"})


async def _contacts_taken(hub: Hub, _: Mapping[str, object]) -> Response:
    body = {
        "id": str(uuid4()),
        "list_id": await _traced(hub),
        "close_only": True,
        "purpose": "LEGAL_DUTY",
        "recipient": "a",
        "reason": "b",
    }
    client = hub.client(Role.EPIDEMIOLOGIST)
    await client.post("/v1/exports/contacts", json=body)
    await second_person.decide(hub.client(Role.SUPERVISOR), body["id"])
    return await client.post(f"/v1/exports/contacts/{body['id']}:take")


async def _found(hub: Hub, _: Mapping[str, object]) -> Response:
    return await declared_travellers.find(
        hub, (await declared_travellers.declare(hub))["pass_code"]
    )


async def _read(hub: Hub, _: Mapping[str, object]) -> Response:
    given, appeal_id = await declared_travellers.declare(hub), uuid4()
    await declared_travellers.dispute(hub, given, "?", appeal_id)
    path = f"/v1/appeals/{appeal_id}:reveal"
    return await hub.client(Role.SUPERVISOR).post(path, json={"purpose": "SUBJECT_REQUEST"})


async def _suspected(hub: Hub, known: Mapping[str, object]) -> str:
    body = {
        "within": "TWO_HOURS",
        "case_class": "SUSPECTED",
        "disease": "0202",
        "suspected_at": people.now(),
    }
    path = f"/v1/cases/{known['case_id']}"
    await hub.client(Role.MEDIC).put(f"{path}/suspicions/{uuid4()}", json=body)
    return path


async def _card(hub: Hub, known: Mapping[str, object]) -> Response:
    path = await _suspected(hub, known)
    return await hub.client(Role.MEDIC).get(f"{path}/report-card")


async def _card_revealed(hub: Hub, known: Mapping[str, object]) -> Response:
    path = await _suspected(hub, known)
    body = {"purpose": "LEGAL_DUTY"}
    return await hub.client(Role.MEDIC).post(f"{path}/report-card:reveal", json=body)


READS: Mapping[str, Callable[[Hub, Mapping[str, object]], Awaitable[Response]]] = {
    "GET /v1/cases/{case_id}/person": _masked,
    "POST /v1/deferrals/{deferral_id}/person:reveal": _settled,
    "POST /v1/cases/{case_id}/person:reveal": _revealed,
    "POST /v1/contact-lists/{list_id}/contacts/{number}/person:reveal": _contact,
    "POST /v1/exports/contacts/{approval_id}:take": _contacts_taken,
    "GET /v1/cases/{case_id}/report-card": _card,
    "POST /v1/cases/{case_id}/report-card:reveal": _card_revealed,
    "POST /v1/lookups": _looked_up,
    "POST /v1/runs/{run_id}/outstanding:reveal": _missed,
    "PUT /v1/links/{link_id}": _linked,
    "GET /v1/exports/cases.csv": _exported,
    "POST /v1/exports/identified/{approval_id}:take": _taken,
    "GET /v1/changes": _disclosed,
    "POST /v1/quarantine/{quarantine_id}:reveal": _opened,
    "POST /v1/declarations:find": _found,
    "POST /v1/appeals/{appeal_id}:reveal": _read,
}


def test_every_operation_that_leaves_a_row_is_tried_here() -> None:
    assert set(READS) == set(MARKED)
    assert set(MARKED.values()) <= set(Action)


def test_an_operation_that_identifies_is_one_that_leaves_a_row() -> None:
    identifying = {name for name in OPERATIONS if any(_identified(_answers(name)))}
    assert identifying
    assert identifying <= set(MARKED)


def _answers(name: str) -> object:
    return [
        response
        for status, response in OPERATIONS[name]["responses"].items()
        if status.startswith("2")
    ]


def _identified(node: object) -> Iterator[bool]:
    """True for each marked member below the node, through references."""
    match node:
        case {"x-identified": True}:
            yield True
        case {"$ref": str(reference)}:
            components = cast("Mapping[str, Mapping[str, object]]", CONTRACT["components"])
            yield from _identified(components["schemas"][reference.rpartition("/")[2]])
        case dict():
            for member in cast("dict[str, object]", node).values():
                yield from _identified(member)
        case list():
            for member in cast("list[object]", node):
                yield from _identified(member)
        case _:
            pass


async def inhabit(hub: Hub) -> Mapping[str, object]:
    """A traveller with a run, a passage and a case, by the names their ids have in paths."""
    number, run = people.resident_number(), uuid4()
    document = people.document(number, name=NAME)
    supervisor = hub.client(Role.SUPERVISOR)
    announced = {
        "mode": "RAIL",
        "service_no": "G1",
        "service_date": people.now()[:10],
        "origin": "A",
        "terminus": "B",
        "scheduled_arrival": people.now(),
    }
    await supervisor.put(f"/v1/runs/{run}", json=announced)
    absent = people.document(name=NAME)
    documents = enumerate((document, absent), 1)
    entries = [{"entry_id": str(n), "document": of} for n, of in documents]
    manifest = {"batch": 1, "entries": entries}
    await supervisor.put(f"/v1/runs/{run}/manifest", json=manifest)
    held = await fever_cases.confirmed(
        hub, number, identity={"document": document, "result": "MATCH"}
    )
    bad = people.fact(number, celsius=3950, identity={"document": document, "result": "MATCH"})
    items = [{"kind": "check", "id": str(people.new_id()), "counter": 1, "body": bad}]
    batch = {"sent_at": people.now(), "items": items}
    await hub.client(DEVICE).post("/v1/facts:batch", json=batch)
    kept = (await supervisor.get("/v1/quarantine")).json()["facts"]
    asked = await hub.client(Role.DUTY_COMMANDER).post(
        "/v1/policies/cn-hub-2/activations", json={"id": str(uuid4()), "reason": "as before"}
    )
    await screening_states.surge(hub)
    party = uuid4()
    half = people.check(
        2,
        party={"id": str(party), "role": "GUARDIAN"},
        credential=None,
        identity={"document": people.document(name=NAME), "result": "MATCH"},
    )
    half = (await hub.client().put(f"/v1/checks/{people.new_id()}", json=half)).json()
    await step_bodies.take(hub, Role.SCREENER, half["screening_id"], "fuse_release")
    deferred = (await supervisor.get("/v1/deferrals")).json()["deferrals"]
    replay = uuid4()
    await supervisor.post(
        "/v1/policies/cn-hub-2/replays",
        json={"id": str(replay), "from": people.ago(hours=1), "to": people.ago(seconds=1)},
    )
    return {
        "pack": "entry-at",
        "replay_id": replay,
        "party_id": party,
        "approval_id": asked.json()["approval_id"],
        "quarantine_id": kept[0]["quarantine_id"],
        "deferral_id": deferred[0]["deferral_id"],
        "number": number,
        "run_id": run,
        "check_id": held["id"],
        "screening_id": held["screening_id"],
        "case_id": held["case_id"],
        "device_id": hub.duties[Role.SCREENER].device_id,
        "lane_id": "north-1",
        "room_id": "holding-1",
        "facility_id": "first-hospital",
        "version": "cn-hub-2",
    }


@pytest.mark.parametrize("name", MARKED)
async def test_a_read_leaves_one_row_that_names_it(hub: Hub, name: str) -> None:
    known = await inhabit(hub)
    assert await access_log_reader.reads(hub) == []
    answer = await READS[name](hub, known)
    assert answer.status_code == 200, answer.text
    assert "no-store" in answer.headers["Cache-Control"]
    (read,) = await access_log_reader.reads(hub)
    assert (read["action"], read["outcome"]) == (MARKED[name], "SHOWN")
    assert known["number"] not in str(read)
    assert NAME not in str(read)


def lose_keys(keys: KeyFiles) -> None:
    """Their files are lost, and the next of each name is another key."""
    for name in keys.names(""):
        keys._path(name).unlink()
        keys.get_or_create(name)


def damage_keys(keys: KeyFiles) -> None:
    """Their files are cut, and no process has them in memory."""
    for name in keys.names(""):
        whole = keys._path(name).read_bytes()
        keys._path(name).write_bytes(whole[:-1])
    keys._cache.clear()


@pytest.mark.parametrize(
    ("suffer", "status", "slug"),
    [(lose_keys, 410, "gone-destroyed"), (damage_keys, 503, "keys-unavailable")],
)
async def test_whoever_reads_what_its_key_does_not_open_is_told_so(
    hub: Hub, suffer: Callable[[KeyFiles], None], status: int, slug: str
) -> None:
    known = await inhabit(hub)
    given, appeal = await declared_travellers.declare(hub), f"/v1/appeals/{uuid4()}"
    await declared_travellers.dispute(hub, given, "?", appeal.rpartition("/")[2])
    suffer(hub.runtime.keys.of(hub.hub_id))
    supervisor = hub.client(Role.SUPERVISOR)
    asked, word = {"purpose": "SUBJECT_REQUEST"}, {"decided": "REJECTED", "text": "no"}
    answers = [
        await fever_cases.reveal(hub, str(known["case_id"])),
        await supervisor.post(f"/v1/quarantine/{known['quarantine_id']}:reveal", json=asked),
        await supervisor.post(f"{appeal}:reveal", json=asked),
        await hub.service.client(str(given["receipt"])).get("/v1/declarations/own"),
    ]
    if suffer is damage_keys:
        answers.append(await supervisor.put(f"{appeal}/answer", json=word))
    told = [(answer.status_code, answer.json()["type"]) for answer in answers]
    assert told == [(status, f"/problems/{slug}")] * len(answers)
    assert await access_log_reader.reads(hub) == []


async def test_no_other_route_says_who_somebody_is(hub: Hub) -> None:
    known = await inhabit(hub)
    number, telling = str(known["number"]), set[str]()
    for name in OPERATIONS:
        method, _, template = name.partition(" ")
        if method != "GET":
            continue
        path = re.sub(r"{(\w+)}", lambda p: str(known.get(p[1], uuid4())), template)
        answers = [
            await hub.client(who).get(path, params=_query(name)) for who in (DEVICE, *Role)
        ]
        if any(NAME in answer.text or number in answer.text for answer in answers):
            telling.add(name)
        assert any(answer.status_code < 300 for answer in answers) or name in _UNTRIED, name
    assert telling <= set(MARKED)


_UNTRIED = {
    "GET /metrics",
    "GET /readyz",
    "GET /v1/destructions/{key_id}",  # no key of this hub was destroyed yet
    "GET /v1/feeds/{feed}/quarantine",  # it has no feed: see tests/arrivals/test_feed_api.py
    "GET /v1/cases/{case_id}/report-card",  # nobody suspects: tests/cases/test_reporting.py
    "GET /v1/contact-lists/{list_id}",  # tests/screening/test_contacts.py
    "GET /v1/trust-lists/{number}",  # it has no list: see tests/credentials/test_lists.py
    "GET /v1/declarations/own",  # asked with a receipt: see tests/declarations
    "GET /v1/changes",  # asked with a partner's token: tried above
}


def _query(name: str) -> dict[str, str]:
    wanted = {
        str(parameter["name"])
        for parameter in OPERATIONS[name].get("parameters", [])
        if parameter["in"] == "query"
    }
    values = PERIOD | {"purpose": "INVESTIGATION"}
    return {key: value for key, value in values.items() if key in wanted}


async def test_a_whole_name_is_given_where_it_is_asked_for_and_nowhere_else(hub: Hub) -> None:
    known = await inhabit(hub)
    whole = {
        name
        for name, read in READS.items()
        if NAME in (text := (await read(hub, known)).text) or str(known["number"]) in text
    }
    assert whole == {
        "POST /v1/cases/{case_id}/person:reveal",
        "POST /v1/exports/identified/{approval_id}:take",
        "POST /v1/cases/{case_id}/report-card:reveal",
        "POST /v1/exports/contacts/{approval_id}:take",
        "POST /v1/contact-lists/{list_id}/contacts/{number}/person:reveal",
        "POST /v1/deferrals/{deferral_id}/person:reveal",
        "POST /v1/quarantine/{quarantine_id}:reveal",
        "POST /v1/runs/{run_id}/outstanding:reveal",
    }


ROOT = Path(twinstile.__file__).parent
OPENS = {
    "reveal",
    "reveal_all",
    "reveal_under",
    "reveal_contacts",
    "decrypt",
}
KEEPERS = {
    "platform/keys/ciphers.py",
    "identity/vault.py",
    "identity/extended_retention.py",
    "identity/contacts.py",
    "cases/referrals.py",
    "arrivals/feeds/inbox.py",
    "arrivals/tags.py",
    "declarations/store.py",
}
"""They open for others, to encrypt again under another key, to keep age and sex with a case, or
to tag who is expected by a digest; no answer is made here. What a traveller declared says
nobody's name."""


def test_whatever_opens_an_identity_records_that_it_did() -> None:
    opening = {
        path for path, tree in _sources() if path not in KEEPERS and _calls(tree) & OPENS
    }
    assert opening == {
        "cases/api.py",
        "exports/identified.py",
        "exports/traced.py",
        "cases/report_card.py",
        "contacts/tracing.py",
        "deferrals/deferrals.py",
        "screening/outstanding_travellers.py",
        "screening/quarantine_review.py",
        "screening/lookups.py",
        "declarations/appeals.py",
        "reminders/rendering.py",
        "sharing/changes.py",  # its own cursors
    }
    for path, tree in _sources():
        if path in opening:
            assert {"record", "record_all"} & _calls(tree), path


def _sources() -> Iterator[tuple[str, ast.Module]]:
    for file in ROOT.rglob("*.py"):
        yield file.relative_to(ROOT).as_posix(), ast.parse(file.read_text("utf-8"))


def _calls(tree: ast.AST) -> set[str]:
    called = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        function.attr if isinstance(function, ast.Attribute) else function.id
        for function in called
        if isinstance(function, ast.Attribute | ast.Name)
    }
