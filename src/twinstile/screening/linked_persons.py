"""Persons turn out to be one, or two after all: what that means to their cases and passages."""

from datetime import date, datetime
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import RowMapping, select, update

from twinstile.cases import case_merge, case_split, episodes
from twinstile.cases.case_merge import MergeReason
from twinstile.cases.types import MergeCause
from twinstile.identity import links
from twinstile.identity.links import Claim, Linked
from twinstile.platform.db.database import Transaction
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.security.auth import Principal
from twinstile.screening import steps, transitions
from twinstile.screening.steps import LockedScreening
from twinstile.screening.tables import Screening
from twinstile.screening.types import ScreeningState

MOST: Final = 50
"""Passages of these people that are held at the hub at a time."""


async def join(
    tx: Transaction, keys: KeyFiles, who: Principal, claim: Claim, day: date, at: datetime
) -> Linked:
    """Link the persons of two documents: their open cases are one. Raises as `links.add`."""
    done = await links.add(tx, keys, who, claim, day, at)
    kin = await links.kin(tx, who.hub_id, done.person_id)
    because = MergeReason(MergeCause.LINKED, claim.reason)
    await case_merge.merge_cases(tx, who, kin, because, at)
    return done


async def part(
    tx: Transaction,
    keys: KeyFiles,
    zone: ZoneInfo,
    who: Principal,
    link_id: UUID,
    reason: str,
    at: datetime,
) -> RowMapping:
    """Take a link back: whoever is ill has a case of their own. Raises as `links.withdraw`."""
    people = await links.joined_by(tx, who.hub_id, link_id)
    row = await links.withdraw(tx, who, link_id, reason, at)
    await case_split.separate(tx, keys, zone, who, people, reason, at)
    held = await tx.sql.execute(
        select(Screening.screening_id)
        .where(
            Screening.person_id.in_(people),
            Screening.hub_id == who.hub_id,
            Screening.state == ScreeningState.HELD.value,
            Screening.case_id.is_not(None),
        )
        .order_by(Screening.screening_id)
        .limit(MOST)
    )
    for screening_id in held.scalars().all():
        found = await steps.lock(tx, who.hub_id, screening_id)
        if await _of_another(tx, who.hub_id, found):
            case_id = await transitions.open_case(tx, who, keys, zone, found, at)
            await tx.sql.execute(
                update(Screening)
                .where(Screening.hub_id == who.hub_id, Screening.screening_id == screening_id)
                .values(case_id=case_id)
            )
    return row


async def _of_another(tx: Transaction, hub_id: str, locked: LockedScreening) -> bool:
    """Whether somebody is held for the case of a person they are not."""
    if locked.case_id is None or locked.person_id is None:
        return False
    patient = await episodes.current_person(tx, hub_id, locked.case_id)
    kin = await links.kin(tx, hub_id, locked.person_id)
    return patient is not None and patient not in kin
