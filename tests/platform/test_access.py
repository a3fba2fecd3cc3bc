"""The access log as those who supervise read it, and how long it is kept."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import access_log_reader
import fever_cases
import line_lists
import people
import pytest
from access_log_reader import page, reads
from asyncpg import CheckViolationError
from hubs import Hub, open_hub
from sqlalchemy.exc import IntegrityError

from twinstile import worker
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.ops import clock
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import (
    AccessEntry,
    AccessOutcome,
    Action,
    Actor,
    Purpose,
)
from twinstile.platform.security.quotas import QuotaStatus, judge
from twinstile.platform.security.roles import Role

AT = datetime(2026, 11, 24, 8, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


async def look(hub: Hub, at: datetime | None = None, **more: object) -> UUID:
    """One row, of a partner unless told otherwise."""
    by = Actor(hub.hub_id, partner_id=str(more.pop("partner_id", "cdc-city")))
    what = replace(AccessEntry(Action.DISCLOSURE, Purpose.LEGAL_DUTY, ("case",), 3), **more)
    async with hub.runtime.database.transaction() as tx:
        return await access_log.record(tx, by, what, at or clock.now())


async def test_pages_show_every_row_once_the_latest_first(hub: Hub) -> None:
    rows = [str(await look(hub)) for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, object] = {}
    for _ in range(3):
        answer = (await page(hub, limit=2, **cursor)).json()
        seen += [row["access_id"] for row in answer["reads"]]
        cursor = {"cursor": answer["next"]}
    assert (seen, cursor["cursor"]) == (rows[::-1], None)


async def test_a_partners_row_names_the_partner(hub: Hub) -> None:
    subject = uuid4()
    await look(hub, subject_id=subject, reason="agreement 7")
    (row,) = await reads(hub)
    assert (row["partner_id"], row["operator_id"], row["roles"]) == ("cdc-city", None, [])
    assert (row["subject_id"], row["rows"], row["reason"]) == (str(subject), 3, "agreement 7")


async def test_rows_can_be_asked_for_by_subject_action_and_outcome(hub: Hub) -> None:
    subject = uuid4()
    wanted = str(await look(hub, subject_id=subject, outcome=AccessOutcome.NOTHING))
    await look(hub, subject_id=uuid4(), action=Action.EXPORT)
    for query in (
        {"subject_id": subject},
        {"action": "DISCLOSURE"},
        {"outcome": "NOTHING"},
        {"subject_id": subject, "action": "DISCLOSURE", "outcome": "NOTHING"},
    ):
        assert [row["access_id"] for row in await reads(hub, **query)] == [wanted], query
    assert await reads(hub, operator_id=uuid4()) == []


@pytest.mark.parametrize("days", [0, -1, 367])
async def test_a_period_is_at_most_a_year(hub: Hub, days: int) -> None:
    period = {"from": AT.isoformat(), "to": (AT + timedelta(days=days)).isoformat()}
    answer = await hub.client(Role.SUPERVISOR).get("/v1/access", params=period)
    assert answer.json()["errors"] == [{"pointer": "/to", "code": "out-of-range"}]


async def test_another_hubs_reads_are_not_shown(hub: Hub) -> None:
    await look(await open_hub(hub.runtime, hub.service))
    assert await reads(hub) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"purpose": None},
        {"purpose": Purpose.EMERGENCY, "action": Action.REVEAL},
        {"rows": -1},
    ],
)
async def test_the_database_refuses_a_row_that_says_too_little(
    hub: Hub, wrong: dict[str, object]
) -> None:
    with pytest.raises(IntegrityError) as refused:
        await look(hub, **wrong)
    assert refused.value.orig is not None
    assert isinstance(refused.value.orig.__cause__, CheckViolationError)
    assert await reads(hub) == []


async def test_rows_end_after_three_years_by_the_hand_of_the_owner(
    hub: Hub, place: DatabaseTarget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "FORGOTTEN_AT_ONCE", 2)
    now = clock.now()
    for _ in range(5):
        await look(hub, now - access_log.KEPT_FOR - timedelta(days=1))
    kept = await look(hub, now - access_log.KEPT_FOR + timedelta(days=1))
    jobs = {job.name: job for job in worker.jobs_of(hub.runtime, place)}
    await jobs["forgetting"].work(now)
    async with hub.runtime.database.reading() as tx:
        rows = await tx.raw.fetch("SELECT access_id FROM access WHERE hub_id = $1", hub.hub_id)
    assert [row[0] for row in rows] == [kept]


async def test_what_cannot_be_recorded_is_not_shown(hub: Hub, place: DatabaseTarget) -> None:
    number = people.resident_number()
    case_id = await fever_cases.case_of(hub, number=number)
    owner = Database(place.owner_url, pool_size=1)
    async with owner.transaction() as tx:
        await tx.raw.execute("LOCK TABLE access IN EXCLUSIVE MODE")
        silent = await asyncio.gather(
            fever_cases.reveal(hub, case_id),
            access_log_reader.look_up(hub, number),
            hub.client(Role.MEDIC).get(f"/v1/cases/{case_id}/person"),
            line_lists.export(hub),
        )
    await owner.close()
    assert [answer.status_code for answer in silent] == [503] * 4
    assert not any(number[-4:] in answer.text or "张" in answer.text for answer in silent)
    assert await reads(hub) == []
    assert (await fever_cases.reveal(hub, case_id)).status_code == 200


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        ([], QuotaStatus(20, 0, told=False)),
        ([0] * 19, QuotaStatus(1, 0, told=False)),
        ([0] * 20, QuotaStatus(0, 600, told=False)),
        ([0] * 19 + [9], QuotaStatus(0, 60, told=False)),
        ([0] * 19 + [10], QuotaStatus(1, 0, told=False)),
        ([1] * 25, QuotaStatus(0, 540, told=False)),
        ([30] * 99, QuotaStatus(1, 0, told=False)),
        ([30] * 100, QuotaStatus(0, 11.5 * 3600, told=False)),
        ([0] * 20 + [30] * 80, QuotaStatus(0, 11.5 * 3600, told=False)),
        ([720] * 100, QuotaStatus(20, 0, told=False)),
    ],
)
def test_a_standing_follows_from_what_was_used(used: list[int], expected: QuotaStatus) -> None:
    assert judge([AT - minutes * MINUTE for minutes in used], None, AT) == expected


@pytest.mark.parametrize(("minutes", "told"), [(1, True), (9, True), (10, False), (60, False)])
def test_a_refusal_is_told_once_in_a_while(minutes: int, told: bool) -> None:
    assert judge([AT] * 20, AT - minutes * MINUTE, AT).told is told
