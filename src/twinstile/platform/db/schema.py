"""The schema: migrations under one lock, partitions ahead of time, and how a server is judged.

Runs under the owner's login; the service's own role owns nothing. Who waits for a table makes
all who come later wait behind it, so nothing here waits longer than `LOCK_TIMEOUT`: it gives
way to the writers, and tries again.

While a release is rolled out, the database already has the schema of the new release and
processes of the old one still serve. The database's floor, in the row that holds its revision,
is the oldest revision whose programs can serve it; a program that does not know it is too old.
"""

import asyncio
import importlib
import pkgutil
import random
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Self, cast
from uuid import UUID

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from asyncpg.exceptions import CheckViolationError, LockNotAvailableError
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

import twinstile
from twinstile.platform.db.database import MIN_SERVER_VERSION
from twinstile.platform.db.tables import Base
from twinstile.platform.ops.observability import log

UPGRADE_LOCK = 0x2222  # any constant will do, as long as it never changes
LOCK_TIMEOUT = "100ms"
PATIENCE_S = 120.0
"""How long a busy table is tried for, and another upgrade is waited for."""
PRESENT_SQL = """
SELECT version_num, to_jsonb(alembic_version) ->> 'floor' FROM alembic_version
"""
"""Revision and floor of a database; the floor is null before revision 0006."""
MONTHS_AHEAD = 3
_MONTH = re.compile(r"check_[0-9]{4}_(0[1-9]|1[0-2])")


_TOO_NEW = (
    "The database has the schema of a newer release, which this release cannot serve. "
    "Install that release again."
)


class SchemaCompatibility(StrEnum):
    """A database's schema, seen from a program."""

    OURS = "of this version"
    OLDER = "of an older version"
    NEWER = "of a newer version, which this one may serve"
    TOO_NEW = "of a newer version, which this one cannot serve"

    @property
    def serves(self) -> bool:
        """Whether the program may serve it."""
        return self in {SchemaCompatibility.OURS, SchemaCompatibility.NEWER}


@dataclass(frozen=True, slots=True)
class Revisions:
    """The revisions that a program knows, and the one it was written for."""

    known: frozenset[str]
    head: str | None

    @classmethod
    def of(cls, settings: Config) -> Self:
        """Those of the migration scripts as they lie on disk now."""
        scripts = ScriptDirectory.from_config(settings)
        known = frozenset(script.revision for script in scripts.walk_revisions())
        return cls(known, scripts.get_current_head())

    def judge(self, present: str | None, floor: str | None) -> SchemaCompatibility:
        """How a database of that revision and floor stands; None where it has none yet."""
        if present == self.head:
            return SchemaCompatibility.OURS
        if present is None or present in self.known:
            return SchemaCompatibility.OLDER
        return SchemaCompatibility.NEWER if floor in self.known else SchemaCompatibility.TOO_NEW


class SchemaError(Exception):
    """The database cannot serve; the message tells the operator why and what to do."""


def metadata() -> MetaData:
    """All tables of all rooms. Rooms are found by name: this floor imports none of them."""
    for module in pkgutil.walk_packages(twinstile.__path__, "twinstile."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)
    return Base.metadata


def is_ours(_item: object, name: str | None, kind: str, *_: object) -> bool:
    """Leave partitions and the job queue's tables out of comparisons."""
    return not (kind == "table" and name is not None and _foreign(name))


def _foreign(name: str) -> bool:
    return name.startswith(("check_", "pgqueuer"))


def config(scripts: Path | None = None) -> Config:
    """Alembic's configuration: the scripts beside the source, or inside an installed wheel."""
    package = Path(twinstile.__file__).parent
    inside, beside = package / "_migrations", package.parent.parent / "migrations"
    found = scripts or (inside if inside.exists() else beside)
    settings = Config()
    settings.set_main_option("script_location", str(found))
    return settings


async def upgrade(
    owner_url: str, *, revision: str = "head", scripts: Path | None = None
) -> None:
    """Bring the schema to a revision and make partitions for the months to come.

    Any number of processes may call this at once, beside a service that runs. A newer schema
    is left alone. Raises `SchemaError` when this program cannot serve that one, the server is
    too old, or a table stays busy for `PATIENCE_S`.
    """
    known = Revisions.of(config(scripts)) if scripts else ours()

    def work(connection: Connection) -> None:
        _upgrade(connection, config(scripts), revision, known)

    await _as_owner(owner_url, work)


async def keep_partitions(owner_url: str, now: datetime) -> None:
    """Make the partitions of the months to come; existing ones are left alone.

    A month that cannot be cut off now stays in the DEFAULT partition: a warning, no failure.
    """
    await _as_owner(owner_url, lambda connection: _ensure_partitions(connection, _ahead(now)))


async def make_months(owner_url: str, names: Sequence[str]) -> None:
    """Make the partitions of these names, e.g. `check_2026_11`, as a backup lists them."""
    months = [(int(name[6:10]), int(name[11:13])) for name in names if _MONTH.fullmatch(name)]
    await _as_owner(owner_url, lambda connection: _ensure_partitions(connection, months))


@cache
def ours() -> Revisions:
    """The revisions of this program as it began; a newer one may lie on disk by now."""
    return Revisions.of(config())


async def read_compatibility(owner_url: str) -> SchemaCompatibility:
    """How the database's schema and this program stand to each other."""
    found: list[SchemaCompatibility] = []
    await _as_owner(owner_url, lambda connection: found.append(_standing(connection, ours())))
    return found[0]


def _standing(connection: Connection, revisions: Revisions) -> SchemaCompatibility:
    there = connection.scalar(text("SELECT to_regclass('alembic_version')"))
    row = connection.execute(text(PRESENT_SQL)).one_or_none() if there else None
    return revisions.judge(*(row or (None, None)))


async def _as_owner(owner_url: str, work: Callable[[Connection], None]) -> None:
    url: URL = make_url(owner_url).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, poolclass=NullPool, hide_parameters=True)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(work)
    finally:
        await engine.dispose()


def _upgrade(
    connection: Connection, settings: Config, revision: str, revisions: Revisions
) -> None:
    version = cast(
        "int", connection.scalar(text("SELECT current_setting('server_version_num')::int"))
    )
    if version < MIN_SERVER_VERSION:
        raise SchemaError(f"PostgreSQL {version // 10000} is too old: 15 or newer is needed.")
    with _exclusive(connection):
        found = _standing(connection, revisions)
        connection.commit()
        if found is SchemaCompatibility.TOO_NEW:
            raise SchemaError(_TOO_NEW)
        if found is SchemaCompatibility.NEWER:
            log.warning("schema is newer", hint="this release may serve it")
        else:
            settings.attributes["connection"] = connection
            _giving_way(connection, lambda: command.upgrade(settings, revision))
            connection.commit()
        _ensure_partitions(connection, _ahead(datetime.now(UTC)))


def _giving_way(connection: Connection, work: Callable[[], None]) -> None:
    """Do it, or try again while others hold the table; each try undoes itself.

    Revisions that are done stay done. Between two tries the writers have the table for longer
    than they waited for it. Raises `SchemaError` after `PATIENCE_S`.
    """
    until, pause = time.monotonic() + PATIENCE_S, 0.25
    while True:
        try:
            work()
        except DBAPIError as error:
            connection.rollback()
            if not isinstance(_cause(error), LockNotAvailableError):
                raise
            if time.monotonic() > until:
                raise SchemaError(
                    f"The schema was not changed: a transaction has kept a table busy for "
                    f"{PATIENCE_S:.0f} s. End it (an export, a forgotten session), then run "
                    "`twinstile migrate`; what was begun has been undone."
                ) from error
            await_only(asyncio.sleep(pause * random.uniform(0.75, 1.25)))  # noqa: S311
            pause = min(pause * 2, 2.0)
        else:
            return


def build_index(context: MigrationContext, name: str, on: str, *, unique: bool = False) -> None:
    """Build an index while others write, as a step of a revision: `on` is `screening (state)`.

    It waits for transactions that run, and nobody waits for it. Outside a transaction, so what
    a failed try left is removed first; and what the revision did before it stays done, and is
    done again by the next try (`IF NOT EXISTS`).
    """
    with context.autocommit_block():
        context.execute(text("SET lock_timeout = 0"))
        context.execute(text("SET statement_timeout = 0"))
        try:
            context.execute(text(f"DROP INDEX CONCURRENTLY IF EXISTS {name}"))
            kind = "UNIQUE INDEX" if unique else "INDEX"
            context.execute(text(f"CREATE {kind} CONCURRENTLY {name} ON {on}"))
        finally:
            context.execute(text(f"SET statement_timeout = '{PATIENCE_S:.0f}s'"))
            context.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))


def _cause(error: DBAPIError) -> BaseException | None:
    return error.orig and error.orig.__cause__


def _take_turn(connection: Connection) -> None:
    """Become the one that changes the schema; others wait, asking again and again.

    A session that waits inside the database would itself be waited for by CREATE INDEX
    CONCURRENTLY, and the two would stop each other.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        taken = connection.scalar(
            text("SELECT pg_try_advisory_lock(:key)"), {"key": UPGRADE_LOCK}
        )
        connection.commit()
        if taken:
            return
        if time.monotonic() > until:
            raise SchemaError(
                f"Another process has been changing the schema for {PATIENCE_S:.0f} s: look "
                "whether it runs."
            )
        await_only(asyncio.sleep(0.1))


@contextmanager
def _exclusive(connection: Connection) -> Generator[None]:
    _take_turn(connection)
    connection.execute(text(f"SET statement_timeout = '{PATIENCE_S:.0f}s'"))
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.commit()
    try:
        yield
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": UPGRADE_LOCK})
        connection.commit()


def _ensure_partitions(connection: Connection, months: Iterable[tuple[int, int]]) -> None:
    for year, month in months:
        name = f"check_{year}_{month:02}"
        if connection.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is None:
            connection.commit()
            _make_partition(connection, name, year, month)
        connection.commit()


def _make_partition(connection: Connection, name: str, year: int, month: int) -> None:
    """Make one month's partition, or leave the month to the DEFAULT partition.

    A device whose clock runs ahead has put ids of that month there already, or a writer keeps
    the table busy: neither is a reason not to serve, and the next run tries again.
    """
    lower = first_id(datetime(year, month, 1, tzinfo=UTC))
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    try:
        with connection.begin():
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
            connection.execute(
                text(
                    f'CREATE TABLE IF NOT EXISTS "{name}" PARTITION OF "check" '
                    f"FOR VALUES FROM ('{lower}') TO ('{first_id(following)}')"
                )
            )
    except DBAPIError as error:
        cause = _cause(error)
        if not isinstance(cause, CheckViolationError | LockNotAvailableError):
            raise
        log.warning("partition.skipped", partition=name, reason=type(cause).__name__)


def _ahead(start: datetime) -> Iterator[tuple[int, int]]:
    for ahead in range(MONTHS_AHEAD + 1):
        index = start.year * 12 + start.month - 1 + ahead
        yield index // 12, index % 12 + 1


def first_id(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that millisecond (RFC 9562, section 5.7), other bits zero."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
