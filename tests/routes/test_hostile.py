"""Bad bodies to every route: a clear refusal, nothing stored, nothing repeated or logged."""

import itertools
import json
from collections.abc import AsyncGenerator, Sequence
from uuid import uuid4

import people
import pytest
from hostile import COUNTS, IDS, SLUGS, TEXTS, UNREADABLE, WORDS, Fault, at, spoiled
from httpx2 import Response
from hubs import DEVICE, Hub, Service, open_hub
from people import Json
from refusals import footprint, refused, unsaid
from route_examples import FACT, TARGETS, Target, fact

from twinstile.identity import vault
from twinstile.platform.http.routes import OPEN_LIMIT, Runtime
from twinstile.platform.keys.ciphers import decrypt
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role

pytestmark = pytest.mark.usefixtures("discreet_log")
JSON = "application/json"
ENVELOPE = (
    *at("/kind", of=WORDS),
    *at("/id", "/shift_id", of=IDS),
    *at("/counter", of=(*COUNTS, ("0", "out-of-range"))),
    Fault("/body", "[]", "invalid-format"),
    Fault("/hub_id", '"elsewhere"', "unknown-field"),
    Fault("", "null", "invalid-format"),
    Fault("", "NaN", "invalid-format"),
    Fault("", '"\\ud800"', "invalid-format"),
)


@pytest.fixture(scope="module")
async def quiet(runtime: Runtime, service: Service) -> AsyncGenerator[Hub]:
    """A hub where nothing is ever stored; when all is over, a check shows that it works."""
    hub = await open_hub(runtime, service)
    yield hub
    answer = await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check())
    assert answer.json()["verdict"] == "PASS"


async def send(hub: Hub, target: Target, body: bytes, content_type: str = JSON) -> Response:
    client = hub.client(target.who) if target.who else hub.service.client()
    headers = {"content-type": content_type} if content_type else {}
    return await client.request(target.method, target.path, content=body, headers=headers)


@pytest.mark.parametrize("target", TARGETS, ids=str)
async def test_a_body_that_cannot_be_read_is_refused_whole(
    quiet: Hub, target: Target, subtests: pytest.Subtests
) -> None:
    before = await footprint(quiet)
    for bad in UNREADABLE:
        if target.who is None and len(bad.body) > OPEN_LIMIT:
            continue  # what is longer nobody looks into
        with subtests.test(bad.name):
            answer = await send(quiet, target, bad.body, bad.content_type)
            assert refused(answer, bad.status, bad.slug) == []
    assert await footprint(quiet) == before


async def test_nobody_unknown_makes_the_service_read_much(quiet: Hub) -> None:
    own = "/v1/declarations/own"
    open_to_all = {(target.method, target.path) for target in TARGETS if target.who is None}
    for method, path in {*open_to_all, ("PUT", own), ("PUT", f"{own}/appeals/{uuid4()}")}:
        body, headers = b" " * OPEN_LIMIT + b"{}", {"content-type": JSON}
        answer = await quiet.service.client().request(
            method, path, content=body, headers=headers
        )
        told = answer.json()
        assert (answer.status_code, told["max_bytes"]) == (413, OPEN_LIMIT), (method, path)


@pytest.mark.parametrize("target", TARGETS, ids=str)
async def test_a_value_its_field_refuses_is_pointed_at(quiet: Hub, target: Target) -> None:
    before = await footprint(quiet)
    for fault in target.faults:
        answer = await send(quiet, target, spoiled(target.body(), fault))
        assert fault.told in refused(answer, 422, "invalid-input"), fault
    assert await footprint(quiet) == before


def backlog(*facts: tuple[str, Json, Fault | None]) -> bytes:
    """A batch of these facts, each of a kind, with a fault in its body or right."""
    items: list[bytes] = []
    for counter, (kind, body, fault) in enumerate(facts, 1):
        item = {"kind": kind, "id": str(people.new_id()), "counter": counter, "body": body}
        items.append(spoiled(item, fault) if fault else json.dumps(item).encode())
    head = json.dumps({"sent_at": people.now()}).encode()[:-1]
    return head + b', "items": [' + b",".join(items) + b"]}"


async def hand_over(hub: Hub, body: bytes) -> Json:
    answer = await hub.client(DEVICE).post(
        "/v1/facts:batch", content=body, headers={"content-type": JSON}
    )
    assert answer.status_code == 200, answer.text
    unsaid(answer.text)
    told: Json = answer.json()
    return told


async def sync_status(hub: Hub) -> Json:
    device = hub.duties[Role.SCREENER].device_id
    told: Json = (await hub.client(DEVICE).get(f"/v1/devices/{device}/sync-status")).json()
    return told


def between_good_ones(faults: Sequence[tuple[str, Json, Fault]]) -> bytes:
    return backlog(
        *itertools.chain.from_iterable((("check", people.fact(), None), bad) for bad in faults)
    )


BODIES = tuple(("check", fact(), fault.below("/body")) for fault in FACT)
ENVELOPES = tuple(("check", fact(), fault) for fault in ENVELOPE)
ACTS: tuple[tuple[str, Json, Fault], ...] = (
    *(
        ("reminder", {"kind": "R2", "channel": "a", "language": "b"}, fault.below("/body"))
        for fault in (*at("/checkpoint", of=SLUGS), *at("/channel", of=TEXTS))
    ),
    *(
        ("service", {"outcome": "OFFERED"}, fault.below("/body"))
        for fault in (*at("/screening_id", of=IDS), *at("/kind", of=WORDS))
    ),
    *(
        ("transition", {"event": "refuse"}, fault.below("/body"))
        for fault in (*at("/screening_id", of=IDS), *at("/reason", of=TEXTS))
    ),
)


@pytest.mark.parametrize("faults", [BODIES, ENVELOPES, ACTS], ids=["bodies", "facts", "acts"])
async def test_in_a_backlog_a_bad_fact_sinks_only_itself(
    hub: Hub, faults: Sequence[tuple[str, Json, Fault]]
) -> None:
    sent = between_good_ones(faults)
    told = await hand_over(hub, sent)
    assert {item["status"] for item in told["items"][::2]} == {"stored"}
    for item, (_, _, fault) in zip(told["items"][1::2], faults, strict=True):
        assert item["status"] == "quarantined", fault
        assert fault.told in item["problem"]["errors"], fault
    stored = await footprint(hub)
    assert stored["check"] == len(faults)
    again = await hand_over(hub, sent)
    assert {item["status"] for item in again["items"][::2]} == {"duplicate"}
    assert {item["status"] for item in again["items"][1::2]} == {"quarantined"}
    assert await footprint(hub) == stored
    assert (await sync_status(hub))["quarantined"] == len(faults)


async def test_a_bad_fact_is_kept_whole_and_closed(hub: Hub) -> None:
    bad = Fault(
        "/body/identity/document/name", '"\\ud800\\u0000 KANARIENVOGEL"', "invalid-text"
    )
    await hand_over(hub, backlog(("check", fact(), bad)))
    async with hub.runtime.database.reading() as tx:
        (row,) = await tx.raw.fetch(
            "SELECT quarantine_id, key_id, cipher FROM quarantine WHERE hub_id = $1", hub.hub_id
        )
    today = clock.now().astimezone(hub.runtime.settings.zone).date()
    assert row["key_id"] == vault.day_key(today)
    key = hub.runtime.keys.of(hub.hub_id).get(row["key_id"])
    place = f"quarantine|{hub.hub_id}|{row['quarantine_id']}"
    kept = json.loads(decrypt(key, row["cipher"], place.encode()))
    assert kept["body"]["identity"]["document"]["name"] == "\ud800\0 KANARIENVOGEL"
    assert kept["counter"] == 1
