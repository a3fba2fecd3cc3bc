"""What the database's own catalogue says of our tables, rights and promises."""

import re
from pathlib import Path

import asyncpg
import pytest

from twinstile.platform.db import schema
from twinstile.platform.db.database import APP_ROLE, READ_ROLE
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import clock

INVENTORY = Path(__file__).resolve().parents[2] / "docs" / "data-inventory.md"
FACTS = (
    "check",
    "event",
    "disposition",
    "acknowledgement",
    "assessment",
    "care",
    "reminder",
    "service_act",
    "policy",
    "policy_activation",
    "policy_draft",
    "deviation",
    "destruction",
    "access",
    "ledger",
    "ledger_epoch",
    "ledger_node",
)
ALEMBIC = "alembic_version"


async def ask(runtime: Runtime, query: str, *args: object) -> list[asyncpg.Record]:
    async with runtime.database.reading() as tx:
        return await tx.raw.fetch(query, *args)


async def test_the_inventory_names_each_column_once_and_no_other(runtime: Runtime) -> None:
    rows = await ask(
        runtime,
        "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
        " AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped AND c.relname <> $1",
        ALEMBIC,
    )
    there = {f"{table}.{column}" for table, column in rows}
    listed = [f"{table}.{column}" for table, column, _ in inventory()]
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) == there


def inventory() -> list[tuple[str, str, str]]:
    """Table, column and class of each line of the page."""
    page = INVENTORY.read_text("utf-8")
    classes = set(re.findall(r"^\| ([a-z]+) \| ", page.partition("## ")[0], re.MULTILINE))
    lines: list[tuple[str, str, str]] = []
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        table = section.partition("\n")[0]
        for columns, kind in re.findall(r"^\| (`.+?) \| (\w+) \|", section, re.MULTILINE):
            assert kind in classes, (table, kind)
            lines += [(table, column, kind) for column in re.findall(r"`(\w+)`", columns)]
    return lines


def test_what_tells_who_somebody_is_is_a_cipher_of_bytes() -> None:
    tables = schema.metadata().tables
    for table, column, kind in inventory():
        if kind in {"cipher", "keyed", "secret"}:
            stored = str(tables[table].c[column].type)
            assert stored == "BLOB" or column == "passcode_hash", (table, column)


async def test_every_key_begins_with_the_hub_and_every_index_has_it(runtime: Runtime) -> None:
    """Other indexes begin with what is selective, see docs/decisions/0016."""
    indexes = await ask(
        runtime,
        "SELECT i.indexrelid::regclass::text, i.indisunique,"
        " array_agg(a.attname ORDER BY array_position(i.indkey::int[], a.attnum::int))"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
        " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey)"
        " WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> $1"
        " GROUP BY i.indexrelid, i.indisunique",
        ALEMBIC,
    )
    assert indexes
    keys = {name: columns for name, unique, columns in indexes if unique}
    assert {name for name, columns in keys.items() if columns[0] != "hub_id"} == set()
    assert {name for name, _, columns in indexes if "hub_id" not in columns} == set()


async def test_there_are_no_triggers_sequences_or_foreign_keys_of_ours(
    runtime: Runtime,
) -> None:
    found = await ask(
        runtime,
        """
        SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT relname FROM pg_class
        WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace
        UNION ALL
        SELECT conname FROM pg_constraint
        WHERE contype IN ('f', 'x') AND connamespace = 'public'::regnamespace
        UNION ALL
        SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        """,
    )
    assert [row[0] for row in found] == []


async def test_the_service_owns_nothing_and_may_do_nothing_special(runtime: Runtime) -> None:
    (row,) = await ask(
        runtime,
        "SELECT current_user::text, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls,"
        " EXISTS (SELECT FROM pg_class WHERE relowner = r.oid),"
        " has_schema_privilege('public', 'CREATE')"
        " FROM pg_roles r WHERE rolname = current_user",
    )
    assert tuple(row) == (APP_ROLE, False, False, False, False, False, False)


@pytest.mark.parametrize("table", FACTS)
async def test_the_service_may_add_facts_and_change_none(runtime: Runtime, table: str) -> None:
    rows = await ask(
        runtime,
        "SELECT c.relname, has_table_privilege(c.oid, 'INSERT'),"
        " has_any_column_privilege(c.oid, 'UPDATE'), has_table_privilege(c.oid, 'DELETE'),"
        " has_table_privilege(c.oid, 'TRUNCATE')"
        " FROM pg_class c WHERE c.oid = $1::text::regclass"
        " OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = $1::text::regclass)",
        f'"{table}"',
    )
    for name, inserts, *changes in rows:
        assert inserts == (name == table)  # through the partitioned table only
        assert not any(changes), name


async def test_nobody_can_change_a_checks_verdict_even_if_they_try(runtime: Runtime) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with runtime.database.transaction() as tx:
            await tx.raw.execute("UPDATE \"check\" SET verdict = 'PASS'")


@pytest.mark.parametrize(
    "table",
    [
        "vault",
        "vault_held",
        "vault_contact",
        "person_link",
        "identity_alert",
        "health_status",
        "quarantine",
        "operator",
        "shift",
    ],
)
async def test_the_role_of_exports_sees_no_identities(runtime: Runtime, table: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with runtime.database.reading(role=READ_ROLE) as tx:
            await tx.raw.fetch(f'SELECT count(*) FROM "{table}"')


async def test_months_to_come_have_partitions_and_wrong_clocks_a_place(
    runtime: Runtime,
) -> None:
    rows = await ask(
        runtime,
        "SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = '\"check\"'::regclass",
    )
    names = {row[0] for row in rows}
    assert "check_default" in names
    now = clock.now()
    months = [now.year * 12 + now.month - 1 + n for n in range(schema.MONTHS_AHEAD + 1)]
    assert {f"check_{n // 12}_{n % 12 + 1:02}" for n in months} <= names
