"""Is the ledger what was once published? Recomputes all of it.

Nothing stored about the ledger is trusted: links are computed from the events, the tree from
the links, and every root in the published file is compared with the tree of its size. What
cannot be seen: a change of the last entries before a root over them was published, a minute.
"""

import sys
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from twinstile.platform.db.database import Database, Raw
from twinstile.platform.keys import signing
from twinstile.platform.ledger import chain
from twinstile.platform.ledger.signed_roots import Root

ROWS = 5000

Lines = Iterable[tuple[int, Root | None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and from which entry on if it is about one."""

    what: str
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Epoch:
    """A life of the database: its entries from `first` to `last`.

    `lost`: entries of this life that were published and are gone, as its successor declared.
    `gave_up`: whole lives that are gone as this one declared, by name, and the last entry that
    was published of each, 0 where the file has none.
    """

    name: str
    first: int
    last: int
    lost: int = 0
    gave_up: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(slots=True)
class Audit:
    """What was found; `faults` is empty when all is well."""

    hub_id: str
    entries: int = 0
    pending: int = 0
    """Events waiting for the sealer."""
    roots: int = 0
    """Published roots that were compared."""
    unreadable: int = 0
    """Lines of the file that are none, as a power cut leaves one."""
    epochs: list[Epoch] = field(default_factory=list[Epoch])
    faults: list[Fault] = field(default_factory=list[Fault])


@dataclass(frozen=True, slots=True)
class _Published:
    """What is kept of an authentic root: half a million come in a year."""

    line: int
    epoch: str
    n: int
    root: str


@dataclass(slots=True)
class _Tree:
    """The tree as it grows again, and what is to be compared with it on the way."""

    ahead: deque[_Published]
    """Roots over entries that are not reached yet, in their order."""
    n: int = 0
    link: bytes = chain.GENESIS
    peaks: list[bytes] = field(default_factory=list[bytes])
    epochs: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    given_up: dict[str, str] = field(default_factory=dict[str, str])
    """Epochs that are gone, each with the one that declared it."""

    def grow(self, link: bytes) -> None:
        chain.push_leaf(self.peaks, self.n, link)
        self.n, self.link = self.n + 1, link


async def verify(
    database: Database, hub_id: str, lines: Lines | None, public_keys: Mapping[str, str]
) -> Audit:
    """Verify a hub's ledger, beside a service that runs or without one.

    `lines` are those of the published file, None when there is no file.
    """
    audit = Audit(hub_id)
    async with database.reading() as tx:
        head = await tx.raw.fetchrow(
            "SELECT epoch, n, link, peaks, published_n FROM ledger_head WHERE hub_id = $1",
            hub_id,
        )
    if head is None:
        audit.faults.append(Fault("the hub has no ledger: its service never ran"))
        return audit
    epoch, n, link, peaks, published_n = head
    published = _authentic(audit, lines, public_keys)
    tree = _Tree(deque(sorted(published, key=lambda one: one.n)))
    if not await _chain(database, audit, tree, n):
        return audit
    audit.entries = n
    if (link, chain.split(peaks)) != (tree.link, tree.peaks):
        audit.faults.append(Fault("the head does not fit the entries", n))
    if not tree.epochs or tree.epochs[-1][0] != epoch:
        audit.faults.append(Fault("the head's epoch is not the last that was declared", n))
    async with database.reading() as tx:
        await _beside(tx.raw, audit, tree)
    _published(audit, tree, published, published_n, there=lines is not None)
    return audit


def _authentic(
    audit: Audit, lines: Lines | None, public_keys: Mapping[str, str]
) -> list[_Published]:
    """The published roots whose signature holds; each other one is a fault."""
    found: list[_Published] = []
    for number, root in lines or ():
        if root is None:
            audit.unreadable += 1
        elif root.key_id not in public_keys:
            audit.faults.append(
                Fault(f"line {number}: signed by the unknown key {root.key_id}")
            )
        elif not signing.verify(public_keys[root.key_id], root.message(), root.signature):
            audit.faults.append(Fault(f"line {number}: the signature does not hold"))
        else:
            found.append(_Published(number, sys.intern(root.epoch), root.n, root.root))
    return found


_ENTRIES = f"""
SELECT l.n, l.link, {chain.CONTENT},
       CASE WHEN e.kind = '{chain.EPOCH_BEGAN}' THEN e.body ->> 'epoch' END,
       CASE WHEN e.kind = '{chain.EPOCH_BEGAN}' THEN ARRAY({chain.GIVES_UP}) END
FROM (
    SELECT * FROM ledger WHERE hub_id = $1 AND n > $2 AND n <= $3 ORDER BY n LIMIT {ROWS}
) l LEFT JOIN LATERAL (
    SELECT * FROM event WHERE hub_id = l.hub_id AND event_id = l.event_id LIMIT 1
) e ON true
ORDER BY l.n
"""  # noqa: S608 # constants


async def _chain(database: Database, audit: Audit, tree: _Tree, end: int) -> bool:
    """Follow the links up to `end`; false at the first that does not hold."""
    while tree.n < end:
        async with database.reading() as tx:
            rows = await tx.raw.fetch(_ENTRIES, audit.hub_id, tree.n, end)
        if not rows:
            audit.faults.append(Fault("the entry is missing", tree.n + 1))
            return False
        for n, link, content, began, gives_up in rows:
            fault = _entry_fault(tree, n, link, content)
            if fault:
                audit.faults.append(Fault(fault, tree.n + 1))
                return False
            tree.grow(link)
            if began:
                tree.epochs.append((began, n))
                tree.given_up |= dict.fromkeys(gives_up, began)
            if other := _contradicted(tree):
                what = f"line {other.line}: another root was published for this entry"
                audit.faults.append(Fault(what, n))
                return False
    return True


def _contradicted(tree: _Tree) -> _Published | None:
    """A root that was published of this life over the entries so far, and is not theirs."""
    while tree.ahead and tree.ahead[0].n <= tree.n:
        one = tree.ahead.popleft()
        alike = one.n == tree.n and one.epoch == _name(tree)
        if alike and one.root != chain.tree_root(tree.peaks).hex():
            return one
    return None


def _name(tree: _Tree) -> str:
    return tree.epochs[-1][0] if tree.epochs else ""


def _entry_fault(tree: _Tree, n: int, link: bytes, content: str | None) -> str | None:
    if n != tree.n + 1:
        return "the entry is missing"
    if content is None:
        return "the event of this entry is missing"
    if link != chain.link(tree.link, n, content):
        return "the link does not fit: this event, its place or one before was changed"
    return None


_UNSEALED = """
SELECT (e.tx, e.event_id) <= (d.tx, d.event_id)
       OR e.tx >= pg_snapshot_xmax(pg_current_snapshot()), count(*)
FROM event e JOIN ledger_head d ON d.hub_id = e.hub_id
WHERE e.hub_id = $1
  AND (SELECT l.n FROM ledger l WHERE l.hub_id = e.hub_id AND l.event_id = e.event_id) IS NULL
GROUP BY 1
"""
_EXCESS = """
SELECT count(*) FROM ledger l JOIN ledger_head d ON d.hub_id = l.hub_id
WHERE l.hub_id = $1 AND (l.n > d.n OR l.n < 1)
"""


async def _beside(raw: Raw, audit: Audit, tree: _Tree) -> None:
    """What is not reached by following the links: strays, and what is kept for speed."""
    for stray, count in await raw.fetch(_UNSEALED, audit.hub_id):
        if stray:
            audit.faults.append(Fault(f"{count} events stand where no sealer could see them"))
        else:
            audit.pending = count
    ((excess,),) = await raw.fetch(_EXCESS, audit.hub_id)
    if excess:
        audit.faults.append(Fault(f"{excess} entries stand behind the head", audit.entries))
    declared = await raw.fetch(
        "SELECT epoch, n FROM ledger_epoch WHERE hub_id = $1 AND n <= $2 ORDER BY n",
        audit.hub_id,
        audit.entries,
    )
    if [(epoch, n) for epoch, n in declared] != tree.epochs:
        audit.faults.append(Fault("the list of epochs is not what the entries say"))


def _published(
    audit: Audit,
    tree: _Tree,
    published: list[_Published],
    published_n: int,
    *,
    there: bool,
) -> None:
    """Find what was published and is gone, though no epoch declared it lost."""
    ends = [first - 1 for _, first in tree.epochs[1:]] + [audit.entries]
    lives = {name: (first, end) for (name, first), end in zip(tree.epochs, ends, strict=True)}
    lost: dict[str, int] = {}
    gone = dict.fromkeys(tree.given_up, 0)
    for root in published:
        first, end = lives.get(root.epoch, (0, -1))
        if root.epoch not in lives and root.epoch in gone:
            gone[root.epoch] = max(gone[root.epoch], root.n)
        elif root.epoch not in lives:
            what = (
                f"line {root.line}: epoch {root.epoch} is not in the ledger: it was rolled back"
            )
            audit.faults.append(Fault(what, root.n))
        elif root.n < first:
            what = f"line {root.line}: published before its epoch began"
            audit.faults.append(Fault(what, root.n))
        elif root.n <= end:
            audit.roots += 1
        elif root.epoch == tree.epochs[-1][0]:
            what = f"line {root.line}: published, but the ledger ends before"
            audit.faults.append(Fault(what, root.n))
        else:
            lost[root.epoch] = max(lost.get(root.epoch, 0), root.n - end)
    for name, life in lives.items():
        gave_up = {one: n for one, n in gone.items() if tree.given_up[one] == name}
        audit.epochs.append(Epoch(name, *life, lost.get(name, 0), gave_up))
    if published_n and not any(root.n == published_n for root in published):
        what = "a root was published for this entry, and the file does not have it"
        audit.faults.append(
            Fault(what if there else "the published file is missing", published_n)
        )
