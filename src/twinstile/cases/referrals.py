"""Opening cases: a screening whose evidence is confirmed becomes somebody's responsibility.

A case opens in the transaction of the check that confirmed it, so that a traveller is never
held without one. The screening is known here by its id alone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select

from twinstile.cases import machine
from twinstile.cases.tables import FeverCase
from twinstile.cases.types import CaseOrigin
from twinstile.identity import vault
from twinstile.identity.types import Holder
from twinstile.platform import events
from twinstile.platform.auth import Principal
from twinstile.platform.crypto import KeyDestroyed, KeyFiles
from twinstile.platform.db import Reading, Transaction
from twinstile.platform.errors import NotFound
from twinstile.platform.events import Happening

OLDEST = 130
"""Years; a birth date further back was misread."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A screening that needs a case. `case_id` is used unless the screening has one already."""

    case_id: UUID
    screening_id: UUID
    person_id: UUID | None
    run_id: UUID | None
    origin: CaseOrigin
    opened_at: datetime
    first_tenths: int | None
    peak_tenths: int | None


# Who comes second to a screening waits for the first at the row of the day, or at the unique
# key; its insert then does nothing, and leaves a gap in the day's numbers.
_OPEN = """
WITH wanted AS (
    SELECT *
    FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::timestamptz[],
                $8::smallint[], $9::smallint[], $10::text[], $11::smallint[])
        WITH ORDINALITY AS w(screening_id, case_id, person_id, run_id, origin, opened_at,
                             first_tenths, peak_tenths, sex, age_years, place)
), fresh AS (
    SELECT w.*, row_number() OVER (ORDER BY place) - count(*) OVER () AS behind_last
    FROM wanted w
    WHERE NOT EXISTS (
        SELECT FROM fever_case c WHERE c.hub_id = $1 AND c.screening_id = w.screening_id)
), numbered AS (
    INSERT INTO case_day (hub_id, day, last)
    SELECT $1, $12, count(*) FROM fresh HAVING count(*) > 0
    ON CONFLICT (hub_id, day) DO UPDATE SET last = case_day.last + excluded.last
    RETURNING last
), opened AS (
    INSERT INTO fever_case
        (hub_id, case_id, case_no, screening_id, person_id, run_id, origin, state, opened_at,
         state_since, due_at, first_tenths, peak_tenths, sex, age_years)
    SELECT $1, case_id,
           $12 || '-' || lpad(n.no::text, greatest(3, length(n.no::text)), '0'),
           screening_id, person_id, run_id, origin, $13, opened_at,
           $14, $15, first_tenths, peak_tenths, sex, age_years
    FROM fresh, numbered, LATERAL (SELECT last + behind_last AS no) n
    ON CONFLICT (hub_id, screening_id) DO NOTHING
    RETURNING screening_id, case_id, case_no
)
SELECT screening_id, case_id, case_no, true FROM opened
UNION ALL
SELECT screening_id, case_id, case_no, false
FROM fever_case WHERE hub_id = $1 AND screening_id = ANY($2)
"""
_EXISTING = """
SELECT screening_id, case_id, case_no FROM fever_case
WHERE hub_id = $1 AND screening_id = ANY($2)
"""


async def open_cases(
    tx: Transaction,
    keys: KeyFiles,
    who: Principal,
    zone: ZoneInfo,
    openings: Sequence[Opening],
    at: datetime,
) -> dict[UUID, tuple[UUID, str]]:
    """The case (id and number) of each screening, by screening id, opened where there was none.

    A number is `YYYYMMDD-NNN`: the hub's day on which the case was entered, counted from 001.
    The person is put under a key of the case's own, which outlives the day's. Whoever was
    destroyed or is unknown gets a case without a name: help does not wait for papers.
    Five statements for one opening, two for a resend.
    """
    if not openings:
        return {}
    unique = list({opening.screening_id: opening for opening in openings}.values())
    holders = {o.case_id: await _holder(tx, keys, who.hub_id, o.person_id) for o in unique}
    found = await tx.raw.fetch(_OPEN, *_arguments(who.hub_id, zone, unique, holders, at))
    cases = {screening_id: (case_id, case_no) for screening_id, case_id, case_no, _ in found}
    opened = {screening_id for screening_id, _, _, new in found if new}
    for opening in unique:
        if opening.screening_id in opened and opening.person_id and holders[opening.case_id]:
            key_id = vault.case_key(opening.case_id)
            await vault.hold(tx, keys, who.hub_id, key_id, opening.person_id, at)
    await events.append(
        tx, [_happening(who, o, cases, at) for o in unique if o.screening_id in opened]
    )
    lost = [o.screening_id for o in unique if o.screening_id not in cases]
    if lost:
        for screening_id, case_id, case_no in await tx.raw.fetch(_EXISTING, who.hub_id, lost):
            cases[screening_id] = (case_id, case_no)
    return cases


async def _holder(
    tx: Transaction, keys: KeyFiles, hub_id: str, person_id: UUID | None
) -> Holder | None:
    """The person's particulars; None once retention took the key or, after it, the row."""
    if person_id is None:
        return None
    try:
        return (await vault.reveal(tx, keys, hub_id, person_id)).holder
    except (KeyDestroyed, NotFound):
        return None


def _arguments(
    hub_id: str,
    zone: ZoneInfo,
    openings: Sequence[Opening],
    holders: dict[UUID, Holder | None],
    at: datetime,
) -> tuple[object, ...]:
    people = [(o, holders[o.case_id]) for o in openings]
    return (
        hub_id,
        [o.screening_id for o in openings],
        [o.case_id for o in openings],
        [o.person_id for o in openings],
        [o.run_id for o in openings],
        [o.origin.value for o in openings],
        [o.opened_at for o in openings],
        [o.first_tenths for o in openings],
        [o.peak_tenths for o in openings],
        [holder.sex.value if holder and holder.sex else None for _, holder in people],
        [
            _age(holder, o.opened_at.astimezone(zone)) if holder else None
            for o, holder in people
        ],
        f"{at.astimezone(zone):%Y%m%d}",
        machine.START.value,
        at,
        machine.due(machine.START, at),
    )


def _age(holder: Holder, moment: datetime) -> int | None:
    """Completed years on the day of the moment."""
    born = holder.birth_date
    if born is None:
        return None
    years = moment.year - born.year - ((moment.month, moment.day) < (born.month, born.day))
    return years if 0 <= years <= OLDEST else None


def _happening(
    who: Principal, opening: Opening, cases: dict[UUID, tuple[UUID, str]], at: datetime
) -> Happening:
    case_id, case_no = cases[opening.screening_id]
    body: dict[str, object] = {
        "case_no": case_no,
        "screening_id": str(opening.screening_id),
        "origin": opening.origin.value,
    }
    return Happening(
        who.hub_id, "case.opened", case_id, at, body, who.device_id, who.operator_id
    )


async def numbers(tx: Reading, hub_id: str, case_ids: Collection[UUID]) -> dict[UUID, str]:
    """The number people call a case by, for each id that is known."""
    if not case_ids:
        return {}
    found = await tx.sql.execute(
        select(FeverCase.case_id, FeverCase.case_no).where(
            FeverCase.hub_id == hub_id, FeverCase.case_id.in_(case_ids)
        )
    )
    return {row[0]: row[1] for row in found}
