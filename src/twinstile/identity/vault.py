"""The vault's work: recognise a document, keep whose it is, give it back to those who may.

A person id is random. The same document met again gets the same id until the end of the epoch
after the one in which the id was given out: 14 to 28 days, however often it is met. Afterwards
nobody, we included, can tell that it was met before. Whatever needs a key may raise
`MasterUnavailable`.
"""

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import asyncpg
import orjson
from sqlalchemy import select

from twinstile.identity import documents
from twinstile.identity.tables import Vault
from twinstile.identity.types import Document, DocumentHolder, DocumentKind, Sex
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import NotFound
from twinstile.platform.keys.ciphers import DecryptionFailed, decrypt, encrypt_all, keyed_digest
from twinstile.platform.keys.data_keys import OBTAIN_S, KeyDestroyed, KeyFiles
from twinstile.platform.ops import observability

EPOCH_DAYS = 14


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a person is: what the vault encrypts."""

    document: Document
    holder: DocumentHolder


def epoch_of(day: date) -> int:
    """The number of the 14-day epoch whose key the blind index of that day uses."""
    return day.toordinal() // EPOCH_DAYS


def epoch_key(epoch: int) -> str:
    """The name of that key."""
    return f"epoch.{epoch}"


def day_key(day: date) -> str:
    """The name of the key under which the people received on that day are encrypted."""
    return f"day.{day.isoformat()}"


def case_key(case_id: UUID) -> str:
    """The name of the key under which the people of a case are encrypted."""
    return f"case.{case_id}"


async def epoch_keys(keys: KeyFiles, day: date) -> list[tuple[str, bytes]]:
    """Names and keys of the living epochs of a day: the present one and, if there, the last."""
    present, last = epoch_key(epoch_of(day)), epoch_key(epoch_of(day) - 1)
    living = [(present, await keys.obtain(present))]
    # there is none when the hub is younger than two epochs, or when the key's time is over
    with contextlib.suppress(KeyDestroyed):
        living.append((last, await keys.open(last, OBTAIN_S)))
    return living


def blind(living: Sequence[tuple[str, bytes]], document: Document) -> list[bytes]:
    """The blind index of a document under each of the `epoch_keys`, the present one first.

    An HMAC: without the key an 18-digit number could be found by trying them all in seconds.
    """
    known = documents.recognised(document)
    message = "\x1f".join((known.kind, known.issuer or "", known.number)).encode()
    return [keyed_digest(key, "blind", message) for _, key in living]


# One look-up by index for each person (LATERAL with LIMIT), and by the blind index alone
# (OFFSET 0 keeps the hub out of the choice of index): docs/decisions/0016. Somebody met today
# already is "updated": that locks the row and tells the id it has, also one that another
# request has just entered.
MEET_SQL = """
INSERT INTO vault (hub_id, day, person_id, blind, first_epoch, cipher, named)
SELECT $1, $2, coalesce(k.person_id, gen_random_uuid()), w.blind, coalesce(k.first_epoch, $6),
       w.cipher, w.named
FROM unnest($3::bytea[], $4::bytea[], $5::bytea[], $7::bool[])
    AS w(blind, earlier, cipher, named)
LEFT JOIN LATERAL (
    SELECT v.person_id, v.first_epoch
    FROM (SELECT * FROM vault WHERE blind = ANY(ARRAY[w.blind, w.earlier]) OFFSET 0) v
    WHERE v.hub_id = $1 AND v.first_epoch >= $6 - 1
    ORDER BY v.day LIMIT 1
) k ON true
ORDER BY w.blind
ON CONFLICT (hub_id, day, blind) DO UPDATE SET
    turns = vault.turns + 1,
    cipher = CASE WHEN vault.named THEN vault.cipher ELSE excluded.cipher END,
    named = vault.named OR excluded.named
RETURNING blind, person_id, turns
"""
"""Says who people are and enters those not met today, for a statement of a room above too.

The first name of a day stands; who was met without one is named by whoever has it.

The parameters are `Shown.arguments`. The rows stay locked until the transaction ends: what is
decided about one person is decided by one transaction at a time, in this process and in any
other. Waiting for such a row, a statement does not see what else the other transaction has
written meanwhile; then `OVERTAKEN_SQL` is true of it, and it is to be sent once more.
"""

OVERTAKEN_SQL = """
({met}.turns > 0 AND {met}.turns <> 1 + coalesce((
    SELECT v.turns FROM vault v
    WHERE v.hub_id = $1 AND v.day = $2 AND v.blind = {met}.blind LIMIT 1), -1))
"""
"""Whether a row returned by `MEET_SQL` had moved since its own statement began to read."""

FORMER_SQL = """
ARRAY(SELECT DISTINCT v.person_id
      FROM (SELECT * FROM vault WHERE blind = ANY(ARRAY[{blind}, {earlier}]) OFFSET 0) v
      WHERE v.hub_id = {hub})
"""
"""Every person id this document had since the epoch before. A person id ends with an epoch;
what must reach its person until a day of its own is looked for under all of these."""


@dataclass(frozen=True, slots=True)
class MeetArguments:
    """Documents as `MEET_SQL` takes them."""

    arguments: tuple[object, ...]
    """The parameters from $2 on: day, blind indices, those of the epoch before, ciphers,
    epoch, which of them have a name."""
    blinds: Sequence[bytes]
    """The blind index of each identity that was given, in order."""
    earlier: Sequence[bytes] = ()
    """The same under the key of the epoch before, see `FORMER_SQL`."""


async def document_set(
    keys: KeyFiles, hub_id: str, day: date, people: Sequence[Identity]
) -> MeetArguments:
    """The documents of these people, each once. Raises `KeyDestroyed`, `MasterUnavailable`."""
    if not people:
        return MeetArguments((day, [], [], [], epoch_of(day), []), ())
    key = await keys.obtain(day_key(day))
    living = await epoch_keys(keys, day)
    blinds = [blind(living, person.document) for person in people]
    first: dict[bytes, tuple[list[bytes], Identity]] = {}
    for digests, person in zip(blinds, people, strict=True):
        known = first.get(digests[0])
        if known is None or known[1].holder.name is None:
            first[digests[0]] = digests, person
    arguments = (
        day,
        list(first),
        [digests[-1] for digests, _ in first.values()],
        encrypt_all(
            key,
            [
                (pack(person), _seen_at(hub_id, day, digests[0]))
                for digests, person in first.values()
            ],
        ),
        epoch_of(day),
        [person.holder.name is not None for _, person in first.values()],
    )
    return MeetArguments(
        arguments, [digests[0] for digests in blinds], [digests[-1] for digests in blinds]
    )


async def recognise(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    day: date,
    people: Sequence[Identity],
) -> list[UUID]:
    """The person id of each identity, in order, see `MEET_SQL`. One statement.

    Raises `KeyDestroyed` when the day's key was destroyed, `MasterUnavailable`.
    """
    if not people:
        return []
    documents = await document_set(keys, hub_id, day, people)
    met: Iterable[asyncpg.Record] = await tx.raw.fetch(MEET_SQL, hub_id, *documents.arguments)
    found: Mapping[bytes, UUID] = {row[0]: row[1] for row in met}
    return [found[digest] for digest in documents.blinds]


async def find(
    tx: Reading, keys: KeyFiles, hub_id: str, day: date, document: Document
) -> UUID | None:
    """The person id a document has on that day, if it was met before."""
    blinds = blind(await epoch_keys(keys, day), document)
    row = await tx.sql.execute(
        select(Vault.person_id)
        .where(
            Vault.hub_id == hub_id,
            Vault.blind.in_(blinds),
            Vault.first_epoch >= epoch_of(day) - 1,
        )
        .order_by(Vault.day)
        .limit(1)
    )
    return row.scalar_one_or_none()


async def reveal(tx: Reading, keys: KeyFiles, hub_id: str, person_id: UUID) -> Identity:
    """Who a person is, from the latest day that is still readable.

    Raises `NotFound` for an unknown person and `KeyDestroyed` when the identity was destroyed.
    """
    rows = await tx.sql.execute(
        select(Vault.day, Vault.blind, Vault.cipher)
        .where(Vault.hub_id == hub_id, Vault.person_id == person_id)
        .order_by(Vault.day.desc())
        .limit(1)
    )
    row = rows.one_or_none()
    if row is None:
        raise NotFound("There is no such person here.")
    day, seen, cipher = row
    return unpack(decrypt(await keys.open(day_key(day)), cipher, _seen_at(hub_id, day, seen)))


_LATEST = """
SELECT w.person_id, v.day, v.blind, v.cipher
FROM unnest($2::uuid[]) AS w(person_id), LATERAL (
    SELECT * FROM (SELECT * FROM vault WHERE person_id = w.person_id OFFSET 0) v
    WHERE v.hub_id = $1 ORDER BY v.day DESC LIMIT 1
) v
"""


async def reveal_all(
    tx: Reading, keys: KeyFiles, hub_id: str, people: Collection[UUID]
) -> dict[UUID, Identity]:
    """Who these people are, without those that are unknown or were destroyed. One statement."""
    if not people:
        return {}
    rows = await tx.raw.fetch(_LATEST, hub_id, list(people))
    living = await keys.open_all(day_key(row[1]) for row in rows)
    return {
        person_id: who
        for person_id, day, seen, cipher in rows
        if (key := living.get(day_key(day)))
        and (who := legible(key, cipher, _seen_at(hub_id, day, seen)))
    }


# Where a ciphertext belongs is authenticated, so that it opens in no other row. A row of the
# vault is known by its blind index: its person id may turn out to be an earlier row's.


def _seen_at(hub_id: str, day: date, seen: bytes) -> bytes:
    return f"vault|{hub_id}|{day.isoformat()}|{seen.hex()}".encode()


def legible(key: bytes, cipher: bytes, place: bytes) -> Identity | None:
    """Who that is; None where the key is another one now, as after a restore of older keys.

    Then they are as unknown as whose key was destroyed, and nobody else need wait for them.
    """
    try:
        return unpack(decrypt(key, cipher, place))
    except DecryptionFailed:
        observability.log.error("an identity does not open: its key is another one now")
        return None


def pack(identity: Identity) -> bytes:
    """What is encrypted of an identity."""
    document, holder = identity.document, identity.holder
    paper = {"kind": document.kind, "number": document.number, "issuer": document.issuer}
    who = {"name": holder.name, "birth_date": holder.birth_date, "sex": holder.sex}
    return orjson.dumps({**paper, **who})


def unpack(plain: bytes) -> Identity:
    """The inverse of `pack`."""
    fields: dict[str, str | None] = orjson.loads(plain)
    born, sex = fields["birth_date"], fields["sex"]
    return Identity(
        Document(
            DocumentKind(fields["kind"] or DocumentKind.OTHER),
            fields["number"] or "",
            fields["issuer"],
        ),
        DocumentHolder(
            fields["name"],
            date.fromisoformat(born) if born else None,
            Sex(sex) if sex else None,
        ),
    )
