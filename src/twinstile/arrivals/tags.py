"""Tags of alerts: by them a tablet without the service asks whom to send to the desk.

A tag is the beginning of a keyed digest of a document's number, so short that of a thousand
travellers about one has somebody else's: whoever takes a tablet can test a number and learns
nothing certain. It says neither kind nor action; any match is CHECK. The key is of the day and
the hub, not of each answer: two answers under different keys, laid upon each other, would leave
the true matches over.
"""

import hmac
import math
from collections.abc import Collection
from datetime import date, datetime
from typing import Final
from uuid import UUID

from twinstile.identity import documents, vault
from twinstile.identity.links import KIN_SQL
from twinstile.identity.types import Document
from twinstile.platform.crypto import KeyFiles, keyed_digest
from twinstile.platform.db import Reading
from twinstile.platform.fields import Answer

MOST: Final = 4000
"""Tags of one answer: some forty kilobytes. Of more people those whose alert ends last."""
MATCHED_BY_CHANCE: Final = 1000
"""Of so many travellers, one has the tag of somebody with an alert."""

_PEOPLE = f"""
SELECT {KIN_SQL.format(hub="$1", person="a.person_id")} FROM (
    SELECT person_id, max(valid_to) AS valid_to FROM identity_alert
    WHERE hub_id = $1 AND valid_from <= $2 AND valid_to > $2
    GROUP BY person_id ORDER BY max(valid_to) DESC, person_id LIMIT $3
) a ORDER BY a.valid_to DESC, a.person_id
"""  # noqa: S608 # a fragment of ours


class AlertTags(Answer):
    """See docs/api.md: the first `bits` bits of HMAC-SHA256(key, number), for each document."""

    key: str
    bits: int
    tags: list[int]
    complete: bool


def tag(key: bytes, document: Document, bits: int) -> int:
    """The first `bits` bits of the digest of a document's number, as a number."""
    return _shortened(_whole(key, document), bits)


def _whole(key: bytes, document: Document) -> int:
    number = documents.recognised(document).number
    return int.from_bytes(hmac.digest(key, number.encode(), "sha256")[:8])


def _shortened(whole: int, bits: int) -> int:
    return whole >> (64 - bits)


def bits_for(count: int) -> int:
    """How long tags are when there are so many."""
    return math.ceil(math.log2(max(1, count) * MATCHED_BY_CHANCE))


class Tagger:
    """Remembers the digests of a day, so that the vault is opened once for each person."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[date, dict[UUID, int | None]]] = {}

    async def tags(
        self, tx: Reading, keys: KeyFiles, hub_id: str, today: date, at: datetime
    ) -> AlertTags | None:
        """The tags of everybody with an alert in force; None when there is nobody.

        Raises `KeyDestroyed`, `MasterUnavailable`.
        """
        rows = await tx.raw.fetch(_PEOPLE, hub_id, at, MOST + 1)
        everybody = list(dict.fromkeys(person_id for (kin,) in rows for person_id in kin))
        people = everybody[:MOST]
        if not people:
            return None
        day = await keys.obtain(vault.day_key(today))
        key = keyed_digest(day, "alert-tags", hub_id.encode())
        known = await self._digests(tx, keys, hub_id, today, key, people)
        found = [whole for whole in known if whole is not None]
        bits = bits_for(len(found))
        return AlertTags(
            key=key.hex(),
            bits=bits,
            tags=sorted({_shortened(whole, bits) for whole in found}),
            complete=len(everybody) <= MOST,
        )

    async def _digests(
        self,
        tx: Reading,
        keys: KeyFiles,
        hub_id: str,
        today: date,
        key: bytes,
        people: Collection[UUID],
    ) -> list[int | None]:
        of, known = self._known.get(hub_id, (today, {}))
        before = known if of == today else {}
        new = [person for person in people if person not in before]
        shown = await vault.reveal_all(tx, keys, hub_id, new)
        fresh = {
            person: _whole(key, shown[person].document) if person in shown else None
            for person in new
        }
        whole = before | fresh
        now = {person: whole[person] for person in people}
        self._known[hub_id] = (today, now)
        return list(now.values())
