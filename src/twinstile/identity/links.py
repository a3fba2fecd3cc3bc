"""Persons that are one: somebody who shows two documents with two numbers.

A link is made by evidence that a person on duty has seen, never by a name and a birthday: two
people share those. What is suspected of one then counts for the other, over as many links as
lead there, for at most `MOST` persons. A link ends when the identity of either does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, cast
from uuid import UUID

from sqlalchemy import RowMapping, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.identity import documents, vault
from twinstile.identity.tables import PersonLink
from twinstile.identity.types import DocumentKind
from twinstile.identity.vault import Identity
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http import paging
from twinstile.platform.http.problems import (
    AlreadyExists,
    Conflict,
    FieldFault,
    Forbidden,
    IdReused,
    InvalidInput,
    NotFound,
)
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal

LINKED = "person.linked"
WITHDRAWN = "person.link-withdrawn"
MOST: Final = 8
"""Persons that may be one: passports and permits of a lifetime, not of a tour group."""


class LinkEvidence(StrEnum):
    """What shows that two documents are one person's. A closed list: a name is not in it."""

    BOTH_DOCUMENTS_SHOWN = "BOTH_DOCUMENTS_SHOWN"
    """By the person they belong to, at the desk, face and photographs compared."""
    RENEWED_PASSPORT = "RENEWED_PASSPORT"
    """The number of the old passport stands in the new one."""
    PERMIT_RENEWAL = "PERMIT_RENEWAL"
    """A permit or card that was issued in the place of another, which it names."""
    AUTHORITY_STATEMENT = "AUTHORITY_STATEMENT"


def _both(*kinds: DocumentKind) -> Callable[[DocumentKind, DocumentKind], bool]:
    return lambda one, other: one in kinds and other in kinds


_FITS: Final[Mapping[LinkEvidence, Callable[[DocumentKind, DocumentKind], bool]]] = {
    LinkEvidence.BOTH_DOCUMENTS_SHOWN: _both(*DocumentKind),
    LinkEvidence.RENEWED_PASSPORT: _both(DocumentKind.PASSPORT),
    LinkEvidence.PERMIT_RENEWAL: _both(*documents.NAMED_BY_KIND),
    LinkEvidence.AUTHORITY_STATEMENT: _both(*DocumentKind),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """That two documents are one person's; `reason` is in words, without personal data."""

    link_id: UUID
    one: Identity
    other: Identity
    evidence: LinkEvidence
    reason: str


@dataclass(frozen=True, slots=True)
class Linked:
    """A link as it stands, and one of its persons."""

    person_id: UUID
    row: RowMapping


_BESIDE = """
SELECT FROM (SELECT * FROM person_link
             WHERE {column} = {{person}} AND withdrawn_at IS NULL OFFSET 0) l
WHERE l.hub_id = {{hub}}
"""
_NEXT = """
SELECT l.{far} AS person_id
FROM (SELECT * FROM person_link WHERE {near} = k.person_id AND withdrawn_at IS NULL OFFSET 0) l
WHERE l.hub_id = {{hub}}
"""
_NEAR, _FAR = "person_id", "other_person_id"
KIN_SQL = f"""
CASE WHEN EXISTS ({_BESIDE.format(column=_NEAR)}) OR EXISTS ({_BESIDE.format(column=_FAR)})
THEN (
    WITH RECURSIVE kin(person_id) AS (
        SELECT {{person}}
        UNION
        SELECT n.person_id FROM kin k, LATERAL (
            {_NEXT.format(near=_NEAR, far=_FAR)}
            UNION ALL {_NEXT.format(near=_FAR, far=_NEAR)}
        ) n
    )
    SELECT array_agg(near.person_id) FROM (SELECT person_id FROM kin LIMIT {MOST}) near
)
ELSE ARRAY[{{person}}] END
"""  # noqa: S608 # constants of ours
"""Everybody that a person is, themselves included, for a statement of a room above. Who has no
link costs two look-ups by index; the others are walked to, nearest first."""

FIRST_OF_SQL = """
(SELECT one FROM unnest({kin}) AS of(one) ORDER BY one LIMIT 1)
"""
"""One of kin, the same whoever of them is asked: so a unique index can hold them all apart."""

_KIN = f"SELECT {KIN_SQL.format(hub='$1', person='$2::uuid')}"


async def kin(tx: Reading, hub_id: str, person_id: UUID) -> list[UUID]:
    """Everybody that a person is, themselves included."""
    row = await tx.raw.fetchrow(_KIN, hub_id, person_id)
    return cast("list[UUID]", row[0]) if row else [person_id]


_TURNS = """
SELECT FROM (SELECT * FROM vault WHERE person_id = ANY($2::uuid[]) OFFSET 0) w, LATERAL (
    SELECT FROM vault v WHERE v.hub_id = $1 AND v.day = w.day AND v.blind = w.blind
    FOR NO KEY UPDATE
) v
WHERE w.hub_id = $1
"""

_COLUMNS = (
    PersonLink.link_id,
    PersonLink.evidence,
    PersonLink.reason,
    PersonLink.recorded_at,
    PersonLink.recorded_by,
    PersonLink.withdrawn_at,
    PersonLink.withdrawn_by,
    PersonLink.withdrawn_reason,
)


async def add(
    tx: Transaction, keys: KeyFiles, who: Principal, claim: Claim, day: date, at: datetime
) -> Linked:
    """Link the persons of two documents, entering those that were not met; once for an id.

    Raises `InvalidInput` for evidence that does not fit; `AlreadyExists` for two documents
    that are one person's already; `IdReused`; `Conflict` for more than `MOST` persons.
    """
    if who.operator_id is None:
        raise Forbidden("Links are made by a person on shift.")
    _judge(claim)
    met = await vault.recognise(tx, keys, who.hub_id, day, [claim.one, claim.other])
    if met[0] == met[1]:
        raise AlreadyExists("Both documents are one person's as it is.")
    pair = sorted(met)
    told = {"evidence": claim.evidence.value, "reason": claim.reason}
    before = await _known(tx, who.hub_id, claim.link_id)
    if before is not None:
        people, row = before
        if people != pair or any(row[name] != value for name, value in told.items()):
            raise IdReused
        return Linked(met[0], row)
    one, other = [await kin(tx, who.hub_id, person_id) for person_id in pair]
    # whoever of them is at a gate is waited for: what is decided there has happened before
    await tx.raw.fetch(_TURNS, who.hub_id, [*one, *other])
    if len({*one, *other}) > MOST:
        raise Conflict(f"At most {MOST} persons are linked.")
    added = await tx.sql.execute(
        upsert(PersonLink)
        .values(
            hub_id=who.hub_id,
            link_id=claim.link_id,
            person_id=pair[0],
            other_person_id=pair[1],
            recorded_at=at,
            recorded_by=who.operator_id,
            device_id=who.device_id,
            **told,
        )
        .on_conflict_do_nothing()
        .returning(*_COLUMNS)
    )
    row = added.mappings().one_or_none()
    if row is None:
        raise AlreadyExists("These two are linked already.")
    await _tell(tx, who, LINKED, claim.link_id, claim.evidence, at)
    return Linked(met[0], row)


def _judge(claim: Claim) -> None:
    kinds = claim.one.document.kind, claim.other.document.kind
    if not _FITS[claim.evidence](*kinds):
        raise InvalidInput(errors=[FieldFault("/evidence", "unfit-evidence")])
    born = {claim.one.holder.birth_date, claim.other.holder.birth_date} - {None}
    if len(born) > 1 and claim.evidence is not LinkEvidence.AUTHORITY_STATEMENT:
        raise InvalidInput(errors=[FieldFault("/other", "another-birth-date")])


async def _known(
    tx: Reading, hub_id: str, link_id: UUID
) -> tuple[Sequence[UUID], RowMapping] | None:
    found = await tx.sql.execute(
        select(PersonLink.person_id, PersonLink.other_person_id, *_COLUMNS).where(
            PersonLink.hub_id == hub_id, PersonLink.link_id == link_id
        )
    )
    row = found.mappings().one_or_none()
    return None if row is None else ([row["person_id"], row["other_person_id"]], row)


async def joined_by(tx: Reading, hub_id: str, link_id: UUID) -> list[UUID]:
    """Everybody who is one person by a link and others, as long as it is in force."""
    known = await _known(tx, hub_id, link_id)
    return [] if known is None else await kin(tx, hub_id, known[0][0])


async def withdraw(
    tx: Transaction, who: Principal, link_id: UUID, reason: str, at: datetime
) -> RowMapping:
    """Take a link back: from now on it counts no more. Once; the same again changes nothing.

    Raises `NotFound`, and `Conflict` when it was withdrawn with another reason.
    """
    gone = await tx.sql.execute(
        update(PersonLink)
        .where(
            PersonLink.hub_id == who.hub_id,
            PersonLink.link_id == link_id,
            PersonLink.withdrawn_at.is_(None),
        )
        .values(withdrawn_at=at, withdrawn_by=who.operator_id, withdrawn_reason=reason)
        .returning(*_COLUMNS)
    )
    row = gone.mappings().one_or_none()
    if row is not None:
        await _tell(tx, who, WITHDRAWN, link_id, LinkEvidence(row["evidence"]), at)
        return row
    known = await _known(tx, who.hub_id, link_id)
    if known is None:
        raise NotFound("There is no such link.")
    if known[1]["withdrawn_reason"] != reason:
        raise Conflict("This link was withdrawn before.")
    return known[1]


async def _tell(
    tx: Transaction,
    who: Principal,
    kind: str,
    link_id: UUID,
    evidence: LinkEvidence,
    at: datetime,
) -> None:
    """Events outlive identities: they name the link, not whom it joins."""
    body: dict[str, object] = {"evidence": evidence.value}
    happening = Event(who.hub_id, kind, link_id, at, body, who.device_id, who.operator_id)
    await events.append(tx, [happening])


async def page(
    tx: Reading, hub_id: str, *, in_force: bool, cursor: str | None, limit: int
) -> list[RowMapping]:
    """Links, the latest first, from the cursor on; at most `limit`."""
    place = tuple_(PersonLink.recorded_at, PersonLink.link_id)
    wanted = (
        select(*_COLUMNS)
        .where(PersonLink.hub_id == hub_id)
        .order_by(PersonLink.recorded_at.desc(), PersonLink.link_id.desc())
        .limit(limit)
    )
    if in_force:
        wanted = wanted.where(PersonLink.withdrawn_at.is_(None))
    if cursor is not None:
        wanted = wanted.where(place < paging.decode(cursor))
    return list((await tx.sql.execute(wanted)).mappings())
