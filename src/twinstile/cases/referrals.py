"""Opening cases: a screening whose evidence is confirmed becomes somebody's responsibility.

A case opens in the transaction of the check that confirmed it, so that a traveller is never
held without one. The screening is known here by its id alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from twinstile.cases import machine
from twinstile.cases.types import CaseOrigin
from twinstile.identity import vault
from twinstile.identity.types import Holder
from twinstile.identity.vault import Identity
from twinstile.platform.crypto import KeyDestroyed, KeyFiles
from twinstile.platform.db import Transaction, as_json

OLDEST = 130
"""Years; a birth date further back was misread."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A screening that needs a case. `case_id` is `case_of` it, unless it has one already."""

    case_id: UUID
    screening_id: UUID
    person_id: UUID | None
    run_id: UUID | None
    origin: CaseOrigin
    opened_at: datetime
    first_tenths: int | None
    peak_tenths: int | None
    device_id: UUID | None = None
    operator_id: UUID | None = None


def case_of(screening_id: UUID) -> UUID:
    """The id of a screening's case: the same however often it is tried to be opened.

    So a key that took too long to be made is there for the next try.
    """
    return uuid5(screening_id, "case")


# Who comes second to a screening waits for the first at the row of the day, or at the unique
# key; its insert then does nothing, and leaves a gap in the day's numbers.
OPEN_SQL = f"""
wanted AS (
    SELECT * FROM jsonb_to_recordset({{openings}}::jsonb) AS w(
        place int, screening_id uuid, case_id uuid, person_id uuid, run_id uuid, origin text,
        opened_at timestamptz, state text, state_since timestamptz, due_at timestamptz,
        first_tenths smallint, peak_tenths smallint, sex text, age_years smallint, day text,
        key_id text, cipher bytea, event_id uuid, device_id uuid, operator_id uuid)
), fresh AS (
    SELECT w.*, row_number() OVER (ORDER BY place) - count(*) OVER () AS behind_last
    FROM wanted w
    WHERE NOT EXISTS (
        SELECT FROM fever_case c
        WHERE c.hub_id = {{hub}} AND c.screening_id = w.screening_id OFFSET 0)
), numbered AS (
    INSERT INTO case_day (hub_id, day, last)
    SELECT {{hub}}, max(day), count(*) FROM fresh HAVING count(*) > 0
    ON CONFLICT (hub_id, day) DO UPDATE SET last = case_day.last + excluded.last
    RETURNING last
), opened AS (
    INSERT INTO fever_case
        (hub_id, case_id, case_no, screening_id, person_id, run_id, origin, state, opened_at,
         state_since, due_at, first_tenths, peak_tenths, sex, age_years)
    SELECT {{hub}}, case_id,
           day || '-' || lpad(n.no::text, greatest(3, length(n.no::text)), '0'),
           screening_id, person_id, run_id, origin, state, opened_at,
           state_since, due_at, first_tenths, peak_tenths, sex, age_years
    FROM fresh, numbered, LATERAL (SELECT last + behind_last AS no) n
    ON CONFLICT DO NOTHING
    RETURNING screening_id, case_id, case_no
), new AS (
    SELECT w.*, o.case_no, w.state_since AS held_at FROM wanted w JOIN opened o USING (case_id)
), held AS ({vault.HOLD_SQL.format(hub="{hub}", held="new")}
), announced AS (
    INSERT INTO event (hub_id, event_id, at, kind, subject_id, device_id, operator_id, body)
    SELECT {{hub}}, event_id, state_since, 'case.opened', case_id, device_id, operator_id,
           jsonb_build_object(
               'case_no', case_no, 'screening_id', screening_id, 'origin', origin)
    FROM new
)"""  # noqa: S608 # a fragment of ours; every value is a parameter
"""Opens the cases that `rows` describes; `opened` then has the new ones with their numbers."""

CASE_NO_SQL = """
(SELECT f.case_no FROM fever_case f WHERE f.hub_id = {hub} AND f.case_id = {case} LIMIT 1)
"""
"""The number people call a case by, to be set into a statement of a room above."""

_OPEN = f"""
WITH {OPEN_SQL.format(hub="$1", openings="$2")}
SELECT screening_id, case_id, case_no FROM opened
UNION ALL
SELECT c.screening_id, c.case_id, c.case_no
FROM fever_case c JOIN wanted w USING (screening_id) WHERE c.hub_id = $1
"""  # noqa: S608
_EXISTING = """
SELECT screening_id, case_id, case_no FROM fever_case
WHERE hub_id = $1 AND screening_id = ANY($2)
"""


async def open_cases(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    zone: ZoneInfo,
    openings: Sequence[Opening],
    at: datetime,
) -> dict[UUID, tuple[UUID, str]]:
    """The case (id and number) of each screening, by screening id, opened where there was none.

    Two statements, and a third when another request opened one at the same moment.
    """
    if not openings:
        return {}
    unique = {opening.screening_id: opening for opening in openings}
    described = await rows(tx, keys, hub_id, zone, list(unique.values()), at)
    found = await tx.raw.fetch(_OPEN, hub_id, as_json(described))
    cases = {screening_id: (case_id, case_no) for screening_id, case_id, case_no in found}
    lost = [screening_id for screening_id in unique if screening_id not in cases]
    if lost:
        for screening_id, case_id, case_no in await tx.raw.fetch(_EXISTING, hub_id, lost):
            cases[screening_id] = (case_id, case_no)
    return cases


async def rows(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    zone: ZoneInfo,
    openings: Sequence[Opening],
    at: datetime,
) -> list[dict[str, object]]:
    """What `OPEN_SQL` takes for these openings. One statement, none without openings.

    A number is `YYYYMMDD-NNN`: the hub's day on which the case was entered, counted from 001.
    The person is put under a key of the case's own, which outlives the day's. Whoever was
    destroyed or is unknown gets a case without a name: help does not wait for papers.
    Raises `MasterUnavailable`.
    """
    known = {o.person_id for o in openings if o.person_id}
    people = await vault.reveal_all(tx, keys, hub_id, known)
    ciphers = await asyncio.gather(*(_sealed(keys, hub_id, o, people) for o in openings))
    described: list[dict[str, object]] = []
    for place, (opening, cipher) in enumerate(zip(openings, ciphers, strict=True)):
        row: dict[str, object] = {
            **asdict(opening),
            "place": place,
            "day": f"{at.astimezone(zone):%Y%m%d}",
            "state": machine.START.value,
            "state_since": at,
            "due_at": machine.due(machine.START, at),
            "event_id": uuid7(),
        }
        if cipher and opening.person_id:
            holder = people[opening.person_id].holder
            row |= {
                "key_id": vault.case_key(opening.case_id),
                "cipher": "\\x" + cipher.hex(),
                "sex": holder.sex,
                "age_years": _age(holder, opening.opened_at.astimezone(zone)),
            }
        described.append(row)
    return described


async def _sealed(
    keys: KeyFiles, hub_id: str, opening: Opening, people: Mapping[UUID, Identity]
) -> bytes | None:
    """The person of a case under the case's key; None where there is nobody or no such key."""
    if opening.person_id is None or (identity := people.get(opening.person_id)) is None:
        return None
    key_id = vault.case_key(opening.case_id)
    try:
        return await vault.sealed(keys, hub_id, key_id, opening.person_id, identity)
    except KeyDestroyed:
        return None


def _age(holder: Holder, moment: datetime) -> int | None:
    """Completed years on the day of the moment."""
    born = holder.birth_date
    if born is None:
        return None
    years = moment.year - born.year - ((moment.month, moment.day) < (born.month, born.day))
    return years if 0 <= years <= OLDEST else None
