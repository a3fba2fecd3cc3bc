"""Cursors of lists."""

import base64
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.platform.http import paging
from twinstile.platform.http.field_types import EARLIEST, LATEST
from twinstile.platform.http.problems import InvalidInput

naive = {"min_value": EARLIEST.replace(tzinfo=None), "max_value": datetime(2099, 12, 31)}  # noqa: DTZ001
moments = st.datetimes(**naive, timezones=st.just(UTC))


@given(moments, st.uuids())
def test_a_cursor_leads_back_to_its_row(moment: datetime, row_id: UUID) -> None:
    cursor = paging.encode(moment, row_id)
    assert len(cursor) <= paging.LONGEST
    assert paging.decode(cursor) == (moment, row_id)


@given(st.text(max_size=paging.LONGEST))
def test_any_other_text_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        paging.decode(text)
    assert [fault.pointer for fault in refused.value.errors] == ["/cursor"]


ROW = "0192a7c0-5d5e-7000-8000-000000000000"


@pytest.mark.parametrize(
    "inside",
    [
        "",
        ROW,
        f"2026-11-24T08:15:30 {ROW}",
        f"{LATEST.isoformat()} {ROW}",
        f"{(EARLIEST - timedelta(seconds=1)).isoformat()} {ROW}",
        f"{datetime(2026, 11, 24, tzinfo=timezone(timedelta(hours=8))).isoformat()} row",
    ],
)
def test_a_cursor_is_judged_by_what_it_says(inside: str) -> None:
    with pytest.raises(InvalidInput):
        paging.decode(base64.urlsafe_b64encode(inside.encode()).decode())
