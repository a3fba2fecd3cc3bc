"""Tags of documents: what a tablet without the service knows of alerts and of who is expected.

A tag is the beginning of a keyed digest of a document's number, so short that of a thousand
travellers about one has somebody else's: whoever takes a tablet can test a number and learns
nothing certain. It says neither kind nor action; any match is CHECK. The key is of the day and
the hub, not of each answer: two answers under different keys, laid upon each other, would leave
the true matches over. A run has a key of its own, so that a tablet that left its lane tells of
no other train.
"""

import asyncio
import hmac
import math
from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from twinstile.arrivals.runs import DUE_SOON, DUE_SQL
from twinstile.identity import documents, vault
from twinstile.identity.links import KIN_SQL
from twinstile.identity.types import Document
from twinstile.platform.db.database import Reading
from twinstile.platform.http.field_types import Answer
from twinstile.platform.http.problems import NotFound
from twinstile.platform.keys.ciphers import keyed_digest
from twinstile.platform.keys.data_keys import KeyFiles

MOST: Final = 4000
"""Tags of one answer: some forty kilobytes. Of more people those whose alert ends last."""
MATCHED_BY_CHANCE: Final = 1000
"""Of so many travellers, one has the tag of somebody with an alert."""
REMEMBERED: Final = 64
"""Lists whose digests a process remembers: alerts of a few hubs, and runs that are due."""

_PEOPLE = f"""
SELECT {KIN_SQL.format(hub="$1", person="a.person_id")} FROM (
    SELECT person_id, max(valid_to) AS valid_to FROM identity_alert
    WHERE hub_id = $1 AND valid_from <= $2 AND valid_to > $2
    GROUP BY person_id ORDER BY max(valid_to) DESC, person_id LIMIT $3
) a ORDER BY a.valid_to DESC, a.person_id
"""  # noqa: S608 # a fragment of ours


_EXPECTED_SQL = f"""
SELECT ARRAY(SELECT DISTINCT m.person_id FROM manifest_entry m
             WHERE m.hub_id = $1 AND m.run_id = $2 AND m.withdrawn_at IS NULL
             ORDER BY m.person_id LIMIT $5)
FROM run r WHERE r.hub_id = $1 AND r.run_id = $2 AND {DUE_SQL.format(at="$3", near="$4")}
"""  # noqa: S608 # fragments of ours


class Tags(Answer):
    """See docs/api.md: the first `bits` bits of HMAC-SHA256(key, number), for each document."""

    key: str
    bits: int
    tags: list[int]
    complete: bool


class AlertTags(Tags):
    """Of everybody with an alert in force."""


class ExpectedTags(Tags):
    """Of everybody who is expected on a run, come already or not."""

    run_id: UUID


def tag(key: bytes, document: Document, bits: int) -> int:
    """The first `bits` bits of the digest of a document's number, as a number."""
    return _shorten(_digest(key, document), bits)


def _digest(key: bytes, document: Document) -> int:
    number = documents.recognised(document).number
    return int.from_bytes(hmac.digest(key, number.encode(), "sha256")[:8])


def _shorten(digest: int, bits: int) -> int:
    return digest >> (64 - bits)


def bits_for(count: int) -> int:
    """How long tags are when there are so many."""
    return math.ceil(math.log2(max(1, count) * MATCHED_BY_CHANCE))


class Tagger:
    """Remembers the digests of a day, so that the vault is opened once for each person."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[date, dict[UUID, int | None]]] = {}
        self._turn = asyncio.Lock()
        """When tablets of many lanes ask at once, the first opens the vault for all of them."""

    async def tags(
        self, tx: Reading, keys: KeyFiles, hub_id: str, today: date, at: datetime
    ) -> AlertTags | None:
        """The tags of everybody with an alert in force; None when there is nobody.

        Raises `KeyDestroyed`, `MasterUnavailable`.
        """
        rows = await tx.raw.fetch(_PEOPLE, hub_id, at, MOST + 1)
        everybody = list(dict.fromkeys(person_id for (kin,) in rows for person_id in kin))
        if not everybody:
            return None
        made = await self._made(tx, keys, hub_id, "alert-tags", today, everybody)
        return AlertTags(**dict(made))

    async def expected(
        self, tx: Reading, keys: KeyFiles, hub_id: str, run_id: UUID, today: date, at: datetime
    ) -> ExpectedTags:
        """The tags of everybody on the list of a run that is due within `DUE_SOON`.

        Raises `NotFound` for any other run, `KeyDestroyed`, `MasterUnavailable`.
        """
        row = await tx.raw.fetchrow(_EXPECTED_SQL, hub_id, run_id, at, DUE_SOON, MOST + 1)
        if row is None:
            raise NotFound("No such run is due soon.")
        made = await self._made(tx, keys, hub_id, f"expected-tags {run_id}", today, row[0])
        return ExpectedTags(run_id=run_id, **dict(made))

    async def _made(
        self,
        tx: Reading,
        keys: KeyFiles,
        hub_id: str,
        purpose: str,
        today: date,
        everybody: Sequence[UUID],
    ) -> Tags:
        people = everybody[:MOST]
        day = await keys.obtain(vault.day_key(today))
        key = keyed_digest(day, purpose, hub_id.encode())
        async with self._turn:
            known = await self._digests(tx, keys, (hub_id, purpose), today, key, people)
        found = [whole for whole in known if whole is not None]
        bits = bits_for(len(found))
        return Tags(
            key=key.hex(),
            bits=bits,
            tags=sorted({_shorten(whole, bits) for whole in found}),
            complete=len(everybody) <= MOST,
        )

    async def _digests(
        self,
        tx: Reading,
        keys: KeyFiles,
        of: tuple[str, str],
        today: date,
        key: bytes,
        people: Collection[UUID],
    ) -> list[int | None]:
        day, known = self._known.pop(of, (today, {}))
        before = known if day == today else {}
        new = [person for person in people if person not in before]
        shown = await vault.reveal_all(tx, keys, of[0], new)
        fresh = {
            person: _digest(key, shown[person].document) if person in shown else None
            for person in new
        }
        whole = before | fresh
        now = {person: whole[person] for person in people}
        self._known[of] = (today, now)
        for oldest in list(self._known)[:-REMEMBERED]:
            self._known.pop(oldest, None)
        return list(now.values())
