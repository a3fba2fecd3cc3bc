"""Who of a run has not been seen yet: how many, in which seats, and who it is for a purpose."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from twinstile.arrivals import manifests
from twinstile.identity import vault
from twinstile.identity.vault import Identity
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.http.problems import NotFound
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.security import access_log
from twinstile.platform.security.access_log import AccessEntry, Action, Purpose
from twinstile.platform.security.auth import Principal
from twinstile.screening.expectations import ALL_OUTSTANDING_SQL, ONE_OUTSTANDING_SQL

MOST: Final = 5000
"""Entries of one answer: more than any train has seats."""
_SHOWN: Final = ("name", "document")


@dataclass(frozen=True, slots=True)
class OutstandingFigures:
    """Of a run's list: whoever is expected was screened, is absent, or is still to come."""

    expected: int
    no_show: int
    outstanding: int

    @property
    def screened(self) -> int:
        return self.expected - self.no_show - self.outstanding


_FIGURES = f"""
SELECT
    count(*) FILTER (WHERE s.state IS DISTINCT FROM 'VOID'),
    count(*) FILTER (WHERE s.state = 'NO_SHOW'),
    (SELECT count(*) FROM ({ALL_OUTSTANDING_SQL}) o)
FROM manifest_entry m
LEFT JOIN LATERAL (
    SELECT s.state FROM screening s
    WHERE s.hub_id = $1 AND s.run_id = $2 AND s.entry_id = m.entry_id
    ORDER BY (s.state NOT IN ('NO_SHOW', 'VOID')) DESC LIMIT 1
) s ON true
WHERE m.hub_id = $1 AND m.run_id = $2 AND m.withdrawn_at IS NULL
"""  # noqa: S608 # a fragment of ours; every value is a parameter


async def figures(tx: Reading, hub_id: str, run_id: UUID, at: datetime) -> OutstandingFigures:
    """How a run stands; of an unknown one, nobody is expected."""
    row = await tx.raw.fetchrow(_FIGURES, hub_id, run_id, at)
    return OutstandingFigures(*row) if row else OutstandingFigures(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Unseen:
    """An entry whose traveller has not been seen: a place on the run, and nobody's name."""

    entry_id: str
    coach: str | None
    seat: str | None
    board_stop: str | None
    alight_stop: str | None


_UNSEEN = f"""
SELECT entry_id, coach, seat, board_stop, alight_stop FROM ({ALL_OUTSTANDING_SQL}) o
ORDER BY coach, seat, entry_id LIMIT {MOST}
"""  # noqa: S608 # a fragment of ours; every value is a parameter


async def unseen(tx: Reading, hub_id: str, run_id: UUID, at: datetime) -> Sequence[Unseen]:
    """Who of a run is still to come, by seat. Raises `NotFound`."""
    await manifests.run_due(tx, hub_id, run_id)
    rows = await tx.raw.fetch(_UNSEEN, hub_id, run_id, at)
    return [Unseen(*row) for row in rows]


async def show(
    tx: Transaction,
    keys: KeyFiles,
    who: Principal,
    run_id: UUID,
    entry_id: str,
    purpose: Purpose,
    reason: str | None,
    at: datetime,
) -> Identity:
    """Who is still to come; on the record first. Raises `NotFound`, `KeyDestroyed`.

    Whoever has come is not told of here.
    """
    row = await tx.raw.fetchrow(ONE_OUTSTANDING_SQL, who.hub_id, run_id, at, entry_id)
    if row is None:
        raise NotFound("Nobody of that entry is expected (any more).")
    (person_id,) = row
    identity = await vault.reveal(tx, keys, who.hub_id, person_id)
    look = AccessEntry(Action.REVEAL, purpose, _SHOWN, subject_id=person_id, reason=reason)
    await access_log.record(tx, access_log.actor(who), look, at)
    return identity
