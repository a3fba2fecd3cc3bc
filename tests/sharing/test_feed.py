"""The feed of changes as a department's system meets it, over HTTP."""

import asyncio
import json
import time
from uuid import UUID, uuid4

import fever_cases
import httpx2
import ledger_reader
import partner_systems
import pytest
from hubs import Hub, open_hub

from twinstile.app import create_app
from twinstile.cli import serving
from twinstile.identity import retention
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.keys import destruction
from twinstile.platform.ledger import chain
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.sharing import changes, feed, partners
from twinstile.sharing.types import SOURCES, TERMS, ChangeType, PartnerKind


async def sealed(hub: Hub) -> None:
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)


async def happened(hub: Hub, kind: str, **body: object) -> None:
    await ledger_reader.enter(hub.runtime, hub.hub_id, 1, kind, **body)


async def test_a_case_is_heard_of_from_its_opening_on(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    case = await fever_cases.confirmed(hub)
    await sealed(hub)
    answer = (await department.changes()).json()
    kinds = [change["type"] for change in answer["changes"]]
    assert kinds.count("case.opened") == 1
    assert "screening.checked" in kinds
    (opened,) = [c for c in answer["changes"] if c["type"] == "case.opened"]
    assert opened["fields"]["case_no"] == case["case_no"]
    assert set(opened["fields"]) == {"case_no", "origin", "screening_id"}
    checked = [c for c in answer["changes"] if c["type"] == "screening.checked"]
    assert {c["subject"] for c in checked} >= {opened["fields"]["screening_id"]}
    text = json.dumps(answer)
    for known in (case["case_id"], case["screening_id"], hub.hub_id):
        assert known not in text
    assert not answer["more"]
    again = (await department.changes(after=answer["next"])).json()
    assert again["changes"] == []


async def test_only_granted_types_and_fields_leave(hub: Hub) -> None:
    department = await partner_systems.enter(
        hub, types=[{"type": "case.opened", "fields": ["case_no"]}]
    )
    everything = {
        "case_no": "20261124-001",
        "origin": "CLINICIAN",
        "screening_id": str(uuid4()),
        "secret": "x",
    }
    await happened(hub, "case.opened", **everything)
    await happened(hub, "case.moved", **everything)
    await happened(hub, "operator.refused", **everything)
    await sealed(hub)
    (change,) = (await department.changes()).json()["changes"]
    assert (change["type"], change["fields"]) == ("case.opened", {"case_no": "20261124-001"})
    refused = await department.changes(types="case.moved")
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"pointer": "/types", "code": "unknown-value"}]


async def test_no_member_of_a_body_leaves_that_is_not_on_the_list(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    body = dict.fromkeys(("reason", "rules", "check", "device_id", "operator_id"), "CANARY")
    for kind in SOURCES.values():
        await happened(hub, kind, **body)
    await sealed(hub)
    answer = await department.changes()
    assert len(answer.json()["changes"]) == len(SOURCES)
    assert "CANARY" not in answer.text


async def test_two_departments_cannot_join_what_they_hold(hub: Hub) -> None:
    one, other = [await partner_systems.enter(hub) for _ in range(2)]
    await happened(hub, "case.opened", screening_id=str(uuid4()))
    await sealed(hub)
    mine, theirs = [(await d.changes()).json() for d in (one, other)]
    (a,), (b,) = mine["changes"], theirs["changes"]
    for member in ("id", "subject"):
        assert a[member] != b[member]
    assert a["fields"]["screening_id"] != b["fields"]["screening_id"]
    assert (await one.changes()).json()["changes"] == mine["changes"]
    stolen = await other.changes(after=mine["next"])
    assert stolen.status_code == 422


async def test_pages_follow_the_ledger_and_end(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    for i in range(7):
        await happened(hub, "case.overdue", case_no=f"20261124-{i:03}")
    await sealed(hub)
    numbers, after, pages = [], None, 0
    while True:
        answer = (await department.changes(after=after, limit=3)).json()
        numbers += [change["fields"]["case_no"] for change in answer["changes"]]
        after, pages = answer["next"], pages + 1
        if not answer["more"]:
            break
    assert numbers == [f"20261124-{i:03}" for i in range(7)]
    assert pages == 3


async def test_what_lies_between_is_stepped_over_in_bounded_pieces(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "WINDOW", 10)
    department = await partner_systems.enter(hub)
    await ledger_reader.enter(hub.runtime, hub.hub_id, 35)
    await happened(hub, "case.overdue", case_no="20261124-001")
    await sealed(hub)
    after, found, asked = None, [], 0
    while True:
        answer = (await department.changes(after=after)).json()
        found += answer["changes"]
        after, asked = answer["next"], asked + 1
        if not answer["more"]:
            break
    assert len(found) == 1
    assert asked >= 4


async def test_a_destroyed_case_leaves_a_tombstone_under_the_same_pseudonym(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    case_id = uuid4()
    keys, reason = hub.runtime.keys.of(hub.hub_id), destruction.DestructionReason.RETENTION
    key = await partners.pseudonym_key(
        hub.runtime.keys.of(hub.hub_id), UUID(department.partner_id)
    )
    for name in ("day.2026-11-09", f"case.{case_id}"):
        await retention.destroy(
            hub.runtime.database, keys, hub.hub_id, name, reason, clock.now()
        )
    await sealed(hub)
    (change,) = (await department.changes(types="case.moved")).json()["changes"]
    assert change["type"] == "destroyed"
    assert change["subject"] == partners.pseudonym(key, case_id)
    assert change["fields"] == {}


async def test_who_hears_of_no_cases_is_not_told_how_many_ended(hub: Hub) -> None:
    checked = [{"type": "screening.checked", "fields": ["verdict"]}]
    department = await partner_systems.enter(hub, types=checked)
    keys, reason = hub.runtime.keys.of(hub.hub_id), destruction.DestructionReason.RETENTION
    name = f"case.{uuid4()}"
    await retention.destroy(hub.runtime.database, keys, hub.hub_id, name, reason, clock.now())
    await sealed(hub)
    for answer in (
        await department.changes(),
        await department.changes(types=checked[0]["type"]),
    ):
        assert answer.json()["changes"] == []


async def test_who_waits_is_told_within_a_second_and_at_the_deadline(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    await sealed(hub)
    after = (await department.changes()).json()["next"]
    begun = time.monotonic()
    nothing = await department.changes(after=after, wait=1)
    assert nothing.json()["changes"] == []
    assert 0.9 < time.monotonic() - begun < 3
    waiting = asyncio.create_task(department.changes(after=nothing.json()["next"], wait=20))
    await asyncio.sleep(0.5)
    await ledger_reader.enter(hub.runtime, hub.hub_id, 3)  # of another kind: nobody is woken
    await happened(hub, "case.overdue", case_no="20261124-001")
    begun = time.monotonic()
    await sealed(hub)
    (change,) = (await waiting).json()["changes"]
    assert change["type"] == "case.overdue"
    assert time.monotonic() - begun < 2


async def test_who_waits_is_let_go_when_the_service_ends(
    hub: Hub, place: DatabaseTarget
) -> None:
    department = await partner_systems.enter(hub)
    await sealed(hub)
    after = (await department.changes()).json()["next"]
    listening = serving.listen("127.0.0.1", 0)
    (base_url,) = serving.addresses(listening)
    own = create_app(startup.open_runtime(hub.runtime.settings, place))
    authorised = {"Authorization": f"Bearer {department.token}"}
    async with httpx2.AsyncClient(base_url=base_url, headers=authorised) as client:
        async with serving.running(own, listening):
            asked = {"after": after, "wait": "30"}
            waiting = asyncio.create_task(client.get("/v1/changes", params=asked, timeout=40))
            await asyncio.sleep(0.5)
            assert not waiting.done()
            begun = time.monotonic()
        answer = await waiting
    assert answer.status_code == 200, answer.text
    assert answer.json()["changes"] == []
    assert time.monotonic() - begun < serving.DRAIN_S


async def test_who_waits_holds_no_connection(hub: Hub) -> None:
    """More wait than there are connections, and the gate is served as ever."""
    several = [await partner_systems.enter(hub) for _ in range(5)]
    await sealed(hub)
    cursors = [(await d.changes()).json()["next"] for d in several]
    waiting = [
        asyncio.create_task(d.changes(after=cursor, wait=3))
        for d, cursor in zip(several, cursors, strict=True)
        for _ in range(feed.WAITING_AT_ONCE)
    ]
    await asyncio.sleep(0.3)
    assert len(waiting) > hub.runtime.settings.pool_size
    me = await hub.client(Role.SCREENER).get("/v1/me")
    assert me.status_code == 200
    too_many = await several[0].changes(after=cursors[0], wait=3)
    assert too_many.status_code == 429
    assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}


async def test_who_is_shut_out_while_waiting_gets_nothing(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    await sealed(hub)
    after = (await department.changes()).json()["next"]
    waiting = asyncio.create_task(department.changes(after=after, wait=10))
    await asyncio.sleep(0.3)
    gone = await hub.client(Role.ADMINISTRATOR).delete(f"/v1/partners/{department.partner_id}")
    assert gone.status_code == 204
    await happened(hub, "case.overdue")
    await sealed(hub)
    assert (await waiting).status_code == 401


async def test_a_restore_ends_old_cursors(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    await happened(hub, "case.overdue", case_no="20261124-001")
    await sealed(hub)
    first = (await department.changes()).json()
    waiting = asyncio.create_task(department.changes(after=first["next"], wait=10))
    await asyncio.sleep(0.3)
    async with hub.runtime.database.transaction() as tx:
        await chain.new_epoch(tx, hub.hub_id, clock.now())
    for answer in (await department.changes(after=first["next"]), await waiting):
        assert answer.status_code == 410
        assert answer.json()["type"] == "/problems/cursor-expired"
    anew = (await department.changes()).json()
    assert anew["changes"] == first["changes"]
    assert (await department.changes(after=anew["next"])).status_code == 200


async def test_the_first_cursor_of_a_new_hub_holds(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    first = (await department.changes()).json()["next"]
    await sealed(hub)
    assert (await department.changes(after=first)).status_code == 200


async def test_a_cursor_ahead_of_the_ledger_is_one_of_another_life(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    await sealed(hub)
    key = await partners.pseudonym_key(
        hub.runtime.keys.of(hub.hub_id), UUID(department.partner_id)
    )
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT epoch, n FROM ledger_head WHERE hub_id = $1", hub.hub_id
        )
    assert row is not None
    ahead = changes.encode(key, row[0], row[1] + 1000)
    assert (await department.changes(after=ahead)).status_code == 410


@pytest.mark.parametrize(
    "cursor", ["", "1", "a.1", "A" * 64, "\u5f20", "%00", "A" * 201, "=" * 8]
)
async def test_a_cursor_nobody_gave_out_is_refused(hub: Hub, cursor: str) -> None:
    department = await partner_systems.enter(hub)
    answer = await department.changes(after=cursor)
    assert answer.status_code == 422
    assert len(cursor) < 5 or cursor not in answer.text


@pytest.mark.parametrize(
    "query", [{"wait": 31}, {"wait": -1}, {"limit": 0}, {"limit": 501}, {"types": ""}]
)
async def test_odd_questions_are_refused(hub: Hub, query: dict[str, object]) -> None:
    department = await partner_systems.enter(hub)
    assert (await department.changes(**query)).status_code == 422


async def test_every_disclosure_is_recorded_before_it_leaves(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    await happened(hub, "case.opened", case_no="20261124-001")
    await sealed(hub)
    await department.changes()
    empty = await department.changes(types="case.moved")
    assert empty.json()["changes"] == []
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch(
            "SELECT partner_id, purpose, fields, rows FROM access"
            " WHERE hub_id = $1 AND action = 'DISCLOSURE'",
            hub.hub_id,
        )
    assert [tuple(row) for row in rows] == [
        (department.partner_id, "LEGAL_DUTY", ["case.opened", "case.opened:case_no"], 1)
    ]


async def test_a_partner_sees_its_own_hub_only(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    elsewhere = await open_hub(hub.runtime, hub.service)
    await happened(elsewhere, "case.opened", case_no="20261124-999")
    for one in (hub, elsewhere):
        await sealed(one)
    assert "20261124-999" not in (await department.changes()).text


async def test_requests_are_counted(hub: Hub) -> None:
    department = await partner_systems.enter(hub)
    other = await partner_systems.enter(hub)
    answers = [await department.changes() for _ in range(feed.REQUESTS_A_MINUTE + 1)]
    assert [answer.status_code for answer in answers].count(429) >= 1
    assert int(answers[-1].headers["retry-after"]) in range(1, 61)
    assert (await other.changes()).status_code == 200


def test_every_type_has_terms_and_a_source() -> None:
    assert set(TERMS) == set(PartnerKind)
    assert set(SOURCES) == set(ChangeType)
    assert all(set(terms) <= set(ChangeType) for terms in TERMS.values())
