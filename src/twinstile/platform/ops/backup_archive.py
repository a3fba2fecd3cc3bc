"""A backup's folder: one compressed file a table, and a manifest that says what they hold.

    manifest.json            version, revision, moment, the tables, and a signature
    check.copy.gz ...        PostgreSQL's COPY text: a row a line, columns as in the manifest

Rows and nothing else: the schema is built by the migrations of the revision, so a backup runs
no statement of its own on the way back, and any PostgreSQL can be restored into any other. All
tables are read in one snapshot. Of each the number of rows is kept and the sum of their hashes,
SHA-256 of each line modulo 2^256: equal tables have equal sums in whatever order they are read.
"""

import gzip
import hashlib
import json
import os
import re
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import asyncpg
from sqlalchemy.engine import make_url

from twinstile.platform.db import schema
from twinstile.platform.db.database import Raw
from twinstile.platform.db.schema import SchemaError

MANIFEST = "manifest.json"
FORMAT = 1
PIECE = 1 << 20
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_HUB = re.compile(r"[a-z0-9][a-z0-9-]{1,30}")
_MODULUS = 1 << 256


class BackupError(Exception):
    """A backup cannot be made, trusted or restored; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """What one table held. `content` is the sum of its rows' hashes, `sha256` the file's."""

    table: str
    columns: list[str]
    rows: int
    content: str
    sha256: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.table}.copy.gz"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds. `ledger` gives epoch and position of each hub."""

    format: int
    made_at: str
    version: str
    server: str
    revision: str
    months: list[str]
    """Partitions of `check`, by name."""
    ledger: dict[str, str]
    tables: list[TableFile]
    hub_id: str = ""
    """Whose key has signed."""
    signature: str = ""

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

    def message(self) -> bytes:
        """The bytes that are signed: the manifest without its signature."""
        return _text(replace(self, signature=""))


class _Copying(Raw, Protocol):
    """What is used of an asyncpg connection here."""

    async def copy_to_table(
        self, table: str, *, source: AsyncIterator[bytes], columns: Sequence[str]
    ) -> str: ...
    async def close(self) -> None: ...


@dataclass(slots=True)
class _Tally:
    """Rows and the sum of their hashes, from a stream cut anywhere."""

    rows: int = 0
    total: int = 0
    rest: bytes = b""

    def add(self, piece: bytes) -> None:
        *lines, self.rest = (self.rest + piece).split(b"\n")
        self.rows += len(lines)
        digest, number = hashlib.sha256, int.from_bytes
        self.total += sum(number(digest(line).digest(), "big") for line in lines)

    @property
    def content(self) -> str:
        return f"{self.total % _MODULUS:064x}"


_ABOUT = """
SELECT current_setting('server_version'), (SELECT version_num FROM alembic_version),
    (SELECT coalesce(array_agg(c.relname::text ORDER BY c.relname), '{}')
     FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = '"check"'::regclass AND c.relname ~ '^check_[0-9]{4}_[0-9]{2}$')
"""
# a transaction's number means something in one cluster only: where the column has a default,
# the transaction that loads it takes its place
_TABLES = """
SELECT c.relname::text, array_agg(a.attname::text ORDER BY a.attnum)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT c.relispartition AND c.relname <> 'alembic_version'
  AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
  AND NOT (a.atttypid = 'xid8'::regtype AND a.atthasdef)
GROUP BY c.relname ORDER BY c.relname
"""
_LEDGER = "SELECT hub_id, epoch || '.' || n FROM ledger_head ORDER BY hub_id"


async def write(owner_url: str, folder: Path, version: str, made_at: str) -> Manifest:
    """Copy every table into an empty folder, all as of one moment, beside whoever writes.

    Raises `BackupError` where there is no database of ours, `OSError` when the disk is full.
    """
    async with _connected(owner_url) as raw:
        await raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if not await raw.fetch("SELECT 1 WHERE to_regclass('alembic_version') IS NOT NULL"):
            raise BackupError("There is no database of twinstile: nothing was backed up.")
        about = await raw.fetchrow(_ABOUT)
        if about is None:
            raise BackupError("The database did not answer.")
        server, revision, months = about
        ledger: dict[str, str] = {}
        if await raw.fetch("SELECT 1 WHERE to_regclass('ledger_head') IS NOT NULL"):
            ledger = {row[0]: row[1] for row in await raw.fetch(_LEDGER)}
        tables = [
            await _write_table(raw, folder, table, columns)
            for table, columns in await raw.fetch(_TABLES)
        ]
        await raw.execute("COMMIT")
    return Manifest(FORMAT, made_at, version, server, revision, months, ledger, tables)


async def _write_table(raw: Raw, folder: Path, table: str, columns: list[str]) -> TableFile:
    tally, path = _Tally(), folder / f"{table}.copy.gz"
    with _created(path) as file:
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1) as packed:

            async def take(piece: bytes) -> None:
                tally.add(piece)
                packed.write(piece)

            await raw.copy_from_query(_select(table, columns), output=take)
        file.flush()
        os.fsync(file.fileno())
    return TableFile(table, columns, tally.rows, tally.content, _digest(path))


def _created(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _select(table: str, columns: Sequence[str]) -> str:
    named = ", ".join(f'"{column}"' for column in columns)
    return f'SELECT {named} FROM "{table}"'  # noqa: S608 # names of the catalogue, checked


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write it durably; with it the folder is complete."""
    with _created(folder / MANIFEST) as file:
        file.write(_text(manifest))
        file.flush()
        os.fsync(file.fileno())


def _text(manifest: Manifest) -> bytes:
    return json.dumps(asdict(manifest), ensure_ascii=False, indent=1).encode()


def read(folder: Path) -> Manifest:
    """The manifest of a backup. Raises `BackupError`."""
    try:
        found = cast("dict[str, object]", json.loads((folder / MANIFEST).read_bytes()))
        tables = [TableFile(**one) for one in cast("list[dict[str, object]]", found["tables"])]  # pyright: ignore[reportArgumentType] # checked below
        manifest = Manifest(**{**found, "tables": tables})  # pyright: ignore[reportArgumentType] # checked below
        names = [name for one in tables for name in (one.table, *one.columns)]
        if (
            manifest.format != FORMAT
            or not _HUB.fullmatch(manifest.hub_id)
            or not all(_NAME.fullmatch(name) for name in names)
        ):
            raise BackupError(f"{folder} was made by another version of twinstile.")
    except FileNotFoundError as error:
        raise BackupError(
            f"{folder} is no backup: it has no {MANIFEST}. A complete one ends in no .partial."
        ) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BackupError(f"{folder / MANIFEST} cannot be read.") from error
    return manifest


def check_files(folder: Path, manifest: Manifest) -> None:
    """Compare each file with its hash. Raises `BackupError` naming the first that differs."""
    for table in manifest.tables:
        path = folder / table.file
        try:
            found = _digest(path)
        except OSError as error:
            raise BackupError(f"{path} cannot be read: {error.strerror}.") from error
        if found != table.sha256:
            raise BackupError(f"{path} is damaged: use another backup.")


async def load(owner_url: str, folder: Path, manifest: Manifest) -> None:
    """Build the schema of the backup's revision in an empty database and fill it.

    Every row and its hash are counted on the way in, and again as they stand in the database.
    Raises `BackupError`, `SchemaError`.
    """
    if manifest.revision not in schema.ours().known:
        raise BackupError(
            f"The backup was made by twinstile {manifest.version}, which is newer: install it."
        )
    try:
        await schema.upgrade(owner_url, revision=manifest.revision)
        await schema.make_months(owner_url, manifest.months)
    except SchemaError as error:
        raise BackupError(str(error)) from error
    async with _connected(owner_url) as raw:
        await raw.execute("BEGIN")
        names = ", ".join(f'"{table.table}"' for table in manifest.tables)
        await raw.execute(f"TRUNCATE {names}")  # what migrations have entered
        for table in manifest.tables:
            tally = _Tally()
            await raw.copy_to_table(
                table.table, source=_unpacked(folder / table.file, tally), columns=table.columns
            )
            _require_equal("the file", table, tally)
        await raw.execute("COMMIT")
        await raw.execute("ANALYZE")
        for table in manifest.tables:
            _require_equal("the database", table, await _count(raw, table))


async def _count(raw: Raw, table: TableFile) -> _Tally:
    tally = _Tally()

    async def take(piece: bytes) -> None:
        tally.add(piece)

    await raw.copy_from_query(_select(table.table, table.columns), output=take)
    return tally


def _require_equal(where: str, table: TableFile, counted: _Tally) -> None:
    if (counted.rows, counted.content) != (table.rows, table.content):
        raise BackupError(
            f"{where} has {counted.rows} rows of {table.table}, the backup noted {table.rows}, "
            "or their content differs: use another backup."
        )


async def _unpacked(path: Path, tally: _Tally) -> AsyncGenerator[bytes]:
    """The rows of a file. Raises `BackupError` when it is cut short."""
    try:
        with gzip.open(path) as packed:
            while piece := packed.read(PIECE):
                tally.add(piece)
                yield piece
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupError(f"{path} is damaged: use another backup.") from error


@asynccontextmanager
async def _connected(owner_url: str) -> AsyncGenerator[_Copying]:
    plain = make_url(owner_url).set(drivername="postgresql")
    settings = {
        "application_name": "twinstile backup",
        "timezone": "UTC",
        "datestyle": "ISO",
        "intervalstyle": "postgres",
        "extra_float_digits": "1",
        "bytea_output": "hex",
        "statement_timeout": "0",
        "idle_in_transaction_session_timeout": "600000",
    }
    connect = cast("Callable[..., Awaitable[_Copying]]", asyncpg.connect)
    url = plain.render_as_string(hide_password=False)
    raw = await connect(url, timeout=10, server_settings=settings)
    try:
        yield raw
    except BaseException:
        # cancelled in the moment its data come, a COPY never ends for asyncpg
        raw.terminate()
        raise
    await raw.close()
