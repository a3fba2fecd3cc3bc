"""The ledger on a real database: dense, linked, the same whoever seals and however often."""

import asyncio
import json
import resource
import tracemalloc
from collections.abc import AsyncGenerator
from pathlib import Path
from uuid import uuid4

import asyncpg
import ledger_reader
import module_database
import pytest
from hubs import Hub, open_hub

from twinstile import worker
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.http.routes import Runtime
from twinstile.platform.keys import signing
from twinstile.platform.ledger import chain, sealer, signed_roots
from twinstile.platform.ops import clock

place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)


@pytest.fixture
async def owner(place: DatabaseTarget) -> AsyncGenerator[Database]:
    """The database as its owner, who may do what the service may not."""
    database = Database(place.owner_url, pool_size=1)
    yield database
    await database.close()


async def test_links_are_those_another_program_computes(hub: Hub) -> None:
    await ledger_reader.enter(hub.runtime, hub.hub_id, 50)
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    entries = await ledger_reader.entries(hub.runtime, hub.hub_id)
    contents = await ledger_reader.contents(hub.runtime, hub.hub_id)
    assert [n for n, _, _ in entries] == list(range(1, len(contents) + 1))
    assert len(contents) == 50 + 1 + await others(hub)
    ordered = [contents[event_id] for _, event_id, _ in entries]
    assert [link for _, _, link in entries] == ledger_reader.chained(ordered)


async def others(hub: Hub) -> int:
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT count(*) FROM event WHERE hub_id = $1"
            " AND kind NOT IN ('test.happened', 'ledger.epoch')",
            hub.hub_id,
        )
    assert row is not None
    return row[0]


async def test_a_slow_commit_is_waited_for_and_never_skipped(
    hub: Hub, place: DatabaseTarget
) -> None:
    slow = Database(place.service_url, pool_size=1, role=place.role)
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    before = len(await ledger_reader.entries(hub.runtime, hub.hub_id))
    async with slow.transaction() as tx:
        await tx.raw.execute(
            "INSERT INTO event (hub_id, event_id, at, kind, subject_id, body) VALUES"
            " ($1, gen_random_uuid(), now(), 'test.slow', gen_random_uuid(), '{}')",
            hub.hub_id,
        )
        await ledger_reader.enter(hub.runtime, hub.hub_id, 3)
        async with hub.runtime.database.transaction() as sealing:
            assert await chain.seal(sealing, hub.hub_id, clock.now()) == 0
    await slow.close()
    assert await ledger_reader.seal(hub.runtime.database, hub.hub_id) == 4
    entries = await ledger_reader.entries(hub.runtime, hub.hub_id)
    assert len(entries) == before + 4
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT kind FROM event WHERE hub_id = $1 AND event_id = $2",
            hub.hub_id,
            entries[before][1],
        )
    assert row is not None
    assert row[0] == "test.slow"


async def test_two_sealers_make_one_ledger(hub: Hub, place: DatabaseTarget) -> None:
    await ledger_reader.enter(hub.runtime, hub.hub_id, 3000)
    other = Database(place.service_url, pool_size=1, role=place.role)
    await asyncio.gather(
        ledger_reader.seal(hub.runtime.database, hub.hub_id),
        ledger_reader.seal(other, hub.hub_id),
    )
    await other.close()
    entries = await ledger_reader.entries(hub.runtime, hub.hub_id)
    contents = await ledger_reader.contents(hub.runtime, hub.hub_id)
    assert len(entries) == len(contents)
    ordered = [contents[event_id] for _, event_id, _ in entries]
    assert [link for _, _, link in entries] == ledger_reader.chained(ordered)


async def test_a_hub_that_cannot_be_sealed_holds_up_no_other(hub: Hub, owner: Database) -> None:
    first, behind = sorted([hub, await open_hub(hub.runtime, hub.service)], key=_by_name)
    for one in (first, behind):
        await ledger_reader.seal(hub.runtime.database, one.hub_id)
        await ledger_reader.enter(hub.runtime, one.hub_id, 1)
    taken = (
        "INSERT INTO ledger SELECT hub_id, n + 1, $2, link FROM ledger_head WHERE hub_id = $1"
    )
    stray = uuid4()
    async with owner.transaction() as tx:
        await tx.raw.execute(taken, first.hub_id, stray)
    try:
        with pytest.raises(asyncpg.UniqueViolationError):
            await sealer.seal(hub.runtime.database)
    finally:
        async with owner.transaction() as tx:
            await tx.raw.execute("DELETE FROM ledger WHERE event_id = $1", stray)
    assert await ledger_reader.seal(hub.runtime.database, behind.hub_id) == 0
    assert await ledger_reader.seal(hub.runtime.database, first.hub_id) == 1


def _by_name(hub: Hub) -> str:
    return hub.hub_id


async def test_sealing_again_after_a_loss_gives_the_same_links(
    hub: Hub, owner: Database
) -> None:
    """A power cut may take what was sealed last: it was not waited for."""
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    async with owner.transaction() as tx:
        head = await tx.raw.fetchrow(
            "SELECT n, link, peaks, tx::text, event_id, latest::text FROM ledger_head"
            " WHERE hub_id = $1",
            hub.hub_id,
        )
    assert head is not None
    for _ in range(5):
        await ledger_reader.enter(hub.runtime, hub.hub_id, 7)
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    before = await ledger_reader.entries(hub.runtime, hub.hub_id)
    async with owner.transaction() as tx:
        await tx.raw.execute(
            "DELETE FROM ledger WHERE hub_id = $1 AND n > $2", hub.hub_id, head[0]
        )
        await tx.raw.execute(
            "UPDATE ledger_head SET n = $2, link = $3, peaks = $4, tx = $5::text::xid8,"
            " event_id = $6, latest = $7::text::jsonb WHERE hub_id = $1",
            hub.hub_id,
            *head,
        )
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    assert await ledger_reader.entries(hub.runtime, hub.hub_id) == before


async def test_a_new_epoch_is_an_entry_and_seals_what_no_fence_would_let_through(
    hub: Hub, owner: Database
) -> None:
    """A dump carries transaction ids of another server: they may lie far ahead."""
    await ledger_reader.enter(hub.runtime, hub.hub_id, 5)
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    (ahead,) = await ledger_reader.enter(hub.runtime, hub.hub_id, 1)
    async with owner.transaction() as tx:
        await tx.raw.execute(
            "UPDATE event SET tx = '99999999999' WHERE hub_id = $1 AND event_id = $2",
            hub.hub_id,
            ahead,
        )
    before = await ledger_reader.entries(hub.runtime, hub.hub_id)
    async with hub.runtime.database.transaction() as tx:
        epoch = await chain.new_epoch(tx, hub.hub_id, clock.now())
    await ledger_reader.enter(hub.runtime, hub.hub_id, 5)
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    entries = await ledger_reader.entries(hub.runtime, hub.hub_id)
    assert len(entries) == len(before) + 1 + 1 + 5
    assert entries[len(before)][1] == ahead
    contents = await ledger_reader.contents(hub.runtime, hub.hub_id)
    body = json.loads(contents[entries[len(before) + 1][1]])[-1]
    assert body["epoch"] == epoch
    assert body["after"]["n"] == len(before) + 1
    ordered = [contents[event_id] for _, event_id, _ in entries]
    assert [link for _, _, link in entries] == ledger_reader.chained(ordered)


async def test_the_sealer_seals_by_itself_and_publishes_at_the_end(
    hub: Hub, place: DatabaseTarget, tmp_path: Path
) -> None:
    stop = asyncio.Event()
    file = tmp_path / "published" / "audit.jsonl"
    runtime = Runtime(
        hub.runtime.settings.model_copy(update={"audit_file": file}),
        hub.runtime.database,
        hub.runtime.gatekeeper,
        hub.runtime.keys,
    )
    working = asyncio.create_task(worker.background(place)(runtime, stop))
    await asyncio.sleep(0.5)
    (event_id,) = await ledger_reader.enter(hub.runtime, hub.hub_id, 1)
    async with asyncio.timeout(15):  # a second where nothing else runs
        entries = await ledger_reader.entries(hub.runtime, hub.hub_id)
        while event_id not in {entry[1] for entry in entries}:
            await asyncio.sleep(0.1)
            entries = await ledger_reader.entries(hub.runtime, hub.hub_id)
    stop.set()
    await asyncio.wait_for(working, 10)
    ((_, root),) = signed_roots.read(file, hub.hub_id)
    assert root is not None
    assert root.n == len(entries)
    public = signing.public_keys(hub.runtime.keys.of(hub.hub_id))
    assert signing.verify(public[root.key_id], root.message(), root.signature)


async def test_a_root_is_published_once_and_after_a_torn_end(hub: Hub, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    await sealer.publish(hub.runtime.database, hub.runtime.keys, file)
    await sealer.publish(hub.runtime.database, hub.runtime.keys, file)
    assert len(list(signed_roots.read(file, hub.hub_id))) == 1
    with file.open("ab") as torn:
        torn.write(b'{"hub_id":"')
    await ledger_reader.enter(hub.runtime, hub.hub_id, 1)
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    await sealer.publish(hub.runtime.database, hub.runtime.keys, file)
    read = [root for _, root in signed_roots.read(file, hub.hub_id)]
    assert [root is None for root in read] == [False, True, False]


@pytest.mark.parametrize("last", [b"", b"\n"], ids=["torn", "ended"])
def test_a_line_without_end_is_one_line_and_takes_no_memory(
    hub: Hub, tmp_path: Path, last: bytes
) -> None:
    file, long = tmp_path / "audit.jsonl", 64 << 20
    whole = signed_roots.Root(hub.hub_id, "e", 1, "r", "t", "k", "s")
    with file.open("wb") as lines:
        lines.truncate(long)  # zeros, on no disk
        lines.seek(long)
        lines.write(b"\n" + whole.line())
        lines.write(whole.line().rstrip().ljust(signed_roots.LONGEST) + b" " + last)
    tracemalloc.start()
    try:
        read = list(signed_roots.read(file, hub.hub_id))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read == [(1, None), (2, whole), (3, None)]
    assert most < 1 << 20


def test_a_line_of_which_the_disk_takes_a_part_is_not_taken_for_written(
    tmp_path: Path,
) -> None:
    file, before, line = tmp_path / "audit.jsonl", b"{}\n", b'{"hub_id":"north"}\n'
    file.write_bytes(before)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 9, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            signed_roots.append(file, line)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signed_roots.append(file, line)
    assert file.read_bytes() == before + line[:9] + b"\n" + line


@pytest.mark.parametrize("analysed", [False, True], ids=["first-rush", "analysed"])
async def test_looking_for_work_and_sealing_read_only_what_is_new(
    hub: Hub, owner: Database, *, analysed: bool
) -> None:
    await ledger_reader.enter(hub.runtime, hub.hub_id, 20_000, padding="x" * 50)
    await ledger_reader.seal(hub.runtime.database, hub.hub_id)
    if analysed:
        async with owner.transaction() as tx:
            await tx.raw.execute("ANALYZE event, ledger, ledger_head, hub")
    await ledger_reader.enter(hub.runtime, hub.hub_id, 10)
    async with owner.reading() as tx:
        (hubs,) = await tx.raw.fetchrow("SELECT count(*) FROM hub") or (0,)
    for query, arguments, others in (
        (chain._BELOW_THE_FENCE, (hub.hub_id, *await position(hub), 1000), 0),
        (chain._HUBS, (), hubs),  # a row for each hub that other tests have left
    ):
        async with owner.transaction() as tx:
            rows = await tx.raw.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *arguments)
        (plan,) = rows[0][0]
        read = touched(plan["Plan"], "event") + touched(plan["Plan"], "ledger")
        assert read < 300 + others, plan


async def position(hub: Hub) -> tuple[str, object]:
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT tx::text, event_id FROM ledger_head WHERE hub_id = $1", hub.hub_id
        )
    assert row is not None
    return row[0], row[1]


def touched(plan: dict[str, object], table: str) -> float:
    mine = plan.get("Relation Name") == table
    rows = (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    below = plan.get("Plans", [])
    return (rows if mine else 0) + sum(touched(part, table) for part in below)
