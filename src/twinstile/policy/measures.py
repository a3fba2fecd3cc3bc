"""Measures of a rule with their dates: pure, told the day of arrival and of leaving the area.

Day n is n days after the anchor's day. An anchor nobody knows the date of is taken to be the
day of arrival, the latest it can be, and the answer says that it is assumed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from twinstile.policy.types import Measure, MeasureAnchor, MeasureKind


@dataclass(frozen=True, slots=True)
class OrderedMeasure:
    """What was ordered of a traveller, and for which days."""

    rule_id: str
    kind: MeasureKind
    mode: str | None
    anchor: MeasureAnchor | None
    anchored_on: date | None
    assumed: bool
    """Nobody knows the anchor's date: the day of arrival stands in for it."""
    until: date | None
    """The last day of what lasts."""
    test_on: tuple[date, ...]
    due_at: datetime | None


def ordered(
    measures: Sequence[tuple[str, Measure]], at: datetime, day: date, left_on: date | None
) -> tuple[OrderedMeasure, ...]:
    """The measures of rules, by rule id, as ordered at a moment; `day` is its day at the hub.

    Tests before that day are not ordered any more, nor is what would be over by then.
    """
    known: Mapping[MeasureAnchor, date | None] = {
        MeasureAnchor.ARRIVAL: day,
        MeasureAnchor.LEFT_AREA: left_on and min(left_on, day),
        MeasureAnchor.LAST_CONTACT: None,
    }
    dated = (_dated(rule_id, one, at, day, known) for rule_id, one in measures)
    return tuple(one for one in dated if one.until is None or one.until >= day)


def _dated(
    rule_id: str,
    measure: Measure,
    at: datetime,
    day: date,
    dates: Mapping[MeasureAnchor, date | None],
) -> OrderedMeasure:
    counts = measure.days is not None or bool(measure.test_days)
    anchor = measure.anchor or (MeasureAnchor.ARRIVAL if counts else None)
    anchored_on = dates[anchor] if anchor else None
    start = anchored_on or day
    tests = (start + timedelta(days=n) for n in measure.test_days)
    hours = measure.within_hours
    return OrderedMeasure(
        rule_id=rule_id,
        kind=measure.kind,
        mode=measure.mode,
        anchor=anchor,
        anchored_on=start if anchor else None,
        assumed=anchor is not None and anchored_on is None,
        until=None if measure.days is None else start + timedelta(days=measure.days),
        test_on=tuple(test for test in tests if test >= day),
        due_at=None if hours is None else at + timedelta(hours=hours),
    )
