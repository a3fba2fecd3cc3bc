"""Retention: identities of cleared travellers end on the day the policy says.

Destroying the day's key is the deletion: no copy of the database, no backup and no log line can
bring the names back. Rows are deleted too, so that nobody has to explain what they still are.
Every step can be repeated: a run that was interrupted is finished by the next one. The
certificate is entered by the transaction that deletes the rows, and whatever key is found
destroyed without one gets it on the next run.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from uuid_utils.compat import uuid7

from twinstile.identity import vault
from twinstile.identity.tables import Vault
from twinstile.platform import events
from twinstile.platform.crypto import KeyFiles
from twinstile.platform.db import Database, Transaction
from twinstile.platform.events import Happening
from twinstile.platform.tables import Destruction, Quarantine

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
        people += await _purge_day(database, keys, hub_id, day, now)
    for epoch in _dead_epochs(
        keys, min(vault.epoch_of(today) - 1, vault.epoch_of(oldest_kept))
    ):
        keys.destroy(vault.epoch_key(epoch))
    for key_id in await _uncertified(database, keys, hub_id):
        async with database.transaction() as tx:
            await _certify(tx, hub_id, key_id, 0, now)
    return Purge(len(due), people)


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
        rows = await tx.sql.execute(
            select(Destruction.key_id).where(Destruction.hub_id == hub_id)
        )
        certified = {key_id for (key_id,) in rows}
    return [name for name in keys.destroyed(prefix) if name not in certified]


async def _purge_day(
    database: Database, keys: KeyFiles, hub_id: str, day: date, now: datetime
) -> int:
    key_id = vault.day_key(day)
    keys.destroy(key_id)
    async with database.transaction() as tx:
        gone = await tx.sql.execute(
            delete(Vault)
            .where(Vault.hub_id == hub_id, Vault.day == day)
            .returning(Vault.person_id)
        )
        people = len(gone.all())
        await tx.sql.execute(
            delete(Quarantine).where(Quarantine.hub_id == hub_id, Quarantine.key_id == key_id)
        )
        await _certify(tx, hub_id, key_id, people, now)
    return people


def _dead_epochs(keys: KeyFiles, first_living: int) -> list[int]:
    prefix = "epoch."
    epochs = (int(name.removeprefix(prefix)) for name in keys.names(prefix))
    return sorted(epoch for epoch in epochs if epoch < first_living)


async def _certify(tx: Transaction, hub_id: str, key_id: str, rows: int, now: datetime) -> None:
    entered = await tx.sql.execute(
        upsert(Destruction)
        .values(hub_id=hub_id, key_id=key_id, destroyed_at=now, rows=rows)
        .on_conflict_do_nothing()
        .returning(Destruction.key_id)
    )
    if entered.one_or_none() is not None:
        body: dict[str, object] = {"key": key_id, "rows": rows}
        await events.append(tx, [Happening(hub_id, "key.destroyed", uuid7(), now, body)])
