"""Somebody with two documents: linked by evidence alone, and stopped with either."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import access_log_reader
import fever_cases
import people
import pytest
import step_bodies
from asyncpg import CheckViolationError
from httpx2 import Response
from hubs import Hub
from people import Json
from refusals import refused

from twinstile.identity import retention
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role

EAR_FEVER = {"value": 38.6, "method": "EAR"}


def passport(number: str, **more: object) -> Json:
    return {"kind": "PASSPORT", "number": number, "issuer": "UTO", "name": "ZHANG WEI", **more}


def permit(number: str) -> Json:
    return {"kind": "HK_MACAU_PERMIT", "number": number, "name": "张伟"}


def claim(one: Json, other: Json, **more: object) -> Json:
    return {
        "document": one,
        "other": other,
        "evidence": "BOTH_DOCUMENTS_SHOWN",
        "purpose": "IDENTIFICATION",
        "reason": "both shown",
        **more,
    }


async def put(
    hub: Hub, body: Json, who: str = Role.ASSISTANT, link_id: object = None
) -> Response:
    return await hub.client(who).put(f"/v1/links/{link_id or people.new_id()}", json=body)


async def linked(hub: Hub, one: Json, other: Json, **more: object) -> Json:
    answer = await put(hub, claim(one, other, **more))
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()
    return told


async def withdraw(hub: Hub, link_id: object, reason: str = "a mistake") -> Response:
    return await hub.client(Role.SUPERVISOR).put(
        f"/v1/links/{link_id}/withdrawal", json={"reason": reason}
    )


def shown(document: Json, counter: int = 1, **more: object) -> Json:
    identity = {"document": document, "result": "MATCH"}
    return people.check(counter, identity=identity, **more)


async def check(hub: Hub, document: Json, role: Role = Role.SCREENER, **more: object) -> Json:
    answer = await hub.client(role).put(
        f"/v1/checks/{people.new_id()}", json=shown(document, **more)
    )
    assert answer.status_code == 201, answer.text
    told: Json = answer.json()
    return told


async def held(hub: Hub, document: Json) -> Json:
    await check(hub, document, celsius=38.2)
    told = await check(hub, document, Role.MEDIC, temperature=EAR_FEVER)
    assert told["state"] == "HELD"
    return told


async def test_somebody_held_who_shows_the_other_document_is_stopped(hub: Hub) -> None:
    one, other = permit("H00000001"), passport("L898902C1")
    first = await held(hub, one)
    await linked(hub, one, other)
    told = await check(hub, other)
    assert (told["verdict"], told["screening_id"]) == ("STOP", first["screening_id"])
    assert (told["case_id"], told["case_no"]) == (first["case_id"], first["case_no"])


async def test_without_a_link_the_same_name_and_birthday_are_another_person(hub: Hub) -> None:
    one, other = (passport(f"L898902D{n}", birth_date="1990-01-01") for n in range(2))
    await held(hub, one)
    assert (await check(hub, other))["verdict"] == "PASS"


async def test_a_suspicion_counts_for_the_other_in_another_passage(hub: Hub) -> None:
    """Whoever walked off flagged, and comes back with the other document."""
    one, other = permit("H00000002"), passport("L898902C2")
    flagged = await check(hub, one, celsius=38.0)
    step = step_bodies.body("absconded", reason="walked off")
    await hub.client().put(
        f"/v1/screenings/{flagged['screening_id']}/steps/{people.new_id()}", json=step
    )
    await linked(hub, other, one)
    told = await check(hub, other)
    assert (told["state"], [r["rule_id"] for r in told["reasons"]]) == (
        "SECONDARY",
        ["PRIOR-HOLD"],
    )


async def test_in_one_backlog_each_document_meets_the_other(hub: Hub) -> None:
    one, other = permit("H00000003"), passport("L898902C3")
    await linked(hub, one, other)
    facts = [
        people.fact(identity={"document": one, "result": "MATCH"}, celsius=38.2),
        people.fact(identity={"document": other, "result": "MATCH"}, temperature=EAR_FEVER),
        people.fact(identity={"document": one, "result": "MATCH"}, celsius=36.5),
    ]
    items = [
        {"kind": "check", "id": str(people.new_id()), "counter": n, "body": fact}
        for n, fact in enumerate(facts, 1)
    ]
    answer = await hub.client("device").post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": items}
    )
    told = [item["check"] for item in answer.json()["items"]]
    assert [each["state"] for each in told] == ["SECONDARY", "HELD", "HELD"]
    assert len({each["screening_id"] for each in told}) == 1


async def test_a_further_alarm_joins_the_open_case_of_the_other(hub: Hub) -> None:
    one, other = permit("H00000004"), passport("L898902C4")
    first = await held(hub, one)
    handed = await fever_cases.dispose(hub, str(first["case_id"]))
    assert handed.status_code in {200, 201}, handed.text
    await linked(hub, one, other)
    assert (await held(hub, other))["case_id"] == first["case_id"]


def chain(count: int) -> list[Json]:
    return [passport(f"C0000000{n}") for n in range(count)]


async def link_all(hub: Hub, documents: Sequence[Json]) -> Response:
    answers = [await put(hub, claim(*two)) for two in pairwise(documents)]
    assert {answer.status_code for answer in answers[:-1]} <= {200}
    return answers[-1]


async def test_links_lead_on_to_eight_persons_and_no_more(hub: Hub) -> None:
    documents = chain(9)
    assert (await link_all(hub, documents[:8])).status_code == 200
    first = await held(hub, documents[0])
    told = await check(hub, documents[7])
    assert (told["verdict"], told["screening_id"]) == ("STOP", first["screening_id"])
    ninth = await put(hub, claim(documents[0], documents[8]), Role.MEDIC)
    assert refused(ninth, 409, "conflict") == []
    assert (await check(hub, documents[8]))["verdict"] == "PASS"


async def test_the_desk_finds_the_passages_of_all(hub: Hub) -> None:
    number = people.resident_number()
    one, other = people.document(number), passport("L898902C5")
    first = await check(hub, other)
    await linked(hub, one, other)
    found = (await access_log_reader.look_up(hub, number)).json()
    assert [each["screening_id"] for each in found["screenings"]] == [first["screening_id"]]


async def test_a_link_taken_back_counts_no_more(hub: Hub) -> None:
    one, other = permit("H00000006"), passport("L898902C6")
    await held(hub, one)
    link_id = (await linked(hub, one, other))["link_id"]
    done = await withdraw(hub, link_id)
    assert (done.status_code, done.json()["withdrawn_reason"]) == (200, "a mistake")
    assert done.json()["withdrawn_by"] == str(hub.duties[Role.SUPERVISOR].operator_id)
    assert (await withdraw(hub, link_id)).json() == done.json()
    assert refused(await withdraw(hub, link_id, "another"), 409, "conflict") == []
    assert refused(await withdraw(hub, people.new_id()), 404, "not-found") == []
    assert (await check(hub, other))["verdict"] == "PASS"
    again = await put(hub, claim(one, other))
    assert again.status_code == 200
    client = hub.client(Role.SUPERVISOR)
    in_force = (await client.get("/v1/links")).json()
    assert [link["link_id"] for link in in_force["links"]] == [again.json()["link_id"]]
    first = (await client.get("/v1/links?withdrawn=true&limit=1")).json()
    rest = (await client.get(f"/v1/links?withdrawn=true&cursor={first['next']}")).json()
    listed = [link["link_id"] for page in (first, rest) for link in page["links"]]
    assert listed == [again.json()["link_id"], link_id]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("one", "other", "more", "fault"),
    [
        (permit("H1"), passport("L1"), {"evidence": "SAME_NAME"}, "/evidence unknown-value"),
        (permit("H1"), passport("L1"), {"evidence": None}, "/evidence unknown-value"),
        (permit("H1"), passport("L1"), {"reason": ""}, "/reason too-short"),
        (
            permit("H00000007"),
            passport("L898902C7"),
            {"evidence": "RENEWED_PASSPORT"},
            "/evidence unfit-evidence",
        ),
        (
            passport("L898902C7"),
            passport("L898902C8"),
            {"evidence": "PERMIT_RENEWAL"},
            "/evidence unfit-evidence",
        ),
        (
            passport("L898902C7", birth_date="1990-01-01"),
            passport("L898902C8", birth_date="1990-01-02"),
            {"evidence": "RENEWED_PASSPORT"},
            "/other another-birth-date",
        ),
        (
            permit("H00000007"),
            {"kind": "OTHER", "number": " "},
            {},
            "/other/number invalid-text",
        ),
    ],
)
async def test_what_is_no_evidence_links_nobody(
    hub: Hub, one: Json, other: Json, more: Json, fault: str
) -> None:
    answer = await put(hub, claim(one, other, **more))
    faults = refused(answer, 422, "invalid-input")
    assert [f"{each['pointer']} {each['code']}" for each in faults] == [fault]
    assert (await hub.client(Role.SUPERVISOR).get("/v1/links")).json()["links"] == []


@pytest.mark.parametrize(
    ("evidence", "one", "other"),
    [
        ("RENEWED_PASSPORT", passport("L898902C7"), passport("L898902C8")),
        ("PERMIT_RENEWAL", permit("H00000008"), people.document()),
        (
            "AUTHORITY_STATEMENT",
            passport("L898902C7", birth_date="1990-01-01"),
            passport("L898902C8", birth_date="1990-02-01"),
        ),
    ],
)
async def test_evidence_that_fits_links(
    hub: Hub, evidence: str, one: Json, other: Json
) -> None:
    assert (await linked(hub, one, other, evidence=evidence))["evidence"] == evidence


@pytest.mark.parametrize(("evidence", "step"), [("SAME_NAME", 1), ("PERMIT_RENEWAL", -1)])
async def test_the_database_itself_takes_no_other_evidence_and_a_pair_once(
    hub: Hub, evidence: str, step: int
) -> None:
    with pytest.raises(CheckViolationError):
        async with hub.runtime.database.transaction() as tx:
            await tx.raw.execute(
                "INSERT INTO person_link (hub_id, link_id, person_id, other_person_id,"
                " evidence, reason, recorded_at, recorded_by, device_id)"
                " SELECT $1, $2, $2, $3, $4, '', now(), $2, $2",
                hub.hub_id,
                *sorted(uuid4() for _ in range(2))[::step],
                evidence,
            )


async def test_the_same_link_again_is_the_same_and_another_is_refused(hub: Hub) -> None:
    one, other = permit("H00000009"), passport("L898902C9")
    link_id, body = people.new_id(), claim(one, other)
    first = (await put(hub, body, link_id=link_id)).json()
    assert first["left"] == 19
    swapped = (await put(hub, claim(other, one), Role.MEDIC, link_id)).json()
    own = ("left", "lookup_id")
    assert {k: v for k, v in swapped.items() if k not in own} == {
        k: v for k, v in first.items() if k not in own
    }
    for changed in (
        claim(one, other, reason="other words"),
        claim(one, other, evidence="AUTHORITY_STATEMENT"),
        claim(one, passport("L898902CA")),
    ):
        assert refused(await put(hub, changed, link_id=link_id), 409, "id-reused") == []
    assert refused(await put(hub, body), 409, "already-exists") == []
    renewed = claim(one, permit("H0000000902"))
    assert refused(await put(hub, renewed), 409, "already-exists") == []


async def test_two_desks_at_the_same_moment_make_one_link(hub: Hub) -> None:
    one, other = permit("H00000010"), passport("L898902CB")
    same = people.new_id()
    answers = await asyncio.gather(
        put(hub, claim(one, other), Role.ASSISTANT, same),
        put(hub, claim(one, other), Role.MEDIC, same),
        put(hub, claim(other, one), Role.SUPERVISOR),
    )
    stati = sorted(answer.status_code for answer in answers)
    assert stati in ([200, 200, 409], [200, 409, 409])  # whoever was first, by either id
    links = (await hub.client(Role.SUPERVISOR).get("/v1/links")).json()["links"]
    assert len(links) == 1


async def test_a_link_is_a_look_up_on_the_record(hub: Hub) -> None:
    one, other = permit("H00000011"), passport("L898902CD")
    told = await linked(hub, one, other)
    (read,) = await access_log_reader.reads(hub)
    assert told["lookup_id"] == read["access_id"]
    assert (read["action"], read["purpose"], read["fields"], read["rows"]) == (
        "LOOK_UP",
        "IDENTIFICATION",
        ["link"],
        2,
    )
    assert read["reason"] == "both shown"
    nothing = claim(one, other, purpose=None)
    assert refused(await put(hub, nothing), 403, "purpose-required") == []


async def test_links_and_look_ups_share_one_quota(hub: Hub) -> None:
    for _ in range(20):
        await access_log_reader.look_up(hub, people.resident_number())
    stopped = await put(hub, claim(permit("H00000012"), passport("L898902CE")))
    assert stopped.status_code == 429
    assert (await hub.client(Role.SUPERVISOR).get("/v1/links")).json()["links"] == []


async def rows(hub: Hub, table: str) -> int:
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            f"SELECT count(*) FROM {table} WHERE hub_id = $1", hub.hub_id
        )
    assert row is not None
    return int(row[0])


async def test_a_link_ends_with_the_identities(hub: Hub) -> None:
    one, other = permit("H00000013"), passport("L898902CF")
    first = await held(hub, one)
    told = await linked(hub, one, other)
    async with hub.runtime.database.reading() as tx:
        persons = await tx.raw.fetch(
            "SELECT person_id::text FROM person_link WHERE hub_id = $1"
            " UNION SELECT other_person_id::text FROM person_link WHERE hub_id = $1",
            hub.hub_id,
        )
        events = await tx.raw.fetch(
            "SELECT body::text || subject_id::text FROM event WHERE hub_id = $1"
            " AND kind LIKE 'person.%'",
            hub.hub_id,
        )
    assert [told["link_id"] in event[0] for event in events] == [True]
    assert not [p[0] for p in persons if p[0] in events[0][0]]
    zone, keys = hub.runtime.settings.zone, hub.runtime.keys.of(hub.hub_id)
    database, now = hub.runtime.database, clock.now()
    await retention.run(database, keys, hub.hub_id, zone, 14, now + timedelta(days=14))
    assert await rows(hub, "person_link") == 1
    await retention.run(database, keys, hub.hub_id, zone, 14, now + timedelta(days=15))
    assert await rows(hub, "person_link") == 0
    # the person of the case is kept under its key, and whom they were linked to is not
    assert await rows(hub, "vault_held") == 1
    assert (await fever_cases.reveal(hub, str(first["case_id"]))).status_code == 200
    certificates = await hub.client(Role.SUPERVISOR).get("/v1/destructions")
    counted = [one["rows"].get("person_link") for one in certificates.json()["destructions"]]
    assert 1 in counted


async def test_a_link_that_is_refused_was_a_look_up_all_the_same(hub: Hub) -> None:
    """Else anybody who has made one finds out by the refusals whom another one joins."""
    one, other = permit("H00000091"), passport("L898902G9")
    link = await linked(hub, one, other)
    guesses = [claim(one, passport(f"L898903G{n}")) for n in range(2)]
    answers = [await put(hub, guess, link_id=link["link_id"]) for guess in guesses]
    answers.append(await put(hub, claim(one, other)))
    answers.append(await put(hub, claim(one, one)))
    assert [answer.status_code for answer in answers] == [409] * 4
    again = await put(hub, claim(one, other), link_id=link["link_id"])
    assert again.json()["left"] == link["left"] - 5
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT (SELECT count(*) FROM access WHERE hub_id = $1), count(DISTINCT person_id)"
            " FROM vault WHERE hub_id = $1",
            hub.hub_id,
        )
    assert tuple(row or ()) == (6, 2)
