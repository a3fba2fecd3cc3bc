"""Idempotent facts: store what a client names by an id of its own, once.

The same id and content is the same fact and gets the first answer; other content is refused.
The tables of such facts have `hub_id` and that id as their key, the column of their subject
(`case_id`), `recorded_at`, `device_id` and `operator_id`, and a column for each member of the
form, by the same name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import (
    ColumnElement,
    DateTime,
    Delete,
    Insert,
    RowMapping,
    Table,
    Update,
    func,
    literal,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from twinstile.platform.db.database import Reading, Transaction
from twinstile.platform.db.tables import Base
from twinstile.platform.http.problems import IdReused, TooMany

Change = Insert | Update | Delete

DAILY_LIMIT: Final = 24
"""Facts of one kind and subject that the holder of a link may add within a day."""


class FactSource(Protocol):
    """Where a fact comes from: somebody on duty at a device, or nobody of the hub."""

    @property
    def hub_id(self) -> str: ...
    @property
    def device_id(self) -> UUID | None: ...
    @property
    def operator_id(self) -> UUID | None: ...


@dataclass(frozen=True, slots=True)
class RecordedBy:
    """A source by its ids. Without a device: somebody outside the hub, or the clock."""

    hub_id: str
    device_id: UUID | None = None
    operator_id: UUID | None = None


def _table(kind: type[Base]) -> Table:
    return Base.metadata.tables[kind.__tablename__]


def columns(kind: type[Base], form: BaseModel, **more: object) -> dict[str, object]:
    """The columns that a form fills, by name, as they are stored, and `more` of them."""
    filled: dict[str, object] = {}
    for name, value in form:
        if name in _table(kind).c:
            match value:
                case tuple():
                    filled[name] = [*value]
                case BaseModel():
                    filled[name] = value.model_dump(mode="json", exclude_none=True)
                case _:
                    filled[name] = value
    return filled | more


async def find(
    tx: Reading, kind: type[Base], hub_id: str, fact_id: UUID, claimed: Mapping[str, object]
) -> RowMapping | None:
    """The fact as it was stored under that id, if it was. Raises `IdReused` for another.

    `claimed` are the columns that the sender fills.
    """
    table = _table(kind)
    hub, key = table.primary_key.columns
    stored = await tx.sql.execute(select(table).where(hub == hub_id, key == fact_id))
    row = stored.mappings().one_or_none()
    if row is not None and any(row[name] != value for name, value in claimed.items()):
        raise IdReused
    return row


async def add(
    tx: Transaction,
    kind: type[Base],
    source: FactSource,
    fact_id: UUID,
    values: Mapping[str, object],
    at: datetime,
    *changes: Change,
) -> RowMapping:
    """Store a fact of a case that is locked, with `changes` in the same statement; its row.

    Whoever came first may have waited longest for the lock: the moment is never before that of
    the fact it was judged by. Raises `IdReused` when another case has got that id just now.
    """
    table = _table(kind)
    hub, key = table.primary_key.columns
    behind = select(func.max(table.c.recorded_at) + text("interval '1 microsecond'")).where(
        hub == source.hub_id, table.c.case_id == values["case_id"]
    )
    row = {
        hub.name: source.hub_id,
        key.name: fact_id,
        **values,
        "recorded_at": func.greatest(
            literal(at, DateTime(timezone=True)), behind.scalar_subquery()
        ),
        "device_id": source.device_id,
        "operator_id": source.operator_id,
    }
    added = await tx.sql.execute(
        upsert(table)
        .values(**row)
        .on_conflict_do_nothing(index_elements=[hub, key])
        .returning(*table.columns)
        .add_cte(*_ctes(changes))
    )
    stored = added.mappings().one_or_none()
    if stored is None:
        raise IdReused
    return stored


async def apply_changes(tx: Transaction, first: Change, *others: Change) -> None:
    """Change rows of several tables in one statement: no change sees another's."""
    await tx.sql.execute(first.add_cte(*_ctes(others)))


def _ctes(changes: Sequence[Change]):  # noqa: ANN202 # a type that SQLAlchemy does not export
    return [change.cte(f"change_{n}") for n, change in enumerate(changes)]


async def require_few(
    tx: Reading,
    kind: type[Base],
    hub_id: str,
    fact_id: UUID,
    at: datetime,
    *conditions: ColumnElement[bool],
) -> None:
    """Raise `TooMany` when there are `DAILY_LIMIT` such facts of a day, that one not counted.

    Whoever holds a link may be anybody, and each fact is stored and announced for good.
    """
    table = _table(kind)
    hub, key = table.primary_key.columns
    since = at - timedelta(days=1)
    stored = await tx.sql.execute(
        select(func.count()).where(
            hub == hub_id, key != fact_id, table.c.recorded_at > since, *conditions
        )
    )
    if stored.scalar_one() >= DAILY_LIMIT:
        raise TooMany("This link was used too often today.", retry_after_s=3600)


async def of_case(
    tx: Reading, kind: type[Base], hub_id: str, case_ids: Sequence[UUID], limit: int
) -> list[RowMapping]:
    """The latest `limit` facts of a kind about a case and its merged ones, oldest first."""
    table = _table(kind)
    hub, key = table.primary_key.columns
    stored = await tx.sql.execute(
        select(table)
        .where(hub == hub_id, table.c.case_id.in_(case_ids))
        .order_by(table.c.recorded_at.desc(), key.desc())
        .limit(limit)
    )
    return list(reversed(stored.mappings().all()))
