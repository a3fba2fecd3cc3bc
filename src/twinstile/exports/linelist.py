"""The line list of cases: one row a case, streamed by PostgreSQL's COPY as CSV (RFC 4180).

UTF-8 without a byte order mark, every value quoted, missing is empty, times in UTC after ISO
8601, order by time of opening. Columns are described in docs/epidemiologists.md. What a person
typed cannot run as a formula in a spreadsheet (OWASP, CSV injection).
"""

from datetime import datetime

from sqlalchemy import func, select

from twinstile.cases.tables import FeverCase
from twinstile.exports import reader
from twinstile.platform.db.database import Database, Reading
from twinstile.platform.http.streaming import Sink

FORMULA = r"^([=+@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20-])"
"""What a spreadsheet would take for one. In words of both PostgreSQL and Python."""
LONGEST_S = 600
"""Seconds until an export ends, be the client as slow as it likes."""


def _utc(column: str) -> str:
    return f"""to_char({column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""


def _celsius(column: str) -> str:
    return f"({column} / 10.0)::numeric(3, 1)"


def _text(column: str) -> str:
    """Typed text; an apostrophe keeps a spreadsheet from taking it for a formula.

    The escapes are full-width forms of the same signs, for Chinese input methods type them.
    """
    return rf"regexp_replace({column}, '{FORMULA}', '''\1')"


_COLUMNS = {
    "case_no": "c.case_no",
    "case_id": "c.case_id",
    "opened_at": _utc("c.opened_at"),
    "case_origin": "c.origin",
    "state": "c.state",
    "sex": "c.sex",
    # two digits, so that bands sort as text
    "age_band": """CASE WHEN c.age_years >= 85 THEN '85+'
        ELSE to_char(c.age_years / 5 * 5, 'FM00')
            || '-' || to_char(c.age_years / 5 * 5 + 4, 'FM00') END""",
    "run_service_no": _text("r.service_no"),
    "run_origin": _text("r.origin"),
    "run_date": "r.service_date",
    "first_c": _celsius("c.first_tenths"),
    "peak_c": _celsius("c.peak_tenths"),
    "screening_opened_at": _utc("s.opened_at"),
    "referred_at": _utc("s.referred_at"),
    "final_disposition": "d.code",
    "receiver": _text("d.receiver"),
    "dispositions": "coalesce(d.recorded, 0)",
    "closed_at": _utc("c.closed_at"),
    "hub_mode": "h.mode",
}
COLUMNS = tuple(_COLUMNS)

_QUERY = f"""
SELECT {", ".join(f"{value} AS {name}" for name, value in _COLUMNS.items())}
FROM fever_case c
JOIN hub h ON h.hub_id = c.hub_id
LEFT JOIN run r ON r.hub_id = c.hub_id AND r.run_id = c.run_id
LEFT JOIN screening s ON s.hub_id = c.hub_id AND s.screening_id = c.screening_id
LEFT JOIN LATERAL (
    SELECT code, receiver, count(*) OVER () AS recorded
    FROM disposition
    WHERE hub_id = c.hub_id AND case_id = c.case_id
    ORDER BY recorded_at DESC, disposition_id DESC
    LIMIT 1
) d ON true
WHERE c.hub_id = $1 AND c.opened_at >= $2 AND c.opened_at < $3
ORDER BY c.opened_at, c.case_id
"""  # noqa: S608 # assembled of the constants above


async def count(tx: Reading, hub_id: str, since: datetime, until: datetime) -> int:
    """How many rows the line list of [since, until) has now."""
    counted = await tx.sql.execute(
        select(func.count()).where(
            FeverCase.hub_id == hub_id,
            FeverCase.opened_at >= since,
            FeverCase.opened_at < until,
        )
    )
    return counted.scalar_one()


async def write(
    database: Database, hub_id: str, since: datetime, until: datetime, sink: Sink
) -> None:
    """Give the line list of cases opened in [since, until) to the sink, header first.

    The transaction is its own and lasts as long as the sink takes. Raises `TooMany`, or
    `Unavailable` when the time is up.
    """
    async with reader.reading(database, LONGEST_S) as tx:
        await reader.copy_csv(tx, _QUERY, (hub_id, since, until), sink, LONGEST_S)
