"""Whoever changes a row of the ledger or of an event, a thousand times over, is found out."""

import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import ledger_reader
import pytest
from hubs import Hub

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database, Raw, Reading, Transaction
from twinstile.platform.keys import signing
from twinstile.platform.ledger import (
    chain,
    sealer,
    signed_roots,
    verification,
)
from twinstile.platform.ledger.verification import Audit
from twinstile.platform.ops import clock

EDITS = 1000
AWAY = 1_000_000_000


class Held(Database):
    """A database seen from inside one open transaction, so that an edit can be undone."""

    tx: Transaction

    @asynccontextmanager
    async def reading(self, role: str | None = None) -> AsyncGenerator[Reading]:  # noqa: ARG002
        yield self.tx


@pytest.fixture
async def held(place: DatabaseTarget) -> AsyncGenerator[Held]:
    database = Held(place.owner_url, pool_size=1, statement_timeout_ms=60_000)
    yield database
    await database.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


async def grow(hub: Hub, file: Path, *counts: int) -> int:
    """So many events, a published root after each lot; how many entries there are now."""
    for count in counts:
        await ledger_reader.enter(hub.runtime, hub.hub_id, count)
        await ledger_reader.seal(hub.runtime.database, hub.hub_id)
        await sealer.publish(hub.runtime.database, hub.runtime.keys, file)
    return len(await ledger_reader.entries(hub.runtime, hub.hub_id))


def lines(hub: Hub, file: Path) -> verification.Lines | None:
    return signed_roots.read(file, hub.hub_id) if file.exists() else None


async def verified(hub: Hub, file: Path, database: Database | None = None) -> Audit:
    public = signing.public_keys(hub.runtime.keys.of(hub.hub_id))
    return await verification.verify(
        database or hub.runtime.database, hub.hub_id, lines(hub, file), public
    )


async def body(raw: Raw, hub_id: str, n: int) -> None:
    await of_event(raw, hub_id, n, "body = body || '{\"i\": -1}'")


async def kind(raw: Raw, hub_id: str, n: int) -> None:
    await of_event(raw, hub_id, n, "kind = kind || '.x'")


async def moment(raw: Raw, hub_id: str, n: int) -> None:
    await of_event(raw, hub_id, n, "at = at + interval '1 microsecond'")


async def subject(raw: Raw, hub_id: str, n: int) -> None:
    await of_event(raw, hub_id, n, "subject_id = gen_random_uuid()")


async def device(raw: Raw, hub_id: str, n: int) -> None:
    new = "CASE WHEN device_id IS NULL THEN gen_random_uuid() END"
    await of_event(raw, hub_id, n, f"device_id = {new}")


async def operator(raw: Raw, hub_id: str, n: int) -> None:
    await of_event(raw, hub_id, n, "operator_id = device_id, device_id = gen_random_uuid()")


async def of_event(raw: Raw, hub_id: str, n: int, change: str) -> None:
    done = await raw.execute(
        f"UPDATE event SET {change} WHERE hub_id = $1 AND event_id ="
        " (SELECT event_id FROM ledger WHERE hub_id = $1 AND n = $2)",
        hub_id,
        n,
    )
    assert done == "UPDATE 1"


async def delete_event(raw: Raw, hub_id: str, n: int) -> None:
    await raw.execute(
        "DELETE FROM event WHERE hub_id = $1 AND event_id ="
        " (SELECT event_id FROM ledger WHERE hub_id = $1 AND n = $2)",
        hub_id,
        n,
    )


async def delete_entry(raw: Raw, hub_id: str, n: int) -> None:
    await raw.execute("DELETE FROM ledger WHERE hub_id = $1 AND n = $2", hub_id, n)


async def delete_both_and_close_the_gap(raw: Raw, hub_id: str, n: int) -> None:
    await delete_event(raw, hub_id, n)
    await delete_entry(raw, hub_id, n)
    for shift in (AWAY, -AWAY - 1):  # never two of one number on the way
        await raw.execute(
            "UPDATE ledger SET n = n + $3 WHERE hub_id = $1 AND n > $2", hub_id, n, shift
        )
    await raw.execute(
        "UPDATE ledger_head SET published_n = 0, n = n - 1 WHERE hub_id = $1", hub_id
    )


async def swap(raw: Raw, hub_id: str, n: int) -> None:
    """Two neighbours change places."""
    other = n - 1 if n > 1 else n + 1
    for before, after in ((n, AWAY), (other, n), (AWAY, other)):
        await raw.execute(
            "UPDATE ledger SET n = $3 WHERE hub_id = $1 AND n = $2", hub_id, before, after
        )


async def link(raw: Raw, hub_id: str, n: int) -> None:
    await raw.execute(
        "UPDATE ledger SET link = sha256(link) WHERE hub_id = $1 AND n = $2", hub_id, n
    )


async def insert_backdated(raw: Raw, hub_id: str, n: int) -> None:
    """An event as if it had been there all the time."""
    await insert(raw, hub_id, n, "e.tx")


async def insert_ahead(raw: Raw, hub_id: str, n: int) -> None:
    """An event that no sealer will ever come to."""
    await insert(raw, hub_id, n, "'9223372036854775807'")


async def insert(raw: Raw, hub_id: str, n: int, tx: str) -> None:
    await raw.execute(
        "INSERT INTO event (hub_id, event_id, tx, at, kind, subject_id, body) SELECT $1,"
        f" '00000000-0000-0000-0000-000000000001', {tx}, e.at, e.kind, e.subject_id, e.body"
        " FROM event e JOIN ledger l USING (hub_id, event_id) WHERE hub_id = $1 AND n = $2",
        hub_id,
        n,
    )


async def truncate(raw: Raw, hub_id: str, n: int) -> None:
    """The newest part, gone without a trace inside the database."""
    await rewind(raw, hub_id, n, events=True)
    await raw.execute(
        "DELETE FROM event WHERE hub_id = $1 AND event_id NOT IN"
        " (SELECT event_id FROM ledger WHERE hub_id = $1)",
        hub_id,
    )


async def put_back(raw: Raw, hub_id: str, n: int) -> None:
    """The database as it was when it had `n` entries."""
    await truncate(raw, hub_id, n)
    await raw.execute(
        "UPDATE ledger_head SET epoch = (SELECT epoch FROM ledger_epoch WHERE hub_id = $1"
        " ORDER BY n DESC LIMIT 1) WHERE hub_id = $1",
        hub_id,
    )


async def rewrite(raw: Raw, hub_id: str, n: int) -> None:
    """An event changed, and everything after it computed anew, as it should be."""
    await body(raw, hub_id, n)
    await rewind(raw, hub_id, n - 1, events=False)


async def rewind(raw: Raw, hub_id: str, n: int, *, events: bool) -> None:
    rows = await raw.fetch(
        f"SELECT l.event_id, e.kind, {chain.CONTENT} FROM ledger l JOIN event e"
        " ON e.hub_id = l.hub_id AND e.event_id = l.event_id WHERE l.hub_id = $1 ORDER BY n",
        hub_id,
    )
    await raw.execute("DELETE FROM ledger WHERE hub_id = $1", hub_id)
    found = [chain._Waiting(*row) for row in rows]
    head = chain.ChainHead(hub_id, "", 0, chain.GENESIS, [], 0)
    await raw.execute("UPDATE ledger_head SET published_n = 0 WHERE hub_id = $1", hub_id)
    await chain._enter(raw, head, found[:n] if events else found, None)
    await raw.execute("DELETE FROM ledger_epoch WHERE hub_id = $1 AND n > $2", hub_id, head.n)


async def head(raw: Raw, hub_id: str, n: int) -> None:
    await raw.execute(
        "UPDATE ledger_head SET published_n = 0, n = $2 - 1 WHERE hub_id = $1", hub_id, n
    )


async def epoch(raw: Raw, hub_id: str, n: int) -> None:
    await raw.execute("UPDATE ledger_epoch SET n = $2 + 1 WHERE hub_id = $1", hub_id, n)


Edit = Callable[[Raw, str, int], Awaitable[None]]
KINDS: tuple[Edit, ...] = (
    *(body, kind, moment, subject, device, operator, link, swap, delete_event, delete_entry),
    *(delete_both_and_close_the_gap, insert_backdated, insert_ahead, truncate, rewrite),
    *(head, epoch),
)


@pytest.mark.timeout(600)
async def test_a_thousand_random_edits_are_all_detected(
    hub: Hub, held: Held, file: Path
) -> None:
    count = await grow(hub, file, 300, 300, 450)
    assert (await verified(hub, file)).faults == []
    dice, unseen = random.Random(222), []
    for turn in range(EDITS):
        edit, n = KINDS[turn % len(KINDS)], dice.randrange(1, count)
        with suppress(_Undone):
            async with held.transaction() as tx:
                held.tx = tx
                # a machine that stands still for a while is no reason to fail
                await tx.raw.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
                await edit(tx.raw, hub.hub_id, n)
                if not (await verified(hub, file, held)).faults:
                    unseen.append((edit.__name__, n))
                raise _Undone
    assert unseen == []
    assert (await verified(hub, file)).faults == []


class _Undone(Exception):
    pass


async def test_the_first_entry_that_was_changed_is_named(
    hub: Hub, held: Held, file: Path
) -> None:
    await grow(hub, file, 20)
    async with held.transaction() as tx:
        await body(tx.raw, hub.hub_id, 9)
        await body(tx.raw, hub.hub_id, 15)
    assert [fault.n for fault in (await verified(hub, file)).faults] == [9]


async def test_a_rollback_is_noticed_and_a_declared_restore_is_not_blamed(
    hub: Hub, held: Held, file: Path
) -> None:
    kept = await grow(hub, file, 10)
    await grow(hub, file, 10)
    first = (await verified(hub, file)).epochs[0].name
    async with held.transaction() as tx:
        await truncate(tx.raw, hub.hub_id, kept)
    (fault,) = (await verified(hub, file)).faults
    assert (fault.n, "ends before" in fault.what) == (kept + 10, True)
    async with hub.runtime.database.transaction() as tx:
        second = await chain.new_epoch(tx, hub.hub_id, clock.now())
    await grow(hub, file, 30)
    found = await verified(hub, file)
    assert found.faults == []
    assert [(life.name, life.last, life.lost) for life in found.epochs] == [
        (first, kept, 10),
        (second, kept + 31, 0),
    ]


async def test_a_life_that_is_shorter_than_the_one_before_is_compared_too(
    hub: Hub, held: Held, file: Path
) -> None:
    """The file has roots of the life before that are over more entries than there are."""
    kept = await grow(hub, file, 10)
    await grow(hub, file, 10)
    async with held.transaction() as tx:
        await truncate(tx.raw, hub.hub_id, kept)
    async with hub.runtime.database.transaction() as tx:
        await chain.new_epoch(tx, hub.hub_id, clock.now())
    last = await grow(hub, file, 3)
    assert last < kept + 10
    assert (await verified(hub, file)).faults == []
    async with held.transaction() as tx:
        await rewrite(tx.raw, hub.hub_id, last)
    (fault,) = (await verified(hub, file)).faults
    assert (fault.n, "another root" in fault.what) == (last, True)


async def test_a_copy_from_before_a_declared_epoch_is_noticed(
    hub: Hub, held: Held, file: Path
) -> None:
    kept = await grow(hub, file, 10)
    async with hub.runtime.database.transaction() as tx:
        second = await chain.new_epoch(tx, hub.hub_id, clock.now())
    await grow(hub, file, 1)
    async with held.transaction() as tx:
        await put_back(tx.raw, hub.hub_id, kept)
    (fault,) = (await verified(hub, file)).faults
    assert f"epoch {second} is not in the ledger" in fault.what


async def test_the_published_file_cannot_be_forged_shortened_or_taken_away(
    hub: Hub, file: Path
) -> None:
    await grow(hub, file, 10, 10)
    first, second = (root for _, root in signed_roots.read(file, hub.hub_id) if root)
    one, two = first.line(), second.line()
    for content, wanted in (
        ((one, two), []),
        ((one, one, two, b'{"torn'), []),
        (
            (replace(first, n=first.n - 1).line(), two),
            ["line 1: the signature does not hold"],
        ),
        (
            (replace(first, key_id="0" * 16).line(), two),
            ["line 1: signed by the unknown key 0000000000000000"],
        ),
        ((one,), ["a root was published for this entry, and the file does not have it"]),
        ((), ["the published file is missing"]),
    ):
        put(file, content)
        assert [fault.what for fault in (await verified(hub, file)).faults] == wanted


def put(file: Path, lines: Sequence[bytes]) -> None:
    file.unlink()
    if lines:
        file.write_bytes(b"".join(lines))


async def test_twenty_thousand_entries_are_verified_in_two_seconds_of_work(
    hub: Hub, file: Path
) -> None:
    await grow(hub, file, 20_000)
    begun = time.process_time()
    assert (await verified(hub, file)).faults == []
    assert time.process_time() - begun < 2
