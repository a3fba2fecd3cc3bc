"""Transactions of one line follow one another without a word between them."""

import contextlib
from collections.abc import AsyncGenerator

import asyncpg
import database_sessions
import pytest

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import dedicated_connection as lines
from twinstile.platform.db.database import Database, Transaction
from twinstile.platform.db.dedicated_connection import DedicatedConnection
from twinstile.platform.http.problems import Unavailable

pytestmark = pytest.mark.usefixtures("runtime")


@pytest.fixture
async def line(place: DatabaseTarget) -> AsyncGenerator[DedicatedConnection]:
    """A line on which another transaction always follows at once."""
    line = DedicatedConnection(
        Database(place.service_url, role=place.role),
        more=lambda: True,
        statement_timeout_ms=2000,
        server_settings={"application_name": "line", "plan_cache_mode": "force_generic_plan"},
        plans_live_s=5,
    )
    async with line.transaction() as tx:
        await tx.raw.execute("CREATE TEMPORARY TABLE told (word text)")
    yield line
    await line.close()


async def asked(tx: Transaction, question: str) -> object:
    row = await tx.raw.fetchrow(question)
    assert row is not None
    return row[0]


async def words(line: DedicatedConnection) -> object:
    async with line.transaction() as tx:
        return await asked(tx, "SELECT string_agg(word, ' ' ORDER BY word) FROM told")


async def run(
    line: DedicatedConnection, statement: str, then: type[Exception] | None = None
) -> None:
    """A transaction of one statement, and what goes wrong after it."""
    async with line.transaction() as tx:
        with contextlib.suppress(asyncpg.DivisionByZeroError):  # and on, as if nothing was
            await tx.raw.execute(statement)
        if then is not None:
            raise then


async def test_each_commit_begins_the_next_transaction(
    line: DedicatedConnection, place: DatabaseTarget
) -> None:
    begun = "application_name = 'line' AND state = 'idle in transaction' AND query = '{}'"
    assert await database_sessions.count(place, begun.format("COMMIT AND CHAIN")) == 1
    await run(line, "INSERT INTO told VALUES ('one')")
    await run(line, "INSERT INTO told VALUES ('two')")
    assert await words(line) == "one two"


async def test_what_fails_in_a_transaction_begun_by_the_last_is_undone(
    line: DedicatedConnection,
) -> None:
    await run(line, "INSERT INTO told VALUES ('kept')")
    with pytest.raises(KeyError):
        await run(line, "INSERT INTO told VALUES ('undone')", then=KeyError)
    assert await words(line) == "kept"


async def test_a_session_that_ends_between_two_is_told_once_and_replaced(
    line: DedicatedConnection, place: DatabaseTarget
) -> None:
    async with line.transaction() as tx:
        here = await asked(tx, "SELECT pg_backend_pid()")
    assert isinstance(here, int)
    await database_sessions.end(place, [here])
    with pytest.raises(Unavailable):  # also where the driver knew, and the line was a new one
        await run(line, "SELECT 1", then=Unavailable)
    async with line.transaction() as tx:
        assert await asked(tx, "SELECT pg_backend_pid()") != here


@pytest.mark.parametrize("later_s", [0, 60], ids=["", "and plans are to be made anew"])
async def test_a_commit_that_the_server_refuses_is_no_commit(
    line: DedicatedConnection, monkeypatch: pytest.MonkeyPatch, later_s: int
) -> None:
    now = lines.monotonic() + later_s
    monkeypatch.setattr(lines, "monotonic", lambda: now)
    with pytest.raises(Unavailable):
        await run(line, "SELECT 1 / 0")
    await run(line, "SELECT 1")


async def test_plans_are_made_anew_at_ages_that_double(
    line: DedicatedConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that claims never to change is asked when a plan is made, and only then."""
    now = lines.monotonic()
    monkeypatch.setattr(lines, "monotonic", lambda: now)
    await run(line, "CREATE TEMPORARY SEQUENCE plans")
    await run(
        line,
        "CREATE FUNCTION pg_temp.plan() RETURNS bigint IMMUTABLE LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN nextval('pg_temp.plans'); END $$",
    )
    seen = []
    for _ in range(160):
        async with line.transaction() as tx:
            seen.append(await asked(tx, "SELECT pg_temp.plan()"))
        now += 1
    assert [seen.index(plan) for plan in sorted(set(seen))] == [0, 6, 16, 36, 76, 136]
