"""Facts of a case that a sender names by an id of its own: the same again is the same fact.

The tables of such facts have `hub_id` and that id as their key, and `case_id`, `recorded_at`,
`device_id` and `operator_id`, beside what the sender says.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    RowMapping,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.cases.steps import Source
from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.tables import Base
from twinstile.platform.http.problems import IdReused, TooMany

MOST_OUTSIDE: Final = 24
"""Facts of one kind and case that somebody with nothing but a link may add within a day."""


async def find(
    tx: Reading, kind: type[Base], hub_id: str, fact_id: UUID, told: Mapping[str, object]
) -> RowMapping | None:
    """The fact as it was recorded under that id, if it was. Raises `IdReused` for another.

    `told` are the columns that the sender says.
    """
    table = Base.metadata.tables[kind.__tablename__]
    hub, key = table.primary_key.columns
    found = await tx.sql.execute(select(table).where(hub == hub_id, key == fact_id))
    row = found.mappings().one_or_none()
    if row is not None and any(row[name] != value for name, value in told.items()):
        raise IdReused
    return row


async def add(
    tx: Transaction,
    kind: type[Base],
    who: Source,
    fact_id: UUID,
    told: Mapping[str, object],
    at: datetime,
) -> RowMapping:
    """Record a fact of a case that is locked; the row as it is stored.

    Whoever came first may have waited longest for the lock: the moment is never before that of
    the fact it was judged by. Raises `IdReused` when another case has got that id just now.
    """
    table = Base.metadata.tables[kind.__tablename__]
    hub, key = table.primary_key.columns
    behind = select(func.max(table.c.recorded_at) + text("interval '1 microsecond'")).where(
        hub == who.hub_id, table.c.case_id == told["case_id"]
    )
    values = {
        hub.name: who.hub_id,
        key.name: fact_id,
        **told,
        "recorded_at": func.greatest(
            literal(at, DateTime(timezone=True)), behind.scalar_subquery()
        ),
        "device_id": who.device_id,
        "operator_id": who.operator_id,
    }
    added = await tx.sql.execute(
        upsert(table)
        .values(**values)
        .on_conflict_do_nothing(index_elements=[hub, key])
        .returning(*table.columns)
    )
    row = added.mappings().one_or_none()
    if row is None:
        raise IdReused
    return row


async def require_few(
    tx: Reading,
    kind: type[Base],
    hub_id: str,
    fact_id: UUID,
    at: datetime,
    *wanted: ColumnElement[bool],
) -> None:
    """Raise `TooMany` when there are `MOST_OUTSIDE` such facts, beside that one, of a day.

    Whoever holds a link may be anybody, and each fact is kept and told for good.
    """
    table = Base.metadata.tables[kind.__tablename__]
    hub, key = table.primary_key.columns
    since = at - timedelta(days=1)
    found = await tx.sql.execute(
        select(func.count()).where(
            hub == hub_id, key != fact_id, table.c.recorded_at > since, *wanted
        )
    )
    if found.scalar_one() >= MOST_OUTSIDE:
        raise TooMany("This link was used too often today.", retry_after_s=3600)


async def of_case(
    tx: Reading, kind: type[Base], hub_id: str, case_ids: Sequence[UUID], limit: int
) -> list[RowMapping]:
    """The latest `limit` facts of a kind about a case and its merged ones, oldest first."""
    table = Base.metadata.tables[kind.__tablename__]
    hub, key = table.primary_key.columns
    found = await tx.sql.execute(
        select(table)
        .where(hub == hub_id, table.c.case_id.in_(case_ids))
        .order_by(table.c.recorded_at.desc(), key.desc())
        .limit(limit)
    )
    return list(reversed(found.mappings().all()))
