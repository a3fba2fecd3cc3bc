"""Open an installation: database server, schema, keys and hub, each once the one before stands.

Three steps, because they live in different places: `server` runs on the main thread (the
embedded PostgreSQL ends with the thread that started it), `open_runtime` inside the event loop
that will use the pool, `enter_hub` in a transaction of its own.
"""

import os
import secrets
import signal
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from twinstile.arrivals.feeds import config
from twinstile.credentials import verifying
from twinstile.credentials.sources import settings as sources
from twinstile.identity import regions
from twinstile.operations import retention
from twinstile.platform.db import embedded_server, schema, supervision
from twinstile.platform.db.database import APP_ROLE, Database
from twinstile.platform.http.routes import Runtime
from twinstile.platform.keys import master_keys
from twinstile.platform.keys.data_keys import KeyRing
from twinstile.platform.ops.config_files import InvalidFile
from twinstile.platform.ops.settings import Settings, SettingsError
from twinstile.platform.security import devices, shifts
from twinstile.platform.security.auth import Gatekeeper
from twinstile.platform.security.roles import Role
from twinstile.policy import documents, versions
from twinstile.policy.entry import validator as entry_rules
from twinstile.reminders import routing

EMBEDDED_DATABASE = "twinstile"
FIRST_LOGIN = "admin"
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
"""The first policy holds from here, so that no stored moment is without one."""


@dataclass(frozen=True, slots=True)
class DatabaseTarget:
    """Where the database is, and as whom the service and the schema's owner go there."""

    service_url: str
    role: str
    """Taken on at connect; empty when the login is the service's own."""
    owner_url: str
    embedded: bool


@dataclass(frozen=True, slots=True)
class FirstAdministrator:
    """The login a new hub begins with; the passcode exists nowhere else in clear."""

    login: str
    passcode: str


@contextmanager
def server(
    settings: Settings, on_wait: Callable[[float], None] | None = None
) -> Generator[DatabaseTarget]:
    """The database of these settings; our own server runs as long as the block.

    `on_wait` hears the seconds that a start or a recovery takes. Raises `EmbeddedError`,
    `SettingsError` where keys are left of a hub and no database.
    """
    if settings.database_url is not None:
        yield external(settings)
        return
    _require_none_lost(settings)
    with embedded_server.start(settings.data_path, on_wait=on_wait) as running:
        yield inside(running)


@contextmanager
def kept_server(
    settings: Settings, on_wait: Callable[[float], None] | None = None
) -> Generator[DatabaseTarget]:
    """The same for a service, which stays: our own server is started again whenever it ends.

    When that has failed for a minute this process is asked to end (SIGTERM), as its supervisor
    would ask, and the block ends with `EmbeddedError`. Raises `SettingsError` as `server` does.
    """
    if settings.database_url is not None:
        yield external(settings)
        return
    _require_none_lost(settings)
    with supervision.keeping(
        settings.data_path,
        on_wait=on_wait,
        on_lost=lambda: os.kill(os.getpid(), signal.SIGTERM),
    ) as running:
        yield inside(running)


def inside(running: embedded_server.EmbeddedServer) -> DatabaseTarget:
    """The place of an embedded server: only our account reaches its socket."""
    return DatabaseTarget(
        service_url=running.url(EMBEDDED_DATABASE, APP_ROLE),
        role="",
        owner_url=running.url(EMBEDDED_DATABASE),
        embedded=True,
    )


def external(settings: Settings) -> DatabaseTarget:
    """The place of a PostgreSQL elsewhere. One URL serves both parts if only one is set."""
    if settings.database_url is None:
        raise ValueError("no external database is set")
    service = settings.database_url.get_secret_value()
    if settings.owner_database_url is None:
        return DatabaseTarget(service, APP_ROLE, service, embedded=False)
    return DatabaseTarget(
        service, "", settings.owner_database_url.get_secret_value(), embedded=False
    )


async def prepare(place: DatabaseTarget) -> None:
    """Bring the schema to this version and let the service in. Raises `SchemaError`."""
    await make_database(place)
    await schema.upgrade(place.owner_url)
    async with owner(place.owner_url) as connection:
        if place.embedded:
            await connection.execute(text(f"ALTER ROLE {APP_ROLE} LOGIN"))
        elif place.role:
            # from PostgreSQL 16 on, who created a role may not yet act as it
            await connection.execute(text(f"GRANT {APP_ROLE} TO CURRENT_USER"))


_FILES: Final[Mapping[str, Callable[[Settings], object]]] = {
    "TWINSTILE_REGIONS_FILE": lambda told: regions.load(told.regions_file),
    "TWINSTILE_ENTRY_RULES": lambda told: entry_rules.load(told.entry_rules),
    "TWINSTILE_FEEDS_FILE": config.feed_sources,
    "TWINSTILE_CHANNELS_FILE": routing.of,
    "TWINSTILE_PROVIDERS_FILE": verifying.verifier,
    "TWINSTILE_TRUST_FILE": sources.of,
}
"""What reads each file that a setting names."""


def check_files(settings: Settings) -> None:
    """Raises `SettingsError` for a file of the operator's that cannot be used."""
    for name, load in _FILES.items():
        try:
            load(settings)
        except InvalidFile as error:
            raise SettingsError(f"{name}: {error}") from error


def open_runtime(settings: Settings, place: DatabaseTarget) -> Runtime:
    """What the process works with.

    Raises `KeyUnavailable` for an unusable master key, `SettingsError` for a file it names.
    """
    check_files(settings)
    database = Database(
        place.service_url,
        pool_size=settings.pool_size,
        statement_timeout_ms=settings.statement_timeout_ms,
        role=place.role,
    )
    return Runtime(settings, database, Gatekeeper(database), key_ring(settings))


def key_ring(settings: Settings) -> KeyRing:
    """The keys of every hub in the data folder. Raises `KeyUnavailable`."""
    given = settings.master_key.get_secret_value() if settings.master_key else None
    folder = key_folder(settings)
    return KeyRing(folder, master_keys.open_masters(given, settings.key_command, folder))


def key_folder(settings: Settings) -> Path:
    """Where wrapped keys lie, outside the database and so outside its backups."""
    return settings.data_path / "keys"


def require_keys(settings: Settings) -> None:
    """Raises `SettingsError` where no hub was ever served, or none this account may read.

    For commands that look after what is there: run with other settings than the service, they
    would make a second, empty installation and report that all is well with it.
    """
    if not os.access(key_folder(settings), os.R_OK | os.X_OK):
        raise SettingsError(
            f"There is no hub in {settings.data_path}, or none this account may read: run this "
            "as the service's account, with the service's settings."
        )


def require_installation(settings: Settings) -> None:
    """The same, where the command needs the database as well. Raises `SettingsError`."""
    require_keys(settings)
    if _has_no_database(settings):
        raise _lost(settings, key_folder(settings), f"no database in {settings.data_path}")


def hub_keys(settings: Settings) -> bool:
    """Whether keys of any hub are there: the first start makes them after its database."""
    return any(key_folder(settings).glob("*/*.key"))


def _has_no_database(settings: Settings) -> bool:
    here = settings.database_url is None
    return here and not any(settings.data_path.glob("pg[0-9][0-9]"))


def _require_none_lost(settings: Settings) -> None:
    """Refuse to make an empty database beside the keys of one that is gone.

    A restore that was cut off is told by the embedded server.
    """
    cut_off = (settings.data_path / embedded_server.RESTORING).exists()
    # looked at in this order: another process may be making both
    if not cut_off and hub_keys(settings) and _has_no_database(settings):
        require_installation(settings)


def _lost(settings: Settings, keys: Path, missing: str) -> SettingsError:
    """What was found without its database, and both ways on."""
    found = [f"keys in {keys}"]
    if settings.audit_path.exists():
        found.append(f"the audit file {settings.audit_path}")
    return SettingsError(
        f"There are {' and '.join(found)}, and {missing}. `twinstile restore BACKUP` brings "
        "it back. If a new hub is meant, move what was found elsewhere first, and keep it: "
        "without the keys no backup can be read."
    )


async def enter_hub(
    runtime: Runtime, place: DatabaseTarget, at: datetime
) -> FirstAdministrator | None:
    """Enter the hub of the settings with its policy and an administrator, if it is new.

    What a restore brought back is destroyed again first. Raises `PolicyError` for an unknown
    policy pack, `SettingsError` where the hub has keys and the database does not know it.
    """
    settings = runtime.settings
    document = documents.pack(settings.policy_pack)
    await retention.replay_destructions(runtime, place.owner_url, at)
    async with runtime.database.transaction() as tx:
        await versions.adopt(tx)
        if not await devices.open_hub(tx, settings, at):
            return None
        own_keys = key_folder(settings) / settings.hub_id
        if any(own_keys.glob("*.key")):
            raise _lost(settings, own_keys, f"no hub {settings.hub_id} in the database")
        await versions.put_in_force(tx, settings.hub_id, document, ALWAYS, at)
        first = FirstAdministrator(FIRST_LOGIN, new_passcode())
        await shifts.add_operator(
            tx,
            settings.hub_id,
            first.login,
            "Administrator",
            [Role.ADMINISTRATOR],
            first.passcode,
            at,
        )
    return first


def new_passcode() -> str:
    """A passcode to be read once and typed: 59 random bits, no look-alike letters."""
    letters = "".join(secrets.choice(devices.CODE_ALPHABET) for _ in range(12))
    return f"{letters[:4]}-{letters[4:8]}-{letters[8:]}"


async def make_database(place: DatabaseTarget) -> None:
    """Make the database of our own server, if it is not there; one elsewhere is its owner's."""
    if not place.embedded:
        return
    url = make_url(place.owner_url)
    elsewhere = url.set(database="postgres").render_as_string(hide_password=False)
    async with owner(elsewhere) as connection:
        # another process may have borrowed the same new server; the lock ends with the session
        await connection.execute(text(f"SELECT pg_advisory_lock({schema.UPGRADE_LOCK})"))
        there = await connection.scalar(
            text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": url.database}
        )
        if there is None:
            await connection.execute(text(f'CREATE DATABASE "{url.database}"'))


@asynccontextmanager
async def owner(url: str) -> AsyncGenerator[AsyncConnection]:
    """A connection of the schema's owner; each statement commits by itself."""
    engine = create_async_engine(
        make_url(url).set(drivername="postgresql+asyncpg"),
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
    )
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()
