"""What a check looks up is found by index on a young hub too, before anything was analysed.

An index that begins with `hub_id` alone looks selective to a planner without statistics, and is
not: every row of the hub would be read for each check.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import cast
from uuid import UUID, uuid4

import pytest
from hubs import Hub
from sqlalchemy import ClauseElement
from sqlalchemy.dialects import postgresql

from twinstile.deferrals import deferrals
from twinstile.identity import vault
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database, Transaction
from twinstile.platform.http import paging
from twinstile.screening import checks, committer, party_members
from twinstile.screening.statement import FACTS_SQL, TURN_SQL

STORED = 20_000
LOOKED_AT = 60
"""Rows one scan may touch for one check; a scan of the hub would touch all."""
ENTERED = (
    "on lane",
    "on policy_activation",
    "on policy",
    # as good as the key while there are no cases; they are few when all is planned anew
    "fever_case_hub_id_opened_at_case_id_idx on fever_case",
)
"""Tables of what people enter: all hubs of a test are less than one page of them."""
DAY = date(2026, 11, 24)

PEOPLE = """
INSERT INTO vault (hub_id, day, blind, person_id, first_epoch, cipher)
SELECT $1, $2, sha256(($1 || n)::bytea), gen_random_uuid(), 1, 'x' FROM generate_series(1, $3) n
ON CONFLICT DO NOTHING
"""
# Every other passage is open, the others were handed over; all of them, their parties and their
# cases are called after the document.
SCREENINGS = """
INSERT INTO screening (hub_id, screening_id, person_id, run_id, state, opened_at, state_since,
                       closed_at, fold, checks, reminders, verifications, services, referred_at,
                       case_id)
SELECT hub_id, left(encode(blind, 'hex'), 32)::uuid, person_id, gen_random_uuid(),
       CASE WHEN closed THEN 'HANDED_OVER' ELSE 'SECONDARY' END, now(), now(),
       CASE WHEN closed THEN now() END, jsonb_build_object(
           'readings', '[]'::jsonb, 'party', left(encode(blind, 'hex'), 32)),
       1, '{}', '{}', '{}', now(),
       CASE WHEN closed THEN left(encode(blind, 'hex'), 32)::uuid END
FROM vault, LATERAL (SELECT get_byte(blind, 0) % 2 = 0 AS closed) c WHERE hub_id = $1
"""
PARTIES = """
INSERT INTO party (hub_id, party_id, opened_at, device_id, members)
SELECT hub_id, screening_id, now(), run_id, 1 FROM screening WHERE hub_id = $1
"""
MEMBERS = """
INSERT INTO party_member (hub_id, screening_id, party_id, role, joined_at)
SELECT hub_id, screening_id, screening_id, 'MINOR', now() FROM screening WHERE hub_id = $1
"""
CASES = """
INSERT INTO fever_case (hub_id, case_id, case_no, screening_id, person_id, episode_of, origin,
                        state, opened_at, state_since, closed_at)
SELECT hub_id, screening_id, screening_id, screening_id, person_id, person_id,
       'CONFIRMED_ABNORMAL',
       CASE WHEN case_id IS NULL THEN 'ASSESSING' ELSE 'CLOSED_RECOVERED' END,
       now() - random() * interval '9 days', now(), CASE WHEN case_id IS NOT NULL THEN now() END
FROM screening WHERE hub_id = $1
"""
RUNS = """
INSERT INTO run (hub_id, run_id, mode, service_no, service_date, origin, terminus,
                 scheduled_arrival, recorded_at)
SELECT hub_id, run_id, 'RAIL', 'G1', now()::date, '', '', now(), now()
FROM screening WHERE hub_id = $1 AND run_id IS NOT NULL GROUP BY hub_id, run_id
"""
ENTRIES = """
INSERT INTO manifest_entry (hub_id, run_id, entry_id, person_id, batch, recorded_at)
SELECT hub_id, run_id, '1', person_id, 1, now() FROM screening WHERE hub_id = $1
"""
NOTICES = """
INSERT INTO notice (hub_id, notice_id, order_id, run_id, kind, person_id, contact, channel,
                    language, state, at, attempts, evidence)
SELECT hub_id, gen_random_uuid(), gen_random_uuid(), run_id, 'R1', person_id, 'PHONE', 'file',
       'en', 'SENT', now(), 1, '[]' FROM screening WHERE hub_id = $1
"""
LINKS = """
INSERT INTO person_link (hub_id, link_id, person_id, other_person_id, evidence, reason,
                         recorded_at, recorded_by, device_id)
SELECT hub_id, gen_random_uuid(), least(person_id, run_id), greatest(person_id, run_id),
       'BOTH_DOCUMENTS_SHOWN', 'x', now(), run_id, run_id FROM screening WHERE hub_id = $1
"""
ALERTS = """
INSERT INTO identity_alert (hub_id, feed, key, person_id, kind, authority, legal_basis,
                            action, valid_from, valid_to, day, recorded_at)
SELECT hub_id, 'police', sha256(screening_id::text::bytea), person_id, 'KEY_AREA', 'x', 'x',
       'CHECK', now() - interval '1 hour', now() + interval '1 hour', $2, now()
FROM screening WHERE hub_id = $1 AND $2::date IS NOT NULL
"""
STATUSES = """
INSERT INTO health_status (hub_id, feed, key, person_id, issuer, colour, close_contact,
                           valid_from, valid_to, day, recorded_at)
SELECT hub_id, feed, key, person_id, 'x', 'RED', false, valid_from, valid_to, day, recorded_at
FROM identity_alert WHERE hub_id = $1
"""
CHECKS = """
INSERT INTO "check" (hub_id, id, screening_id, device_id, counter, observed_at, received_at,
    clock_offset_ms, clock_suspect, offline, evidence, fingerprint, fingerprint_key, status,
    verdict, outcome, state, reasons, policy_version)
SELECT hub_id,
    -- ids of this moment, as devices mint them: others would stand in the DEFAULT partition
    (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0')
     || substr(md5(screening_id::text), 1, 20))::uuid,
    screening_id, gen_random_uuid(), 1, now(), now(), 0, false, false, '{}', 'x', 'epoch.1',
    'stored', 'PASS', 'PASS', 'CLEARED', '[]', 'cn-hub-2'
FROM screening WHERE hub_id = $1
"""
FORGETS = "SELECT WHERE to_regproc('pg_clear_relation_stats') IS NOT NULL"
"""A row if this PostgreSQL can: from 18 on."""
# What autovacuum has told of the hubs of other tests.
FORGET = """
SELECT pg_clear_relation_stats('public', c.relname::text), (
    SELECT count(pg_clear_attribute_stats('public', c.relname::text, a.attname::text, whole))
    FROM pg_attribute a, unnest(ARRAY[false, true]) AS whole
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)
FROM pg_class c LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
WHERE $1::regclass IN (c.oid, i.inhparent) AND c.relkind IN ('r', 'p')
"""


def scans(node: dict[str, object]) -> Iterator[tuple[str, float]]:
    """Each scan of a plan, and how many rows it touched in one go."""
    read = node["Node Type"] != "ModifyTable"
    if read and ("Relation Name" in node or "Index Name" in node):
        touched = sum(
            float(str(node.get(name, 0)))
            for name in (
                "Actual Rows",
                "Rows Removed by Filter",
                "Rows Removed by Index Recheck",
            )
        )
        # an index in which a column was passed over is walked without a word, page by page
        blocks = sum(
            float(str(node[f"{whose} {what} Blocks"]))
            for whose in ("Shared", "Local")
            for what in ("Hit", "Read")
        )
        touched = max(touched, blocks / max(1.0, float(str(node["Actual Loops"]))))
        yield f"{node.get('Index Name')} on {node.get('Relation Name')}", touched
    children = node.get("Plans", [])
    assert isinstance(children, list)
    for child in children:
        yield from scans(child)


@pytest.mark.parametrize("size", [1, 200])
@pytest.mark.parametrize("small_hubs", [0, 300])
async def test_a_check_is_looked_up_by_index_whatever_was_analysed(
    hub: Hub, place: DatabaseTarget, size: int, small_hubs: int
) -> None:
    """Nothing was, or it was while there were many small hubs: a hub seems to be few rows."""
    owner = Database(place.owner_url, pool_size=1)
    try:
        async with owner.transaction() as tx:
            for n in range(small_hubs):
                await store(tx, f"{hub.hub_id}-{n}", 3)
            forgets = await tx.raw.fetch(FORGETS)
            for table in TABLES:
                if small_hubs:
                    await tx.raw.execute(f"ANALYZE {table}")
                elif forgets:
                    await tx.raw.execute(FORGET, table)
            await look_up(tx, hub.hub_id, size)
    finally:
        await owner.close()


async def store(tx: Transaction, hub_id: str, people: int) -> None:
    """So many people of a hub, each with a passage, a manifest entry and a check."""
    await tx.raw.execute(PEOPLE, hub_id, DAY, people)
    tables = (SCREENINGS, RUNS, PARTIES, MEMBERS, CASES, ENTRIES, NOTICES, CHECKS, LINKS)
    for statement in tables:
        await tx.raw.execute(statement, hub_id)
    await tx.raw.execute(ALERTS, hub_id, DAY)
    await tx.raw.execute(STATUSES, hub_id)


def shown(blind: bytes) -> dict[str, str]:
    return {"blind": f"\\x{blind.hex()}", "earlier": f"\\x{os.urandom(32).hex()}"}


def statements(hub_id: str, size: int) -> dict[str, tuple[str, tuple[object, ...]]]:
    """Each statement of the gate's path that looks something up, with so many look-ups."""
    ids = [uuid4() for _ in range(size)]
    # every other person is known, and linked with another
    known = [hashlib.sha256(f"{hub_id}{n + 1}".encode()).digest() for n in range(size)]
    blinds = [os.urandom(32) if n % 2 else known[n] for n in range(size)]
    documents = (DAY, blinds, blinds, blinds, 1, [True] * size)
    common = {"observed_at": datetime.now(UTC).isoformat(), "lane_id": "north-1"}
    named = [blind.hex()[:32] for blind in known]
    looked_up = json.dumps(
        [
            {"ordinal": i, "id": str(n), "screening_id": of, "party_id": of}
            | (shown(b) if i % 3 else {})  # without a document, too
            | common
            for i, (n, of, b) in enumerate(zip(ids, named, blinds, strict=True))
        ]
    )
    passages = json.dumps([{"row": "1", "screening_id": of} for of in named])
    return {
        "recognise": (vault.MEET_SQL, documents),
        "facts": (FACTS_SQL, (*documents, looked_up)),
        "turns at parties": (TURN_SQL, (named,)),
        "join parties": (party_members._JOIN, ("[]", "[]")),
        "people of cases": (vault._LATEST, (ids,)),
        "write": (checks._WRITE_SQL, ("[]", passages, "[]", "[]", datetime.now(UTC))),
    }


async def look_up(tx: Transaction, hub_id: str, size: int) -> None:
    """In the transaction that analysed or forgot, for autovacuum leaves its tables alone."""
    await store(tx, hub_id, STORED)
    for name, (statement, arguments) in statements(hub_id, size).items():
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
        row = await tx.raw.fetchrow(explain, hub_id, *arguments)
        assert row is not None
        touches_little(row[0], size, name)


def touches_little(told: object, size: int, name: str) -> None:
    (plan,) = json.loads(told) if isinstance(told, str) else told  # type: ignore[misc]
    far = {
        scan: n
        for scan, n in scans(plan["Plan"])
        if n > LOOKED_AT + 10 * size and not scan.endswith(ENTERED)
    }
    assert far == {}, name


def literal(value: object) -> str:
    """An argument as SQL text, for EXECUTE takes no parameters."""
    if isinstance(value, list):
        inner = ",".join("NULL" if v is None else f'"{_plain(v)}"' for v in value)
        return f"'{{{inner}}}'"
    return f"'{_plain(value)}'"


def _plain(value: object) -> str:
    return "\\\\x" + value.hex() if isinstance(value, bytes) else str(value)


TABLES = (
    "vault",
    "screening",
    "manifest_entry",
    "run",
    '"check"',
    "device",
    "lane",
    "reminder",
    "notice",
    "person_link",
    "party",
    "party_member",
    "fever_case",
    "identity_alert",
    "health_status",
    "key_area_list",
)


@pytest.mark.parametrize("found", [0, 200], ids=["new", "analysed"])
async def test_a_plan_made_while_tables_were_small_serves_when_they_are_full(
    hub: Hub, place: DatabaseTarget, found: int
) -> None:
    """The committer plans only now and then: what it finds must not mislead it until then."""
    small = Database(place.owner_url, pool_size=1, server_settings=committer.SERVER_SETTINGS)
    try:
        async with small.transaction() as tx:
            for table in TABLES:
                await tx.raw.execute(
                    f"CREATE TEMP TABLE {table} (LIKE public.{table} INCLUDING ALL)"
                )
            if found:
                await store(tx, f"{hub.hub_id}-0", found)
                for table in TABLES:
                    await tx.raw.execute(f"ANALYZE {table}")
            prepared = statements(hub.hub_id, 3)
            for number, (statement, arguments) in enumerate(prepared.values()):
                await tx.raw.execute(f"PREPARE s{number} AS {statement}")
                given = ", ".join(literal(a) for a in (hub.hub_id, *arguments))
                await tx.raw.execute(f"EXECUTE s{number}({given})")
            await store(tx, hub.hub_id, STORED)
            for number, (name, (_, arguments)) in enumerate(prepared.items()):
                given = ", ".join(literal(a) for a in (hub.hub_id, *arguments))
                explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE s{number}({given})"
                row = await tx.raw.fetchrow(explain)
                assert row is not None
                touches_little(row[0], 3, name)
    finally:
        await small.close()


OPEN, LIMIT = STORED // 10, 50
_PASSAGES = """
INSERT INTO screening (hub_id, screening_id, state, opened_at, state_since, fold, checks,
                       reminders, verifications, services)
SELECT $1, md5($1 || n)::uuid, 'DEFERRED', now(), now(), '{}', 1, '{}', '{}', '{}'
FROM generate_series(1, $2::int) n
"""
# one in ten is open, and one in ten of these is owed to an area that no other hub knows
_OWED = """
INSERT INTO deferral (hub_id, deferral_id, screening_id, reason, opened_at, due_at,
                      destination, closed_at, outcome)
SELECT $1, md5('d' || $1 || n)::uuid, md5($1 || n)::uuid, 'OUTAGE', now(),
       now() + n * interval '1 second', CASE WHEN n % 100 = 0 THEN $1 ELSE '440106' END,
       CASE WHEN n % 10 > 0 THEN now() END, CASE WHEN n % 10 > 0 THEN 'reenter' END
FROM generate_series(1, $2::int) n
"""


async def owe(tx: Transaction, hub_id: str, people: int) -> None:
    await tx.raw.execute(_PASSAGES, hub_id, people)
    await tx.raw.execute(_OWED, hub_id, people)


def pages(hub_id: str) -> dict[str, str]:
    """The first page and a later one, of everybody and of one area, as text."""
    later = paging.encode(datetime.now(UTC) + timedelta(seconds=STORED / 2), UUID(int=0))
    asked = {
        f"{destination or 'all'}, {'later' if cursor else 'first'}": deferrals.listed(
            hub_id, destination, cursor, LIMIT
        )
        for destination in (None, hub_id)
        for cursor in (None, later)
    }
    text = {"compile_kwargs": {"literal_binds": True}, "dialect": postgresql.dialect()}
    return {
        name: str(cast("ClauseElement", statement).compile(**text))
        for name, statement in asked.items()
    }


_DEFINITIONS = """
SELECT pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class c ON c.oid = indexrelid
WHERE indrelid = $1::regclass ORDER BY c.relname
"""


async def own_tables(tx: Transaction, restored: bool) -> None:
    """Tables of this session: what autovacuum saw of other tests' hubs is no matter.

    Of two indexes that cost the same the planner takes the younger one; those of a backup are
    made by name.
    """
    for table in ("deferral", "screening"):
        like = "" if restored else " INCLUDING ALL"
        found = await tx.raw.fetch(_DEFINITIONS, f"public.{table}") if restored else ()
        await tx.raw.execute(f"CREATE TEMP TABLE {table} (LIKE public.{table}{like})")
        for (definition,) in found:
            await tx.raw.execute(definition.replace(f" public.{table} ", f" pg_temp.{table} "))


@pytest.mark.parametrize("state", ["new", "restored", "analysed"])
async def test_a_page_of_the_debt_reads_a_page(
    hub: Hub, place: DatabaseTarget, state: str
) -> None:
    owner = Database(place.owner_url, pool_size=1)
    analysed = state == "analysed"
    try:
        async with owner.transaction() as tx:
            await own_tables(tx, restored=state == "restored")
            for n in range(20 if analysed else 0):
                await owe(tx, f"{hub.hub_id}-{n}", 30)
            await owe(tx, hub.hub_id, STORED)
            for table in ("deferral", "screening") if analysed else ():
                await tx.raw.execute(f"ANALYZE {table}")
            for name, statement in pages(hub.hub_id).items():
                row = await tx.raw.fetchrow(
                    f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
                )
                assert row is not None
                touches_little(row[0], 1, name)
            row = await tx.raw.fetchrow(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {deferrals._DEBT}",
                hub.hub_id,
                datetime.now(UTC),
                200,
            )
            assert row is not None
            touches_little(row[0], OPEN // 10, "sums: what is open, and nothing that was")
    finally:
        await owner.close()
