"""Trust lists of a hub: taken in, agreed on where they take something away, put in force.

Versions only rise: a list that is not newer than the one in force is refused, whoever brings it
(codes that were rejected one day were accepted the next where that was not so).
"""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from uuid_utils.compat import uuid7

from twinstile.credentials.tables import StoredList
from twinstile.credentials.trust import TrustList
from twinstile.credentials.trusting import snapshots
from twinstile.credentials.trusting.snapshots import Believed, Change, Offer
from twinstile.platform import approvals, events, signing
from twinstile.platform.approvals import LIFETIME, Approval, Ask, Kind
from twinstile.platform.auth import Principal, Scope
from twinstile.platform.crypto import KeyFiles
from twinstile.platform.db import Reading, Transaction
from twinstile.platform.errors import Conflict, Forbidden, IdReused, NotFound
from twinstile.platform.events import Happening
from twinstile.platform.fields import EARLIEST

_NAMES: Final = UUID("5a2c4f4e-7d1b-5c0e-9b57-3f0f6b1d2a10")
"""Of requests for approval: one for each version of a hub."""


class TrustListOlder(Conflict):
    slug = "trust-list-older"
    title = "Another trust list is in force, and this one does not follow it"


@dataclass(frozen=True, slots=True)
class Signed:
    """A list as it was signed."""

    version: int
    document: str = field(repr=False)
    key_id: str
    signature: str
    follows: int | None
    activated_at: datetime | None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.document.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of an offer. `approval`: it waits for a second person."""

    change: Change
    refused: dict[str, int]
    approval: Approval | None


_COLUMNS: Final = (
    StoredList.version,
    StoredList.document,
    StoredList.key_id,
    StoredList.signature,
    StoredList.follows,
    StoredList.activated_at,
)


async def current(tx: Reading, hub_id: str) -> Signed | None:
    """The list in force."""
    found = await tx.sql.execute(
        select(*_COLUMNS)
        .where(StoredList.hub_id == hub_id, StoredList.activated_at.is_not(None))
        .order_by(StoredList.version.desc())
        .limit(1)
    )
    row = found.one_or_none()
    return Signed(*row) if row else None


async def current_version(tx: Reading, hub_id: str) -> int | None:
    """Its version alone: what a process asks before it uses its copy."""
    found = await tx.sql.execute(
        select(StoredList.version)
        .where(StoredList.hub_id == hub_id, StoredList.activated_at.is_not(None))
        .order_by(StoredList.version.desc())
        .limit(1)
    )
    return found.scalar_one_or_none()


async def one(tx: Reading, hub_id: str, version: int) -> Signed:
    """Raises `NotFound`."""
    found = await tx.sql.execute(
        select(*_COLUMNS).where(StoredList.hub_id == hub_id, StoredList.version == version)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such trust list.")
    return Signed(*row)


@dataclass(frozen=True, slots=True)
class Kept:
    """A list as it is told among others."""

    version: int
    recorded_at: datetime
    follows: int | None
    activated_at: datetime | None


async def page(
    tx: Reading, hub_id: str, before: int | None, limit: int
) -> tuple[list[Kept], int | None]:
    """The lists of a hub below that version, newest first, and which of all is in force."""
    wanted = select(
        StoredList.version, StoredList.recorded_at, StoredList.follows, StoredList.activated_at
    ).where(StoredList.hub_id == hub_id)
    if before is not None:
        wanted = wanted.where(StoredList.version < before)
    found = await tx.sql.execute(wanted.order_by(StoredList.version.desc()).limit(limit))
    rows = [Kept(*row) for row in found]
    return rows, await current_version(tx, hub_id)


async def take(
    tx: Transaction,
    who: Principal,
    keys: KeyFiles,
    offer: Offer,
    believed: Believed,
    source: bytes,
    reason: str,
    at: datetime,
) -> Taken:
    """Take a list in. The same again gives the same. `source`: SHA-256 of what was sent.

    In force at once if it only adds keys that an authority vouches for; else when a second
    person has agreed. Raises `TrustListOlder`, `IdReused`, `Forbidden`, `KeyUnavailable`.
    """
    if who.operator_id is None:
        raise Forbidden
    held = await current(tx, who.hub_id)
    before, vouched = _standing(keys, held) if held else (None, frozenset[str]())
    change = snapshots.compare(offer, believed, before, vouched)
    known = await tx.sql.execute(
        select(StoredList.source).where(
            StoredList.hub_id == who.hub_id, StoredList.version == offer.version
        )
    )
    if (stored := known.scalar_one_or_none()) is None:
        if before and (offer.version <= before.version or offer.issued_at < before.issued_at):
            raise TrustListOlder
        listed = snapshots.follow(offer, believed, before)
        document = snapshots.written(listed, believed.authorities)
        follows = before and before.version
        await _store(tx, who, keys, (offer.version, document, follows), source, at)
    elif stored != source:
        raise IdReused
    told = await one(tx, who.hub_id, offer.version)
    approval = None
    if told.activated_at is None and change.takes_two:
        approval = await _ask(tx, who, told, change, reason, at)
    elif told.activated_at is None:
        await _activate(tx, who.hub_id, offer.version, at, who)
    return Taken(change, dict(believed.refused), approval)


def _standing(keys: KeyFiles, held: Signed) -> tuple[TrustList, frozenset[str]]:
    """The list in force and who vouches by it.

    Of one that the hub did not sign only its number and what it denies count: whatever follows
    it takes two persons, and nothing of it is signed again.
    """
    before = snapshots.read(held.document)
    if _genuine(keys, held):
        return before, snapshots.authorities(held.document)
    bare = TrustList(held.version, EARLIEST, before.not_after, {}, denied=before.denied)
    return bare, frozenset()


def _genuine(keys: KeyFiles, told: Signed) -> bool:
    """Whether the hub signed it."""
    public = signing.public_keys(keys).get(told.key_id, "")
    return signing.verify(public, told.document.encode(), told.signature)


async def _store(
    tx: Transaction,
    who: Principal,
    keys: KeyFiles,
    made: tuple[int, str, int | None],
    source: bytes,
    at: datetime,
) -> None:
    """`made`: version, document, and the version it follows."""
    version, document, follows = made
    signer = signing.signer(keys)
    await tx.sql.execute(
        upsert(StoredList)
        .values(
            hub_id=who.hub_id,
            version=version,
            recorded_at=at,
            recorded_by=who.operator_id,
            source=source,
            document=document,
            key_id=signer.key_id,
            signature=signer.sign(document.encode()),
            follows=follows,
            activated_at=None,
        )
        .on_conflict_do_nothing()
    )


async def _ask(
    tx: Transaction, who: Principal, told: Signed, change: Change, reason: str, at: datetime
) -> Approval:
    approval_id = uuid5(_NAMES, f"{who.hub_id} {told.version}")
    content = {
        "version": told.version,
        "sha256": told.sha256,
        "added": change.added,
        "removed": change.removed,
        "issuers_gone": list(change.issuers_gone),
        "unvouched": change.unvouched,
        "new_authorities": change.new_authorities,
        "returned": change.returned,
        "unrevoked": change.unrevoked,
    }
    asked = Ask(approval_id, approval_id, content, reason)
    return await approvals.ask(tx, who, KIND, asked, at)


async def _granted(tx: Transaction, approval: Approval, who: Principal) -> None:
    version = int(str(approval.content["version"]))
    at = approval.decided_at or approval.expires_at
    await _activate(tx, approval.hub_id, version, at, who)


async def _activate(
    tx: Transaction, hub_id: str, version: int, at: datetime, who: Principal
) -> None:
    """Raises `TrustListOlder` if another came into force since it was made."""
    lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
    await tx.raw.execute(lock, f"trust list of {hub_id}")
    told = await one(tx, hub_id, version)
    if told.follows != await current_version(tx, hub_id):
        raise TrustListOlder
    await tx.sql.execute(
        update(StoredList)
        .where(StoredList.hub_id == hub_id, StoredList.version == version)
        .values(activated_at=at)
    )
    body: dict[str, object] = {"version": version}
    happening = Happening(
        hub_id, "trust_list.activated", uuid7(), at, body, who.device_id, who.operator_id
    )
    await events.append(tx, [happening])


KIND: Final = Kind(
    "trust-list", Scope.POLICIES_WRITE, Scope.POLICIES_WRITE, LIFETIME, apply=_granted
)


@dataclass(frozen=True, slots=True)
class Held:
    """A list in force, whose signature was looked at."""

    listed: TrustList
    sha256: str


class Lists:
    """Each hub's list in force, as this process last read it."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    async def of(self, tx: Reading, keys: KeyFiles, hub_id: str) -> Held | None:
        """None: there is none, or what is stored is not what the hub signed."""
        version = await current_version(tx, hub_id)
        if version is None:
            return None
        held = self._held.get(hub_id)
        if held is not None and held.listed.version == version:
            return held
        told = await one(tx, hub_id, version)
        if not _genuine(keys, told):
            return None
        self._held[hub_id] = held = Held(snapshots.read(told.document), told.sha256)
        return held
