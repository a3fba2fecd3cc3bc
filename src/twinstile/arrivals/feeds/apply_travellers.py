"""Rows of travellers, and the ends of whole lists: who is expected on which run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from twinstile.arrivals import manifest_changes, manifests, runs
from twinstile.arrivals.expected import ExpectedTraveller
from twinstile.arrivals.feeds import apply_batch, record_versions
from twinstile.arrivals.feeds.apply_batch import BatchContext, BatchCounts, deleted, version
from twinstile.arrivals.feeds.reading import is_whole, version_of
from twinstile.arrivals.feeds.record_versions import KeyState, ListVersion, RecordVersion
from twinstile.arrivals.formats.reasons import RejectReason
from twinstile.arrivals.manifest_changes import ManifestChanges
from twinstile.arrivals.records import ManifestEnd, ManifestRow, RunRef
from twinstile.arrivals.runs import RunMatch
from twinstile.identity import vault
from twinstile.identity.contacts import Reach
from twinstile.identity.vault import Identity
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event

KIND = "traveller"


@dataclass(frozen=True, slots=True)
class _IdentifiedRow:
    """A row whose run is known, and who it is; None: nobody can tell, or it is taken back."""

    place: int
    row: ManifestRow
    version: RecordVersion
    identity: Identity | None


async def apply_travellers(
    batch: BatchContext,
    rows: Sequence[tuple[int, ManifestRow]],
    ends: Sequence[ManifestEnd],
    counts: BatchCounts,
) -> None:
    """Take rows in order, and then lists to be over.

    Raises `KeyDestroyed`, `MasterUnavailable`.
    """
    asked = [one.run for _, one in rows] + [end.run for end in ends]
    found = await runs.lock_runs(batch.tx, batch.feed.hub_id, asked)
    identified = [
        one for place, row in rows if (one := _identified_row(batch, place, row, found, counts))
    ]
    changes = await _resolve(batch, identified, counts)
    over = [(found[end.run], end) for end in ends if end.run in found and is_whole(end)]
    for run, end in over:
        if not run.closed:
            changes.withdrawals += await _end(batch, run.run_id, end)
    await _write(batch, changes)


def _identified_row(
    batch: BatchContext,
    place: int,
    row: ManifestRow,
    runs_by_ref: Mapping[RunRef, RunMatch],
    counts: BatchCounts,
) -> _IdentifiedRow | None:
    run = runs_by_ref.get(row.run)
    if run is None:
        counts.unmatched += 1
        counts.waiting.update(runs.run_numbers(row.run))
        return None
    if run.closed:
        counts.reject(place, row.origin.row, RejectReason.RUN_CLOSED)
        return None
    who = None
    content: bytes | None = batch.content(row)
    if row.document is not None and not deleted(row):
        read = apply_batch.identify_claim(row.document, batch.terms)
        who = read if isinstance(read, Identity) else None
        if isinstance(read, RejectReason):
            counts.reject(place, row.origin.row, read, "number")
            content = None
    if batch.not_storable and content is not None:
        counts.reject(place, row.origin.row, RejectReason.NOT_STORABLE)
        content = None
    candidate = RecordVersion(
        batch.digest(KIND, row.origin.key),
        version(row),
        batch.n,
        row.origin.row,
        content,
        deleted(row),
        _list_version(batch, row),
        run.run_id,
        row.role.value,
    )
    return _IdentifiedRow(place, row, candidate, who)


def _list_version(batch: BatchContext, row: ManifestRow) -> ListVersion | None:
    """The whole list the row is of, if it is of one."""
    of = [(number, row.role) for number in runs.run_numbers(row.run)]
    version = next((batch.whole_lists[one] for one in of if one in batch.whole_lists), None)
    return None if version is None or deleted(row) else (version, batch.n)


@dataclass(slots=True)
class _Changes:
    """What is to be written: rows to enter, and entries to withdraw (true) or expect again."""

    rows: dict[bytes, _IdentifiedRow]
    states: dict[bytes, KeyState]
    withdrawals: list[tuple[UUID, str, bool]]


async def _resolve(
    batch: BatchContext, rows: Sequence[_IdentifiedRow], counts: BatchCounts
) -> _Changes:
    """Judge the rows by what stands, and keep what stands from now on."""
    feed = batch.feed
    keys = {one.version.key for one in rows}
    before = await record_versions.fetch_states(batch.tx, feed.hub_id, feed.name, keys)
    of_runs = {one.version.run_id for one in rows} - {None}
    lists = await record_versions.list_versions(
        batch.tx, feed.hub_id, feed.name, [of for of in of_runs if of]
    )
    now, newest = dict(before), dict[bytes, _IdentifiedRow]()
    for one in rows:
        candidate = one.version
        newest_list = (
            lists.get((candidate.run_id, candidate.role))
            if candidate.run_id and candidate.role
            else None
        )
        state = now.get(candidate.key)
        change = record_versions.compare_version(state, candidate, newest_list)
        if change.state is not None:
            now[candidate.key] = change.state
        if change.newest:
            newest[candidate.key] = one
        if candidate.content is not None:
            turned = state is not None and state.withdrawn != now[candidate.key].withdrawn
            counts.count(changed=change.newest or turned, repeated=change.known)
    changed = [of for key, of in now.items() if of != before.get(key)]
    await record_versions.store_states(batch.tx, feed.hub_id, feed.name, batch.today, changed)
    entered = {key: one for key, one in newest.items() if not one.version.deleted}
    withdrawals: list[tuple[UUID, str, bool]] = []
    for of in changed:
        was = before.get(of.key)
        if was is None or was.run_id is None:
            continue
        if was.run_id != of.run_id:
            withdrawals.append((was.run_id, entry_id(of.key), True))
        elif of.key not in entered and was.withdrawn != of.withdrawn:
            withdrawals.append((was.run_id, entry_id(of.key), of.withdrawn))
    return _Changes(entered, now, withdrawals)


async def _end(
    batch: BatchContext, run_id: UUID, end: ManifestEnd
) -> list[tuple[UUID, str, bool]]:
    rank = (version_of(end.origin.version), batch.n)
    roles = [role.value for role in end.roles]
    feed = batch.feed
    out = await record_versions.end_list(batch.tx, feed.hub_id, feed.name, run_id, rank, roles)
    return [(run_id, entry_id(key), True) for key in out]


async def _write(batch: BatchContext, changes: _Changes) -> None:
    """Enter, withdraw and expect again; keep how people are reached; tell of it."""
    hub_id, tx = batch.feed.hub_id, batch.tx
    rows = list(changes.rows.items())
    ids = await _people(batch, rows)
    entries = [
        _entry(batch, key, one.row, person_id, changes.states[key])
        for (key, one), person_id in zip(rows, ids, strict=True)
    ]
    reaches = [
        Reach(person_id, one.row.contact, one.row.languages)
        for (_, one), person_id in zip(rows, ids, strict=True)
    ]
    written = list(zip(entries, reaches, strict=True))
    manifest = ManifestChanges(batch.n, written, changes.withdrawals)
    await manifest_changes.write_manifest(
        tx, batch.keys, hub_id, batch.today, manifest, batch.at
    )
    await events.append(tx, _happenings(batch, entries, changes.withdrawals))


async def _people(
    batch: BatchContext, rows: Sequence[tuple[bytes, _IdentifiedRow]]
) -> list[UUID]:
    """The person of each row; of one without a document, always the same nobody else is."""
    who = [one.identity for _, one in rows if one.identity is not None]
    known = iter(
        await vault.recognise(batch.tx, batch.keys, batch.feed.hub_id, batch.today, who)
    )
    return [
        next(known) if one.identity is not None else UUID(bytes=key[16:], version=4)
        for key, one in rows
    ]


def _entry(
    batch: BatchContext, key: bytes, row: ManifestRow, person_id: UUID, of: KeyState
) -> ExpectedTraveller:
    run_id = of.run_id
    return ExpectedTraveller(
        run_id or UUID(int=0),
        entry_id(key),
        person_id,
        row.coach,
        row.seat,
        row.board_stop,
        row.alight_stop,
        of.withdrawn,
        row.role.value,
        None if row.party is None else entry_id(batch.digest("party", row.party)),
    )


def entry_id(key: bytes) -> str:
    """What an entry is called here: a sender's own key may tell who it is."""
    return key[:16].hex()


def _happenings(
    batch: BatchContext,
    entries: Sequence[ExpectedTraveller],
    withdrawals: Sequence[tuple[UUID, str, bool]],
) -> list[Event]:
    there = Counter(entry.run_id for entry in entries if not entry.withdrawn)
    there += Counter(run_id for run_id, _, withdrawn in withdrawals if not withdrawn)
    out = Counter(run_id for run_id, _, withdrawn in withdrawals if withdrawn)
    return [
        Event(
            batch.feed.hub_id,
            manifests.MANIFEST_APPLIED,
            run_id,
            batch.at,
            {
                "feed": batch.feed.name,
                "batch": batch.n,
                "entries": there[run_id],
                "withdrawn": out[run_id],
            },
        )
        for run_id in dict.fromkeys([*there, *out])
    ]
