"""The database: bounded waits, one transaction per request, commit before the answer leaves.

`Reading` and `Transaction` in a signature tell a reader from a writer. Nobody but the edge
commits. Statements may be SQLAlchemy's (`tx.sql`) or, where volume is, asyncpg's on the very
same connection (`tx.raw`): the transaction is asyncpg's own, begun and ended here, so that both
are inside it.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from typing import Protocol, cast

import asyncpg
import orjson
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from twinstile.platform.http.problems import Busy, StorageFull, Unavailable

MIN_SERVER_VERSION = 150000
APP_ROLE = "twinstile_app"
READ_ROLE = "twinstile_read"
"""Sees what is pseudonymous and nothing else: exports run under it."""

POOL_WAIT_S = 1.0
CONNECT_S = 5.0
BEGIN_S = 1.0
"""A connection that does not begin a transaction in this time is dead, whatever it says."""
REACH_S = 1.5
"""To have begun one, on a new connection if the first was dead."""
UNDO_S = 0.25
"""After that a connection is thrown away, and the server undoes it by itself."""
LOCK_TIMEOUT_MS = 2000
IDLE_IN_TRANSACTION_MS = 10000
PLANS_LIVE_S = 300
"""How long the driver keeps a prepared statement; its own default."""

_OUTAGES = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    # what the driver says when the server's farewell came before its end of file
    asyncpg.InternalClientError,
)
_CONTENTION = (
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
)
"""Others were in the way, and the server has undone what we began."""

_CUT = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InternalClientError,
)


class Block(Protocol):
    """What is used of a transaction of the driver."""

    async def start(self) -> None: ...
    async def commit(self) -> None: ...
    async def rollback(self) -> None: ...


class Raw(Protocol):
    """What is used of an asyncpg connection."""

    async def fetch(
        self,
        query: str,
        *args: object,
        timeout: float | None = None,  # noqa: ASYNC109 # asyncpg's
    ) -> list[asyncpg.Record]: ...
    async def fetchrow(
        self,
        query: str,
        *args: object,
        timeout: float | None = None,  # noqa: ASYNC109 # asyncpg's
    ) -> asyncpg.Record | None: ...
    async def execute(self, query: str, *args: object) -> str: ...
    async def copy_from_query(
        self, query: str, *args: object, output: object, **options: object
    ) -> str: ...
    def transaction(self, *, readonly: bool = False) -> Block: ...
    def is_closed(self) -> bool: ...
    def terminate(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Reading:
    """An open read-only transaction."""

    sql: AsyncConnection
    raw: Raw


@dataclass(frozen=True, slots=True)
class Transaction(Reading):
    """An open transaction that may write."""


class Database:
    """The service's way to PostgreSQL: a pool with every wait bounded."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 12,
        statement_timeout_ms: int = 5000,
        role: str = "",
        server_settings: Mapping[str, str] | None = None,
        plans_live_s: int = PLANS_LIVE_S,
    ) -> None:
        """`role` is taken on at connect, for a login that is more than the service may be."""
        self._pool_size = pool_size
        self.given_url = url
        self.role = role
        # The pool gives a connection that comes back to whoever asks at that moment, even while
        # others wait: in a rush some would wait many turns. Turns are taken here, in order.
        self._turns = asyncio.Semaphore(pool_size)
        self.url: URL = make_url(url).set(drivername="postgresql+asyncpg")
        settings = {
            "application_name": "twinstile",
            "statement_timeout": str(statement_timeout_ms),
            "lock_timeout": str(LOCK_TIMEOUT_MS),
            "idle_in_transaction_session_timeout": str(IDLE_IN_TRANSACTION_MS),
            "plan_cache_mode": "force_custom_plan",
            "timezone": "UTC",
            **(server_settings or {}),
        }
        if role:
            settings["role"] = role
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=POOL_WAIT_S,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            json_serializer=as_json,
            connect_args={
                "timeout": CONNECT_S,
                "command_timeout": statement_timeout_ms / 1000 + 1,
                "server_settings": settings,
                "max_cached_statement_lifetime": plans_live_s,
            },
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction]:
        """A writing transaction: committed when the block ends, rolled back when it raises.

        Raises `Unavailable` when the database does not answer in time; a failed commit is one
        of these cases, and then nobody knows what was stored. Raises `Busy` when others were in
        the way for too long, `StorageFull` when the disk is full; then nothing was.
        """
        async with self._block(readonly=False) as (sql, raw):
            yield Transaction(sql, raw)

    @asynccontextmanager
    async def reading(self, role: str | None = None) -> AsyncGenerator[Reading]:
        """A read-only transaction, if asked under another role for its length."""
        async with self._block(readonly=True) as (sql, raw):
            if role:
                await raw.execute(f"SET LOCAL ROLE {role}")
            yield Reading(sql, raw)

    @asynccontextmanager
    async def _block(self, *, readonly: bool) -> AsyncGenerator[tuple[AsyncConnection, Raw]]:
        with failing():
            async with self._turn(), AsyncExitStack() as stack:
                async with asyncio.timeout(REACH_S):
                    sql = await stack.enter_async_context(self._connection())
                    raw, block = await self._begin(sql, readonly=readonly)
                try:
                    yield sql, raw
                except BaseException:
                    await roll_back(block, raw)
                    raise
                await commit(block, raw)

    def _connection(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self.engine.connect()

    async def _begin(self, sql: AsyncConnection, *, readonly: bool) -> tuple[Raw, Block]:
        """Begin a transaction, on a new connection if this one turns out to be cut.

        Nothing was asked yet, so beginning again is harmless: a restart of the server between
        two requests goes unnoticed.
        """
        raw = await living(sql)
        try:
            async with asyncio.timeout(BEGIN_S):
                return raw, await _started(raw, self._transaction(raw, readonly=readonly))
        except _CUT:
            await sql.invalidate()
            raw = await living(sql)
            return raw, await _started(raw, self._transaction(raw, readonly=readonly))

    def _transaction(self, raw: Raw, *, readonly: bool) -> Block:  # see `Line`
        return raw.transaction(readonly=readonly)

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        """A place among the connections, first come, first served. Raises `Busy`."""
        try:
            async with asyncio.timeout(POOL_WAIT_S):
                await self._turns.acquire()
        except TimeoutError as error:
            raise Busy(retry_after_s=1) from error
        try:
            yield
        finally:
            self._turns.release()

    async def warm(self) -> None:
        """Open the whole pool, so that the first rush does not wait for connections."""
        async with AsyncExitStack() as stack:
            for _ in range(self._pool_size):
                await stack.enter_async_context(self.engine.connect())

    async def close(self) -> None:
        """Give all connections back to the server."""
        await self.engine.dispose()


def as_json(value: object) -> str:
    """A JSON parameter; our own values too: ids, moments and words as their text."""
    return orjson.dumps(value, default=str).decode()


async def living(sql: AsyncConnection) -> Raw:
    """The driver's connection; any the server has closed meanwhile is replaced first.

    A restart of PostgreSQL leaves a pool of dead connections. The driver knows them without a
    round trip; SQLAlchemy, which sees no error of ours, would hand them out for ever.
    """
    while True:
        wrapped = await sql.get_raw_connection()
        raw = cast("Raw", wrapped.driver_connection)
        if not raw.is_closed():
            return raw
        await sql.invalidate()


async def _started(raw: Raw, block: Block) -> Block:
    """Send BEGIN; a connection on which that failed or was cancelled is thrown away.

    Asyncpg would take every later transaction on it for a savepoint inside this one: answered
    with success, and never committed.
    """
    try:
        await block.start()
    except BaseException:
        raw.terminate()
        raise
    return block


def _driver_error(error: DBAPIError) -> BaseException | None:
    """Asyncpg's own error below SQLAlchemy's wrapping."""
    return error.orig.__cause__ if error.orig is not None else None


def unavailability(error: BaseException) -> Unavailable | None:
    """What the caller is told of a failure of the database; None: it is none of those."""
    cause = _driver_error(error) if isinstance(error, DBAPIError) else error
    if isinstance(cause, _CONTENTION):
        return Busy(retry_after_s=1)
    if isinstance(cause, asyncpg.DiskFullError):
        return StorageFull(retry_after_s=1)
    return Unavailable(retry_after_s=1) if isinstance(cause, _OUTAGES) else None


@contextmanager
def failing() -> Generator[None]:
    """What the driver raises becomes what the caller is told, see `Database.transaction`."""
    try:
        yield
    except (*_CONTENTION, *_OUTAGES, DBAPIError) as error:
        problem = unavailability(error)
        if problem is None:
            raise
        raise problem from error


async def commit(block: Block, raw: Raw) -> None:
    """Commit; a connection on which that failed or was cancelled is thrown away."""
    try:
        await block.commit()
    except BaseException:
        raw.terminate()
        raise


async def roll_back(block: Block, raw: Raw) -> None:
    """Undo; a connection that cannot even do that (timed out, gone) is thrown away."""
    try:
        async with asyncio.timeout(UNDO_S):
            await block.rollback()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        raw.terminate()
    except BaseException:
        raw.terminate()
        raise
