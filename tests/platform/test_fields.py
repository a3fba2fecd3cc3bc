"""Days and moments: written one way, within the years a station can mean."""

from datetime import UTC, date, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from twinstile.platform.http.field_types import Day, Moment, ServiceDay

MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
DAY: TypeAdapter[date] = TypeAdapter(Day)
SERVICE_DAY: TypeAdapter[date] = TypeAdapter(ServiceDay)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-11-24T08:15:30+08:00", datetime(2026, 11, 24, 0, 15, 30, tzinfo=UTC)),
        ("2026-11-24T08:15:30+14:00", datetime(2026, 11, 23, 18, 15, 30, tzinfo=UTC)),
        ("2026-11-24T08:15:30-12:00", datetime(2026, 11, 24, 20, 15, 30, tzinfo=UTC)),
        ("2026-11-24t08:15:30.5z", datetime(2026, 11, 24, 8, 15, 30, 500_000, tzinfo=UTC)),
        ("2000-01-01T00:00:00Z", datetime(2000, 1, 1, tzinfo=UTC)),
        ("2099-12-31T23:59:59Z", datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_in_any_zone(written: str, meant: datetime) -> None:
    assert MOMENT.validate_python(written) == meant


@pytest.mark.parametrize(
    "written",
    ["0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"],
)
def test_a_moment_of_another_age_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match="out-of-range"):
        MOMENT.validate_python(written)


@pytest.mark.parametrize("written", [0, 86400, 1.0, True, "19900101", "1990-1-1", "1990-02-30"])
def test_a_day_is_written_as_a_day(written: object) -> None:
    with pytest.raises(ValidationError):
        DAY.validate_python(written)


def test_a_document_may_name_any_day_but_a_service_runs_in_our_age() -> None:
    assert DAY.validate_python("0001-01-01") == date(1, 1, 1)
    assert SERVICE_DAY.validate_python("2026-11-24") == date(2026, 11, 24)
    for written in ("0001-01-01", "1999-12-31", "2100-01-01", "9999-12-31"):
        with pytest.raises(ValidationError, match="out-of-range"):
            SERVICE_DAY.validate_python(written)
