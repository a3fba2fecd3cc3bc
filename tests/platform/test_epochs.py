"""A restore that was declared is told from a rollback, however many there were."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hubs import Hub
from test_audit import Held, grow, of_event, put_back, rewind, verified

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Raw
from twinstile.platform.keys import signing
from twinstile.platform.ledger import chain, signed_roots
from twinstile.platform.ledger.verification import Audit
from twinstile.platform.ops import clock

NOT_IN_IT = "is not in the ledger: it was rolled back"


@dataclass
class Station:
    """A hub with a backup at `kept` entries, and the file its roots are published in."""

    hub: Hub
    owner: Held
    file: Path
    kept: int = 0

    async def rolled_back(self, n: int | None = None) -> None:
        async with self.owner.transaction() as tx:
            await put_back(tx.raw, self.hub.hub_id, n or self.kept)

    async def restored(self, n: int | None = None, *, older_release: bool = False) -> str:
        """Put back and declared, then worked with and published; its epoch."""
        await self.rolled_back(n)
        published = () if older_release else self.published()
        async with self.hub.runtime.database.transaction() as tx:
            epoch = await chain.new_epoch(tx, self.hub.hub_id, clock.now(), published)
        await grow(self.hub, self.file, 2)
        return epoch

    def published(self) -> list[str]:
        public_keys = signing.public_keys(self.hub.runtime.keys.of(self.hub.hub_id))
        return signed_roots.epochs(self.file, self.hub.hub_id, public_keys)

    async def verified(self) -> Audit:
        return await verified(self.hub, self.file)

    async def faults(self) -> list[str]:
        return [fault.what for fault in (await self.verified()).faults]


@pytest.fixture
async def station(hub: Hub, place: DatabaseTarget, tmp_path: Path) -> AsyncGenerator[Station]:
    owner = Held(place.owner_url, pool_size=1, statement_timeout_ms=60_000)
    made = Station(hub, owner, tmp_path / "audit.jsonl")
    made.kept = await grow(hub, made.file, 3)
    yield made
    await owner.close()


async def test_restores_of_one_backup_verify_however_many_there_were(station: Station) -> None:
    first = await station.restored()
    second = await station.restored()
    assert await station.faults() == []
    third = await station.restored()
    found = await station.verified()
    assert found.faults == []
    assert found.epochs[1].name == third
    assert found.epochs[1].gave_up == {first: station.kept + 3, second: station.kept + 3}


async def test_each_epoch_names_only_what_it_gave_up_itself(station: Station) -> None:
    first = await station.restored()
    second = await station.restored()
    third = await station.restored(station.kept + 1)  # a backup of the second
    fourth = await station.restored(station.kept + 2)  # of the third
    fifth = await station.restored(station.kept + 2)
    found = await station.verified()
    assert found.faults == []
    named = {epoch.name: list(epoch.gave_up) for epoch in found.epochs[1:]}
    assert named == {second: [first], third: [], fifth: [fourth]}


@pytest.mark.parametrize("to", [0, 1], ids=["before both", "into the second"])
async def test_a_rollback_nobody_declared_is_found_between_restores(
    station: Station, to: int
) -> None:
    await station.restored()
    second = await station.restored()
    third = await station.restored(station.kept + 1)
    await station.rolled_back(station.kept + to)
    faults = await station.faults()
    assert any(f"epoch {third} {NOT_IN_IT}" in what for what in faults)
    assert any(f"epoch {second} {NOT_IN_IT}" in what for what in faults) is (to == 0)


async def named_in_an_entry(raw: Raw, hub_id: str, epoch: str) -> None:
    await of_event(raw, hub_id, 1, f'body = body || \'{{"gives_up": ["{epoch}"]}}\'')


async def named_and_computed_anew(raw: Raw, hub_id: str, epoch: str) -> None:
    await named_in_an_entry(raw, hub_id, epoch)
    await rewind(raw, hub_id, 0, events=False)


async def named_by_another_kind(raw: Raw, hub_id: str, epoch: str) -> None:
    """In an event after the last root: it is sealed and in order, and declares nothing."""
    await raw.execute(
        "INSERT INTO event (hub_id, event_id, tx, at, kind, subject_id, body)"
        " SELECT hub_id, gen_random_uuid(), pg_current_xact_id(), at, 'test.happened',"
        " subject_id, body || jsonb_build_object('gives_up', jsonb_build_array($2::text))"
        " FROM event WHERE hub_id = $1 AND kind = 'ledger.epoch'",
        hub_id,
        epoch,
    )


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (named_in_an_entry, "the link does not fit"),
        (named_and_computed_anew, "another root was published"),
        (named_by_another_kind, NOT_IN_IT),
    ],
)
async def test_a_naming_that_was_forged_does_not_verify(
    station: Station, forge: Callable[[Raw, str, str], Awaitable[None]], words: str
) -> None:
    gone = await station.restored()
    await station.rolled_back()
    with suppress(_Undone):
        async with station.owner.transaction() as tx:
            station.owner.tx = tx
            await forge(tx.raw, station.hub.hub_id, gone)
            found = await verified(station.hub, station.file, station.owner)
            assert any(words in fault.what for fault in found.faults)
            raise _Undone
    assert any(NOT_IN_IT in what for what in await station.faults())


class _Undone(Exception):
    pass


async def test_what_an_older_release_left_is_settled_by_the_next_restore(
    station: Station,
) -> None:
    first = await station.restored(older_release=True)
    assert await station.faults() == []
    await station.restored(older_release=True)
    assert {f"epoch {first} {NOT_IN_IT}" in what for what in await station.faults()} == {True}
    await station.restored()
    assert await station.faults() == []


async def test_only_what_the_hub_signed_is_given_up(station: Station) -> None:
    first = await station.restored()
    (root, *_) = (
        root for _, root in signed_roots.read(station.file, station.hub.hub_id) if root
    )
    strange = (
        replace(root, epoch="f0f0f0f0").line(),
        replace(root, epoch="f0f0f0f0", key_id="0" * 16).line(),
        json.dumps({**json.loads(root.line()), "epoch": "\ud800"}).encode() + b"\n",
        b"[" * 100_000 + b"\n",
        b'{"torn',
    )
    with station.file.open("ab") as file:
        file.writelines(strange)
    published = await asyncio.to_thread(station.published)
    assert published == [root.epoch, first]
    found = await station.verified()
    assert found.unreadable == 3
    assert len(found.faults) == 2
    assert signed_roots.epochs(station.file.with_name("none"), station.hub.hub_id, {}) == []


async def test_an_entry_names_so_many_epochs_the_newest_of_them(station: Station) -> None:
    published = [f"{i:08x}" for i in range(chain.NAMED + 5)]
    async with station.hub.runtime.database.transaction() as tx:
        await chain.new_epoch(tx, station.hub.hub_id, clock.now(), published)
    found = (await station.verified()).epochs[-1]
    assert list(found.gave_up) == published[5:]
