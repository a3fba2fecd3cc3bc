"""One connection for transactions that follow one another, which nothing else can take.

Asking a pool for a connection costs processor time, and BEGIN a round trip that waits for its
turn in the event loop. So the connection is kept, and as long as more is to come at once, each
COMMIT begins the next transaction (`COMMIT AND CHAIN`).

Its statements are planned once and kept. A plan made when a table was small may be a bad one
when it has grown, so plans are thrown away at ages that double: the data have doubled at most
by then, and planning is as good as free.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection
from typing_extensions import override

from twinstile.platform.db.database import (
    Block,
    Database,
    Raw,
    commit,
    failing,
    roll_back,
)

OLDEST_PLANS_S = 60


class DedicatedConnection(Database):
    """A kept connection to a database; one user at a time."""

    def __init__(
        self,
        database: Database,
        *,
        more: Callable[[], bool],
        statement_timeout_ms: int,
        server_settings: Mapping[str, str],
        plans_live_s: float,
    ) -> None:
        """`more` tells, at a commit, whether another transaction follows at once.

        `plans_live_s` is how long the first plans of a connection live.
        """
        super().__init__(
            database.given_url,
            pool_size=1,
            statement_timeout_ms=statement_timeout_ms,
            role=database.role,
            server_settings=server_settings,
            plans_live_s=0,  # of the driver: statements are never prepared again
        )
        self._more = more
        self._first_plans_s = self._plans_live_s = plans_live_s
        self._planned_for: Raw | None = None
        self._plan_at = 0.0
        self._kept: AsyncConnection | None = None
        self._begun: Raw | None = None
        """The connection whose last COMMIT has begun the next transaction."""

    def rest(self) -> None:
        """Nothing follows after all: throw away a connection on which something has begun.

        Rare: whoever waited at the last commit is gone. The next transaction connects anew.
        """
        if self._begun is not None:
            self._begun.terminate()
            self._begun = None

    @override
    @asynccontextmanager
    async def _block(self, *, readonly: bool) -> AsyncGenerator[tuple[AsyncConnection, Raw]]:
        """What the last COMMIT has begun waits for nobody, and there is nothing to ask."""
        sql, raw = self._kept, self._begun
        if readonly or sql is None or raw is None or raw.is_closed():
            async with super()._block(readonly=readonly) as begun:
                yield begun
            return
        self._kept = self._begun = None
        block = _Chained(self, raw, begun=True)
        with failing():
            try:
                try:
                    yield sql, raw
                except BaseException:
                    await roll_back(block, raw)
                    raise
                await commit(block, raw)
            except BaseException:
                await sql.close()
                raise
            await self._keep(sql)

    @override
    def _connection(self) -> AbstractAsyncContextManager[AsyncConnection]:
        return self._lent()

    @asynccontextmanager
    async def _lent(self) -> AsyncGenerator[AsyncConnection]:
        sql, self._kept = self._kept or await self.engine.connect(), None
        try:
            yield sql
        except BaseException:
            await sql.close()
            raise
        await self._keep(sql)

    async def _keep(self, sql: AsyncConnection) -> None:
        if sql.in_transaction():
            await sql.rollback()  # SQLAlchemy's own idea of one; ours has ended
        self._kept = sql

    @override
    def _transaction(self, raw: Raw, *, readonly: bool) -> Block:
        if readonly:
            return super()._transaction(raw, readonly=readonly)
        begun, self._begun = self._begun is raw, None
        return _Chained(self, raw, begun=begun)

    def chain(self, raw: Raw) -> str:
        """How the transaction on this connection is to be committed now."""
        before = "DISCARD PLANS; " if self._outlived(raw) else ""
        if not self._more():
            return f"{before}COMMIT"
        self._begun = raw
        return f"{before}COMMIT AND CHAIN"

    def _outlived(self, raw: Raw) -> bool:
        """Whether the plans of this connection are to be made anew: told once of each age."""
        now = monotonic()
        new = raw is not self._planned_for
        if not new and now < self._plan_at:
            return False
        live_s = self._first_plans_s if new else min(2 * self._plans_live_s, OLDEST_PLANS_S)
        self._planned_for, self._plans_live_s, self._plan_at = raw, live_s, now + live_s
        return not new

    @override
    async def close(self) -> None:
        if self._kept is not None:
            await self._kept.close()
        await super().close()


class _Chained:
    """A transaction of a line; asyncpg's own cannot be begun by the one before."""

    def __init__(self, line: DedicatedConnection, raw: Raw, *, begun: bool) -> None:
        self._line = line
        self._raw = raw
        self._begun = begun

    async def start(self) -> None:
        if not self._begun:
            await self._raw.execute("BEGIN")

    async def commit(self) -> None:
        try:
            done = await self._raw.execute(self._line.chain(self._raw))
        except asyncpg.InFailedSQLTransactionError:  # at the word before COMMIT
            done = "ROLLBACK"
        if done != "COMMIT":
            # the server had given the transaction up, and says so in nothing but this word
            raise asyncpg.InterfaceError("not committed")

    async def rollback(self) -> None:
        await self._raw.execute("ROLLBACK")
