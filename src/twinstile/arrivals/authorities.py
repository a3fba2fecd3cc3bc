"""What police and health departments say of people: taken in, met at the gate, forgotten.

A row knows its person by the id of the vault and its own key by a digest, for senders name an
alert by what they please, by a document's number too. It ends by its own end, by the sender's
next word under the same key, and with the identities of the day on which it was received.
Another key's GREEN ends no RED: only who said a thing takes it back.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, TypeAlias
from uuid import UUID

from twinstile.arrivals.records import LONGEST_VALID, HealthStatus, IdentityAlert, Mark, Op
from twinstile.identity import vault
from twinstile.identity.vault import Identity
from twinstile.platform.db.database import Reading, Transaction, as_json
from twinstile.platform.keys.ciphers import keyed_digest
from twinstile.platform.keys.data_keys import KeyFiles

KEY: Final = "source.keys"
"""The key under which senders' own keys are kept as digests."""

WatchItem: TypeAlias = IdentityAlert | HealthStatus

MARKS_SQL: Final = """
(SELECT array_agg(DISTINCT m.mark) FROM (
    SELECT 'ALERT_' || a.action
    FROM (SELECT * FROM identity_alert WHERE person_id = ANY({people}) OFFSET 0) a
    WHERE a.hub_id = {hub} AND a.valid_from <= {at} AND a.valid_to > {at}
    UNION ALL
    SELECT unnest(ARRAY[
        CASE WHEN s.colour IN ('RED', 'YELLOW') THEN 'STATUS_' || s.colour END,
        CASE WHEN s.close_contact THEN 'CLOSE_CONTACT' END])
    FROM (SELECT * FROM health_status WHERE person_id = ANY({people}) OFFSET 0) s
    WHERE s.hub_id = {hub} AND s.valid_from <= {at} AND s.valid_to > {at}
) m(mark) WHERE m.mark IS NOT NULL)
"""
"""What is said of these people at a moment, as names of `Mark`, for a statement of a room
above. NULL: nothing is. GREEN is not among them: it helps nobody."""
SINCE_SQL: Final = """
(SELECT array_agg(DISTINCT m.mark) FROM (
    SELECT 'ALERT_' || a.action
    FROM (SELECT * FROM identity_alert WHERE person_id = ANY({people}) OFFSET 0) a
    WHERE a.hub_id = {hub} AND a.recorded_at > {since} AND a.valid_to > {at}
    UNION ALL
    SELECT unnest(ARRAY[
        'STATUS_' || s.colour, CASE WHEN s.close_contact THEN 'CLOSE_CONTACT' END])
    FROM (SELECT * FROM health_status WHERE person_id = ANY({people}) OFFSET 0) s
    WHERE s.hub_id = {hub} AND s.recorded_at > {since} AND s.valid_to > {at}
) m(mark) WHERE m.mark IS NOT NULL)
"""
"""What was said of these people after a moment and still holds, STATUS_GREEN included."""
_MARKS = f"SELECT {MARKS_SQL.format(hub='$1', people='$2::uuid[]', at='$3::timestamptz')}"


async def marks(
    tx: Reading, hub_id: str, people: Collection[UUID], at: datetime
) -> frozenset[Mark]:
    """What is said of these people at a moment, who are one person."""
    row = await tx.raw.fetchrow(_MARKS, hub_id, list(people), at)
    return frozenset(map(Mark, (row and row[0]) or ()))


@dataclass(frozen=True, slots=True)
class WatchRecord:
    """A record of a feed, and who it is about: None where it is withdrawn."""

    record: WatchItem
    identity: Identity | None


@dataclass(frozen=True, slots=True)
class WatchSource:
    """Whose word it is: a feed of a hub, and the hub's day."""

    hub_id: str
    feed: str
    today: date


_TABLES: Final[Mapping[type[WatchItem], tuple[str, tuple[str, ...]]]] = {
    IdentityAlert: ("identity_alert", ("kind", "authority", "legal_basis", "action")),
    HealthStatus: ("health_status", ("issuer", "colour", "close_contact")),
}
_WRITE = """
INSERT INTO {table} (hub_id, feed, key, person_id, {columns}, valid_from, valid_to, day,
                     recorded_at)
SELECT $1, $2, w.key, w.person_id, {values}, w.valid_from, w.valid_to, $3, $4
FROM jsonb_to_recordset($5::jsonb) AS w(key bytea, person_id uuid, kind text, authority text,
    legal_basis text, action text, issuer text, colour text, close_contact bool,
    valid_from timestamptz, valid_to timestamptz)
ON CONFLICT (hub_id, feed, key) DO UPDATE SET
    ({columns}, person_id, valid_from, valid_to, day, recorded_at) =
    ({said}, excluded.person_id, excluded.valid_from, excluded.valid_to, excluded.day,
     excluded.recorded_at)
"""
_REMOVE = "DELETE FROM {table} WHERE hub_id = $1 AND feed = $2 AND key = ANY($3::bytea[])"


async def apply_watch_records(
    tx: Transaction,
    keys: KeyFiles,
    source: WatchSource,
    records: Sequence[WatchRecord],
    at: datetime,
) -> None:
    """Take what a feed says: each key once, and what is known to be the newest word.

    Raises `KeyDestroyed`, `MasterUnavailable`.
    """
    key = await keys.obtain(KEY)
    for kind, (table, columns) in _TABLES.items():
        mine = {
            keyed_digest(key, source.feed, one.record.origin.key.encode()): one
            for one in records
            if isinstance(one.record, kind)
        }
        living = {
            of: identity
            for of, one in mine.items()
            if (identity := _identity_in_force(one, at))
        }
        gone = [of for of in mine if of not in living]
        if gone:
            remove = _REMOVE.format(table=table)
            await tx.raw.execute(remove, source.hub_id, source.feed, gone)
        people = await vault.recognise(
            tx, keys, source.hub_id, source.today, list(living.values())
        )
        told = [
            {"key": "\\x" + of.hex(), "person_id": person, **_content(mine[of].record, at)}
            for of, person in zip(living, people, strict=True)
        ]
        if told:
            place = (source.hub_id, source.feed, source.today, at)
            await tx.raw.execute(_write_sql(table, columns), *place, as_json(told))


def _write_sql(table: str, columns: Sequence[str]) -> str:
    return _WRITE.format(
        table=table,
        columns=", ".join(columns),
        values=", ".join(f"w.{column}" for column in columns),
        said=", ".join(f"excluded.{column}" for column in columns),
    )


def _identity_in_force(one: WatchRecord, at: datetime) -> Identity | None:
    """Whom it is about, unless it is withdrawn or has ended: then it ends what stood there."""
    over = one.record.op is Op.DELETE or _period(one.record, at)[1] <= at
    return None if over else one.identity


def _period(record: WatchItem, at: datetime) -> tuple[datetime, datetime]:
    """From when to when it counts: at most as long as the identity is kept."""
    if isinstance(record, IdentityAlert):
        return record.valid_from, min(record.valid_to, at + LONGEST_VALID)
    return record.issued_at, min(record.expires_at, at + LONGEST_VALID)


def _content(record: WatchItem, at: datetime) -> dict[str, object]:
    since, until = _period(record, at)
    told: dict[str, object] = {"valid_from": since, "valid_to": until}
    if isinstance(record, IdentityAlert):
        return told | {
            "kind": record.kind,
            "authority": record.authority,
            "legal_basis": record.legal_basis,
            "action": record.action,
        }
    return told | {
        "issuer": record.issuer,
        "colour": record.colour,
        "close_contact": record.close_contact,
    }


async def delete_expired_records(
    tx: Transaction, hub_id: str, oldest_kept: date, at: datetime
) -> int:
    """Delete what has ended, and what came before the oldest day that is kept; how many."""
    count = 0
    for table, _ in _TABLES.values():
        gone = await tx.raw.fetch(
            f"DELETE FROM {table} WHERE hub_id = $1"  # noqa: S608 # constants
            " AND (valid_to <= $2 OR day < $3) RETURNING 1",
            hub_id,
            at,
            oldest_kept,
        )
        count += len(gone)
    return count
