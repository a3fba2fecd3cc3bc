"""The service with one promise broken, to see whether the laboratory notices.

    python mutants.py early-acknowledge serve --port 0 --json

Each mutant is made here, before the command line of the package starts; the package itself
knows nothing of them.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from twinstile.cli import main
from twinstile.platform.db import database
from twinstile.platform.db.database import Database, Transaction
from twinstile.platform.http.problems import Problem
from twinstile.platform.ledger import chain
from twinstile.screening import checks
from twinstile.screening.committer import Committer, _Queue, _Waiting
from twinstile.screening.visit import RecordedCheck

LATE_S = 0.1


def early_acknowledge() -> None:
    """Answers leave before the commit, which follows a moment later."""
    late: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def transaction(self: Database) -> AsyncGenerator[Transaction]:
        block = self._block(readonly=False)
        sql, raw = await block.__aenter__()
        try:
            yield Transaction(sql, raw)
        except BaseException as error:
            await block.__aexit__(type(error), error, error.__traceback__)
            raise

        async def commit() -> None:
            await asyncio.sleep(LATE_S)
            await block.__aexit__(None, None, None)

        task = asyncio.create_task(commit())
        late.add(task)
        task.add_done_callback(late.discard)

    Database.transaction = transaction


def asynchronous_commit() -> None:
    """Commits are answered before they are on disk."""
    make = database.create_async_engine

    def create_async_engine(
        url: object, *, connect_args: dict[str, Any], **more: Any
    ) -> object:
        connect_args["server_settings"]["synchronous_commit"] = "off"
        return make(url, connect_args=connect_args, **more)

    database.create_async_engine = create_async_engine


def naive_cursor() -> None:
    """The ledger takes what it sees behind its last event, and does not wait for slow ones."""
    fenced = chain._BELOW_THE_FENCE
    chain._BELOW_THE_FENCE = fenced.replace(
        "AND e.tx < pg_snapshot_xmin(pg_current_snapshot())", ""
    )
    assert fenced != chain._BELOW_THE_FENCE


def dropped_retry() -> None:
    """The checks of a failed batch are not tried again, but answered as decided."""
    commit = Committer._commit

    async def _commit(
        self: Committer, queue: _Queue, batch: Sequence[_Waiting]
    ) -> list[RecordedCheck]:
        try:
            return await commit(self, queue, batch)
        except Problem:
            return await _decided(self, queue, batch)

    Committer._commit = _commit


async def _decided(
    self: Committer, queue: _Queue, batch: Sequence[_Waiting]
) -> list[RecordedCheck]:
    """What would be answered, with nothing stored."""
    taken = [item.check for item in batch]
    stand = checks.RecordingContext(
        queue.hub_id, queue.keys, self._policies, queue.zone, taken[0].received_at
    )
    while True:
        try:
            async with self._line.transaction() as tx:
                done = await checks.record(tx, stand, taken)
                await tx.raw.execute("SELECT 1 / 0")  # so that it is undone
        except asyncpg.DivisionByZeroError:
            return done
        except Problem:
            await asyncio.sleep(0.05)


MUTANTS: Mapping[str, Callable[[], None]] = {
    "early-acknowledge": early_acknowledge,
    "asynchronous-commit": asynchronous_commit,
    "naive-cursor": naive_cursor,
    "dropped-retry": dropped_retry,
}


def program(name: str) -> tuple[str, str]:
    """What a station runs to be that mutant."""
    return str(Path(__file__).resolve()), name


if __name__ == "__main__":
    _, mutant, *arguments = sys.argv
    MUTANTS[mutant]()
    sys.argv = ["twinstile", *arguments]
    main.main()
