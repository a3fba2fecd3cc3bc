"""Two cases turn out to be of one person: one goes on, the other becomes part of it.

Nothing is rewritten that was recorded: the case that goes on is read with the other's history.
What is still to be done moves over: clocks of the law, contacts to be made, the room. The case
that was merged is closed for good, see `case_split`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, insert, select, update
from uuid_utils.compat import uuid7

from twinstile.cases import (
    deadlines,
    episodes,
    follow_up_schedule,
    origin_notices,
    referrals,
    steps,
)
from twinstile.cases.follow_up_schedule import ScheduledContact
from twinstile.cases.referrals import Identification
from twinstile.cases.steps import LockedCase
from twinstile.cases.tables import CaseMerge, CaseWait, FeverCase, Leg, Stay
from twinstile.cases.types import (
    CaseEvent,
    CaseState,
    ContactPurpose,
    LegEnding,
    MergeCause,
    Severity,
    Wait,
)
from twinstile.identity import links
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.idempotent_facts import FactSource, RecordedBy
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import events

FURTHEST: Final = (
    CaseState.ASSESSING,
    CaseState.DISPOSED,
    CaseState.IN_TRANSFER,
    CaseState.FOLLOWING_UP,
    CaseState.IN_CARE,
)
"""Open states, the one last from which a case goes on before all others."""
OF_THE_LAW: Final = (Wait.REPORT_SOON.value, Wait.REPORT.value)
"""Waits that no end of a case ends."""


@dataclass(frozen=True, slots=True)
class MergeReason:
    """Why two cases are one person's: how that was found, and what was said of it."""

    cause: MergeCause
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class OpenCase:
    """An open case of somebody who has more than one."""

    case_id: UUID
    state: CaseState
    on_the_way: bool
    opened_at: datetime


def choose_primary(cases: Collection[OpenCase]) -> OpenCase:
    """The case that is furthest on its way, in a vehicle if one is, and the earliest of them.

    So nothing is undone that somebody has done: whoever has the patient keeps them. Pure.
    """
    return min(
        cases,
        key=lambda c: (-FURTHEST.index(c.state), not c.on_the_way, c.opened_at, c.case_id),
    )


async def merge_cases(
    tx: Transaction,
    who: FactSource,
    kin: Sequence[UUID],
    because: MergeReason,
    at: datetime,
    case_id: UUID | None = None,
) -> None:
    """Let one case of these people, who are one person, go on, and merge their others into it.

    `case_id`: one that is theirs, and is not known as theirs yet. The same again changes
    nothing.
    """
    cases = await lock_open_cases(tx, who.hub_id, kin, case_id)
    if not cases:
        return
    into = choose_primary(cases).case_id
    for one in sorted(cases, key=lambda c: (c.opened_at, c.case_id)):
        if one.case_id != into:
            await _absorb(tx, who, one.case_id, into, because, at)
    await tx.sql.execute(
        update(FeverCase)
        .where(FeverCase.hub_id == who.hub_id, FeverCase.case_id == into)
        .values(episode_of=min(kin))
    )


async def identify(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    zone: ZoneInfo,
    identification: Identification,
    at: datetime,
) -> bool:
    """Say who the patient of a case without a person is; whether it was not said before.

    If they have an open case already, both are one from now on. Raises `KeyDestroyed`.
    """
    if not await referrals.identify(tx, keys, hub_id, zone, identification, at):
        return False
    kin = await links.kin(tx, hub_id, identification.person_id)
    who = RecordedBy(hub_id, identification.device_id, identification.operator_id)
    await merge_cases(
        tx,
        who,
        kin,
        MergeReason(MergeCause.IDENTIFIED, identification.how),
        at,
        identification.case_id,
    )
    return True


async def merge_overlooked(tx: Transaction, hub_id: str, at: datetime) -> int:
    """Bring open cases under the key of their people's kin; how many were not.

    A link may have ended with an identity since, or have been made in the same instant in which
    another document was first shown.
    """
    astray = await episodes.mismatched_cases(tx, hub_id)
    for case_id, person_id in astray:
        kin = await links.kin(tx, hub_id, person_id)
        await merge_cases(
            tx, RecordedBy(hub_id), kin, MergeReason(MergeCause.RECKONED), at, case_id
        )
    return len(astray)


async def lock_open_cases(
    tx: Transaction, hub_id: str, kin: Sequence[UUID], case_id: UUID | None
) -> list[OpenCase]:
    """The open cases of these people and that one, locked until the transaction ends."""
    on_the_way = (
        select(Leg.leg_id)
        .where(
            Leg.hub_id == FeverCase.hub_id,
            Leg.case_id == FeverCase.case_id,
            Leg.ended_at.is_(None),
        )
        .exists()
    )
    found = await tx.sql.execute(
        select(FeverCase.case_id, FeverCase.state, on_the_way, FeverCase.opened_at)
        .where(
            FeverCase.hub_id == hub_id,
            FeverCase.closed_at.is_(None),
            FeverCase.episode_of.in_(kin) | (FeverCase.case_id == case_id),
        )
        .order_by(FeverCase.case_id)
        .with_for_update(of=FeverCase)
    )
    return [OpenCase(of, CaseState(state), way, opened) for of, state, way, opened in found]


async def _absorb(
    tx: Transaction,
    who: FactSource,
    gone_id: UUID,
    into_id: UUID,
    because: MergeReason,
    at: datetime,
) -> None:
    gone = await steps.lock(tx, who.hub_id, gone_id)
    into = await steps.lock(tx, who.hub_id, into_id)
    moment = max(gone.after(at), into.after(at))
    step = steps.walk_by_system(gone.state, CaseEvent.MERGED)
    moved = await _hand_over(tx, gone, into, moment)
    await steps.move(tx, gone, step.after, moment)
    if moved:
        next_day = ScheduledContact(ContactPurpose.CALL, 1, moment + timedelta(days=1))
        await follow_up_schedule.wait(tx, into.hub_id, into.case_id, next_day)
    await tx.sql.execute(
        insert(CaseMerge).values(
            hub_id=who.hub_id,
            case_id=gone.case_id,
            into_id=into.case_id,
            cause=because.cause.value,
            reason=because.reason,
            merged_at=moment,
            device_id=who.device_id,
            operator_id=who.operator_id,
            follow_ups=moved,
        )
    )
    await tx.sql.execute(
        update(FeverCase)
        .where(
            FeverCase.hub_id == who.hub_id,
            (FeverCase.case_id == gone.case_id) | (FeverCase.followed_by == gone.case_id),
        )
        .values(followed_by=into.case_id)
    )
    told: dict[str, object] = {"reason": because.reason}
    await events.append(tx, [steps.moved_event(who, gone, step, moment, told, uuid7())])
    await announce_merge(tx, who, gone, into, because.cause, moment)


async def announce_merge(
    tx: Transaction,
    who: FactSource,
    gone: LockedCase,
    into: LockedCase,
    cause: MergeCause,
    at: datetime,
) -> None:
    """Announce into which case one was merged."""
    body: dict[str, object] = {
        "into": into.case_no,
        "into_id": str(into.case_id),
        "cause": cause.value,
    }
    await steps.announce(tx, who, gone, episodes.MERGED, at, body)


async def _hand_over(
    tx: Transaction, gone: LockedCase, into: LockedCase, moment: datetime
) -> list[UUID]:
    """Let the case that goes on wait for what the other one waits for; its contacts by id."""
    mine = (CaseWait.hub_id == gone.hub_id, CaseWait.case_id == gone.case_id)
    await tx.sql.execute(
        update(CaseWait)
        .where(*mine, CaseWait.kind.in_(OF_THE_LAW))
        .values(case_id=into.case_id)
    )
    await origin_notices.on_merge(tx, gone, into)
    await tx.sql.execute(
        update(Leg)
        .where(Leg.hub_id == gone.hub_id, Leg.case_id == gone.case_id, Leg.ended_at.is_(None))
        .values(ended_at=moment, ending=LegEnding.MERGED.value)
    )
    await _change_rooms(tx, gone, into, moment)
    await tx.raw.execute(_WORST, gone.hub_id, gone.case_id, into.case_id, [*Severity])
    if into.state not in deadlines.FOLLOWED:
        return []
    rows = await tx.raw.fetch(_CONTACTS, gone.hub_id, gone.case_id, into.case_id)
    return [row[0] for row in rows]


_WORST: Final = """
UPDATE fever_case c SET peak_tenths = greatest(c.peak_tenths, g.peak_tenths),
    severity = coalesce(($4::text[])[greatest(
        array_position($4::text[], c.severity), array_position($4::text[], g.severity))], NULL)
FROM fever_case g
WHERE c.hub_id = $1 AND c.case_id = $3 AND g.hub_id = $1 AND g.case_id = $2
"""
# Whoever is called for the one case is not called for the other on the same day.
_CONTACTS: Final = """
UPDATE follow_up f SET case_id = $3
WHERE f.hub_id = $1 AND f.case_id = $2 AND f.done_at IS NULL AND NOT EXISTS (
    SELECT FROM follow_up o
    WHERE o.hub_id = $1 AND o.case_id = $3 AND o.kind = f.kind AND o.done_at IS NULL
      AND o.due_at BETWEEN f.due_at - interval '12 hours' AND f.due_at + interval '12 hours')
RETURNING f.follow_up_id
"""


async def _change_rooms(
    tx: Transaction, gone: LockedCase, into: LockedCase, moment: datetime
) -> None:
    """Whoever is in a room stays there, with the same look due, as the other case's patient."""
    stay = await _in_room(tx, gone)
    if stay is None or into.state not in deadlines.IN_A_ROOM or await _in_room(tx, into):
        return  # a stay ends with its case
    await tx.sql.execute(
        update(Stay)
        .where(Stay.hub_id == gone.hub_id, Stay.stay_id == stay["stay_id"])
        .values(left_at=moment)
    )
    stay_id = uuid5(stay["stay_id"], str(into.case_id))
    again = {"stay_id": stay_id, "case_id": into.case_id, "recorded_at": moment}
    await tx.sql.execute(insert(Stay).values({**stay, **again}))
    await tx.sql.execute(
        update(CaseWait)
        .where(
            CaseWait.hub_id == gone.hub_id,
            CaseWait.subject_id == stay["stay_id"],
            CaseWait.kind == Wait.CARE.value,
        )
        .values(subject_id=stay_id, case_id=into.case_id)
    )


async def _in_room(tx: Reading, case: LockedCase) -> RowMapping | None:
    found = await tx.sql.execute(
        select(Stay.__table__).where(
            Stay.hub_id == case.hub_id, Stay.case_id == case.case_id, Stay.left_at.is_(None)
        )
    )
    return found.mappings().one_or_none()
