"""The counts of a period, as the hub reports them: one row of figures that add up.

A screening belongs to the period in which it was opened, and a case likewise. Counts are of
what is known now, so a report of yesterday changes when a tablet hands over what it kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from twinstile.cases import machine
from twinstile.cases.types import Disposition
from twinstile.exports import outcomes, reader
from twinstile.exports.outcomes import Departures, FollowedUp
from twinstile.platform.db.database import Database
from twinstile.platform.http.problems import Internal
from twinstile.platform.security.devices import LaneKind
from twinstile.screening.queries import COMPLETE_SQL
from twinstile.screening.types import Ground

LONGEST_S = 60


@dataclass(frozen=True, slots=True)
class DispositionCount:
    """How many cases of the period were sent somewhere: as their last way, and at any time."""

    final: int
    ever: int


@dataclass(frozen=True, slots=True)
class Tallied:
    """People counted in outages, of whom nothing else is known: never part of other figures."""

    lane_hours: int
    passed: int
    fever_suspected: int
    refused: int
    not_screened: int


@dataclass(frozen=True, slots=True)
class Help:
    """Screenings that began at one kind of lane: how many needed help, and how long."""

    screenings: int = 0
    assisted: int = 0
    ended: int = 0
    wait_median_s: int | None = None
    wait_p95_s: int | None = None

    @property
    def share(self) -> float | None:
        """Share of those that needed help; None when there were no screenings."""
        return round(self.assisted / self.screenings, 4) if self.screenings else None


NO_LANE = "NONE"
LANES: Final = (*(kind.value for kind in LaneKind), NO_LANE)


@dataclass(frozen=True, slots=True)
class Period:
    """Counts of screenings and cases opened in a period."""

    person_times_checked: int
    checks: int
    travellers: int
    cleared: int
    referred: int
    deferred: int
    deferred_closed_24h: int
    deferred_unresolved: int
    no_show: int
    complete_222: int
    cases: int
    fever_patients: int
    dispositions: dict[Disposition, DispositionCount]
    undisposed: int
    astray: int
    """Of these, cases that went on as only those do that were sent somewhere."""
    tallied: Tallied
    assisted: dict[str, Help]
    overrides: dict[Ground, int]
    departures: Departures
    follow_ups: FollowedUp

    @property
    def completeness_222(self) -> float | None:
        """Share of the checked person-times with all of 2-2-2; None when there were none."""
        if not self.person_times_checked:
            return None
        return round(self.complete_222 / self.person_times_checked, 4)


_SCREENINGS = f"""
WITH opened AS (
    SELECT
        screening_id, person_id, state, referred_at, deferred_at, checks,
        {COMPLETE_SQL} AS complete
    FROM screening
    WHERE hub_id = $1 AND opened_at >= $2 AND opened_at < $3
      AND state <> 'VOID'  -- entered in error
), settled AS (
    SELECT screening_id
    FROM deferral d JOIN opened USING (screening_id)
    WHERE d.hub_id = $1
    GROUP BY screening_id
    HAVING bool_and(coalesce(
        d.closed_at <= d.opened_at + interval '24 hours' AND d.outcome <> 'timeout', false))
)
SELECT
    count(*) FILTER (WHERE checks > 0),
    coalesce(sum(checks), 0),
    count(DISTINCT person_id) FILTER (WHERE checks > 0)
        + count(*) FILTER (WHERE checks > 0 AND person_id IS NULL),
    count(*) FILTER (WHERE state IN ('CLEARED', 'CLEARED_CONDITIONAL', 'CLEARED_TRANSIT')),
    count(referred_at),
    count(deferred_at),
    (SELECT count(*) FROM settled),
    count(*) FILTER (WHERE state = 'DEFERRED_UNRESOLVED'),
    count(*) FILTER (WHERE state = 'NO_SHOW'),
    count(*) FILTER (WHERE checks > 0 AND complete)
FROM opened
"""  # noqa: S608 # a fragment of ours
_CASES = """
WITH opened AS (
    SELECT case_id, person_id, state FROM fever_case
    WHERE hub_id = $1 AND opened_at >= $2 AND opened_at < $3
      AND state <> 'CLOSED_MERGED'  -- the same patient, counted by the case that goes on
), sent AS (
    SELECT d.case_id, d.code, row_number() OVER (
        PARTITION BY d.case_id ORDER BY d.recorded_at DESC, d.disposition_id DESC
    ) = 1 AS final
    FROM disposition d JOIN opened USING (case_id)
    WHERE d.hub_id = $1
), by_code AS (
    SELECT code, count(*) FILTER (WHERE final) AS final, count(DISTINCT case_id) AS ever
    FROM sent GROUP BY code
), unsent AS (
    SELECT state FROM opened o WHERE NOT EXISTS (
        SELECT FROM disposition d WHERE d.hub_id = $1 AND d.case_id = o.case_id)
)
SELECT
    (SELECT count(*) FROM opened),
    (SELECT count(DISTINCT person_id) + count(*) FILTER (WHERE person_id IS NULL) FROM opened),
    (SELECT count(*) FROM unsent),
    (SELECT count(*) FROM unsent WHERE state = ANY($4)),
    ARRAY(SELECT code FROM by_code ORDER BY code),
    ARRAY(SELECT final FROM by_code ORDER BY code),
    ARRAY(SELECT ever FROM by_code ORDER BY code)
"""


_TALLIES = """
SELECT count(*), coalesce(sum(passed), 0), coalesce(sum(fever_suspected), 0),
       coalesce(sum(refused), 0), coalesce(sum(not_screened), 0)
FROM tally
WHERE hub_id = $1 AND since >= $2 AND since < $3 AND superseded_by IS NULL
"""
_ASSISTED = """
WITH opened AS (
    SELECT coalesce(fold ->> 'lane', 'NONE') AS lane, fold -> 'assisted' AS helped
    FROM screening
    WHERE hub_id = $1 AND opened_at >= $2 AND opened_at < $3
      AND state <> 'VOID' AND checks > 0
)
SELECT lane, screenings, assisted, ended, waits[1], waits[2] FROM (SELECT
    lane, count(*) AS screenings, count(helped) AS assisted, count(helped ->> 1) AS ended,
    percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(
        epoch FROM (helped ->> 1)::timestamptz - (helped ->> 0)::timestamptz)::int) AS waits
FROM opened GROUP BY lane) counted
"""
_OVERRIDES = """
SELECT ground, count(*) FROM deviation
WHERE hub_id = $1 AND recorded_at >= $2 AND recorded_at < $3
GROUP BY ground
"""


async def of_period(
    database: Database, hub_id: str, since: datetime, until: datetime, at: datetime
) -> Period:
    """Count screenings and cases opened in [since, until), and tallies. Seven statements.

    `at`: the present moment; what was due by then counts as due.

    Raises `TooMany`, `Unavailable`, and `Internal` rather than give figures that do not add up;
    what they leave out is `astray`, see `require_accounted`.
    """
    period = (hub_id, since, until)
    async with reader.reading(database, LONGEST_S) as tx:
        screenings = await tx.raw.fetchrow(_SCREENINGS, *period, timeout=LONGEST_S + 1)
        cases = await tx.raw.fetchrow(
            _CASES, *period, list(machine.SENT), timeout=LONGEST_S + 1
        )
        tallied = await tx.raw.fetchrow(_TALLIES, *period, timeout=LONGEST_S + 1)
        helped = await tx.raw.fetch(_ASSISTED, *period, timeout=LONGEST_S + 1)
        deviated = dict(map(tuple, await tx.raw.fetch(_OVERRIDES, *period)))
        left = await outcomes.departures(tx, *period, LONGEST_S + 1)
        followed = await outcomes.followed_up(tx, *period, at, LONGEST_S + 1)
    if screenings is None or cases is None or tallied is None:
        raise Internal
    times, checks, travellers, cleared, referred, deferred, closed, owed, no_show, complete = (
        screenings
    )
    opened, patients, undisposed, astray, codes, finals, evers = cases
    sent = {
        Disposition(code): DispositionCount(final, ever)
        for code, final, ever in zip(codes, finals, evers, strict=True)
    }
    require_sum(sent, opened, undisposed)
    return Period(
        person_times_checked=times,
        checks=checks,
        travellers=travellers,
        cleared=cleared,
        referred=referred,
        deferred=deferred,
        deferred_closed_24h=closed,
        deferred_unresolved=owed,
        no_show=no_show,
        complete_222=complete,
        cases=opened,
        fever_patients=patients,
        dispositions={code: sent.get(code, DispositionCount(0, 0)) for code in Disposition},
        undisposed=undisposed,
        astray=astray,
        tallied=Tallied(*tallied),
        assisted=dict.fromkeys(LANES, Help())
        | {str(lane): Help(*figures) for lane, *figures in helped},
        overrides={ground: deviated.get(ground, 0) for ground in Ground},
        departures=left,
        follow_ups=followed,
    )


def require_sum(
    sent: Mapping[Disposition, DispositionCount], cases: int, undisposed: int
) -> None:
    """Every case has exactly one final way, which it also ever had, or was sent nowhere yet.

    Raises `Internal` otherwise: a report that contradicts itself is worse than none.
    """
    adds_up = sum(count.final for count in sent.values()) + undisposed == cases
    if not adds_up or any(count.final > count.ever for count in sent.values()):
        raise Internal("The dispositions of this period do not add up.")


def require_accounted(period: Period) -> None:
    """Of every case that went on, a disposition says where to.

    The sums come of the same rows and agree even where some are missing; this holds them
    against the way the cases went. Raises `Internal`.
    """
    if period.astray:
        raise Internal("Cases of this period went on, and nothing says where they were sent.")
