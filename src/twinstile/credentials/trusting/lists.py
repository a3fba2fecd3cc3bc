"""Trust lists of a hub: taken in, agreed on where they take something away, put in force.

Versions only rise: a list that is not newer than the one in force is refused, whoever brings it
(codes that were rejected one day were accepted the next where that was not so).
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from uuid_utils.compat import uuid7

from twinstile.credentials.tables import StoredList
from twinstile.credentials.trust import TrustList
from twinstile.credentials.trusting import changes, snapshots
from twinstile.credentials.trusting.changes import TrustListChange
from twinstile.credentials.trusting.snapshots import Believed, OfferedList
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.field_types import EARLIEST
from twinstile.platform.http.problems import (
    Conflict,
    FieldFault,
    Forbidden,
    IdReused,
    InvalidInput,
    NotFound,
)
from twinstile.platform.keys import signing
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security import approvals
from twinstile.platform.security.approvals import LIFETIME, Approval, Ask, Kind
from twinstile.platform.security.auth import Principal, Scope

_NAMES: Final = UUID("5a2c4f4e-7d1b-5c0e-9b57-3f0f6b1d2a10")
"""Of requests for approval: one for each version of a hub."""
MOST_AHEAD: Final = 1000
"""Of a list's number, above the one in force (0: none is): a leap would use numbers up."""


KEPT_FOR: Final = timedelta(days=30)
"""After another list followed it."""


class TrustListOlder(Conflict):
    slug = "trust-list-older"
    title = "Another trust list is in force, and this one does not follow it"


@dataclass(frozen=True, slots=True)
class SignedList:
    """A list as it was signed."""

    version: int
    document: str = field(repr=False)
    key_id: str
    signature: str
    follows: int | None
    activated_at: datetime | None
    told: Mapping[str, object] | None = None
    """What it changes, as stored; None: of older releases."""

    @property
    def change(self) -> TrustListChange | None:
        """What it changes in the list it follows."""
        return changes.read_change(self.told) if self.told is not None else None

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.document.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class OfferResult:
    """What became of an offer. `approval`: it waits for a second person."""

    change: TrustListChange
    refused: dict[str, int]
    approval: Approval | None


_COLUMNS: Final = (
    StoredList.version,
    StoredList.document,
    StoredList.key_id,
    StoredList.signature,
    StoredList.follows,
    StoredList.activated_at,
    StoredList.change,
)


async def current(tx: Reading, hub_id: str) -> SignedList | None:
    """The list in force."""
    found = await tx.sql.execute(
        select(*_COLUMNS)
        .where(StoredList.hub_id == hub_id, StoredList.activated_at.is_not(None))
        .order_by(StoredList.version.desc())
        .limit(1)
    )
    row = found.one_or_none()
    return SignedList(*row) if row else None


async def current_version(tx: Reading, hub_id: str) -> int | None:
    """Its version alone: what a process asks before it uses its copy."""
    found = await tx.sql.execute(
        select(StoredList.version)
        .where(StoredList.hub_id == hub_id, StoredList.activated_at.is_not(None))
        .order_by(StoredList.version.desc())
        .limit(1)
    )
    return found.scalar_one_or_none()


async def one(tx: Reading, hub_id: str, version: int) -> SignedList:
    """Raises `NotFound`."""
    found = await tx.sql.execute(
        select(*_COLUMNS).where(StoredList.hub_id == hub_id, StoredList.version == version)
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such trust list.")
    return SignedList(*row)


@dataclass(frozen=True, slots=True)
class ListSummary:
    """A list as it is told among others."""

    version: int
    recorded_at: datetime
    recorded_by: UUID | None
    follows: int | None
    activated_at: datetime | None
    told: Mapping[str, object] | None = field(repr=False)

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The members of its change for which two have to agree; none once it was in force."""
        if self.activated_at is not None or self.told is None:
            return ()
        return changes.read_change(self.told).why_two


async def page(
    tx: Reading, hub_id: str, before: int | None, limit: int
) -> tuple[list[ListSummary], int | None]:
    """The lists of a hub below that version, newest first, and which of all is in force."""
    wanted = select(
        StoredList.version,
        StoredList.recorded_at,
        StoredList.recorded_by,
        StoredList.follows,
        StoredList.activated_at,
        StoredList.change,
    ).where(StoredList.hub_id == hub_id)
    if before is not None:
        wanted = wanted.where(StoredList.version < before)
    found = await tx.sql.execute(wanted.order_by(StoredList.version.desc()).limit(limit))
    rows = [ListSummary(*row) for row in found]
    return rows, await current_version(tx, hub_id)


async def take(
    tx: Transaction,
    who: Principal,
    keys: KeyFiles,
    offer: OfferedList,
    believed: Believed,
    source: bytes,
    reason: str,
    at: datetime,
) -> OfferResult:
    """Take a list in. The same again gives the same. `source`: SHA-256 of what was sent.

    In force at once if it only adds keys that an authority vouches for; else when a second
    person has agreed. Raises `TrustListOlder`, `IdReused`, `Forbidden`, `KeyUnavailable`, and
    `InvalidInput` for a list without a usable key or a number that leaps.
    """
    if who.operator_id is None:
        raise Forbidden
    held = await current(tx, who.hub_id)
    before, vouched = read_current_list(keys, held) if held else (None, frozenset[str]())
    change = changes.compare(offer, believed, before, vouched)
    known = await tx.sql.execute(
        select(StoredList.source).where(
            StoredList.hub_id == who.hub_id, StoredList.version == offer.version
        )
    )
    if (stored := known.scalar_one_or_none()) is None:
        if before and (offer.version <= before.version or offer.issued_at < before.issued_at):
            raise TrustListOlder
        _fit(offer, believed, before.version if before else 0)
        listed = snapshots.follow(offer, believed, before)
        document = snapshots.written(listed, believed.authorities)
        made = NewTrustList(offer.version, document, before and before.version, change, source)
        await store(tx, who.hub_id, keys, made, who.operator_id, at)
    elif stored != source:
        raise IdReused
    told = await one(tx, who.hub_id, offer.version)
    change = told.change or change
    approval = None
    if told.activated_at is None and change.why_two:
        approval_id = subject(who.hub_id, told.version)
        approval = await ask(tx, who, told, approval_id, reason, at)
    elif told.activated_at is None:
        await activate(tx, who.hub_id, offer.version, at, who)
    return OfferResult(change, dict(believed.refused), approval)


def _fit(offer: OfferedList, believed: Believed, last: int) -> None:
    if offer.version > last + MOST_AHEAD:
        raise InvalidInput(
            f"The number of a list is at most {MOST_AHEAD} above the one in force, now {last}.",
            errors=[FieldFault("number", "out-of-range")],
        )
    if not believed.keys:
        reasons = "; ".join(f"{many} {why}" for why, many in sorted(believed.refused.items()))
        raise InvalidInput(
            f"No key of the list can be used: {reasons}.",
            errors=[FieldFault("/entries", "no-usable-key")],
        )


def read_current_list(keys: KeyFiles, stored: SignedList) -> tuple[TrustList, frozenset[str]]:
    """The list in force and who vouches by it.

    Of one that the hub did not sign only its number and what it denies count: whatever follows
    it takes two persons, and nothing of it is signed again.
    """
    before = snapshots.read(stored.document)
    if is_genuine(keys, stored):
        return before, snapshots.authorities(stored.document)
    bare = TrustList(stored.version, EARLIEST, before.not_after, {}, denied=before.denied)
    return bare, frozenset()


def is_genuine(keys: KeyFiles, signed: SignedList) -> bool:
    """Whether the hub signed it."""
    public = signing.public_keys(keys).get(signed.key_id, "")
    return signing.verify(public, signed.document.encode(), signed.signature)


@dataclass(frozen=True, slots=True)
class NewTrustList:
    """A list as it is to be stored."""

    version: int
    document: str = field(repr=False)
    follows: int | None
    change: TrustListChange
    source: bytes


async def store(
    tx: Transaction,
    hub_id: str,
    keys: KeyFiles,
    new_list: NewTrustList,
    by: UUID | None,
    at: datetime,
) -> None:
    """Sign it and keep it, unless there is one of that number. `by` None: it was fetched."""
    signer = await asyncio.to_thread(signing.signer, keys)
    await tx.sql.execute(
        upsert(StoredList)
        .values(
            hub_id=hub_id,
            version=new_list.version,
            recorded_at=at,
            recorded_by=by,
            source=new_list.source,
            document=new_list.document,
            key_id=signer.key_id,
            signature=signer.sign(new_list.document.encode()),
            follows=new_list.follows,
            activated_at=None,
            change=changes.write_change(new_list.change),
        )
        .on_conflict_do_nothing()
    )


def subject(hub_id: str, version: int) -> UUID:
    """What requests about a list are about."""
    return uuid5(_NAMES, f"{hub_id} {version}")


async def ask(
    tx: Transaction,
    who: Principal,
    signed: SignedList,
    approval_id: UUID,
    reason: str,
    at: datetime,
) -> Approval:
    """Ask that a second person puts a stored list in force. The same again gives the same.

    Raises `TrustListOlder` if another came into force since it was made, `Forbidden`,
    `IdReused`.
    """
    if signed.follows != await current_version(tx, who.hub_id):
        raise TrustListOlder
    why = signed.change.why_two if signed.change else ()
    content = {
        "version": signed.version,
        "sha256": signed.sha256,
        "waits_for": why,
        **(signed.told or {}),
    }
    asked = Ask(approval_id, subject(who.hub_id, signed.version), content, reason)
    return await approvals.ask(tx, who, KIND, asked, at)


async def _granted(tx: Transaction, approval: Approval, who: Principal) -> None:
    version = int(str(approval.content["version"]))
    at = approval.decided_at or approval.expires_at
    await activate(tx, approval.hub_id, version, at, who)


_FORGET: Final = """
DELETE FROM trust_list old USING (
    SELECT hub_id, max(version) AS version FROM trust_list WHERE activated_at < $1
    GROUP BY hub_id
) stood
WHERE old.hub_id = stood.hub_id AND old.version < stood.version
"""


async def forget(tx: Transaction, now: datetime) -> None:
    """Delete, of all hubs, lists below the one that was in force `KEPT_FOR` ago.

    What is or was in force since then stays, so no older list is ever the newest. Only the
    table's owner may.
    """
    await tx.raw.execute(_FORGET, now - KEPT_FOR)


async def lock(tx: Transaction, hub_id: str) -> None:
    """Keep others from putting a list of the hub in force until the transaction ends."""
    statement = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
    await tx.raw.execute(statement, f"trust list of {hub_id}")


async def activate(
    tx: Transaction, hub_id: str, version: int, at: datetime, who: Principal | None
) -> None:
    """Put a list in force. Raises `TrustListOlder` if another came since it was made."""
    await lock(tx, hub_id)
    told = await one(tx, hub_id, version)
    if told.follows != await current_version(tx, hub_id):
        raise TrustListOlder
    await tx.sql.execute(
        update(StoredList)
        .where(StoredList.hub_id == hub_id, StoredList.version == version)
        .values(activated_at=at)
    )
    await tell(tx, hub_id, "trust_list.activated", version, at, who)


async def tell(
    tx: Transaction, hub_id: str, kind: str, version: int, at: datetime, who: Principal | None
) -> None:
    """Let others hear of a list."""
    body: dict[str, object] = {"version": version}
    by = (who.device_id, who.operator_id) if who else (None, None)
    await events.append(tx, [Event(hub_id, kind, uuid7(), at, body, *by)])


KIND: Final = Kind(
    "trust-list", Scope.POLICIES_WRITE, Scope.POLICIES_WRITE, LIFETIME, apply=_granted
)
