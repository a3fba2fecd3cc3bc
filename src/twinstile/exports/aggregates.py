"""Counts that may outlive the hub: by month, with small cells hidden.

A count of 1 to 7 is shown as `*`, any other is rounded to the nearest 5 (as NHS Digital does
for hospital statistics below national level). Each figure is rounded by itself.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from twinstile.exports import reports
from twinstile.exports.reports import Period
from twinstile.platform.db.database import Database

MOST_HIDDEN: Final = 7
STEP: Final = 5
HEADER: Final = ("month", "measure", "count", "hub_mode")

_SPAN = """
SELECT least(min(s.at), min(c.at)), greatest(max(s.at), max(c.at)),
       (SELECT mode FROM hub WHERE hub_id = $1)
FROM (SELECT min(opened_at) AS at FROM screening WHERE hub_id = $1
      UNION ALL SELECT max(opened_at) FROM screening WHERE hub_id = $1
      UNION ALL SELECT min(since) FROM tally WHERE hub_id = $1
      UNION ALL SELECT max(since) FROM tally WHERE hub_id = $1) s,
     (SELECT min(opened_at) AS at FROM fever_case WHERE hub_id = $1
      UNION ALL SELECT max(opened_at) FROM fever_case WHERE hub_id = $1) c
"""


def publishable_count(count: int) -> str:
    """A count as it may be published."""
    if 1 <= count <= MOST_HIDDEN:
        return "*"
    return str(STEP * ((count + STEP // 2) // STEP))


async def by_month(database: Database, hub_id: str, zone: ZoneInfo, at: datetime) -> str:
    """Everything the hub counted by now, as CSV: one row a month and measure, header first."""
    async with database.reading() as tx:
        row = await tx.raw.fetchrow(_SPAN, hub_id)
    text = io.StringIO()
    table = csv.writer(text)
    table.writerow(HEADER)
    if row is not None and row[0] is not None:
        first, last, mode = row
        for since, until in _months(first.astimezone(zone), last.astimezone(zone)):
            period = await reports.of_period(database, hub_id, since, until, at)
            for measure, count in _measures(period):
                table.writerow((f"{since:%Y-%m}", measure, publishable_count(count), mode))
    return text.getvalue()


def _months(first: datetime, last: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The months both moments and all between lie in, each with its end, by the hub's clock."""
    month = first.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    while month <= last:
        ahead = month.year + month.month // 12, month.month % 12 + 1
        following = month.replace(year=ahead[0], month=ahead[1])
        yield month, following
        month = following


def _measures(period: Period) -> Iterator[tuple[str, int]]:
    yield from (
        ("person_times_checked", period.person_times_checked),
        ("checks", period.checks),
        ("travellers", period.travellers),
        ("cleared", period.cleared),
        ("referred", period.referred),
        ("deferred", period.deferred),
        ("deferred_closed_24h", period.deferred_closed_24h),
        ("deferred_unresolved", period.deferred_unresolved),
        ("no_show", period.no_show),
        ("complete_222", period.complete_222),
        ("cases", period.cases),
        ("fever_patients", period.fever_patients),
    )
    for code, sent in period.dispositions.items():
        yield f"{code.value}_final", sent.final
        yield f"{code.value}_ever", sent.ever
    yield "undisposed", period.undisposed
    yield "astray", period.astray
    for name, count in asdict(period.tallied).items():
        yield f"tallied_{name}", count
    for lane, told in period.assisted.items():
        yield f"assisted_{lane}", told.assisted
    for ground, count in period.overrides.items():
        yield f"override_{ground.value}", count
    yield "departed", period.departures.cases
    for name, count in asdict(period.follow_ups).items():
        yield f"follow_ups_{name}", count
