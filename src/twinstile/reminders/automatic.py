"""Reminders by the clock: when a manifest has landed, and once more before the arrival.

What is due follows from the runs as they are known now, so a delay moves it and a closed run
has none. That a message was ordered is the row of its person: nobody has two of a kind.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from twinstile.arrivals import manifests
from twinstile.arrivals.manifests import ApproachingRun
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.schema import first_id
from twinstile.platform.http.routes import Runtime
from twinstile.platform.security import devices
from twinstile.policy import versions
from twinstile.policy.types import Parameters
from twinstile.policy.versions import Policies
from twinstile.reminders import orders, routing
from twinstile.reminders.orders import Hand, ReminderOrder
from twinstile.screening.types import NoticeKind
from twinstile.screening.words import Language

RUNS_AT_ONCE: Final = 50
"""Runs of a tick; those that arrive first come first, more wait for the next."""


@dataclass(frozen=True, slots=True)
class DueReminder:
    """A run whose people are to have their message of a kind."""

    run: ApproachingRun
    kind: NoticeKind


async def run(runtime: Runtime, policies: Policies, hub_id: str, now: datetime) -> None:
    """Order what is due at a hub, run by run: each is a transaction of its own."""
    async with runtime.database.reading() as tx:
        policy = await policies.get(tx, hub_id, await versions.in_force(tx, hub_id, now))
        figures = policy.parameters
        due = await _due(tx, hub_id, figures, now)
        _, mode = await devices.hub(tx, hub_id)
    hand = Hand(hub_id, mode, Language(runtime.settings.language), routing.of(runtime.settings))
    for wanted in due[:RUNS_AT_ONCE]:
        async with runtime.database.transaction() as tx:
            await _order(tx, hand, figures, wanted, now)


def windows(figures: Parameters) -> dict[NoticeKind, timedelta]:
    """How long before the arrival each message is due; none for what is switched off."""
    before = {
        NoticeKind.R1: timedelta(hours=figures.remind_hours),
        NoticeKind.R1_AGAIN: timedelta(minutes=figures.remind_again_minutes),
    }
    return {kind: window for kind, window in before.items() if window}


async def _due(
    tx: Reading, hub_id: str, figures: Parameters, now: datetime
) -> list[DueReminder]:
    """Runs within a window of which a manifest has landed since their messages were ordered."""
    before = windows(figures)
    if not before:
        return []
    runs = await manifests.approaching_runs(tx, hub_id, now, now + max(before.values()))
    rows = await tx.raw.fetch(
        "SELECT run_id, kind, manifests FROM run_reminded"
        " WHERE hub_id = $1 AND run_id = ANY($2::uuid[])",
        hub_id,
        [one.run_id for one in runs],
    )
    done = {(run_id, NoticeKind(kind)): landed for run_id, kind, landed in rows}
    return list(_missing(runs, before, done, now))


def _missing(
    runs: list[ApproachingRun],
    before: dict[NoticeKind, timedelta],
    done: dict[tuple[UUID, NoticeKind], int],
    now: datetime,
) -> Iterator[DueReminder]:
    for one in runs:
        for kind, window in before.items():
            soon = one.arrival - window <= now
            if soon and done.get((one.run_id, kind)) != one.manifests:
                yield DueReminder(one, kind)


_DONE = """
INSERT INTO run_reminded (hub_id, run_id, kind, manifests, at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (hub_id, run_id, kind) DO UPDATE SET
    manifests = excluded.manifests, at = excluded.at
"""
# A message's id tells when it was ordered.
_JUST_REMINDED = """
SELECT person_id FROM notice
WHERE hub_id = $1 AND run_id = $2 AND kind = $3
  AND (notice_id >= $4 OR state IN ('WAITING', 'SENDING', 'HANDED'))
"""


async def _order(
    tx: Transaction, hand: Hand, figures: Parameters, request: DueReminder, now: datetime
) -> None:
    """Order the messages of a run. A manifest that lands meanwhile is seen at the next tick.

    Nobody gets two at once: who came late, or whose first is not out yet, has that one.
    """
    run_id, kind = request.run.run_id, request.kind
    await tx.raw.execute(_DONE, hand.hub_id, run_id, kind, request.run.manifests, now)
    people = set((await manifests.expected_travellers(tx, hand.hub_id, run_id)).values())
    if kind is NoticeKind.R1_AGAIN:
        late = request.run.arrival - timedelta(minutes=figures.remind_again_minutes)
        place = (hand.hub_id, run_id, NoticeKind.R1, first_id(late))
        people -= {row[0] for row in await tx.raw.fetch(_JUST_REMINDED, *place)}
    await orders.order_by_clock(
        tx, hand, ReminderOrder(uuid7(), run_id, kind, None), people, now
    )
