"""Revisions after the first two change tables that are in use: none may hold writers up.

Read from the statements a revision really sends, on a database of its own.
"""

import re
from collections.abc import Iterator
from uuid import uuid4

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import schema

BEFORE_ANY_HUB = "0002"
FORBIDDEN = {
    r"CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)": "schema.build_index, beside the writers",
    r"DROP INDEX (?!CONCURRENTLY)": "DROP INDEX CONCURRENTLY, as schema.build_index does",
    r"ADD CONSTRAINT (?!.*(NOT VALID|USING INDEX)\b)": "NOT VALID, validated later",
    r"ALTER COLUMN \S+ (SET DATA )?TYPE": "a new column, filled in steps",
    r"ALTER COLUMN \S+ SET NOT NULL": "a CHECK (… IS NOT NULL) NOT VALID, validated later",
    r"ADD COLUMN .*\b(now|clock_timestamp|random|gen_random_uuid|pg_\w+)\(": "no default that "
    "differs by row: the whole table would be rewritten",
    r"(DROP COLUMN|DROP TABLE|RENAME)": "the version before still reads it: two releases later",
    r"^(LOCK|VACUUM|CLUSTER|REINDEX|TRUNCATE)": "takes the table from everybody",
    r"^(UPDATE|DELETE) (?!hub )": "in steps, by a job (the table of hubs has a few rows)",
}
_TABLE = r'(?:ONLY )?"?(?:public"?\.)?"?(\w+)"?'
_TOUCHED = (
    rf"^(?:ALTER TABLE|DROP TABLE|LOCK TABLE|TRUNCATE|UPDATE|DELETE FROM) {_TABLE}",
    rf"^CREATE (?:UNIQUE )?INDEX .* ON {_TABLE}",
)


def faults(statements: list[str]) -> Iterator[str]:
    """What is wrong with a revision; tables it makes itself are nobody's yet."""
    made: set[str] = set()
    locked: set[str] = set()
    for statement in (" ".join(s.split()) for s in statements):
        if found := re.match(rf"CREATE TABLE (?:IF NOT EXISTS )?{_TABLE}", statement):
            made.add(found[1])
        touched = next((m[1] for p in _TOUCHED if (m := re.match(p, statement))), None)
        if touched in {*made, "alembic_version"}:
            continue
        for pattern, instead in FORBIDDEN.items():
            if re.search(pattern, statement):
                yield f"{statement[:100]}: {instead}"
        if statement.startswith("ALTER TABLE"):
            locked.add(str(touched))
    if len(locked) > 1:
        yield f"a revision each for {', '.join(sorted(locked))}: one is held while it waits"


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX ix_a ON screening (state)",
        "ALTER TABLE screening ADD CONSTRAINT c CHECK (state <> '')",
        'ALTER TABLE "check" ALTER COLUMN kind TYPE varchar',
        'ALTER TABLE "check" ALTER COLUMN kind SET NOT NULL',
        "ALTER TABLE screening ADD COLUMN at timestamptz DEFAULT clock_timestamp()",
        "ALTER TABLE screening RENAME COLUMN state TO stage",
        "ALTER TABLE screening DROP COLUMN state",
        "UPDATE screening SET state = 'X'",
        "DELETE FROM screening",
        "DROP INDEX ix_a",
    ],
)
def test_what_holds_writers_up_is_found(statement: str) -> None:
    assert len(list(faults([statement]))) == 1


def test_two_tables_in_one_revision_are_found() -> None:
    column = "ALTER TABLE {} ADD COLUMN more integer"
    assert not list(faults([column.format("screening")]))
    assert list(faults([column.format("screening"), column.format('"check"')]))


def test_what_is_made_in_the_revision_may_be_done_with_as_one_likes() -> None:
    assert not list(
        faults(
            [
                "\nCREATE TABLE ledger (\n\thub_id TEXT\n)\n",
                "CREATE INDEX ix_ledger ON ledger (hub_id)",
                "ALTER TABLE ledger ADD CONSTRAINT c CHECK (true)",
                "CREATE INDEX CONCURRENTLY ix_a ON screening (state)",
            ]
        )
    )


class CutShortError(Exception):
    """The connection is gone when all of a revision is done but the note that it is."""


def cut_short(*arguments: object) -> None:
    if str(arguments[2]).startswith(("UPDATE alembic_version", "INSERT INTO alembic_version")):
        raise CutShortError


async def test_no_revision_holds_writers_up_and_each_may_be_cut_short(
    place: DatabaseTarget,
) -> None:
    name = f"revisions_{uuid4().hex[:8]}"
    administration = create_async_engine(
        place.owner_url, poolclass=NullPool, isolation_level="AUTOCOMMIT"
    )
    async with administration.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    engine = create_async_engine(
        make_url(place.owner_url).set(database=name), poolclass=NullPool
    )
    sent: dict[str, list[str]] = {}

    def upgrade(connection: Connection) -> None:
        settings = schema.config()
        settings.attributes["connection"] = connection
        scripts = ScriptDirectory.from_config(settings)
        for revision in reversed(list(scripts.walk_revisions())):
            statements = sent.setdefault(revision.revision, [])

            def note(*arguments: object, statements: list[str] = statements) -> None:
                statements.append(str(arguments[2]))

            event.listen(connection, "before_cursor_execute", cut_short)
            with pytest.raises(CutShortError):
                command.upgrade(settings, revision.revision)
            event.remove(connection, "before_cursor_execute", cut_short)
            connection.rollback()
            event.listen(connection, "before_cursor_execute", note)
            command.upgrade(settings, revision.revision)
            event.remove(connection, "before_cursor_execute", note)
            connection.commit()

    try:
        async with engine.connect() as connection:
            await connection.run_sync(upgrade)
    finally:
        async with administration.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    assert any("CREATE TABLE" in statement for statement in sent["0001"])
    wrong = {r: list(faults(s)) for r, s in sent.items() if r > BEFORE_ANY_HUB}
    assert {revision: found for revision, found in wrong.items() if found} == {}
