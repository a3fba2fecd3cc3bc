"""What another policy would have decided of checks that are stored. Pure: a fold, no database.

Each passage is decided again, check by check, with the gate's own functions. What a decision
read beside the passage was stored with the check (`decision_context.stored_context`). Kept as
they were: which passage a check belongs to, what was known of other passages, deadlines that
ended, and every step that a person took. Where the other policy has let somebody go, what came
later did not take place.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

from twinstile.platform.http.field_types import EARLIEST
from twinstile.policy.types import HubPolicy
from twinstile.replay.queues import SERVICE_S, Queue, Station
from twinstile.replay.replay_result import (
    CaseShift,
    CheckShift,
    HourShift,
    PassageSeen,
    QueueShift,
    ReplayExample,
    ReplayResult,
    RuleShift,
    StateShift,
)
from twinstile.replay.stored import brought, rule_ids
from twinstile.screening import claims, intake, machine, rules
from twinstile.screening.claims import Claims
from twinstile.screening.decision_context import DecisionContext, StoredContext, begun
from twinstile.screening.evidence import Brought, Evidence
from twinstile.screening.types import (
    Decision,
    LaneDirection,
    Outcome,
    ScreeningState,
    Verdict,
)

EXAMPLES_OF_A_KIND: Final = 5
EXAMPLES: Final = 100
HOURS: Final = 4000
REMEMBERED: Final = 8192
_DESK: Final = frozenset(
    {
        ScreeningState.ASSISTED,
        ScreeningState.SECONDARY,
        ScreeningState.HELD,
        ScreeningState.REFUSAL,
        ScreeningState.RETURN_PENDING,
        ScreeningState.TRANSIT_HELD,
    }
)
_CHECKED_AGAIN: Final = frozenset({ScreeningState.SECONDARY, ScreeningState.HELD})
_STATES: Final = {state.value: state for state in ScreeningState}
_NOTHING: Final = Evidence()
_VERDICTS: Final = {verdict.value: verdict for verdict in Verdict}


@dataclass(frozen=True, slots=True)
class LanePlace:
    """What is known of a lane."""

    checkpoint: str | None = None
    station: Station | None = None
    direction: LaneDirection = LaneDirection.UNKNOWN


_NO_LANE: Final = LanePlace()


@dataclass(frozen=True, slots=True)
class Moved:
    """A step that no check brought."""

    at: datetime
    screening_id: UUID
    before: ScreeningState
    after: ScreeningState
    by_person: bool


CheckRow: TypeAlias = tuple[
    datetime, int, UUID, UUID, str | None, datetime, int, str, str, str, str, str, bool, bool
]
"""The columns of `stream.PAGE_SQL` in its order."""


@dataclass(slots=True)
class _Trace:
    """A passage on its way, under both policies."""

    checkpoint: str | None
    last_at: datetime
    was: ScreeningState = machine.START
    would: ScreeningState = machine.START
    evidence: Evidence = _NOTHING
    shown: tuple[Verdict, tuple[str, ...]] = (Verdict.UNKNOWN, ())
    would_show: tuple[Verdict, tuple[str, ...]] = (Verdict.UNKNOWN, ())
    by_person: bool = False
    confirmed: bool = False
    would_confirm: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """Stored evidence once it was read."""

    brought: Brought
    around: StoredContext
    direction: LaneDirection
    claims: Claims | None
    """Of a minor: with what the guardian declared."""
    alone: Evidence
    decision: Decision | None


_Arrivals: TypeAlias = dict[Station, list[float]]


def _nobody() -> _Arrivals:
    return {station: [] for station in Station}


@dataclass(slots=True)
class _Hour:
    checks: int = 0
    elsewhere: int = 0
    lanes: set[str | None] = field(default_factory=set[str | None])
    before: _Arrivals = field(default_factory=_nobody)
    after: _Arrivals = field(default_factory=_nobody)


class Replay:
    """The fold over the checks of a period, in the order they were received.

    Raises nothing: a check that cannot be read again would be a fault of ours.
    """

    def __init__(
        self, policy: HubPolicy, zone: ZoneInfo, lanes: Mapping[str, LanePlace]
    ) -> None:
        """`lanes`: as they are now."""
        self._policy, self._zone, self._lanes = policy, zone, lanes
        self._open: dict[UUID, _Trace] = {}
        self._ahead: dict[UUID, list[Moved]] = {}
        self._read = lru_cache(REMEMBERED)(self._judged)
        self._rule_ids = lru_cache(REMEMBERED)(rule_ids)
        self._hours: dict[tuple[int, str | None], _Hour] = {}
        self.checks = 0
        self._begun_before = self._elsewhere = self._reasons = 0
        self._verdicts: Counter[tuple[Verdict, Verdict | None]] = Counter()
        self._states: Counter[tuple[ScreeningState, ScreeningState, bool]] = Counter()
        self._cases: Counter[tuple[bool, bool]] = Counter()
        self._rules_before: Counter[str] = Counter()
        self._rules_after: Counter[str] = Counter()
        self._examples: dict[tuple[ScreeningState, ScreeningState], list[ReplayExample]] = {}

    def asks(self, rows: Sequence[CheckRow]) -> list[UUID]:
        """Passages of these checks whose other steps must be known, see `expect`."""
        asked = {row[3]: None for row in rows if row[13] and not row[12]}
        return [screening_id for screening_id in asked if screening_id not in self._ahead]

    def expect(self, screening_ids: Sequence[UUID], moves: Sequence[Moved]) -> None:
        """Be told every other step of the passages asked for, in order."""
        self._ahead |= {screening_id: [] for screening_id in screening_ids}
        for moved in reversed(moves):
            self._ahead[moved.screening_id].append(moved)

    def take(self, row: CheckRow) -> None:
        """Decide one check again, and compare."""
        received_at, _, _, screening_id, lane_id, observed_at, offset_ms, evidence = row[:8]
        if row[12]:
            self._begun_before += 1
            return
        sent_at = received_at - timedelta(milliseconds=offset_ms)
        moment = intake.corrected(observed_at, sent_at, received_at)
        lane = self._lanes.get(lane_id or "", _NO_LANE)
        trace = self._open.get(screening_id)
        if trace is None:
            trace = self._open[screening_id] = _Trace(lane.checkpoint, moment)
        if self._ahead.get(screening_id):
            self._advance(screening_id, trace, received_at)
        before, would = trace.was, trace.would
        read = self._read(evidence, lane.direction)
        decision = None if would.terminal else self._again(trace, read, moment)
        trace.was = _STATES[row[10]]
        trace.shown = _VERDICTS[row[8]], self._rule_ids(row[11])
        trace.confirmed |= row[9] == Outcome.HOLD and trace.was is ScreeningState.HELD
        self.checks += 1
        second = moment.timestamp()
        hour = self._hour(int(second // 3600), trace.checkpoint)
        hour.lanes.add(lane_id)
        hour.checks += 1
        hour.elsewhere += self._compare(trace, decision)
        _arrive(hour.before, before, trace.was, second)
        if decision is not None:
            _arrive(hour.after, would, trace.would, second)
        if trace.was.terminal:
            self._finish(screening_id, trace)

    def _again(self, trace: _Trace, read: _Read, moment: datetime) -> Decision:
        if trace.evidence is _NOTHING:
            trace.evidence, decision = read.alone, read.decision
        else:
            late = moment < trace.last_at
            trace.evidence, decision = trace.evidence.joined(read.brought, late=late), None
        if read.claims is not None:
            trace.evidence = replace(trace.evidence, claims=read.claims)
        trace.last_at = max(trace.last_at, moment)
        if decision is None or trace.would is not machine.START:
            day = moment.astimezone(self._zone).date()
            around = DecisionContext.stored(moment, day, read.around, read.direction)
            decision = rules.decide(trace.would, trace.evidence, around, self._policy)
        trace.would = decision.state
        reasons = decision.reasons
        trace.would_show = (
            decision.verdict,
            tuple(reason.rule_id for reason in reasons) if reasons else (),
        )
        if decision.outcome is Outcome.HOLD:
            trace.would_confirm |= decision.state is ScreeningState.HELD
        return decision

    def _judged(self, evidence: str, direction: LaneDirection) -> _Read:
        """What was stored; and what it amounts to by itself, as most travellers' first check.

        A decision without claims is the same at any moment.
        """
        brought_, told = brought(evidence)
        alone = begun(told).joined(brought_)
        decision = None
        if brought_.claims is None and "claims" not in told:
            around = DecisionContext.stored(EARLIEST, EARLIEST.date(), told, direction)
            decision = rules.decide(machine.START, alone, around, self._policy)
        minors = claims.unpack(told["claims"]) if "claims" in told else None
        return _Read(brought_, told, direction, minors, alone, decision)

    def _compare(self, trace: _Trace, decision: Decision | None) -> bool:
        """Count a check in; whether it would have led elsewhere."""
        verdict, because = trace.shown
        if because:
            self._rules_before.update(because)
        if decision is None:
            self._verdicts[verdict, None] += 1
            self._elsewhere += 1
            return True
        would, reasons = trace.would_show
        if reasons:
            self._rules_after.update(reasons)
        self._verdicts[verdict, would] += 1
        elsewhere = would is not verdict or trace.would is not trace.was
        self._elsewhere += elsewhere
        self._reasons += not elsewhere and reasons != because
        return elsewhere

    def _hour(self, number: int, checkpoint: str | None) -> _Hour:
        hour = self._hours.get((number, checkpoint))
        if hour is None:
            hour = self._hours[number, checkpoint] = _Hour()
        return hour

    def _advance(self, screening_id: UUID, trace: _Trace, until: datetime) -> None:
        """Take the steps before that moment; of the same moment, those that fit."""
        ahead = self._ahead[screening_id]
        while ahead:
            moved = ahead[-1]
            if moved.at > until or (moved.at == until and moved.before is not trace.was):
                return
            ahead.pop()
            trace.was = moved.after
            trace.by_person |= moved.by_person
            kept = moved.by_person and not trace.would.terminal
            if kept or trace.would is moved.before:
                trace.would = moved.after

    def settle(self, until: datetime) -> None:
        """Take the steps until then, and forget passages that have ended."""
        for screening_id, trace in list(self._open.items()):
            if self._ahead.get(screening_id):
                self._advance(screening_id, trace, until)
            if trace.was.terminal:
                self._finish(screening_id, trace)

    def _finish(self, screening_id: UUID, trace: _Trace) -> None:
        del self._open[screening_id]
        self._ahead.pop(screening_id, None)
        self._cases[trace.confirmed, trace.would_confirm] += 1
        self._states[trace.was, trace.would, trace.by_person] += 1
        if trace.was is trace.would:
            return
        of_kind = self._examples.setdefault((trace.was, trace.would), [])
        if len(of_kind) < EXAMPLES_OF_A_KIND:
            of_kind.append(
                ReplayExample(
                    screening_id,
                    trace.checkpoint,
                    trace.by_person,
                    PassageSeen(trace.was, *trace.shown),
                    PassageSeen(trace.would, *trace.would_show),
                )
            )

    def told(self, until: datetime) -> ReplayResult:
        """What was found, once every check was taken. Passages still open are as at the end."""
        self.settle(until)
        for screening_id, trace in list(self._open.items()):
            self._finish(screening_id, trace)
        cases, states = self._cases, self._states
        hours = sorted(self._hours, key=lambda key: (key[0], key[1] or ""))
        rule_names = sorted(self._rules_before | self._rules_after)
        examples = [one for of_kind in self._examples.values() for one in of_kind]
        return ReplayResult(
            checks=self.checks,
            screenings=states.total(),
            begun_before=self._begun_before,
            checks_elsewhere=self._elsewhere,
            screenings_elsewhere=sum(n for (a, b, _), n in states.items() if a is not b),
            reasons_elsewhere=self._reasons,
            decided_by_person=sum(n for (*_, person), n in states.items() if person),
            cases=CaseShift(
                cases[True, True] + cases[True, False],
                cases[True, True] + cases[False, True],
                cases[True, False],
                cases[False, True],
            ),
            verdicts=[CheckShift(a, b, n) for (a, b), n in self._verdicts.most_common()],
            states=[StateShift(a, b, person, n) for (a, b, person), n in states.most_common()],
            rules=[
                RuleShift(rule, self._rules_before[rule], self._rules_after[rule])
                for rule in rule_names
            ],
            hours=self._queued(hours[:HOURS]),
            hours_left_off=max(0, len(hours) - HOURS),
            examples=examples[:EXAMPLES],
        )

    def _queued(self, keys: Sequence[tuple[int, str | None]]) -> list[HourShift]:
        """Each hour with its queues; one queue of a station leads through all its hours."""
        lines: dict[tuple[str | None, Station, bool], Queue] = {}
        found: list[HourShift] = []
        for number, checkpoint in keys:
            hour = self._hours[number, checkpoint]
            shifts: list[QueueShift] = []
            for station in Station:
                lanes = self._at_work(hour, checkpoint, station)
                waits = [
                    lines.setdefault(
                        (checkpoint, station, after), Queue(SERVICE_S[station])
                    ).hour(number * 3600.0, sorted(arrivals[station]), lanes)
                    for after, arrivals in ((False, hour.before), (True, hour.after))
                ]
                if waits[0].people or waits[1].people:
                    shifts.append(QueueShift(station, lanes, *waits))
            at = datetime.fromtimestamp(number * 3600, UTC)
            found.append(HourShift(at, checkpoint, hour.checks, hour.elsewhere, shifts))
        return found

    def _at_work(self, hour: _Hour, checkpoint: str | None, station: Station) -> int:
        """Lanes at which somebody was checked in that hour; if none was, all there are."""
        used = sum(self._lanes.get(of or "", _NO_LANE).station is station for of in hour.lanes)
        there = sum(
            lane.checkpoint == checkpoint and lane.station is station
            for lane in self._lanes.values()
        )
        return used or max(1, there)


def _arrive(
    arrivals: _Arrivals, before: ScreeningState, after: ScreeningState, second: float
) -> None:
    """Where somebody queued for a check, and where it sent them."""
    if before not in _DESK:
        arrivals[Station.AUTO].append(second)
    if before is not after:
        if after is ScreeningState.ASSISTED:
            arrivals[Station.ASSISTED].append(second)
        elif after in _CHECKED_AGAIN and before not in _CHECKED_AGAIN:
            arrivals[Station.SECONDARY].append(second)
