r"""The ledger: every event of a hub at a number, without gaps, each linked to all before it.

`n` counts from 1. It is audit position, outbox position and the partners' cursor at once.

    link(n)    = SHA-256( link(n-1) || n as 8 bytes, big-endian || content )
    link(0)    = 32 zero bytes
    content    = the UTF-8 text of one JSON array of the event's columns:
                 [hub_id, event_id, at, kind, subject_id, device_id, operator_id, body]

`at` is the integer of microseconds since 1970 in UTC; ids are lower-case with dashes; what is
missing is null. The text is as PostgreSQL prints `jsonb`: a space after each comma and colon,
none elsewhere; members of an object ordered by the length of their name in UTF-8 bytes, then
bytewise; in strings only `"`, `\` and controls are escaped (`\b \f \n \r \t`, else `\u00xx`);
numbers in decimal as they were written. Everything but the transaction id is in it. The Merkle
tree of the hub (RFC 9162, section 2.1, with SHA-256) has link(n) as its leaf n-1. It is kept as
its peaks: the roots of the perfect subtrees it consists of, largest first.

Events become visible out of the order of anything a client could count by. One sealer a hub
copies those below the fence, the oldest transaction still open: nothing can appear before them
any more. Their order, (transaction, event id), is therefore final, and sealing again after a
crash gives the same numbers and links: so it need not wait for the disk.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from twinstile.platform.db.database import Raw, Transaction, as_json
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event

BATCH = 250
"""Events sealed in one transaction; more would hold up the requests beside them."""
HASH_BYTES = 32
GENESIS = bytes(32)
EPOCH_BEGAN = "ledger.epoch"
NAMED = 1000
"""Epochs that one entry can give up: restores of backups older than all of them, in a row."""

CONTENT = """jsonb_build_array(
    e.hub_id, e.event_id, (extract(epoch FROM e.at) * 1000000)::bigint,
    e.kind, e.subject_id, e.device_id, e.operator_id, e.body
)::text"""

GIVES_UP = f"""SELECT name FROM jsonb_array_elements_text(
    CASE jsonb_typeof(e.body -> 'gives_up') WHEN 'array' THEN e.body -> 'gives_up'
    ELSE '[]' END
) AS given_up(name) WHERE name IS NOT NULL LIMIT {NAMED}
"""  # noqa: S608 # constants
"""The epochs that the event `e` gives up; none where an older release wrote it."""


def link(previous: bytes, n: int, content: str) -> bytes:
    """The link of entry n, see above."""
    return hashlib.sha256(previous + n.to_bytes(8, "big") + content.encode()).digest()


def push_leaf(peaks: list[bytes], size: int, entry: bytes) -> None:
    """Add a leaf to a tree of `size` leaves."""
    hashed = hashlib.sha256(b"\0" + entry).digest()
    while size & 1:
        hashed = _node(peaks.pop(), hashed)
        size >>= 1
    peaks.append(hashed)


def tree_root(peaks: Sequence[bytes]) -> bytes:
    """The root of the tree; of an empty one the hash of nothing."""
    if not peaks:
        return hashlib.sha256().digest()
    *larger, hashed = peaks
    for peak in reversed(larger):
        hashed = _node(peak, hashed)
    return hashed


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(slots=True)
class ChainHead:
    """Where a hub's ledger ends, while it is locked."""

    hub_id: str
    epoch: str
    n: int
    link: bytes
    peaks: list[bytes]
    published_n: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    event_id: UUID
    kind: str
    content: str


_LOCK = """
SELECT epoch, n, link, peaks, published_n, tx::text, event_id
FROM ledger_head WHERE hub_id = $1 FOR UPDATE
"""
_FROM_EVENT = f"""
SELECT e.event_id, e.kind, {CONTENT}, e.tx::text FROM event e
WHERE e.hub_id = $1
  AND (SELECT l.n FROM ledger l WHERE l.hub_id = e.hub_id AND l.event_id = e.event_id) IS NULL
"""  # noqa: S608 # constants
_BELOW_THE_FENCE = f"""{_FROM_EVENT}
  AND (e.tx, e.event_id) > ($2::text::xid8, $3::uuid)
  AND e.tx < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY e.tx, e.event_id LIMIT $4
"""
_LEFT = f"{_FROM_EVENT} ORDER BY e.tx, e.event_id LIMIT $2"
_ENTER = """
WITH entries AS (
    INSERT INTO ledger (hub_id, n, event_id, link)
    SELECT $1, $2 + i, event_id, link
    FROM unnest($3::uuid[], $4::bytea[]) WITH ORDINALITY AS w(event_id, link, i)
)
UPDATE ledger_head SET n = $5, link = $6, peaks = $7, latest = latest || $8::jsonb,
    tx = coalesce($9::text::xid8, tx), event_id = coalesce($10, event_id)
WHERE hub_id = $1
"""
# The next event by its place in the index, whatever the planner believes of how many there are:
# a plain EXISTS read the whole table of a hub that was just filled, four times a second.
_HUBS = """
SELECT h.hub_id FROM hub h LEFT JOIN ledger_head d ON d.hub_id = h.hub_id
LEFT JOIN LATERAL (
    SELECT e.tx FROM event e
    WHERE e.hub_id = h.hub_id AND (e.tx, e.event_id) > (d.tx, d.event_id)
    ORDER BY e.tx, e.event_id LIMIT 1
) e ON true
WHERE d.hub_id IS NULL OR e.tx < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY h.hub_id
"""


_GONE = f"""
SELECT name FROM (
    SELECT name, i FROM unnest($2::text[]) WITH ORDINALITY AS p(name, i)
    WHERE name NOT IN (SELECT epoch FROM ledger_epoch WHERE hub_id = $1)
      AND name NOT IN (
        SELECT named FROM ledger_epoch d
        JOIN ledger l ON l.hub_id = d.hub_id AND l.n = d.n
        JOIN event e ON e.hub_id = l.hub_id AND e.event_id = l.event_id
        CROSS JOIN LATERAL ({GIVES_UP}) AS g(named)
        WHERE d.hub_id = $1
      )
    ORDER BY i DESC LIMIT {NAMED}
) newest ORDER BY i
"""  # noqa: S608 # constants


async def waiting(raw: Raw) -> list[str]:
    """Hubs that have something to seal."""
    return [hub_id for (hub_id,) in await raw.fetch(_HUBS)]


async def seal(tx: Transaction, hub_id: str, at: datetime, limit: int = BATCH) -> int:
    """Enter the next events of a hub, at most `limit`; how many there were.

    Does nothing while another process seals this hub. A hub without a ledger gets one.
    """
    found = await tx.raw.fetchrow(f"{_LOCK} SKIP LOCKED", hub_id)
    if found is not None:
        await tx.raw.execute("SET LOCAL synchronous_commit = off")
    elif await _begin(tx, hub_id, at):
        found = await tx.raw.fetchrow(_LOCK, hub_id)
    if found is None:
        return 0
    head, position = _head(hub_id, found)
    rows = await tx.raw.fetch(_BELOW_THE_FENCE, hub_id, *position, limit)
    if rows:
        await _enter(tx.raw, head, _events(rows), (rows[-1][3], rows[-1][0]))
    return len(rows)


async def lock(tx: Transaction, hub_id: str) -> ChainHead | None:
    """The head, locked until the transaction ends; None where there is no ledger yet."""
    found = await tx.raw.fetchrow(_LOCK, hub_id)
    return None if found is None else _head(hub_id, found)[0]


async def new_epoch(
    tx: Transaction, hub_id: str, at: datetime, published: Sequence[str] = ()
) -> str:
    """Declare that this database begins another life, as after a restore; its name.

    Its entry gives up those of the `published` epochs (oldest first) that are not in this
    ledger, the newest `NAMED` of them: what tells a restore from a rollback. Cursors of
    partners end with the old life. What was left unsealed is sealed first, whatever
    its transaction id: the counter of a new server may begin anew, and the fence with it. Call
    it while no service writes, in a transaction of its own.
    """
    await _begin(tx, hub_id, at)
    found = await tx.raw.fetchrow(_LOCK, hub_id)
    if found is None:
        raise LookupError(hub_id)
    head, _ = _head(hub_id, found)
    while rows := await tx.raw.fetch(_LEFT, hub_id, BATCH):
        await _enter(tx.raw, head, _events(rows), None)
    await tx.raw.execute(
        "UPDATE ledger_head SET tx = pg_snapshot_xmin(pg_current_snapshot()), event_id = $2"
        " WHERE hub_id = $1",
        hub_id,
        UUID(int=0),
    )
    gone = await tx.raw.fetch(_GONE, hub_id, list(published))
    return await _declare(tx, head, at, [name for (name,) in gone])


async def _begin(tx: Transaction, hub_id: str, at: datetime) -> bool:
    """Begin a ledger for a hub that has none; whether it had none."""
    made = await tx.raw.fetchrow(
        "INSERT INTO ledger_head (hub_id, epoch, n, link, peaks, tx, event_id, latest,"
        " published_n) VALUES ($1, '', 0, $2, '', '0', $3, '{}', 0)"
        " ON CONFLICT DO NOTHING RETURNING hub_id",
        hub_id,
        GENESIS,
        UUID(int=0),
    )
    if made is None:
        return False
    await _declare(tx, ChainHead(hub_id, "", 0, GENESIS, [], 0), at)
    return True


async def _declare(
    tx: Transaction, head: ChainHead, at: datetime, gives_up: Sequence[str] = ()
) -> str:
    """Enter the beginning of an epoch: an event like any other, and linked like any other.

    Its own transaction is still open, so the sealer's position stays where it is.
    """
    epoch, event_id = secrets.token_hex(4), uuid7()
    body: dict[str, object] = {"epoch": epoch, "after": {"epoch": head.epoch, "n": head.n}}
    if gives_up:
        body["gives_up"] = list(gives_up)
    began = Event(head.hub_id, EPOCH_BEGAN, uuid7(), at, body, event_id=event_id)
    await events.append(tx, [began])
    rows = await tx.raw.fetch(f"{_FROM_EVENT} AND e.event_id = $2", head.hub_id, event_id)
    await _enter(tx.raw, head, _events(rows), None)
    await tx.raw.execute(
        "INSERT INTO ledger_epoch (hub_id, epoch, n, began_at) VALUES ($1, $2, $3, $4)",
        head.hub_id,
        epoch,
        head.n,
        at,
    )
    await tx.raw.execute(
        "UPDATE ledger_head SET epoch = $2 WHERE hub_id = $1", head.hub_id, epoch
    )
    return epoch


async def _enter(
    raw: Raw,
    head: ChainHead,
    waiting_events: Sequence[_Waiting],
    position: tuple[str, UUID] | None,
) -> None:
    """Number and link these events, and move the head behind them."""
    before = head.n
    links: list[bytes] = []
    latest: dict[str, int] = {}
    for event in waiting_events:
        head.link = link(head.link, head.n + 1, event.content)
        links.append(head.link)
        push_leaf(head.peaks, head.n, head.link)
        head.n += 1
        latest[event.kind] = head.n
    await raw.execute(
        _ENTER,
        head.hub_id,
        before,
        [event.event_id for event in waiting_events],
        links,
        head.n,
        head.link,
        b"".join(head.peaks),
        as_json(latest),
        *(position or (None, None)),
    )


def _head(hub_id: str, row: asyncpg.Record) -> tuple[ChainHead, tuple[str, UUID]]:
    epoch, n, last, peaks, published_n, tx, event_id = row
    return ChainHead(hub_id, epoch, n, last, split(peaks), published_n), (tx, event_id)


def split(peaks: bytes) -> list[bytes]:
    """The hashes that stand one behind the other."""
    return [peaks[at : at + HASH_BYTES] for at in range(0, len(peaks), HASH_BYTES)]


def _events(rows: Sequence[asyncpg.Record]) -> list[_Waiting]:
    return [_Waiting(cast("UUID", row[0]), row[1], row[2]) for row in rows]
