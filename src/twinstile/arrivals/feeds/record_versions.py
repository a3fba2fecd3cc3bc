"""What stands under each key of a sender, however its words come in: the newest one does.

Words of one key are ordered by version, where there is none by delivery and row; of one version
a deletion is the last word. A whole list withdraws whom it does not name. What is kept is the
newest word, the newest list that named the key and the newest list there is: three maxima. So
deliveries may be applied in any order, twice or in part, and in the end the same stands.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Final, TypeAlias
from uuid import UUID

from twinstile.platform.db.database import Transaction, as_json

ListVersion: TypeAlias = tuple[int, int]
"""Of a whole list: its version, and the number of the delivery it came in."""


@dataclass(frozen=True, slots=True)
class RecordVersion:
    """What a delivery says under a key. `content` None: it cannot be used, and was said."""

    key: bytes
    version: int
    n: int
    row: int
    content: bytes | None
    deleted: bool = False
    listed: ListVersion | None = None
    """The whole list it is a row of."""
    run_id: UUID | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class KeyState:
    """What is kept of a key; see `FeedKey`."""

    key: bytes
    version: int
    n: int
    row: int
    content: bytes
    deleted: bool
    listed: bool
    run_id: UUID | None
    role: str | None
    withdrawn: bool
    named: ListVersion | None
    """The newest whole list that names the key."""
    day: date | None = field(default=None, compare=False)
    """When it was kept; None: it is not yet."""


@dataclass(frozen=True, slots=True)
class VersionChange:
    """What a word changes. `newest`: it is the last word now, and says something else."""

    state: KeyState | None
    newest: bool
    known: bool
    """It said what stands."""
    again: bool = False
    """It is the last word now, and said what stands."""


def compare_version(
    state: KeyState | None, version: RecordVersion, newest_list: ListVersion | None
) -> VersionChange:
    """What stands after a word, and whether the word is to be done."""
    if version.content is None:
        if state is None or state.run_id != version.run_id:
            return VersionChange(state, newest=False, known=False)
        named = _later(state.named, version.listed)
        return VersionChange(
            _withdraw_if_unlisted(replace(state, named=named), newest_list),
            newest=False,
            known=False,
        )
    if state is None or _order(version) > _order(state):
        moved = state is None or state.run_id != version.run_id
        said = KeyState(
            version.key,
            version.version,
            version.n,
            version.row,
            version.content,
            version.deleted,
            version.listed is not None,
            version.run_id,
            version.role,
            withdrawn=False,
            named=version.listed
            if state is None or moved
            else _later(state.named, version.listed),
        )
        same = (
            not moved
            and state is not None
            and (state.content, state.deleted) == (said.content, said.deleted)
        )
        return VersionChange(
            _withdraw_if_unlisted(said, newest_list), newest=not same, known=same, again=same
        )
    named = state.named
    if state.run_id == version.run_id and not version.deleted:
        named = _later(named, version.listed)
    same = (state.content, state.deleted) == (version.content, version.deleted)
    return VersionChange(
        _withdraw_if_unlisted(replace(state, named=named), newest_list),
        newest=False,
        known=same,
    )


def _order(of: RecordVersion | KeyState) -> tuple[int, bool, int, int]:
    return of.version, of.deleted and of.version >= 0, of.n, of.row


def _later(one: ListVersion | None, other: ListVersion | None) -> ListVersion | None:
    return max((rank for rank in (one, other) if rank is not None), default=None)


def _withdraw_if_unlisted(of: KeyState, newest_list: ListVersion | None) -> KeyState:
    """Withdrawn: deleted, or left out by a newer list than the one, or the change, it is by."""
    out = newest_list is not None and not (
        (of.named is not None and of.named >= newest_list)
        or (not of.listed and of.n > newest_list[1])
    )
    withdrawn = of.deleted or out
    return of if of.withdrawn == withdrawn else replace(of, withdrawn=withdrawn)


_COLUMNS: Final = (
    "key, version, n, row, content, deleted, listed, run_id, role, withdrawn,"
    " list_version, list_n"
)
_FETCH = f"""
SELECT {_COLUMNS}, day FROM feed_key WHERE hub_id = $1 AND feed = $2 AND key = ANY($3::bytea[])
"""  # noqa: S608 # names of columns


async def fetch_states(
    tx: Transaction, hub_id: str, feed: str, keys: Collection[bytes]
) -> dict[bytes, KeyState]:
    """What stands under these keys; the feed is locked by the caller."""
    if not keys:
        return {}
    states: dict[bytes, KeyState] = {}
    for row in await tx.raw.fetch(_FETCH, hub_id, feed, list(keys)):
        *columns, version, n, day = row
        state = KeyState(*columns, named=None if n is None else (version, n), day=day)
        states[state.key] = state
    return states


_STORE = f"""
INSERT INTO feed_key ({_COLUMNS}, hub_id, feed, day)
SELECT {_COLUMNS}, $1, $2, $3
FROM jsonb_to_recordset($4::jsonb) AS w(key bytea, version bigint, n bigint, row int,
    content bytea, deleted bool, listed bool, list_version bigint, list_n bigint, run_id uuid,
    role text, withdrawn bool)
ON CONFLICT (hub_id, feed, key) DO UPDATE SET
    ({_COLUMNS}, day) = ROW(excluded.{_COLUMNS.replace(", ", ", excluded.")}, excluded.day)
"""  # noqa: S608 # names of columns


async def store_states(
    tx: Transaction, hub_id: str, feed: str, today: date, states: Sequence[KeyState]
) -> None:
    """Keep what stands under these keys, until the identities of today end."""
    if states:
        rows = as_json([_row(one) for one in states])
        await tx.raw.execute(_STORE, hub_id, feed, today, rows)


def _row(of: KeyState) -> Mapping[str, object]:
    version, n = of.named or (None, None)
    digests = {"key": "\\x" + of.key.hex(), "content": "\\x" + of.content.hex()}
    return asdict(of) | digests | {"list_version": version, "list_n": n}


_LISTS = """
SELECT run_id, role, version, n FROM feed_list
WHERE hub_id = $1 AND feed = $2 AND run_id = ANY($3::uuid[])
"""


async def list_versions(
    tx: Transaction, hub_id: str, feed: str, runs: Collection[UUID]
) -> dict[tuple[UUID, str], ListVersion]:
    """The newest whole list of each of these runs and roles."""
    if not runs:
        return {}
    rows = await tx.raw.fetch(_LISTS, hub_id, feed, list(runs))
    return {(run_id, role): (version, n) for run_id, role, version, n in rows}


_END: Final = """
WITH ended AS (
    INSERT INTO feed_list AS l (hub_id, feed, run_id, role, version, n)
    SELECT $1, $2, $3, role, $4, $5 FROM unnest($6::text[]) AS role
    ON CONFLICT (hub_id, feed, run_id, role) DO UPDATE
        SET version = excluded.version, n = excluded.n
        WHERE (excluded.version, excluded.n) > (l.version, l.n)
    RETURNING role
)
UPDATE feed_key k SET withdrawn = true FROM ended
WHERE k.hub_id = $1 AND k.feed = $2 AND k.run_id = $3 AND k.role = ended.role
  AND NOT k.withdrawn AND NOT (k.n > $5 AND NOT k.listed)
  AND (k.list_n IS NULL OR (k.list_version, k.list_n) < ($4, $5))
RETURNING k.key
"""


async def end_list(
    tx: Transaction,
    hub_id: str,
    feed: str,
    run_id: UUID,
    rank: ListVersion,
    roles: Collection[str],
) -> list[bytes]:
    """Take a whole list of a run to be over: the keys that it withdraws."""
    rows = await tx.raw.fetch(_END, hub_id, feed, run_id, *rank, sorted(roles))
    return [key for (key,) in rows]
