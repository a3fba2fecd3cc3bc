"""The feed: what changed, for one partner, in the ledger's order, never skipping.

A cursor is `epoch.n` under the partner's own key: opaque, and of no use to another partner, who
could otherwise join two feeds by it. Only what is sealed has a number, so a slow commit delays
its own change and hides none.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

from twinstile.platform.db.database import Transaction
from twinstile.platform.http.problems import FieldFault, Gone, InvalidInput
from twinstile.platform.keys.ciphers import decrypt, encrypt
from twinstile.platform.keys.data_keys import KeyUnavailable
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import AccessEntry, Action, Actor, Purpose
from twinstile.sharing.partners import pseudonym
from twinstile.sharing.types import SOURCES, TERMS, ChangeType, Partner, Use

WINDOW = 20_000
"""Entries looked through for one answer; an answer may be empty and not be the end."""
LONGEST_CURSOR = 200


class CursorExpired(Gone):
    """The database was restored since, or this position does not exist in it."""

    slug = "cursor-expired"
    title = "The hub's records began a new epoch: forget the cursor and read from the beginning"


@dataclass(frozen=True, slots=True)
class SharedChange:
    """One change as it leaves; `id` and `subject` are the partner's own pseudonyms."""

    id: str
    type: ChangeType
    subject: str
    at: datetime
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Page:
    """Changes in order, and the number behind which the next page begins."""

    changes: Sequence[SharedChange]
    next_n: int


def encode(key: bytes, epoch: str, n: int) -> str:
    """The cursor of what comes after entry n."""
    return base64.urlsafe_b64encode(encrypt(key, f"{epoch}.{n}".encode(), b"cursor")).decode()


def decode(key: bytes, cursor: str) -> tuple[str, int]:
    """Epoch and number of a cursor. Raises `InvalidInput` for what we did not give out."""
    try:
        sealed = base64.b64decode(cursor.encode("ascii"), b"-_", validate=True)
        epoch, _, n = decrypt(key, sealed, b"cursor").decode().partition(".")
        return epoch, int(n)
    except (binascii.Error, KeyUnavailable, ValueError):
        raise InvalidInput(errors=[FieldFault("/after", "invalid-format")]) from None


_CHANGES = """
SELECT w.n, e.event_id, e.kind, e.subject_id, e.at, e.body
FROM (
    SELECT l.n, l.event_id FROM ledger l
    WHERE l.hub_id = $1 AND l.n > $2 AND l.n <= $3 ORDER BY l.n
) w CROSS JOIN LATERAL (
    SELECT * FROM event e WHERE e.hub_id = $1 AND e.event_id = w.event_id OFFSET 0
) e
WHERE e.kind = ANY($4::text[])
ORDER BY w.n LIMIT $5
"""


async def read(
    tx: Transaction,
    partner: Partner,
    key: bytes,
    types: Sequence[ChangeType],
    span: tuple[int, int],
    limit: int,
    at: datetime,
) -> Page:
    """The next changes of these types, at most `limit`, and a record that they were disclosed.

    `span` is the number to begin after and the ledger's end. They may leave when `tx` is
    committed.
    """
    after, end = span[0], min(span[1], span[0] + WINDOW)
    by_kind = {SOURCES[type_]: type_ for type_ in types}
    rows = await tx.raw.fetch(
        _CHANGES,
        partner.hub_id,
        after,
        end,
        list(by_kind),
        limit,
    )
    changes = [_change(partner, key, by_kind[row[2]], *row[1:2], *row[3:6]) for row in rows]
    if changes:
        await access_log.record(tx, _actor(partner), _look(partner, changes), at)
    return Page(changes, rows[-1][0] if len(rows) == limit else end)


def _change(
    partner: Partner,
    key: bytes,
    type_: ChangeType,
    event_id: UUID,
    subject_id: UUID,
    at: datetime,
    body: Mapping[str, object],
) -> SharedChange:
    terms = TERMS[partner.kind][type_]
    fields = {
        name: _leaving(key, use, body[name])
        for name, use in terms.items()
        if name in partner.grants[type_] and name in body
    }
    return SharedChange(
        pseudonym(key, event_id),
        type_,
        pseudonym(key, subject_id),
        at.replace(microsecond=0),  # a fine moment would join what two partners hold
        fields,
    )


def _leaving(key: bytes, use: Use, value: object) -> object:
    match use:
        case Use.AS_IS:
            return value
        case Use.PSEUDONYM:
            return pseudonym(key, UUID(cast("str", value)))


def _actor(partner: Partner) -> Actor:
    return Actor(partner.hub_id, partner_id=str(partner.partner_id))


def _look(partner: Partner, changes: Sequence[SharedChange]) -> AccessEntry:
    fields = {f"{change.type}:{name}" for change in changes for name in change.fields}
    types = {change.type.value for change in changes}
    return AccessEntry(
        Action.DISCLOSURE,
        Purpose.LEGAL_DUTY,
        sorted(types | fields),
        rows=len(changes),
        reason=f"feed of a partner of kind {partner.kind}",
    )
