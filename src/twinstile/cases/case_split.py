"""Cases were merged of people who are not one after all: whoever lost a case has one again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import asyncpg

from twinstile.cases import case_merge, episodes, origin_notices, referrals, steps
from twinstile.cases.referrals import Opening
from twinstile.cases.types import CaseOrigin, MergeCause
from twinstile.identity import extended_retention, links, vault
from twinstile.platform.db.database import Transaction
from twinstile.platform.db.idempotent_facts import FactSource
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event


async def separate(
    tx: Transaction,
    keys: KeyFiles,
    zone: ZoneInfo,
    who: FactSource,
    people: Sequence[UUID],
    reason: str,
    at: datetime,
) -> None:
    """These people were taken for one and are not all: whoever lost a case gets one again.

    It is a new one, to be assessed, under the screening of the case that stays merged; or that
    which their own kin has open. Raises `MasterUnavailable`.
    """
    await episodes.rekey(tx, who.hub_id, people)
    merged = await tx.raw.fetch(_LAST_FIRST, who.hub_id, list(people))
    moved = True
    while moved:  # a case that left may have taken along one that was in its place
        moved = False
        for found in merged:
            moved |= await _part(tx, keys, zone, who, found["case_id"], reason, at)


async def _part(
    tx: Transaction,
    keys: KeyFiles,
    zone: ZoneInfo,
    who: FactSource,
    case_id: UUID,
    reason: str,
    at: datetime,
) -> bool:
    """Bring a merged case to its own kin; false where it is there."""
    (merged,) = await tx.raw.fetch(_MERGED, who.hub_id, case_id)
    kin = await links.kin(tx, who.hub_id, merged["person_id"])
    if merged["root_person"] in kin:
        return False
    if theirs := await case_merge.lock_open_cases(tx, who.hub_id, kin, None):
        into_id = theirs[0].case_id
        await _follow(tx, who, merged, into_id, at)
    else:
        into_id = await _reopen(tx, keys, zone, who, merged, reason, at)
    await origin_notices.on_split(tx, who.hub_id, merged["root_id"], into_id)
    return True


# Mostly a case was merged into one that was itself merged later, and takes it along.
_LAST_FIRST: Final = """
SELECT m.case_id
FROM fever_case c
JOIN case_merge m ON m.hub_id = $1 AND m.case_id = c.case_id AND m.undone_at IS NULL
WHERE c.hub_id = $1 AND c.person_id = ANY($2::uuid[]) AND c.state = 'CLOSED_MERGED'
ORDER BY m.merged_at DESC, m.case_id
FOR UPDATE OF m
"""
_MERGED: Final = """
SELECT c.case_id, c.case_no, c.screening_id, c.person_id, c.run_id, c.first_tenths,
       c.peak_tenths, r.case_id AS root_id, r.person_id AS root_person,
       r.case_no AS root_no
FROM fever_case c
JOIN fever_case r ON r.hub_id = $1 AND r.case_id = c.followed_by
WHERE c.hub_id = $1 AND c.case_id = $2
"""
# What came with a merged case goes with it: cases that were merged into it, or that it had
# followed, and clocks of the law.
_WITH_IT: Final = """
part(case_id) AS (
    SELECT $2::uuid
    UNION SELECT m.case_id FROM part p JOIN case_merge m ON m.hub_id = $1
        AND (m.into_id = p.case_id AND m.undone_at IS NULL OR m.successor_id = p.case_id)
), led AS (
    UPDATE fever_case c SET followed_by = $3 FROM part p
    WHERE c.hub_id = $1 AND c.case_id = p.case_id
), clocks AS (
    UPDATE case_wait w SET case_id = $3 FROM part p
    JOIN suspicion s ON s.hub_id = $1 AND s.case_id = p.case_id
    WHERE w.hub_id = $1 AND w.subject_id = s.suspicion_id AND w.kind = ANY($4::text[])
)
"""
_FOLLOW: Final = f"""
WITH RECURSIVE {_WITH_IT}
UPDATE case_merge SET into_id = $3 WHERE hub_id = $1 AND case_id = $2
"""  # noqa: S608 # a fragment of ours
# Contacts of the case before are over: the new one has none until it is sent somewhere.
_SUCCEED: Final = f"""
WITH RECURSIVE undone AS (
    UPDATE case_merge SET undone_at = $5, undone_by = $6, undone_reason = $7, successor_id = $3
    WHERE hub_id = $1 AND case_id = $2
    RETURNING follow_ups
), over AS (
    UPDATE follow_up f SET done_at = $5, outcome = 'OVER' FROM undone u
    WHERE f.hub_id = $1 AND f.follow_up_id = ANY(u.follow_ups) AND f.done_at IS NULL
), {_WITH_IT}
UPDATE fever_case c SET sex = coalesce(c.sex, g.sex), severity = g.severity,
    age_years = coalesce(c.age_years, g.age_years)
FROM fever_case g
WHERE c.hub_id = $1 AND c.case_id = $3 AND g.hub_id = $1 AND g.case_id = $2
"""  # noqa: S608 # a fragment of ours


async def _follow(
    tx: Transaction, who: FactSource, merged: asyncpg.Record, into_id: UUID, at: datetime
) -> None:
    gone_id = merged["case_id"]
    into = await steps.lock(tx, who.hub_id, into_id)
    await tx.raw.execute(_FOLLOW, who.hub_id, gone_id, into_id, list(case_merge.OF_THE_LAW))
    gone = await steps.lock(tx, who.hub_id, gone_id)
    await case_merge.announce_merge(tx, who, gone, into, MergeCause.RECKONED, at)


async def _reopen(
    tx: Transaction,
    keys: KeyFiles,
    zone: ZoneInfo,
    who: FactSource,
    merged: asyncpg.Record,
    reason: str,
    at: datetime,
) -> UUID:
    """The case that they have now."""
    hub_id, case_id, person_id = who.hub_id, merged["case_id"], merged["person_id"]
    screening_id = merged["screening_id"]
    opening = Opening(
        case_id=uuid5(case_id, "separated"),
        screening_id=screening_id,
        person_id=person_id,
        run_id=merged["run_id"],
        origin=CaseOrigin.CLINICIAN,
        opened_at=at,
        first_tenths=merged["first_tenths"],
        peak_tenths=merged["peak_tenths"],
        device_id=who.device_id,
        operator_id=who.operator_id,
    )
    cases = await referrals.open_cases(tx, keys, hub_id, zone, [opening], at)
    successor_id, case_no = cases[screening_id]
    held, key_id = vault.case_key(case_id), vault.case_key(successor_id)
    await extended_retention.hold_again(tx, keys, hub_id, held, key_id, [person_id], at)
    by_law = list(case_merge.OF_THE_LAW)
    undone = (at, who.operator_id, reason)
    await tx.raw.execute(_SUCCEED, hub_id, case_id, successor_id, by_law, *undone)
    body: dict[str, object] = {
        "case_no": case_no,
        "merged": merged["case_no"],
        "separated_from": merged["root_no"],
    }
    happening = Event(
        hub_id, episodes.SEPARATED, successor_id, at, body, who.device_id, who.operator_id
    )
    await events.append(tx, [happening])
    return successor_id
