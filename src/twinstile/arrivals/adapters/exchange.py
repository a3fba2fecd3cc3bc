"""Exchange tables: a department writes rows into a database, and we read what has changed.

Rows are read in the order of (time of change, id). Clocks and long transactions of others put
rows behind what was read already, so each new pass begins an overlap earlier; what it reads
again is the same bytes, or the same rows in them. A pass that did not come to its end goes on
exactly where it stopped. A time far ahead of ours is read and never becomes the mark.

Rows that were deleted leave no trace there. So now and then each of the last days is read
whole and compared with what it was: one that has changed is handed over as the whole list of
its runs.
"""

import asyncio
import datetime as dt
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, Literal, Self, TypeAlias, TypeVar, cast
from uuid import UUID

import asyncpg
import sqlalchemy as sa
from pydantic import Field, model_validator
from sqlalchemy import Connection, Engine, exc
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from twinstile.arrivals.records import WHOLE, Delivery
from twinstile.arrivals.transport import (
    MOST_BYTES,
    MOST_DELIVERIES,
    FeedFault,
    FetchedDelivery,
    FilePath,
    TransportCursor,
    TransportSettings,
    secret,
)

T = TypeVar("T")
Value: TypeAlias = str | int | float | Decimal | dt.datetime | UUID
Stored: TypeAlias = tuple[str, str]
"""A value as the cursor holds it: its kind and its text."""

MEDIA_TYPE: Final = "application/x-ndjson"
MOST_DAY_ROWS: Final = 50_000
AHEAD: Final = dt.timedelta(days=2)
"""A time later than that is a wrong clock, whatever the zone."""

REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exc.NoSuchTableError, "schema-changed"),
    (exc.ProgrammingError, "schema-changed"),
    (asyncpg.InvalidAuthorizationSpecificationError, "unauthorised"),
    (exc.OperationalError, "connection-lost"),
    (exc.InterfaceError, "connection-lost"),
    (exc.DBAPIError, "call-failed"),
    (TimeoutError, "timeout"),
    (OSError, "connect-failed"),
)

Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_\u0080-\uffff][\w$#]{0,62}$")]


class ExchangeSettings(TransportSettings):
    kind: Literal["exchange"]
    url_file: FilePath
    """The SQLAlchemy URL, which holds a password."""
    schema_name: Identifier | None = None
    table: Identifier
    columns: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=100)]
    """What is handed over beside id and time, under the table's own names."""
    id_column: Identifier
    time_column: Identifier
    status_column: Identifier | None = None
    """Where `status_read` is written once a row has landed; without it nothing is written."""
    status_read: int | Annotated[str, Field(max_length=20)] = "1"
    overlap_s: int = Field(default=300, ge=0, le=86_400)
    rows: int = Field(default=1000, ge=1, le=5000)
    """Of one delivery."""
    pages: int = Field(default=20, ge=1, le=MOST_DELIVERIES // 2)
    """Of one poll."""
    day_column: Identifier | None = None
    """The operating day of the runs: what is compared, day by day."""
    reconcile_s: int = Field(default=3600, ge=60, le=7 * 86_400)
    reconcile_days: int = Field(default=3, ge=1, le=31)

    @model_validator(mode="after")
    def _check_unique(self) -> Self:
        if len(set(self.read)) != len(self.read):
            raise ValueError("each column once")
        return self

    @property
    def read(self) -> tuple[str, ...]:
        """The columns of a row as it is read: what orders it comes first."""
        return (self.time_column, self.id_column, *self.columns)

    def open(self) -> "ExchangeTransport":
        """Raises `FeedFault` where the URL or its driver cannot be used."""
        try:
            url = sa.make_url(secret(self.url_file).decode())
            if url.get_dialect().is_async:
                engine = create_async_engine(url, poolclass=NullPool, hide_parameters=True)
            else:
                engine = sa.create_engine(url, poolclass=NullPool, hide_parameters=True)
        except (exc.NoSuchModuleError, ImportError):
            raise FeedFault("driver-missing") from None
        except (exc.ArgumentError, UnicodeDecodeError):
            raise FeedFault("secret-unreadable") from None
        return ExchangeTransport(self, engine)


class ExchangeCursor(TransportCursor):
    """The cursor. `at`: the latest time read; `on`: where a pass stopped; `same`: a digest."""

    at: Stored | None = None
    on: tuple[Stored, Stored] | None = None
    same: str | None = None
    checked: dt.datetime | None = None
    days: dict[str, str] = Field(default_factory=dict)

    def but(self, **changes: object) -> "ExchangeCursor":
        return self.model_copy(update=changes)


@dataclass(frozen=True, slots=True)
class ExchangePage:
    """Rows in their order: (time, id, columns ...)."""

    rows: Sequence[Sequence[object]]
    body: bytes

    @property
    def digest(self) -> str:
        return f"{len(self.rows)}:{hashlib.sha256(self.body).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class FetchedRows(FetchedDelivery):
    """A delivery with time and id of its rows."""

    keys: tuple[tuple[object, object], ...] = ()


class ExchangeTransport:
    """A `FeedTransport`."""

    def __init__(self, settings: ExchangeSettings, engine: Engine | AsyncEngine) -> None:
        self._settings = settings
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "exchange")
        others = (settings.status_column, settings.day_column)
        names = dict.fromkeys((*settings.read, *(name for name in others if name)))
        columns: list[sa.ColumnClause[object]] = [sa.column(name) for name in names]
        self._table = sa.table(settings.table, *columns, schema=settings.schema_name)

    async def fetch(
        self, cursor: str | None, now: dt.datetime
    ) -> AsyncIterator[FetchedDelivery]:
        await self._run(self._check_schema)
        mark = ExchangeCursor.of(cursor)
        for _ in range(self._settings.pages):
            page = await self._run(self._reader(mark))
            ended = len(page.rows) < self._settings.rows
            following = self._following(mark, page, now, ended=ended)
            if page.rows and not (ended and mark.on is None and mark.same == page.digest):
                yield _delivery_of(page, following, now, MEDIA_TYPE)
            mark = following
            if ended:
                break
        if mark.on is None and self._due(mark, now):
            async for whole, following in self._changed_days(mark):
                mark = following
                if whole is not None:
                    yield _delivery_of(whole, mark, now, f"{MEDIA_TYPE}; {WHOLE}")
            mark = mark.but(checked=now)
        if mark.written() != (cursor or "{}"):
            yield FetchedDelivery(None, mark.written())

    async def acknowledge(self, fetched: FetchedDelivery) -> None:
        column = self._settings.status_column
        if not isinstance(fetched, FetchedRows) or column is None or not fetched.keys:
            return
        columns, done = self._table.c, self._settings.status_read
        status = columns[column]
        update = (
            self._table.update()
            .where(columns[self._settings.time_column] == sa.bindparam("at"))
            .where(columns[self._settings.id_column] == sa.bindparam("key"))
            .where(sa.or_(status.is_(None), status != done))
            .values({column: done})
        )
        keys = [{"at": at, "key": key} for at, key in fetched.keys]

        def work(connection: Connection) -> None:
            connection.execute(update, keys)
            connection.commit()

        await self._run(work)

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
        if isinstance(self._engine, AsyncEngine):
            await self._engine.dispose()
        else:
            self._engine.dispose()

    def _check_schema(self, connection: Connection) -> None:
        settings = self._settings
        found = sa.inspect(connection).get_columns(settings.table, schema=settings.schema_name)
        names = {column["name"].casefold() for column in found}
        if not {column.name.casefold() for column in self._table.c} <= names:
            raise FeedFault("schema-changed")

    def _reader(self, mark: ExchangeCursor) -> Callable[[Connection], ExchangePage]:
        """Reads the rows after the mark, as many as a delivery holds."""
        settings, columns = self._settings, self._table.c
        at, key = columns[settings.time_column], columns[settings.id_column]
        query = self._select().where(at.is_not(None)).order_by(at, key).limit(settings.rows)
        if mark.on is not None:
            last_at, last_key = (_value_of(one) for one in mark.on)
            query = query.where(sa.or_(at > last_at, sa.and_(at == last_at, key > last_key)))
        elif mark.at is not None:
            query = query.where(at >= _earlier(_value_of(mark.at), settings.overlap_s))
        return lambda connection: self._page(connection.execute(query).all())

    def _select(self) -> "sa.Select[tuple[object, ...]]":
        return sa.select(*(self._table.c[name] for name in self._settings.read))

    def _page(self, records: Iterable[Sequence[object]]) -> ExchangePage:
        rows = list(records)
        lines = [_line(self._settings.read, row) for row in rows]
        body = "".join(lines).encode()
        if len(body) > MOST_BYTES:
            raise FeedFault("too-large")
        return ExchangePage(rows, body)

    def _following(
        self, mark: ExchangeCursor, page: ExchangePage, now: dt.datetime, *, ended: bool
    ) -> ExchangeCursor:
        """Where to go on after the page: within this pass, or an overlap before its end."""
        at = mark.at
        sane = [row[0] for row in page.rows if not _ahead(row[0], now)]
        if sane:
            at = _cursor_value(sane[-1])
        if not ended:
            last = page.rows[-1]
            return mark.but(
                at=at, on=(_cursor_value(last[0]), _cursor_value(last[1])), same=None
            )
        only = bool(page.rows) and mark.on is None
        return mark.but(at=at, on=None, same=page.digest if only else None)

    def _due(self, mark: ExchangeCursor, now: dt.datetime) -> bool:
        if self._settings.day_column is None:
            return False
        interval = dt.timedelta(seconds=self._settings.reconcile_s)
        return mark.checked is None or not mark.checked <= now < mark.checked + interval

    async def _changed_days(
        self, mark: ExchangeCursor
    ) -> AsyncIterator[tuple[ExchangePage | None, ExchangeCursor]]:
        """Each of the last days that is another than it was, whole; and the mark after it."""
        day = self._table.c[cast("str", self._settings.day_column)]
        latest = sa.select(day).where(day.is_not(None)).group_by(day).order_by(day.desc())
        query = latest.limit(self._settings.reconcile_days)
        days = [row[0] for row in await self._run(lambda c: c.execute(query).all())]
        known = {str(one) for one in days}
        mark = mark.but(days={one: was for one, was in mark.days.items() if one in known})
        key = self._table.c[self._settings.id_column]
        for one in days:
            rows = self._select().where(day == one).order_by(key).limit(MOST_DAY_ROWS + 1)
            page = await self._run(lambda c, rows=rows: self._page(c.execute(rows).all()))
            if len(page.rows) > MOST_DAY_ROWS:
                raise FeedFault("too-many-rows")
            was = mark.days.get(str(one))
            mark = mark.but(days=mark.days | {str(one): page.digest})
            yield (page if was not in {None, page.digest} else None), mark

    async def _run(self, work: Callable[[Connection], T]) -> T:
        """Do it on a connection of its own, within its time. Raises `FeedFault`."""
        try:
            async with asyncio.timeout(self._settings.within_s):
                if isinstance(self._engine, AsyncEngine):
                    async with self._engine.connect() as connection:
                        return await connection.run_sync(work)
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(self._thread, _on, self._engine, work)
        except (exc.SQLAlchemyError, asyncpg.PostgresError, OSError) as error:
            raise FeedFault(_reason(error)) from None


def _reason(error: Exception) -> str:
    return next((word for kind, word in REASONS if isinstance(error, kind)), "call-failed")


def _on(engine: Engine, work: Callable[[Connection], T]) -> T:
    with engine.connect() as connection:
        return work(connection)


def _delivery_of(
    page: ExchangePage, mark: ExchangeCursor, now: dt.datetime, media_type: str
) -> FetchedRows:
    keys = tuple((row[0], row[1]) for row in page.rows)
    return FetchedRows(
        Delivery(page.body, now, media_type=media_type), mark.written(), keys=keys
    )


def _line(names: Sequence[str], values: Sequence[object]) -> str:
    row = {name: _json_value(value) for name, value in zip(names, values, strict=True)}
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def _json_value(value: object) -> object:
    """As JSON has it, and always the same: CHAR columns come padded with blanks."""
    match value:
        case str():
            return value.rstrip(" \0")
        case None | bool() | int() | float():
            return value
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case Decimal():
            return format(value, "f")
        case bytes():
            return value.hex()
        case _:
            return str(value)


_LOADERS: Final[Mapping[str, Callable[[str], Value]]] = {
    "str": str,
    "int": int,
    "float": float,
    "Decimal": Decimal,
    "datetime": dt.datetime.fromisoformat,
    "UUID": UUID,
}


def _cursor_value(value: object) -> Stored:
    """Raises `FeedFault` for a type nothing can be ordered by."""
    kind = type(value).__name__ if not isinstance(value, UUID) else "UUID"
    text = value.isoformat() if isinstance(value, dt.datetime) else str(value)
    if kind not in _LOADERS or len(text) > 500:
        raise FeedFault("schema-changed")
    return kind, text


def _value_of(stored: Stored) -> Value:
    kind, text = stored
    try:
        return _LOADERS[kind](text)
    except (KeyError, ValueError, ArithmeticError):
        raise FeedFault("cursor-unreadable") from None


def _earlier(value: Value, seconds: int) -> Value:
    """The same kind of time, that much earlier; text keeps its form."""
    if isinstance(value, str):
        moment = _moment(value)
        if moment is None:
            raise FeedFault("schema-changed")
        earlier = moment - dt.timedelta(seconds=seconds)
        return earlier.isoformat(value[10:11] or " ")[: len(value)]
    if isinstance(value, dt.datetime):
        return value - dt.timedelta(seconds=seconds)
    if isinstance(value, UUID):
        raise FeedFault("schema-changed")
    return value - seconds


def _moment(value: object) -> dt.datetime | None:
    if isinstance(value, dt.datetime):
        return value
    try:
        return dt.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _ahead(value: object, now: dt.datetime) -> bool:
    moment = _moment(value)
    if moment is None:
        return False
    return moment > now.astimezone(moment.tzinfo).replace(tzinfo=moment.tzinfo) + AHEAD
