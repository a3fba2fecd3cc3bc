"""Take declarations in, give them back to whoever holds the receipt, and let them end.

What is said lies encrypted under the key of the day it was first said, and ends with it. A
correction is one more word: the earlier ones stay until the day ends.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from uuid_utils.compat import uuid7

from twinstile.declarations import codes
from twinstile.declarations.codes import Receipt
from twinstile.declarations.tables import Declaration, DeclarationWord
from twinstile.declarations.types import MOST_WORDS, SHOWN_AGAIN, Answers, DeclarationSummary
from twinstile.identity.vault import day_key
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import (
    Conflict,
    IdReused,
    Unauthenticated,
    Unavailable,
)
from twinstile.platform.keys.ciphers import decrypt, encrypt, keyed_digest
from twinstile.platform.keys.data_keys import KeyDestroyed, KeyFiles, KeyUnavailable
from twinstile.platform.ops import observability
from twinstile.platform.security import devices
from twinstile.platform.security.auth import Principal
from twinstile.screening.claim_words import DeclarationSource

BATCH: Final = 5000
_TRIES: Final = 8
"""How often eight digits are drawn until they are nobody else's."""
_HEAD = (
    Declaration.declaration_id,
    Declaration.day,
    Declaration.source,
    Declaration.language,
    Declaration.made_at,
    Declaration.said_at,
    Declaration.revision,
    Declaration.short_code,
    Declaration.reminded_at,
    Declaration.presented_at,
    Declaration.person_id,
    Declaration.screening_id,
)


@dataclass(frozen=True, slots=True)
class New:
    """A declaration as it comes; `key` is the sender's, so that sending again is harmless."""

    key: UUID = field(repr=False)
    answers: Answers
    language: str
    source: DeclarationSource = DeclarationSource.OWN
    by: Principal | None = None
    """Who keyed it at a desk; the traveller gets eight digits then, too."""
    person_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class IssuedDeclaration:
    """What the traveller gets; `new` is false for one that was sent again."""

    receipt: Receipt
    head: DeclarationSummary
    new: bool


@dataclass(frozen=True, slots=True)
class Corrected:
    """A declaration as it stands after a correction."""

    head: DeclarationSummary
    worse: bool
    """Whether it asks for a second look now, and did not before."""


async def make(
    tx: Transaction, keys: KeyFiles, hub_id: str, zone: ZoneInfo, new: New, at: datetime
) -> IssuedDeclaration:
    """Keep a declaration. The same again within `SHOWN_AGAIN` gives the same receipt.

    Raises `IdReused` when the key came with other content, `Conflict` when it is too late to
    give the receipt again; `MasterUnavailable`.
    """
    before = await _again(tx, keys, hub_id, zone, new, at)
    if before is not None:
        return before
    day = at.astimezone(zone).date()
    key = await keys.obtain(day_key(day))
    receipt, declaration_id = codes.receipt(key, new.key), uuid7()
    row = {
        "hub_id": hub_id,
        "declaration_id": declaration_id,
        "receipt_digest": receipt.digest,
        "pass_digest": codes.pass_digest(receipt.pass_code),
        "day": day,
        "fingerprint": _fingerprint(key, new),
        "source": new.source.value,
        "language": new.language,
        "made_at": at,
        "said_at": at,
        "revision": 1,
        "person_id": new.person_id,
        "device_id": new.by and new.by.device_id,
        "operator_id": new.by and new.by.operator_id,
    }
    for _ in range(_TRIES):
        row["short_code"] = codes.short_code() if new.by else None
        entered = await tx.sql.execute(
            upsert(Declaration).values(row).on_conflict_do_nothing().returning(*_HEAD)
        )
        head = entered.one_or_none()
        if head is not None:
            await _say(tx, key, hub_id, declaration_id, 1, new.answers, at)
            return IssuedDeclaration(receipt, _head(head), new=True)
        before = await _again(tx, keys, hub_id, zone, new, at)
        if before is not None:  # sent twice at the same moment
            return before
    raise Unavailable(retry_after_s=1)


def _head(row: Iterable[object]) -> DeclarationSummary:
    return DeclarationSummary(*row)  # pyright: ignore[reportArgumentType] # the columns of `_HEAD`, in order


async def _again(
    tx: Reading, keys: KeyFiles, hub_id: str, zone: ZoneInfo, new: New, at: datetime
) -> IssuedDeclaration | None:
    """What this sender was given a moment ago; around midnight it was of the day before."""
    for day in {moment.astimezone(zone).date() for moment in (at, at - SHOWN_AGAIN)}:
        try:
            key = await keys.open(day_key(day))
        except KeyDestroyed:
            continue
        receipt = codes.receipt(key, new.key)
        found = await tx.sql.execute(
            select(Declaration.fingerprint, *_HEAD).where(
                Declaration.hub_id == hub_id, Declaration.receipt_digest == receipt.digest
            )
        )
        row = found.one_or_none()
        if row is None:
            continue
        fingerprint, *head = row
        if fingerprint != _fingerprint(key, new):
            raise IdReused
        made = IssuedDeclaration(receipt, _head(head), new=False)
        if made.head.made_at < at - SHOWN_AGAIN:
            raise Conflict("Its receipt was shown, and is not shown again.")
        return made
    return None


def _fingerprint(key: bytes, new: New) -> bytes:
    said = [new.answers.packed(), new.language, new.source.value, str(new.person_id or "")]
    return keyed_digest(key, "declaration", json.dumps(said, sort_keys=True).encode())


async def _say(
    tx: Transaction,
    key: bytes,
    hub_id: str,
    declaration_id: UUID,
    revision: int,
    answers: Answers,
    at: datetime,
) -> None:
    plain = json.dumps(answers.packed()).encode()
    await tx.sql.execute(
        upsert(DeclarationWord).values(
            hub_id=hub_id,
            declaration_id=declaration_id,
            revision=revision,
            said_at=at,
            cipher=encrypt(key, plain, _place(hub_id, declaration_id, revision)),
        )
    )


def _place(hub_id: str, declaration_id: UUID, revision: int) -> bytes:
    """Where a ciphertext belongs: it opens in no other row."""
    return f"declaration|{hub_id}|{declaration_id}|{revision}".encode()


def opened(
    key: bytes, hub_id: str, declaration_id: UUID, revision: int, cipher: bytes
) -> Answers:
    """What a word says. Raises `KeyDestroyed`, also where another key took its key's place."""
    try:
        plain = decrypt(key, cipher, _place(hub_id, declaration_id, revision))
    except KeyUnavailable as error:
        observability.log.error("a declaration does not open", hub=hub_id)
        raise KeyDestroyed from error
    return Answers.unpacked(cast("dict[str, object]", json.loads(plain)))


async def declaration_of_receipt(
    tx: Reading, hub_id: str, receipt: Receipt, *, to_change: bool = False
) -> DeclarationSummary:
    """The declaration of a receipt. Raises `Unauthenticated`: unknown and ended look alike.

    `to_change`: nobody else changes it meanwhile; raises `HubClosed` where nobody may any more.
    """
    wanted = select(*_HEAD).where(
        Declaration.hub_id == hub_id, Declaration.receipt_digest == receipt.digest
    )
    found = await tx.sql.execute(wanted.with_for_update() if to_change else wanted)
    row = found.one_or_none()
    if row is None:
        raise Unauthenticated("No declaration has this receipt, or it has ended.")
    if to_change:
        await devices.require_open(tx, hub_id)
    return _head(row)


async def answers(
    tx: Reading, keys: KeyFiles, hub_id: str, head: DeclarationSummary
) -> Answers:
    """What was said last. Raises `KeyDestroyed`, `MasterUnavailable`."""
    found = await tx.sql.execute(
        select(DeclarationWord.cipher).where(
            DeclarationWord.hub_id == hub_id,
            DeclarationWord.declaration_id == head.declaration_id,
            DeclarationWord.revision == head.revision,
        )
    )
    cipher = found.scalar_one_or_none()
    if cipher is None:  # it ended since the head was read
        raise KeyDestroyed
    key = await keys.open(day_key(head.day))
    return opened(key, hub_id, head.declaration_id, head.revision, cipher)


async def correct(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    receipt: Receipt,
    revision: int,
    declared: Answers,
    at: datetime,
) -> Corrected:
    """Say it anew, after having read that revision. The same again changes nothing.

    Raises `Unauthenticated`, `Conflict` when it was corrected meanwhile or too often,
    `KeyDestroyed`.
    """
    head = await declaration_of_receipt(tx, hub_id, receipt, to_change=True)
    before = await answers(tx, keys, hub_id, head)
    if before == declared and head.revision in {revision, revision + 1}:
        return Corrected(head, worse=False)
    if head.revision != revision:
        raise Conflict("It was corrected meanwhile: read it again.")
    if revision >= MOST_WORDS:
        raise Conflict("It was corrected too often; staff help at the service desk.")
    key = await keys.open(day_key(head.day))
    await _say(tx, key, hub_id, head.declaration_id, revision + 1, declared, at)
    changed = await tx.sql.execute(
        update(Declaration)
        .where(Declaration.hub_id == hub_id, Declaration.declaration_id == head.declaration_id)
        .values(revision=revision + 1, said_at=at)
        .returning(*_HEAD)
    )
    return Corrected(_head(changed.one()), worse=before.calm and not declared.calm)


async def remind(
    tx: Transaction, hub_id: str, receipt: Receipt, at: datetime
) -> DeclarationSummary:
    """The traveller has read the reminder; the first time counts. Raises `Unauthenticated`."""
    head = await declaration_of_receipt(tx, hub_id, receipt, to_change=True)
    if head.reminded_at is not None:
        return head
    changed = await tx.sql.execute(
        update(Declaration)
        .where(Declaration.hub_id == hub_id, Declaration.declaration_id == head.declaration_id)
        .values(reminded_at=at)
        .returning(*_HEAD)
    )
    return _head(changed.one())


async def find(tx: Reading, hub_id: str, code: str) -> DeclarationSummary | None:
    """The declaration of a pass, or of the eight digits of a slip; for staff."""
    column, value = (
        (Declaration.short_code, code)
        if codes.is_short(code)
        else (Declaration.pass_digest, codes.pass_digest(code))
    )
    found = await tx.sql.execute(
        select(*_HEAD).where(Declaration.hub_id == hub_id, column == value)
    )
    row = found.one_or_none()
    return None if row is None else _head(row)


async def history(tx: Reading, hub_id: str, head: DeclarationSummary) -> list[RowMapping]:
    """When each word was said, the first one first."""
    found = await tx.sql.execute(
        select(DeclarationWord.revision, DeclarationWord.said_at)
        .where(
            DeclarationWord.hub_id == hub_id,
            DeclarationWord.declaration_id == head.declaration_id,
        )
        .order_by(DeclarationWord.revision)
    )
    return list(found.mappings())


_FORGET = """
WITH old AS MATERIALIZED (
    SELECT declaration_id FROM declaration WHERE hub_id = $1 AND made_at < $2 LIMIT $3
), words AS (
    DELETE FROM declaration_word w USING old
    WHERE w.hub_id = $1 AND w.declaration_id = old.declaration_id
), disputes AS (
    DELETE FROM appeal a USING old WHERE a.hub_id = $1 AND a.declaration_id = old.declaration_id
)
DELETE FROM declaration d USING old
WHERE d.hub_id = $1 AND d.declaration_id = old.declaration_id
RETURNING 1
"""


async def forget(tx: Transaction, hub_id: str, before: datetime) -> int:
    """Delete declarations that were made before the moment, at most `BATCH`; how many.

    Their key is destroyed with the day: this only takes away what nobody can read any more.
    """
    return len(await tx.raw.fetch(_FORGET, hub_id, before, BATCH))
