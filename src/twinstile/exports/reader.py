"""Long reading beside the gates: few at a time, under a role that sees no identity."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from twinstile.platform.db.database import READ_ROLE, Database, Reading
from twinstile.platform.http.problems import FieldFault, InvalidInput, TooMany
from twinstile.platform.http.streaming import Sink
from twinstile.platform.security.hub_modes import HubMode

AT_ONCE = 3
"""Of the connections of a process; the others stay free for checks, whatever is asked here."""
LONGEST_PERIOD = timedelta(days=366)

_places = asyncio.Semaphore(AT_ONCE)


def require_period(since: datetime, until: datetime) -> None:
    """Raises `InvalidInput` unless [since, until) is a period of at most 366 days."""
    if not since < until <= since + LONGEST_PERIOD:
        raise InvalidInput(errors=[FieldFault("/to", "out-of-range")])


def file_name(name: str, mode: HubMode) -> str:
    """The name a file leaves by: it says at once that nobody in it is real."""
    return name if mode is HubMode.PRODUCTION else f"{mode}-{name}"


@asynccontextmanager
async def reading(database: Database, seconds: int) -> AsyncGenerator[Reading]:
    """A read-only transaction in which each statement may take so many seconds.

    Raises `TooMany` at once when all places are taken: waiting would only move the queue.
    """
    if _places.locked():
        raise TooMany("Other exports and reports are being made.", retry_after_s=5)
    async with _places, database.reading(READ_ROLE) as tx:
        await tx.raw.execute(f"SET LOCAL statement_timeout = '{seconds}s'")
        yield tx


async def copy_csv(
    tx: Reading, query: str, arguments: Sequence[object], sink: Sink, seconds: int
) -> None:
    """Give the rows of a query to the sink as CSV, a header first; safe to leave at any moment.

    The sink is waited for, and nothing is read ahead of it.
    """
    try:
        await tx.raw.copy_from_query(
            query,
            *arguments,
            output=sink,
            format="csv",
            header=True,
            force_quote=True,
            encoding="utf-8",
            timeout=seconds + 1,
        )
    except BaseException:
        # cancelled in the moment its data come, a COPY never ends for asyncpg
        tx.raw.terminate()
        raise
