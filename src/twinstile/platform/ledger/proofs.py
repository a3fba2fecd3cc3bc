"""Proofs of inclusion: that one event is in the ledger that was published, for a third party.

Whoever holds the public key needs nothing else: no access, no trust in this service.
"""

import asyncio
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import cast
from uuid import UUID

from twinstile.platform.db.database import Raw, Reading
from twinstile.platform.http.problems import Conflict, NotFound
from twinstile.platform.keys import signing
from twinstile.platform.ledger import chain, merkle, signed_roots
from twinstile.platform.ledger.signed_roots import Root

BLOCK = 1 << chain.NODE_LEVEL


class NotPublished(Conflict):
    slug = "not-published"
    title = "No root over this entry was published yet: ask again in a minute"
    retryable = True


@dataclass(frozen=True, slots=True)
class Proof:
    """That an event is entry `n` of the ledger that `root` (signed, published) is over.

    `link` follows from `previous_link`, `n` and `content`; `path` leads from it to the root.
    """

    n: int
    content: str
    previous_link: bytes
    link: bytes
    path: list[bytes]
    root: Root


_PROVEN = f"""
SELECT l.n, l.link, {chain.CONTENT},
       (SELECT p.link FROM ledger p WHERE p.hub_id = l.hub_id AND p.n = l.n - 1)
FROM ledger l JOIN event e ON e.hub_id = l.hub_id AND e.event_id = l.event_id
WHERE l.hub_id = $1 AND l.event_id = $2 AND l.n <= $3
  AND EXISTS (
      SELECT FROM ledger_head d WHERE d.hub_id = l.hub_id AND d.n >= $3 AND d.epoch = $4
  )
"""  # noqa: S608 # constants


async def prove(tx: Reading, hub_id: str, event_id: UUID, file: Path) -> Proof:
    """The proof of one event against the latest root in the published file.

    After a restore that root may be of the life before, and prove nothing of this one.
    Raises `NotFound`, `NotPublished`, `OSError` when the file cannot be read.
    """
    root = await asyncio.to_thread(signed_roots.latest, file, hub_id)
    row = root and await tx.raw.fetchrow(_PROVEN, hub_id, event_id, root.n, root.epoch)
    if row is None or root is None:
        known = await tx.raw.fetchrow(
            "SELECT 1 FROM event WHERE hub_id = $1 AND event_id = $2", hub_id, event_id
        )
        if known is None:
            raise NotFound("There is no such event.")
        raise NotPublished(retry_after_s=60)
    n, link, content, previous = row
    path = await _path(tx.raw, hub_id, n - 1, root.n)
    return Proof(n, content, previous or chain.GENESIS, link, path, root)


@dataclass(frozen=True, slots=True)
class Change:
    """One event of a subject; `n` is its number in the ledger, None until it is sealed."""

    n: int | None
    event_id: UUID
    kind: str
    at: datetime


async def changes(tx: Reading, hub_id: str, subject_id: UUID) -> list[Change]:
    """What happened to a case, screening, check or run, in the order of the ledger."""
    rows = await tx.raw.fetch(_CHANGES, hub_id, subject_id)
    return [Change(*row) for row in rows]


_CHANGES = """
SELECT l.n, e.event_id, e.kind, e.at
FROM event e LEFT JOIN ledger l ON l.hub_id = e.hub_id AND l.event_id = e.event_id
WHERE e.hub_id = $1 AND e.subject_id = $2
ORDER BY l.n NULLS LAST, e.at, e.event_id LIMIT 1000
"""


async def _path(raw: Raw, hub_id: str, index: int, size: int) -> list[bytes]:
    """The audit path, from hashes that are kept and the leaves of at most two blocks."""
    ranges = [list(merkle.subtrees(*around)) for around in merkle.path(index, size)]
    wanted = [subtree for parts in ranges for subtree in parts]
    high = [(level, i) for level, i in wanted if level >= chain.NODE_LEVEL]
    known: dict[tuple[int, int], bytes] = {}
    for level, i, hashed in await raw.fetch(
        "SELECT level, i, hash FROM ledger_node JOIN unnest($2::smallint[], $3::bigint[])"
        " AS w(level, i) USING (level, i) WHERE hub_id = $1",
        hub_id,
        [level for level, _ in high],
        [i for _, i in high],
    ):
        known[level, i] = hashed
    for block in {
        i << level >> chain.NODE_LEVEL for level, i in wanted if (level, i) not in known
    }:
        await _add_block(raw, hub_id, block, size, known)
    return [merkle.root([known[part] for part in parts]) for parts in ranges]


async def _add_block(
    raw: Raw, hub_id: str, block: int, size: int, known: dict[tuple[int, int], bytes]
) -> None:
    """Every subtree within a block of leaves, made from their links."""
    first = block * BLOCK
    rows = await raw.fetch(
        "SELECT link FROM ledger WHERE hub_id = $1 AND n > $2 AND n <= $3 ORDER BY n",
        hub_id,
        first,
        min(first + BLOCK, size),
    )
    peaks: list[bytes] = []
    for at, (link,) in enumerate(rows):
        hashed = merkle.leaf(cast("bytes", link))
        known[0, first + at] = hashed
        for level, i, inner in merkle.push(peaks, at, hashed):
            known[level, (first >> level) + i] = inner


def as_document(proof: Proof) -> dict[str, object]:
    """The proof as JSON; hashes in hex, the content as the text that was hashed."""
    return {
        "n": proof.n,
        "content": proof.content,
        "previous_link": proof.previous_link.hex(),
        "link": proof.link.hex(),
        "path": [step.hex() for step in proof.path],
        "root": asdict(proof.root),
    }


def holds(proof: Proof, public_key: str) -> bool:
    """Whether the event is what was published, told from the proof and the public key alone."""
    top = bytes.fromhex(proof.root.root)
    return (
        chain.link(proof.previous_link, proof.n, proof.content) == proof.link
        and merkle.included(merkle.leaf(proof.link), proof.n - 1, proof.root.n, proof.path, top)
        and signing.verify(public_key, proof.root.message(), proof.root.signature)
    )
