"""Date-times of CertLogic: which texts are read, and where an offset leads."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.policy import certlogic, certlogic_dates
from twinstile.policy.certlogic import OperandError

X = {"var": "x"}


def evaluate(expression, facts=None):
    return certlogic.compile_rule(expression)(facts)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2004", "2004-12-31"),
        ("2004-02", "2004-02-29"),
        ("2003-02", "2003-02-28"),
        ("2021-05-04", "2021-05-04"),
        ("2021-05-04T13:37:42", "2021-05-04T13:37:42"),
        ("2021-05-04T13:37:42Z", "2021-05-04T13:37:42"),
        ("2021-05-04T13:37:42-00:00", "2021-05-04T13:37:42"),
        ("2021-05-04T13:37:42+2", "2021-05-04T11:37:42"),
        ("2021-05-04T13:37:42+02", "2021-05-04T11:37:42"),
        ("2021-05-04T13:37:42+230", "2021-05-04T11:07:42"),
        ("2021-05-04T13:37:42+130", "2021-05-04T12:07:42"),
        ("2021-05-04T13:37:42-0230", "2021-05-04T16:07:42"),
        ("2021-05-04T13:37:42+2:30", "2021-05-04T11:07:42"),
        ("2021-05-04T13:37:42-02:30", "2021-05-04T16:07:42"),
        ("2021-05-04T00:30:00+08:00", "2021-05-03T16:30:00"),
        ("2021-05-04T13:37:42.1Z", "2021-05-04T13:37:42.100"),
        ("2021-05-04T13:37:42.0019999999Z", "2021-05-04T13:37:42.001"),
        ("2021-05-04T13:37:42.5+1", "2021-05-04T12:37:42.500"),
    ],
)
def test_every_allowed_format_is_read(text, moment):
    expected = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert evaluate({"plusTime": [X, 0, "hour"]}, {"x": text}) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "20210504",
        "2021-5-4",
        "2021-13",
        "0000",
        "2021-02-29",
        "2021-W18-2",
        "2021-05-04T13:37",
        "2021-05-04 13:37:42",
        "2021-05-04T13:37:42z",
        "2021-05-04T13:37:42,5",
        "2021-05-04T13:37:42.",
        "2021-05-04T13:37:42+02:",
        "2021-05-04T13:37:42+24:00",
        "2021-05-04T13:37:42+02:60",
        "2021-05-04T24:00:00",
        "2021-05-04T13:37:60",
        "2021-05-04T13:37:42Z\n",
        "2021-05-04\n",
        "\uff12021-05-04",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_no_other_date_time_is_read_and_none_is_repeated(text):
    with pytest.raises(OperandError) as refused:
        evaluate({"plusTime": [X, 0, "day"]}, {"x": text})
    assert str(refused.value) == "/: operand is not an allowed date-time"
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("value", [None, 2021, True, ["2021"]])
@pytest.mark.parametrize("expression", [{"plusTime": [X, 0, "day"]}, {"dccDateOfBirth": [X]}])
def test_a_date_time_is_read_from_a_string_only(expression, value):
    with pytest.raises(OperandError, match="not a string"):
        evaluate(expression, {"x": value})


def test_a_birth_date_has_no_time():
    with pytest.raises(OperandError, match="not an allowed date-time"):
        evaluate({"dccDateOfBirth": ["2004-01-01T00:00:00Z"]})


@pytest.mark.parametrize(
    ("text", "amount", "unit", "moment"),
    [
        # The specification's own table of leap days.
        ("2020-02-29", 1, "day", "2020-03-01"),
        ("2020-02-29", 1, "month", "2020-03-29"),
        ("2020-02-29", 1, "year", "2021-03-01"),
        ("2020-02-29", 4, "year", "2024-02-29"),
        ("2021-01-31", 1, "month", "2021-03-03"),
        ("2020-01-31", 1, "month", "2020-03-02"),
        ("2021-03-31", -1, "month", "2021-03-03"),
        ("2021-01-15", -1, "month", "2020-12-15"),
        ("2021-12-01", 13, "month", "2023-01-01"),
        ("2021-03-28T00:30:00+01:00", 24, "hour", "2021-03-28T23:30:00"),
        ("2021-06-23", -180, "day", "2020-12-25"),
    ],
)
def test_offsets_follow_the_dates_of_ecmascript(text, amount, unit, moment):
    expected = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert evaluate({"plusTime": [text, amount, unit]}) == expected


@pytest.mark.parametrize("unit", list(certlogic_dates.Unit))
@pytest.mark.parametrize("sign", [1, -1])
def test_an_offset_beyond_the_calendar_is_refused(unit, sign):
    with pytest.raises(OperandError, match="not an allowed date-time"):
        evaluate({"plusTime": ["2021", sign * certlogic_dates.MAX_AMOUNT, unit]})


@given(
    st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001
    st.integers(-23 * 60, 23 * 60),
)
def test_a_moment_is_the_same_in_every_zone(naive, minutes):
    local = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    read = certlogic_dates.date_time(local.isoformat(timespec="microseconds"))
    assert timedelta(0) <= local - read < timedelta(milliseconds=1)


@given(st.dates(datetime(1900, 1, 1).date(), datetime(2100, 1, 1).date()), st.integers(-90, 90))  # noqa: DTZ001
def test_a_year_is_twelve_months(day, years):
    by_year = evaluate({"plusTime": [X, years, "year"]}, {"x": day.isoformat()})
    by_month = evaluate({"plusTime": [X, 12 * years, "month"]}, {"x": day.isoformat()})
    assert by_year == by_month
