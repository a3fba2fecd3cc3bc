"""What sources told becomes a list of the hub, the way every list does: two agree, or it waits.

Of the domains that sources tell of, the list holds what they told; of others, what the list
before held. It is as old as the oldest of all that, so that nothing looks fresher than it is.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import func, select

from twinstile.credentials.tables import StoredList
from twinstile.credentials.trust import Domain, TrustList
from twinstile.credentials.trusting import changes, lists, snapshots
from twinstile.credentials.trusting.lists import NewTrustList, TrustListOlder
from twinstile.credentials.trusting.snapshots import (
    Believed,
    ListedKey,
    OfferedList,
    Revoked,
    RevokedCards,
)
from twinstile.platform.db.database import Transaction
from twinstile.platform.http.field_types import EARLIEST
from twinstile.platform.keys.data_keys import KeyFiles

RENEWED_AFTER: Final = timedelta(hours=6)
"""An unchanged list is signed anew when its sources confirm it so much later."""
PROPOSED_AGAIN_AFTER: Final = timedelta(hours=6)
"""One proposal waits: a source that says something else each time does not fill the table."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What all sources of a hub told, together. Revocations None: none of them tells any."""

    domains: frozenset[Domain]
    issued_at: datetime
    """Of the oldest."""
    not_after: datetime
    entries: tuple[ListedKey, ...]
    authorities: tuple[str, ...]
    revoked: Revoked | None
    revoked_cards: RevokedCards | None

    def offer(self, version: int, before: TrustList | None) -> OfferedList:
        """The list they make after that one."""
        plain = OfferedList(
            version, self.issued_at, self.not_after, self.entries, self.authorities
        )
        old = before or plain
        return replace(
            plain,
            revoked=(
                old.revoked
                if self.revoked is None
                else {**self._others(before), **self.revoked}
            ),
            revoked_cards=(
                old.revoked_cards if self.revoked_cards is None else self.revoked_cards
            ),
        )

    def _others(self, before: TrustList | None) -> Revoked:
        """What the list before revokes under keys of domains that no source tells of."""
        if before is None:
            return {}
        return {
            kid: kinds
            for kid, kinds in before.revoked.items()
            if any(key.domain not in self.domains for key in before.keys.get(kid, ()))
        }


@dataclass(frozen=True, slots=True)
class FetchedList:
    """The list that was made. `waits`: for two persons."""

    version: int
    waits: bool


async def land(
    tx: Transaction,
    hub_id: str,
    keys: KeyFiles,
    fetched: Fetched,
    believed: Believed,
    at: datetime,
) -> FetchedList | None:
    """Store what was fetched, in force if nobody has to agree. None: nothing is new.

    `believed` is what of its entries can be used. Raises `TrustListOlder` if what is in force
    is younger, `KeyUnavailable`.
    """
    await lists.lock(tx, hub_id)
    held = await lists.current(tx, hub_id)
    before, vouched = lists.read_current_list(keys, held) if held else (None, frozenset[str]())
    fetched, believed = _joined(fetched, believed, before, vouched)
    if before and fetched.issued_at < before.issued_at:
        raise TrustListOlder
    version = await _next(tx, hub_id)
    offer = fetched.offer(version, before)
    listed = snapshots.follow(offer, believed, before)
    source = _content(listed, believed.authorities)
    if before and source == _content(before, vouched):
        if fetched.issued_at - before.issued_at < RENEWED_AFTER:
            return None
    elif await _proposed(tx, hub_id, before and before.version, source, at):
        return None
    change = changes.compare(offer, believed, before, vouched)
    document = snapshots.written(listed, believed.authorities)
    made = NewTrustList(version, document, before and before.version, change, source)
    await lists.store(tx, hub_id, keys, made, None, at)
    if (await lists.one(tx, hub_id, version)).document != document:
        return None  # somebody brought a list of that number in the same moment
    if change.why_two:
        await lists.tell(tx, hub_id, "trust_list.proposed", version, at, None)
    else:
        await lists.activate(tx, hub_id, version, at, None)
    return FetchedList(version, waits=bool(change.why_two))


def _joined(
    fetched: Fetched, believed: Believed, before: TrustList | None, vouched: frozenset[str]
) -> tuple[Fetched, Believed]:
    """With what the list before holds of domains that no source tells of, and its age."""
    kept = [
        key
        for held in (before.keys.values() if before else ())
        for key in held
        if key.domain not in fetched.domains and not key.removed
    ]
    believed = replace(
        believed,
        keys=(*believed.keys, *kept),
        # who was agreed on vouches until a list brought by hand leaves them out
        authorities=believed.authorities | vouched,
    )
    if before and kept:
        fetched = replace(
            fetched,
            issued_at=min(fetched.issued_at, before.issued_at),
            not_after=min(fetched.not_after, before.not_after),
        )
    return fetched, believed


def _content(listed: TrustList, authorities: frozenset[str]) -> bytes:
    """What a list says, whenever and under whichever number: SHA-256."""
    bare = replace(listed, version=1, issued_at=EARLIEST, not_after=EARLIEST)
    return hashlib.sha256(snapshots.written(bare, authorities).encode()).digest()


async def _next(tx: Transaction, hub_id: str) -> int:
    found = await tx.sql.execute(
        select(func.max(StoredList.version)).where(StoredList.hub_id == hub_id)
    )
    return (found.scalar_one() or 0) + 1


async def _proposed(
    tx: Transaction, hub_id: str, follows: int | None, source: bytes, at: datetime
) -> bool:
    """Whether the same waits for two persons already, or something else since not long ago."""
    found = await tx.sql.execute(
        select(StoredList.source, StoredList.recorded_at).where(
            StoredList.hub_id == hub_id,
            StoredList.activated_at.is_(None),
            StoredList.recorded_by.is_(None),
            StoredList.follows.is_not_distinct_from(follows),
        )
    )
    return any(
        told == source or at - recorded < PROPOSED_AGAIN_AFTER for told, recorded in found
    )
