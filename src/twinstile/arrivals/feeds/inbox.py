"""Landing: what came is stored as it came, with the place to go on from, in one transaction.

The bytes are encrypted under the key of the day, with the name of the file, which may be a
person's. The same bytes again are a duplicate, whatever they are called: they are counted and
not stored. The row of the feed's state is locked first, so that deliveries of one feed are
numbered in the order in which they are seen.
"""

import asyncio
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from twinstile.arrivals.authorities import KEY
from twinstile.arrivals.feeds.reading import FeedSettings
from twinstile.arrivals.records import Delivery
from twinstile.arrivals.transport import FetchedDelivery
from twinstile.identity.vault import day_key
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.keys.ciphers import decrypt, encrypt, keyed_digest
from twinstile.platform.keys.data_keys import KeyFiles, KeyUnavailable
from twinstile.platform.ops.observability import log


class DeliveryState(StrEnum):
    """Where a delivery stands. A DEAD one was given up: somebody looks at it and replays it."""

    LANDED = "LANDED"
    APPLIED = "APPLIED"
    DEAD = "DEAD"
    REFUSED = "REFUSED"


class ReceiptOutcome(StrEnum):
    """What became of something a transport brought."""

    NEW = "NEW"
    DUPLICATE = "DUPLICATE"  # these very bytes had landed before
    REFUSED = "REFUSED"  # counted, and nobody reads it
    NOTHING = "NOTHING"  # there was no delivery; the cursor has moved


@dataclass(frozen=True, slots=True)
class ReceivedDelivery:
    """What became of it; `delivery_id` is that of a new or refused delivery."""

    outcome: ReceiptOutcome
    delivery_id: UUID | None = None


_LOCK = """
INSERT INTO feed_state (hub_id, feed) VALUES ($1, $2)
ON CONFLICT (hub_id, feed) DO UPDATE SET feed = excluded.feed
RETURNING landed
"""
_STORE = """
INSERT INTO feed_delivery
    (hub_id, feed, delivery_id, n, digest, received_at, day, size, cipher, state, due_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'LANDED', $6)
ON CONFLICT (hub_id, feed, digest) DO NOTHING RETURNING 1
"""
_REFUSE = """
INSERT INTO feed_delivery
    (hub_id, feed, delivery_id, n, received_at, day, size, state, due_at, ended_at, fault)
VALUES ($1, $2, $3, $4, $5, $6, 0, 'REFUSED', $5, $5, $7)
"""
_COUNT = """
UPDATE feed_state SET landed = landed + ($3 <> 'DUPLICATE')::int,
    deliveries = deliveries + ($3 = 'NEW')::int,
    duplicates = duplicates + ($3 = 'DUPLICATE')::int,
    refused = refused + ($3 = 'REFUSED')::int
WHERE hub_id = $1 AND feed = $2
"""


async def receive_fetched(
    tx: Transaction, keys: KeyFiles, feed: FeedSettings, fetched: FetchedDelivery, now: datetime
) -> ReceivedDelivery:
    """Land what a transport brought and keep its cursor, both or neither.

    Raises `KeyDestroyed`, `MasterUnavailable`.
    """
    landed = ReceivedDelivery(ReceiptOutcome.NOTHING)
    if fetched.refused is not None:
        landed = await _refuse(tx, feed, fetched.refused, now)
    elif fetched.delivery is not None:
        landed = await receive(tx, keys, feed, fetched.delivery, now)
    else:
        await _lock(tx, feed)
    sealed = encrypt(await keys.obtain(KEY), fetched.cursor.encode(), _cursor(feed))
    await tx.raw.execute(
        "UPDATE feed_state SET cursor = $3 WHERE hub_id = $1 AND feed = $2",
        feed.hub_id,
        feed.name,
        sealed.hex(),
    )
    return landed


async def open_cursor(keys: KeyFiles, feed: FeedSettings, sealed: str | None) -> str | None:
    """The cursor that was kept; None, the beginning, where it cannot be opened.

    A row's key may be in it, which may be a document's number: it is encrypted.
    """
    if sealed is None:
        return None
    key = await keys.obtain(KEY)
    try:
        return decrypt(key, bytes.fromhex(sealed), _cursor(feed)).decode()
    except (ValueError, KeyUnavailable):
        log.warning("a cursor cannot be opened", feed=feed.name)
        return None


def _cursor(feed: FeedSettings) -> bytes:
    return f"cursor|{feed.hub_id}|{feed.name}".encode()


async def receive(
    tx: Transaction, keys: KeyFiles, feed: FeedSettings, delivery: Delivery, now: datetime
) -> ReceivedDelivery:
    """Land a delivery, to be applied from now on; the feed's cursor stays where it is.

    Raises `KeyDestroyed`, `MasterUnavailable`.
    """
    today, delivery_id = feed.today(now), uuid7()
    digest = keyed_digest(await keys.obtain(KEY), f"body|{feed.name}", delivery.body)
    key = await keys.obtain(day_key(today))
    cipher = encrypt(key, _pack(delivery), _place(feed.hub_id, delivery_id))
    n = await _lock(tx, feed) + 1
    size = len(delivery.body)
    stored = await tx.raw.fetchrow(
        _STORE, feed.hub_id, feed.name, delivery_id, n, digest, now, today, size, cipher
    )
    if stored is None:
        return await _count(tx, feed, ReceivedDelivery(ReceiptOutcome.DUPLICATE))
    return await _count(tx, feed, ReceivedDelivery(ReceiptOutcome.NEW, delivery_id))


async def _refuse(
    tx: Transaction, feed: FeedSettings, reason: str, now: datetime
) -> ReceivedDelivery:
    delivery_id, n = uuid7(), await _lock(tx, feed) + 1
    await tx.raw.execute(
        _REFUSE, feed.hub_id, feed.name, delivery_id, n, now, feed.today(now), reason
    )
    return await _count(tx, feed, ReceivedDelivery(ReceiptOutcome.REFUSED, delivery_id))


async def _lock(tx: Transaction, feed: FeedSettings) -> int:
    """The number of the feed's last delivery; no other lands until the transaction ends."""
    row = await tx.raw.fetchrow(_LOCK, feed.hub_id, feed.name)
    landed: int = row[0] if row else 0
    return landed


async def _count(
    tx: Transaction, feed: FeedSettings, receipt: ReceivedDelivery
) -> ReceivedDelivery:
    await tx.raw.execute(_COUNT, feed.hub_id, feed.name, receipt.outcome.value)
    return receipt


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A delivery as it lies in the database, to be applied from the record after `position`."""

    delivery_id: UUID
    n: int
    state: DeliveryState
    position: int
    attempts: int
    day: date
    received_at: datetime


_KEPT = """
SELECT delivery_id, n, state, rows_applied, attempts, day, received_at
FROM feed_delivery WHERE hub_id = $1 AND feed = $2 AND delivery_id = $3
"""


async def get_delivery(
    tx: Reading, feed: FeedSettings, delivery_id: UUID
) -> StoredDelivery | None:
    """A delivery of the feed, if there is one of that id (still)."""
    row = await tx.raw.fetchrow(_KEPT, feed.hub_id, feed.name, delivery_id)
    if row is None:
        return None
    of, n, state, taken, attempts, day, received_at = row
    return StoredDelivery(of, n, DeliveryState(state), taken, attempts, day, received_at)


_CIPHER = "SELECT cipher FROM feed_delivery WHERE hub_id = $1 AND delivery_id = $2"


async def open_delivery(
    tx: Reading, keys: KeyFiles, hub_id: str, stored: StoredDelivery
) -> Delivery:
    """What came, as it came; opened beside the other work of the process.

    Raises `KeyDestroyed`, `KeyUnavailable`, `MasterUnavailable`.
    """
    row = await tx.raw.fetchrow(_CIPHER, hub_id, stored.delivery_id)
    cipher = [row[0] if row and row[0] else b""]
    del row  # it may be large: there are never more copies than there have to be
    return await asyncio.to_thread(_unpack, keys, hub_id, stored, cipher)


def _unpack(
    keys: KeyFiles, hub_id: str, stored: StoredDelivery, cipher: list[bytes]
) -> Delivery:
    place = _place(hub_id, stored.delivery_id)
    plain = decrypt(keys.get(day_key(stored.day)), cipher.pop(), place)
    head, _, body = plain.partition(b"\n")
    name, media_type, told = orjson.loads(head)
    return Delivery(body, stored.received_at, name, media_type, told)


def _pack(delivery: Delivery) -> bytes:
    """One line of JSON, which has no line end, and the bytes."""
    name = delivery.name.encode(errors="replace").decode()  # of a file: any bytes
    head = orjson.dumps([name, delivery.media_type, delivery.row_count])
    return b"".join((head, b"\n", delivery.body))


def _place(hub_id: str, delivery_id: UUID) -> bytes:
    return f"delivery|{hub_id}|{delivery_id}".encode()


_FORGET: Final = (
    """
    WITH gone AS (
        DELETE FROM feed_delivery WHERE hub_id = $1 AND day < $2 RETURNING delivery_id
    ), rejects AS (
        DELETE FROM feed_reject r USING gone
        WHERE r.hub_id = $1 AND r.delivery_id = gone.delivery_id
    )
    DELETE FROM feed_waiting w USING gone
    WHERE w.hub_id = $1 AND w.delivery_id = gone.delivery_id
    """,
    "DELETE FROM feed_key WHERE hub_id = $1 AND day < $2",
    """
    DELETE FROM feed_list l WHERE l.hub_id = $1 AND NOT EXISTS (
        SELECT FROM (SELECT * FROM feed_key WHERE run_id = l.run_id OFFSET 0) k
        WHERE k.hub_id = $1 AND k.feed = l.feed)
      AND EXISTS (SELECT FROM run r WHERE r.hub_id = $1 AND r.run_id = l.run_id
                  AND r.service_date < $2)
    """,
)


async def delete_expired(tx: Transaction, hub_id: str, oldest_kept: date) -> None:
    """Delete deliveries and words that came before the oldest day that is kept."""
    for statement in _FORGET:
        await tx.raw.execute(statement, hub_id, oldest_kept)
