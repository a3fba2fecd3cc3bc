"""How somebody on a run may be reached: kept encrypted, opened to send and for nothing else.

An address lives under the key of the day it came, as the person does, and ends with it. No
route shows one; whoever opens addresses to send something records it.
"""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

from sqlalchemy import select

from twinstile.identity.documents import INVISIBLE
from twinstile.identity.tables import ContactRow as Row
from twinstile.identity.types import Contact, ContactKind, ContactOwner, InvalidText
from twinstile.identity.vault import day_key
from twinstile.platform.db.database import Reading, Transaction, as_json
from twinstile.platform.keys.ciphers import decrypt, encrypt
from twinstile.platform.keys.data_keys import KeyFiles

_SPELLING: Final[Mapping[ContactKind, tuple[str, str]]] = {
    # what may be left out, and what must remain: E.164 has at most 15 digits
    ContactKind.PHONE: (rf"[ ().\-/{INVISIBLE}]", r"\+?[0-9]{5,15}"),
    ContactKind.EMAIL: (
        rf"[{INVISIBLE}]",
        r"[^\s@<>()\[\],;:\\\"]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+",
    ),
    ContactKind.APP: (rf"[{INVISIBLE}]", r"[!-~]{8,200}"),
}
LONGEST: Final = 254
"""Characters of an address (RFC 5321, with the angle brackets left out)."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What a carrier says of how one traveller is reached and spoken to."""

    person_id: UUID
    contact: Contact | None
    languages: Sequence[str]


def read(kind: ContactKind, raw: str) -> str:
    """The one spelling of an address. Raises `InvalidText`."""
    drop, form = _SPELLING[kind]
    value = re.sub(drop, "", unicodedata.normalize("NFKC", raw).strip())
    if len(value) > LONGEST or not re.fullmatch(form, value):
        raise InvalidText("no such address")
    return value


_KEEP = """
INSERT INTO vault_contact (hub_id, run_id, person_id, day, kind, owner, languages, cipher)
SELECT $1, c.run_id, c.person_id, $2, c.kind, c.owner, c.languages, c.cipher
FROM jsonb_to_recordset($3::jsonb) AS c(
    run_id uuid, person_id uuid, kind text, owner text, languages text[], cipher bytea)
ORDER BY c.run_id, c.person_id
ON CONFLICT (hub_id, run_id, person_id) DO UPDATE SET
    day = excluded.day, kind = excluded.kind, owner = excluded.owner,
    languages = excluded.languages, cipher = excluded.cipher
"""


async def tell(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    day: date,
    reported: Sequence[tuple[UUID, Reach]],
) -> None:
    """Keep what is said of people on runs, of each once; of all others it stays.

    Raises `KeyDestroyed`, `MasterUnavailable`.
    """
    if reported:
        key = await keys.obtain(day_key(day))
        rows = [_row(key, hub_id, run_id, reach) for run_id, reach in reported]
        await tx.raw.execute(_KEEP, hub_id, day, as_json(rows))


_FORGET = """
DELETE FROM vault_contact c USING unnest($2::uuid[], $3::uuid[]) AS w(run_id, person_id)
WHERE c.hub_id = $1 AND c.run_id = w.run_id AND c.person_id = w.person_id
"""


async def forget(tx: Transaction, hub_id: str, gone: Sequence[tuple[UUID, UUID]]) -> None:
    """Forget how people on runs are reached: they are on these runs no more."""
    if gone:
        await tx.raw.execute(_FORGET, hub_id, *map(list, zip(*gone, strict=True)))


def _row(key: bytes, hub_id: str, run_id: UUID, reach: Reach) -> dict[str, object]:
    contact = reach.contact
    place = _place(hub_id, run_id, reach.person_id)
    return {
        "run_id": run_id,
        "person_id": reach.person_id,
        "kind": contact and contact.kind,
        "owner": contact and contact.owner,
        "languages": list(reach.languages),
        "cipher": contact and "\\x" + encrypt(key, contact.value.encode(), place).hex(),
    }


async def reachable(
    tx: Reading, hub_id: str, run_id: UUID
) -> dict[UUID, tuple[ContactKind, list[str]]]:
    """Who of a run has an address, of what kind, and the languages they speak."""
    found = await tx.sql.execute(
        select(Row.person_id, Row.kind, Row.languages).where(
            Row.hub_id == hub_id, Row.run_id == run_id, Row.kind.is_not(None)
        )
    )
    return {
        person_id: (ContactKind(kind), languages)
        for person_id, kind, languages in found
        if kind is not None
    }


async def languages(tx: Reading, hub_id: str, run_id: UUID) -> dict[UUID, list[str]]:
    """What people of a run read, of those of whom it was told."""
    found = await tx.sql.execute(
        select(Row.person_id, Row.languages).where(Row.hub_id == hub_id, Row.run_id == run_id)
    )
    return {person_id: known for person_id, known in found}  # noqa: C416 # typed


async def reveal_contacts(
    tx: Reading, keys: KeyFiles, hub_id: str, run_id: UUID, people: Collection[UUID]
) -> dict[UUID, Contact]:
    """The addresses of these people, without those that are unknown or were destroyed."""
    selected = await tx.sql.execute(
        select(Row.person_id, Row.day, Row.kind, Row.owner, Row.cipher).where(
            Row.hub_id == hub_id, Row.run_id == run_id, Row.person_id.in_(people)
        )
    )
    rows = selected.all()
    living = await keys.open_all(day_key(row[1]) for row in rows)
    found: dict[UUID, Contact] = {}
    for person_id, day, kind, owner, cipher in rows:
        key = living.get(day_key(day))
        if key is None or kind is None or owner is None or cipher is None:
            continue
        value = decrypt(key, cipher, _place(hub_id, run_id, person_id))
        found[person_id] = Contact(ContactKind(kind), ContactOwner(owner), value.decode())
    return found


def _place(hub_id: str, run_id: UUID, person_id: UUID) -> bytes:
    """Where a ciphertext belongs: it opens in no other row."""
    return f"contact|{hub_id}|{run_id}|{person_id}".encode()
