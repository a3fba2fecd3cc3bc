"""Changes of manifests, whoever sends them: write them and keep how people are reached."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from twinstile.arrivals import expected
from twinstile.arrivals.expected import ExpectedTraveller, RunPerson
from twinstile.identity import contacts
from twinstile.identity.contacts import Reach
from twinstile.platform.db.database import Transaction
from twinstile.platform.keys.data_keys import KeyFiles


@dataclass(frozen=True, slots=True)
class ManifestChanges:
    """What a manifest, or a part of one, changes of runs that are locked."""

    batch: int
    entries: Sequence[tuple[ExpectedTraveller, Reach]]
    withdrawals: Sequence[tuple[UUID, str, bool]]
    """Entries of runs to withdraw (true) or to expect again."""


async def write_manifest(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    today: date,
    changes: ManifestChanges,
    at: datetime,
) -> None:
    """Enter and withdraw travellers, and keep how those who are expected are reached.

    Raises `KeyDestroyed`, `MasterUnavailable`.
    """
    entries = [entry for entry, _ in changes.entries]
    left = await expected.write_entries(tx, hub_id, changes.batch, entries, at)
    left += await expected.set_withdrawn(tx, hub_id, changes.withdrawals, at)
    silent, reached = list[RunPerson](), dict[RunPerson, Reach]()
    for entry, reach in changes.entries:
        if entry.withdrawn or not (reach.contact or reach.languages):
            silent.append((entry.run_id, entry.person_id))
        else:
            reached[entry.run_id, entry.person_id] = reach
    gone = await expected.no_longer_expected(tx, hub_id, left)
    await contacts.forget(tx, hub_id, [*gone, *silent])
    reaches = [(run_id, reach) for (run_id, _), reach in reached.items()]
    await contacts.tell(tx, keys, hub_id, today, reaches)
