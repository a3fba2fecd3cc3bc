"""Opening cases: a screening whose evidence is confirmed becomes somebody's responsibility.

A case opens in the transaction of the check that confirmed it, so that a traveller is never
held without one. The screening is known here by its id alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy import select
from uuid_utils.compat import uuid7

from twinstile.cases import machine
from twinstile.cases.tables import FeverCase
from twinstile.cases.types import CaseOrigin
from twinstile.identity import extended_retention, links, vault
from twinstile.identity.types import DocumentHolder
from twinstile.identity.vault import Identity
from twinstile.platform.db.database import Reading, Transaction, as_json
from twinstile.platform.http.problems import NotFound, Overtaken
from twinstile.platform.keys.data_keys import KeyDestroyed, KeyFiles
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event

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


# One look-up by the unique key for each person: asked for all at once, the planner may read the
# whole hub (docs/decisions/0016).
OPEN_CASE_SQL = """
(SELECT jsonb_build_object('case_id', f.case_id, 'case_no', f.case_no)
 FROM unnest({people}) AS of(person_id), LATERAL (
    SELECT * FROM fever_case f
    WHERE f.hub_id = {hub} AND f.episode_of = of.person_id AND f.closed_at IS NULL LIMIT 1
 ) f LIMIT 1)
"""
"""The open case of one of these people, which further alarms join."""

# Who comes second to a screening or a person, under whichever of their documents, waits for the
# first at the row of the day, or at a unique key (`episode_of` is the same for all kin); its
# insert then does nothing, and leaves a gap in the day's numbers.
OPEN_SQL = f"""
wanted AS (
    SELECT r.*, k.kin, {links.FIRST_OF_SQL.format(kin="k.kin")} AS episode_of
    FROM jsonb_to_recordset({{openings}}::jsonb) AS r(
        place int, screening_id uuid, case_id uuid, person_id uuid, run_id uuid, origin text,
        opened_at timestamptz, state text, state_since timestamptz, due_at timestamptz,
        first_tenths smallint, peak_tenths smallint, sex text, age_years smallint, day text,
        key_id text, cipher bytea, event_id uuid, device_id uuid, operator_id uuid),
    LATERAL (SELECT {links.KIN_SQL.format(hub="{hub}", person="r.person_id")} AS kin OFFSET 0) k
), fresh AS (
    SELECT w.*, row_number() OVER (ORDER BY place) - count(*) OVER () AS behind_last
    FROM wanted w
    WHERE NOT EXISTS (
        SELECT FROM fever_case c
        WHERE c.hub_id = {{hub}} AND c.screening_id = w.screening_id
          AND c.state <> 'CLOSED_MERGED' OFFSET 0)
      AND {OPEN_CASE_SQL.format(hub="{hub}", people="w.kin")} IS NULL
), numbered AS (
    INSERT INTO case_day (hub_id, day, last)
    SELECT {{hub}}, max(day), count(*) FROM fresh HAVING count(*) > 0
    ON CONFLICT (hub_id, day) DO UPDATE SET last = case_day.last + excluded.last
    RETURNING last
), opened AS (
    INSERT INTO fever_case
        (hub_id, case_id, case_no, screening_id, person_id, run_id, origin, state, opened_at,
         state_since, due_at, first_tenths, peak_tenths, sex, age_years, episode_of)
    SELECT {{hub}}, case_id,
           day || '-' || lpad(n.no::text, greatest(3, length(n.no::text)), '0'),
           screening_id, person_id, run_id, origin, state, opened_at,
           state_since, due_at, first_tenths, peak_tenths, sex, age_years, episode_of
    FROM fresh, numbered, LATERAL (SELECT last + behind_last AS no) n
    ON CONFLICT DO NOTHING
    RETURNING screening_id, case_id, case_no
), new AS (
    SELECT w.*, o.case_no, w.state_since AS held_at FROM wanted w JOIN opened o USING (case_id)
), held AS ({extended_retention.HOLD_SQL.format(hub="{hub}", held="new")}
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
"""  # noqa: S608
_EXISTING = f"""
SELECT w.screening_id, c.case_id, c.case_no, c.opened_at IS NULL
FROM unnest($2::uuid[], $3::uuid[]) AS w(screening_id, person_id), LATERAL (
    SELECT c.case_id, c.case_no, c.opened_at FROM fever_case c
    WHERE c.hub_id = $1 AND c.screening_id = w.screening_id AND c.state <> 'CLOSED_MERGED'
    UNION ALL
    SELECT c.case_id, c.case_no, NULL
    FROM unnest({links.KIN_SQL.format(hub="$1", person="w.person_id")}) AS of(person_id)
    JOIN fever_case c ON c.episode_of = of.person_id
    WHERE c.hub_id = $1 AND c.closed_at IS NULL
    ORDER BY opened_at NULLS LAST LIMIT 1
) c
"""  # noqa: S608 # a fragment of ours
JOINED = "case.joined"
IDENTIFIED = "case.identified"


async def open_cases(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    zone: ZoneInfo,
    openings: Sequence[Opening],
    at: datetime,
) -> dict[UUID, tuple[UUID, str]]:
    """The case (id and number) of each screening, by screening id, opened where there was none.

    Somebody who has an open case already gets no second one: the alarm joins it. Two
    statements, and more where there was a case before or one opens at the same moment.
    """
    if not openings:
        return {}
    unique = {opening.screening_id: opening for opening in openings}
    described = await opening_rows(tx, keys, hub_id, zone, list(unique.values()), at)
    found = await tx.raw.fetch(_OPEN, hub_id, as_json(described))
    cases = {screening_id: (case_id, case_no) for screening_id, case_id, case_no in found}
    left = [opening for opening in unique.values() if opening.screening_id not in cases]
    if left:
        asked = [o.screening_id for o in left], [o.person_id for o in left]
        alarms: list[Opening] = []
        for screening_id, case_id, case_no, of_person in await tx.raw.fetch(
            _EXISTING, hub_id, *asked
        ):
            cases[screening_id] = (case_id, case_no)
            if of_person:
                alarms.append(replace(unique[screening_id], case_id=case_id))
        await join(tx, hub_id, alarms, at)
    return cases


# Whoever closes one of them meanwhile is waited for, and then it is none of these any more.
_RAISE = """
WITH alarms AS (
    SELECT case_id, max(tenths) AS tenths FROM unnest($2::uuid[], $3::smallint[])
        AS w(case_id, tenths)
    GROUP BY case_id
), locked AS (
    SELECT c.case_id, a.tenths FROM alarms a
    JOIN fever_case c ON c.hub_id = $1 AND c.case_id = a.case_id
    WHERE c.closed_at IS NULL
    ORDER BY c.case_id FOR NO KEY UPDATE OF c
)
UPDATE fever_case SET peak_tenths = greatest(peak_tenths, l.tenths)
FROM locked l WHERE fever_case.hub_id = $1 AND fever_case.case_id = l.case_id
RETURNING fever_case.case_id
"""


async def join(tx: Transaction, hub_id: str, alarms: Sequence[Opening], at: datetime) -> None:
    """Add further alarms of people to the cases they have open; `case_id` names those.

    Raises `Overtaken` where one was closed since it was read: that person needs another.
    """
    if not alarms:
        return
    peaks = [alarm.peak_tenths for alarm in alarms]
    joined = [alarm.case_id for alarm in alarms]
    raised = await tx.raw.fetch(_RAISE, hub_id, joined, peaks)
    if len(raised) < len(set(joined)):
        raise Overtaken("A case was closed just now.", retry_after_s=1)
    await events.append(
        tx,
        [
            Event(
                hub_id,
                JOINED,
                alarm.case_id,
                at,
                {"screening_id": str(alarm.screening_id), "origin": alarm.origin.value},
                alarm.device_id,
                alarm.operator_id,
            )
            for alarm in alarms
        ],
    )


async def patient(tx: Reading, hub_id: str, case_id: UUID) -> tuple[UUID, UUID | None]:
    """The screening a case came from, and its person if they are known. Raises `NotFound`."""
    found = await tx.sql.execute(
        select(FeverCase.screening_id, FeverCase.person_id).where(
            FeverCase.hub_id == hub_id, FeverCase.case_id == case_id
        )
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such case.")
    screening_id, person_id = row
    return screening_id, person_id


@dataclass(frozen=True, slots=True)
class Identification:
    """Who the patient of a case turned out to be, how that was found, and by whom."""

    case_id: UUID
    person_id: UUID
    identity: Identity
    how: str
    device_id: UUID
    operator_id: UUID | None
    event_id: UUID | None = None


_IDENTIFY = f"""
WITH kin AS (
    SELECT {links.KIN_SQL.format(hub="$1", person="$3::uuid")} AS people
), named AS (
    UPDATE fever_case c SET person_id = $3, sex = $4, age_years = $5, episode_of = CASE
        WHEN c.closed_at IS NULL
         AND {OPEN_CASE_SQL.format(hub="$1", people="kin.people")} IS NULL
        THEN {links.FIRST_OF_SQL.format(kin="kin.people")} END
    FROM kin
    WHERE c.hub_id = $1 AND c.case_id = $2 AND c.person_id IS NULL
    RETURNING $3::uuid AS person_id, $6::text AS key_id, $7::bytea AS cipher,
        $8::timestamptz AS held_at
), held AS ({extended_retention.HOLD_SQL.format(hub="$1", held="named")})
SELECT count(*) FROM named
"""  # noqa: S608 # a fragment of ours


async def identify(
    tx: Transaction,
    keys: KeyFiles,
    hub_id: str,
    zone: ZoneInfo,
    identification: Identification,
    at: datetime,
) -> bool:
    """Say who the patient of a case without a person is; whether it was not said before.

    The person is put under the case's key as at an opening; a second open case of theirs stays
    beside this one, see `case_merge.identify`. Raises `KeyDestroyed`.
    """
    key_id = vault.case_key(identification.case_id)
    cipher = await extended_retention.sealed(
        keys, hub_id, key_id, identification.person_id, identification.identity
    )
    holder = identification.identity.holder
    row = await tx.raw.fetchrow(
        _IDENTIFY,
        hub_id,
        identification.case_id,
        identification.person_id,
        holder.sex,
        _age(holder, at.astimezone(zone)),
        key_id,
        cipher,
        at,
    )
    if row is None or not row[0]:
        return False
    happening = Event(
        hub_id,
        IDENTIFIED,
        identification.case_id,
        at,
        {"how": identification.how},
        identification.device_id,
        identification.operator_id,
        identification.event_id,
    )
    await events.append_own(tx, happening)
    return True


async def opening_rows(
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
        return await extended_retention.sealed(
            keys, hub_id, key_id, opening.person_id, identity
        )
    except KeyDestroyed:
        return None


def _age(holder: DocumentHolder, moment: datetime) -> int | None:
    """Completed years on the day of the moment."""
    born = holder.birth_date
    if born is None:
        return None
    years = moment.year - born.year - ((moment.month, moment.day) < (born.month, born.day))
    return years if 0 <= years <= OLDEST else None
