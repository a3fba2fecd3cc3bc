"""Measures with their dates."""

from datetime import UTC, date, datetime, timedelta

import pytest

from twinstile.policy import measures
from twinstile.policy.measures import OrderedMeasure
from twinstile.policy.types import Measure, MeasureAnchor, MeasureKind

AT = datetime(2022, 4, 12, 4, tzinfo=UTC)
DAY = date(2022, 4, 12)
HOME = Measure(
    MeasureKind.HOME_ISOLATION, 14, MeasureAnchor.LEFT_AREA, (1, 7, 13), mode="COACH"
)


def only(measure: Measure, left_on: date | None = None) -> OrderedMeasure:
    (one,) = measures.ordered([("R", measure)], AT, DAY, left_on)
    return one


def test_isolation_counts_from_the_day_of_leaving_and_past_tests_are_not_ordered() -> None:
    told = only(HOME, date(2022, 4, 9))
    assert (told.anchored_on, told.until) == (date(2022, 4, 9), date(2022, 4, 23))
    assert told.test_on == (date(2022, 4, 16), date(2022, 4, 22))
    assert not told.assumed


def test_an_unknown_day_of_leaving_is_taken_to_be_that_of_arrival_and_said_so() -> None:
    told = only(HOME)
    assert (told.anchored_on, told.until) == (DAY, date(2022, 4, 26))
    assert told.assumed


def test_nobody_leaves_an_area_after_arriving() -> None:
    assert only(HOME, date(2022, 5, 1)).anchored_on == DAY


def test_a_test_within_hours_counts_from_the_moment_and_its_days_from_arrival() -> None:
    told = only(Measure(MeasureKind.TEST, within_hours=24, test_days=(3,)), date(2022, 4, 1))
    assert told.due_at == AT + timedelta(hours=24)
    assert (told.anchor, told.test_on) == (MeasureAnchor.ARRIVAL, (date(2022, 4, 15),))


def test_what_lasts_no_time_has_no_dates() -> None:
    told = only(Measure(MeasureKind.REGISTER))
    assert (told.anchor, told.anchored_on, told.until, told.due_at) == (None,) * 4
    assert told.test_on == ()


def test_the_last_contact_is_not_known() -> None:
    told = only(Measure(MeasureKind.HEALTH_MONITORING, 7, MeasureAnchor.LAST_CONTACT))
    assert (told.until, told.assumed) == (date(2022, 4, 19), True)


@pytest.mark.parametrize(("days_ago", "count"), [(14, 1), (15, 0)])
def test_an_isolation_that_is_over_is_not_ordered(days_ago: int, count: int) -> None:
    left_on = DAY - timedelta(days=days_ago)
    assert len(measures.ordered([("R", HOME)], AT, DAY, left_on)) == count
