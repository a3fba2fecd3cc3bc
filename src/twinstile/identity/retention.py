"""Retention: identities end on the day the policy says, and stay ended.

Destroying the key is the deletion: no copy of the database, no backup and no log line can bring
the names back. Rows are deleted too, so that nobody has to explain what they still are. Every
step can be repeated: a run that was interrupted is finished by the next one. The certificate is
entered by the transaction that deletes the rows, and whatever key is found destroyed without
one gets it on the next run.
"""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import InstrumentedAttribute

from twinstile.identity import vault
from twinstile.identity.tables import ContactRow, ExtendedIdentity, PersonLink, Vault
from twinstile.platform.db.database import Database, Reading, Transaction
from twinstile.platform.db.tables import Closure, Quarantine
from twinstile.platform.keys import destruction, signing
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.keys.destruction import DestructionCertificate, DestructionReason
from twinstile.platform.ops import observability

_DAY = "day."


@dataclass(frozen=True, slots=True)
class Purge:
    """What a run destroyed."""

    days: int
    people: int


async def run(
    database: Database,
    keys: KeyFiles,
    hub_id: str,
    zone: ZoneInfo,
    retention_days: int,
    now: datetime,
) -> Purge:
    """Destroy the identities of every day that is older than `retention_days` at the hub.

    Of a day in mid-November, kept 14 days, nothing is left when the fifteenth day after it
    begins. Epoch keys go when no living vault row can need them.
    """
    today = now.astimezone(zone).date()
    oldest_kept = today - timedelta(days=retention_days)
    people = 0
    due = await _due(database, keys, hub_id, oldest_kept)
    for day in due:
        people += await destroy(
            database, keys, hub_id, vault.day_key(day), DestructionReason.RETENTION, now
        )
    first_living = min(vault.epoch_of(today) - 1, vault.epoch_of(oldest_kept))
    for epoch in _dead_epochs(keys, first_living):
        await asyncio.to_thread(keys.destroy, vault.epoch_key(epoch))
    for key_id in await _uncertified(database, keys, hub_id):
        await destroy(database, keys, hub_id, key_id, DestructionReason.RETENTION, now)
    return Purge(len(due), people)


async def destroy(
    database: Database,
    keys: KeyFiles,
    hub_id: str,
    key_id: str,
    reason: DestructionReason,
    now: datetime,
) -> int:
    """Destroy a key and delete what it encrypted, with a certificate; how many people's.

    Keys that are being wrapped anew are waited for, beside the other work of the process.
    """
    await asyncio.to_thread(keys.destroy, key_id)
    async with database.transaction() as tx:
        rows = await _delete(tx, hub_id, key_id)
        await destruction.certify(tx, keys, hub_id, key_id, rows, reason, now)
    return rows["vault"] + rows["vault_held"]


async def close(database: Database, hub_id: str, now: datetime) -> None:
    """Close a hub for good: from now on it takes nothing, within seconds everywhere."""
    async with database.transaction() as tx:
        await tx.sql.execute(
            upsert(Closure).values(hub_id=hub_id, closed_at=now).on_conflict_do_nothing()
        )


async def destroy_all(database: Database, keys: KeyFiles, hub_id: str, now: datetime) -> None:
    """Destroy every key of a hub that is closed, as far as it protects anybody."""
    uncertified = await _uncertified(database, keys, hub_id)
    for key_id in [*protecting(keys), *uncertified]:
        await destroy(database, keys, hub_id, key_id, DestructionReason.SUNSET, now)


def protecting(keys: KeyFiles) -> list[str]:
    """Names of the keys that protect somebody's data.

    Not those that sign, and not those that make partners' pseudonyms: under these the partners
    are told what was destroyed.
    """
    others = (signing.PREFIX, "partner.")
    return [name for name in keys.names("") if not name.startswith(others)]


async def replay(
    database: Database, keys: KeyFiles, hub_id: str, file: Path, now: datetime
) -> int:
    """Destroy again what a restore brought back, of keys and of rows; how much that was.

    What has to be gone is told by the tombstones beside the keys and by the certificates in the
    file outside, which also enter a database that has lost them.
    """
    published = _believed(keys, hub_id, file)
    ended = {*published, *keys.destroyed(""), *keys.condemned()} - {destruction.HUB}
    if destruction.HUB in published:
        ended |= set(protecting(keys))
        await close(database, hub_id, now)
        async with database.transaction() as tx:
            await destruction.enter(tx, published[destruction.HUB])
    living = set(keys.names(""))
    again = 0
    async with database.reading() as tx:
        known = await destruction.certified(tx, hub_id)
        left = await _left(tx, hub_id)
    for key_id in sorted(
        key_id for key_id in ended if key_id in living | left or key_id not in known
    ):
        await asyncio.to_thread(keys.destroy, key_id)
        async with database.transaction() as tx:
            rows = await _delete(tx, hub_id, key_id)
            if key_id in published:
                await destruction.enter(tx, published[key_id])
            else:
                await destruction.certify(
                    tx, keys, hub_id, key_id, rows, DestructionReason.REPLAY, now
                )
        again += key_id in living or any(rows.values())
    return again


def _believed(keys: KeyFiles, hub_id: str, file: Path) -> dict[str, DestructionCertificate]:
    """The published certificates that the hub has signed, by name of key."""
    found = dict[str, DestructionCertificate]()
    for one in destruction.read(file, hub_id):
        if believes(keys, one):
            found[one.word("key_id")] = one
        else:
            observability.log.warning(
                "a certificate of destruction is not believed", hub=hub_id
            )
    return found


def believes(keys: KeyFiles, one: DestructionCertificate) -> bool:
    """Whether the hub whose keys these are has signed it.

    A certificate brings the key it is checked with, so that anybody can check it; but anybody
    can sign with a key of their own, too. Where the hub's signing keys are lost, so is all that
    could be destroyed wrongly.
    """
    known = signing.public_keys(keys)
    return not one.fault() and (not known or one.word("signing_key") in known)


async def _left(tx: Reading, hub_id: str) -> set[str]:
    """Names of the keys that rows still need."""
    days = await tx.sql.execute(select(Vault.day).distinct().where(Vault.hub_id == hub_id))
    left = {vault.day_key(day) for (day,) in days}
    for table in (ExtendedIdentity, Quarantine):
        found = await tx.sql.execute(
            select(table.key_id).distinct().where(table.hub_id == hub_id)
        )
        left |= {key_id for (key_id,) in found}
    return left


async def _due(
    database: Database, keys: KeyFiles, hub_id: str, oldest_kept: date
) -> list[date]:
    """Days to destroy: by living keys, and by what an interrupted run left.

    A day whose key is gone ends whatever the policy says by now.
    """
    async with database.reading() as tx:
        rows = await tx.sql.execute(
            select(Vault.day).distinct().where(Vault.hub_id == hub_id, Vault.day < oldest_kept)
        )
        left = {day for (day,) in rows}
    living, gone = keys.names(_DAY), await _uncertified(database, keys, hub_id, _DAY)
    past = {day for day in map(_day_of, living) if day < oldest_kept}
    return sorted(left | past | set(map(_day_of, gone)))


def _day_of(key_id: str) -> date:
    return date.fromisoformat(key_id.removeprefix(_DAY))


async def _uncertified(
    database: Database, keys: KeyFiles, hub_id: str, prefix: str = ""
) -> list[str]:
    """Names of destroyed keys that have no certificate yet."""
    async with database.reading() as tx:
        known = await destruction.certified(tx, hub_id)
    return [name for name in keys.destroyed(prefix) if name not in known]


async def _delete(tx: Transaction, hub_id: str, key_id: str) -> dict[str, int]:
    """Delete the rows under a key; how many, by table."""
    statements = {
        "quarantine": delete(Quarantine).where(
            Quarantine.hub_id == hub_id, Quarantine.key_id == key_id
        ),
        "vault_held": delete(ExtendedIdentity).where(
            ExtendedIdentity.hub_id == hub_id, ExtendedIdentity.key_id == key_id
        ),
    }
    if key_id.startswith(_DAY):
        day = _day_of(key_id)
        for name, table in (("vault", Vault), ("vault_contact", ContactRow)):
            statements[name] = delete(table).where(table.hub_id == hub_id, table.day == day)
        statements["person_link"] = delete(PersonLink).where(
            PersonLink.hub_id == hub_id,
            _forgotten(PersonLink.person_id) | _forgotten(PersonLink.other_person_id),
        )
    gone = {name: (await tx.sql.execute(s)).rowcount for name, s in statements.items()}
    return {"vault": 0, **gone}


def _forgotten(person_id: InstrumentedAttribute[UUID]) -> ColumnElement[bool]:
    """Whether nothing is left by which a person could be met again."""
    return ~(
        select(Vault.person_id)
        .where(Vault.hub_id == PersonLink.hub_id, Vault.person_id == person_id)
        .exists()
    )


def _dead_epochs(keys: KeyFiles, first_living: int) -> list[int]:
    prefix = "epoch."
    epochs = (int(name.removeprefix(prefix)) for name in keys.names(prefix))
    return sorted(epoch for epoch in epochs if epoch < first_living)
