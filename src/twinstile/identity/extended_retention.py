"""People held under a key that outlives the day: of a case, a list of contacts, a deferral.

Who they are is taken from the vault as long as it can be read, and ends with that key. Whatever
needs a key may raise `MasterUnavailable`.
"""

import contextlib
from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from twinstile.identity import vault
from twinstile.identity.tables import ExtendedIdentity
from twinstile.identity.vault import Identity
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import NotFound
from twinstile.platform.keys.ciphers import decrypt, encrypt, encrypt_all
from twinstile.platform.keys.data_keys import KeyDestroyed, KeyFiles

HOLD_SQL = """
INSERT INTO vault_held (hub_id, key_id, person_id, held_at, cipher)
SELECT {hub}, key_id, person_id, held_at, cipher FROM {held} WHERE cipher IS NOT NULL
ON CONFLICT DO NOTHING
"""
"""Keeps people under a key that outlives the day, for the statement of a room above."""


_HOLD_ALL = f"""
WITH held AS (
    SELECT $2 AS key_id, person_id, $3::timestamptz AS held_at, cipher
    FROM unnest($4::uuid[], $5::bytea[]) AS h(person_id, cipher)
)
{HOLD_SQL.format(hub="$1", held="held")}
"""  # noqa: S608 # a fragment of ours; every value is a parameter


async def hold(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    key_id: str,
    people: Collection[UUID],
    at: datetime,
) -> int:
    """Hold these people under the key of that name, those anybody can still read; how many.

    Two statements, none without people. Raises `KeyDestroyed`, `MasterUnavailable`.
    """
    known = await vault.reveal_all(tx, keys, hub_id, people)
    await _keep(tx, keys, hub_id, key_id, known, at)
    return len(known)


async def hold_again(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    held_by: str,
    key_id: str,
    people: Collection[UUID],
    at: datetime,
) -> None:
    """Hold people who are held under one key under another as well, those anybody can read.

    Raises `KeyDestroyed` for the other key, `MasterUnavailable`.
    """
    known = await reveal_under(tx, keys, hub_id, held_by, people)
    await _keep(tx, keys, hub_id, key_id, known, at)


async def _keep(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    key_id: str,
    people: Mapping[UUID, Identity],
    at: datetime,
) -> None:
    if not people:
        return
    key = await keys.obtain(key_id)
    places = ((vault.pack(who), _place(hub_id, key_id, of)) for of, who in people.items())
    ciphers = encrypt_all(key, places)
    await tx.raw.execute(_HOLD_ALL, hub_id, key_id, at, list(people), ciphers)


async def sealed(
    keys: KeyFiles, hub_id: str, key_id: str, person_id: UUID, identity: Identity
) -> bytes:
    """The cipher `HOLD_SQL` stores: a person under the key of that name, made if it is new.

    Raises `KeyDestroyed`, `MasterUnavailable`.
    """
    key = await keys.obtain(key_id)
    return encrypt(key, vault.pack(identity), _place(hub_id, key_id, person_id))


async def reveal(
    tx: Reading, keys: KeyFiles, hub_id: str, key_id: str, person_id: UUID
) -> Identity:
    """Who the person of a case is. Raises `NotFound` or, after destruction, `KeyDestroyed`."""
    rows = await tx.sql.execute(
        select(ExtendedIdentity.cipher).where(
            ExtendedIdentity.hub_id == hub_id,
            ExtendedIdentity.key_id == key_id,
            ExtendedIdentity.person_id == person_id,
        )
    )
    cipher = rows.scalar_one_or_none()
    if cipher is None:
        raise NotFound("Nobody is held under that key.")
    key = await keys.open(key_id)
    return vault.unpack(decrypt(key, cipher, _place(hub_id, key_id, person_id)))


_UNDER_SQL = """
SELECT h.person_id, h.cipher
FROM unnest($3::uuid[]) AS w(person_id)
JOIN vault_held h ON h.hub_id = $1 AND h.key_id = $2 AND h.person_id = w.person_id
"""


async def reveal_under(
    tx: Reading, keys: KeyFiles, hub_id: str, key_id: str, people: Collection[UUID]
) -> dict[UUID, Identity]:
    """Who of these people is held under one key; nobody after its destruction."""
    rows = await tx.raw.fetch(_UNDER_SQL, hub_id, key_id, list(people))
    found: dict[UUID, Identity] = {}
    with contextlib.suppress(KeyDestroyed):
        key = await keys.open(key_id)
        for person_id, cipher in rows:
            if who := vault.legible(key, cipher, _place(hub_id, key_id, person_id)):
                found[person_id] = who
    return found


_HELD_SQL = """
SELECT h.key_id, h.person_id, h.cipher
FROM unnest($2::text[], $3::uuid[]) AS w(key_id, person_id)
JOIN vault_held h
  ON h.hub_id = $1 AND h.key_id = w.key_id AND h.person_id = w.person_id
"""


async def reveal_all(
    tx: Reading, keys: KeyFiles, hub_id: str, persons_by_key: Mapping[str, UUID]
) -> dict[str, Identity]:
    """Who is held under these keys, by key; not those that were destroyed. One statement."""
    rows = await tx.raw.fetch(
        _HELD_SQL, hub_id, list(persons_by_key), list(persons_by_key.values())
    )
    living = await keys.open_all(row[0] for row in rows)
    return {
        key_id: who
        for key_id, person_id, cipher in rows
        if (key := living.get(key_id))
        and (who := vault.legible(key, cipher, _place(hub_id, key_id, person_id)))
    }


def _place(hub_id: str, key_id: str, person_id: UUID) -> bytes:
    """Where a ciphertext belongs is authenticated, so that it opens in no other row."""
    return f"held|{hub_id}|{key_id}|{person_id}".encode()
