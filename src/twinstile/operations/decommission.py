"""The end of a hub: freeze, publish aggregates, destroy, certify. It cannot be undone.

The order is such that each step may be the last before a crash, and the next call goes on: the
hub is frozen first; what is to be published is written before anything is deleted, and not
written again; the certificate of the hub comes last, so where there is none, work is left.

Rows go as well as keys. Without the vault a check is of nobody known, but lane, train, seat
and minute are enough for a carrier to say who it was, so nothing of a passage stays but counts.
What stays proves how the hub was run: events and ledger, access log, staff, certificates.
"""

import asyncio
import hashlib
import json
import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Final, cast

from twinstile.cases import retention as closed_cases
from twinstile.exports import aggregates
from twinstile.identity import retention
from twinstile.operations import retention as endings
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.http.problems import Conflict, NotFound
from twinstile.platform.http.routes import Runtime
from twinstile.platform.keys import destruction, signing
from twinstile.platform.keys.data_keys import KeyFiles, KeyUnavailable
from twinstile.platform.keys.destruction import DestructionCertificate, DestructionReason
from twinstile.platform.keys.master_keys import write_synced
from twinstile.platform.ledger import sealer
from twinstile.platform.ops import clock
from twinstile.platform.ops.settings import Settings
from twinstile.platform.security.auth import PRINCIPAL_CACHE_S

SETTLE_S: Final = PRINCIPAL_CACHE_S + 6
"""Until every process knows that the hub is closed, and what was under way has ended."""
KEYS: Final = "keys"
COUNTS: Final = "counts.json"
AGGREGATES: Final = "aggregates.csv"
CERTIFICATE: Final = "certificate.json"


def command(settings: Settings, folder: Path, *, dry_run: bool) -> dict[str, object]:
    """Do it, whether the hub's service runs or not, or tell what would be done.

    Raises `SettingsError` where there is no such hub.
    """
    startup.require_installation(settings)
    with startup.server(settings) as place:
        return asyncio.run(_command(settings, place, folder, dry_run=dry_run))


async def _command(
    settings: Settings, place: DatabaseTarget, folder: Path, *, dry_run: bool
) -> dict[str, object]:
    patient = settings.model_copy(update={"statement_timeout_ms": endings.VACUUM_MS})
    _require_keys(settings)
    await startup.prepare(place)
    runtime = startup.open_runtime(patient, place)
    try:
        if dry_run:
            return await plan(runtime)
        one = await run(runtime, place, settings.hub_id, folder, clock.now(), SETTLE_S)
        # no service may ever run here again to do it
        await sealer.seal(runtime.database)
        await sealer.publish(runtime.database, runtime.keys, settings.audit_path)
    finally:
        await runtime.database.close()
    return {
        "hub": settings.hub_id,
        "rows destroyed": one.rows,
        "certificate": str(folder / CERTIFICATE),
        "aggregates": str(folder / AGGREGATES),
    }


def in_words(answer: dict[str, object]) -> list[str]:
    """What `command` answered, a line for each member; what there is none of in one line."""
    return [
        *(f"{name}: {_value(value)}" for name, value in answer.items() if value != 0),
        *(["everything else: none"] if 0 in answer.values() else []),
    ]


def _value(value: object) -> str:
    match value:
        case dict():
            counts = cast("dict[str, int]", value)
            return ", ".join(f"{n} {table}" for table, n in counts.items() if n) or "none"
        case list():
            return ", ".join(map(str, cast("list[object]", value))) or "none"
        case _:
            return str(value)


def _require_keys(settings: Settings) -> None:
    """Without the hub's own keys none would be destroyed, and a new one would certify it."""
    folder = startup.key_folder(settings) / settings.hub_id
    if not any(folder.glob(f"{signing.PREFIX}*.key")):
        raise KeyUnavailable(
            f"The keys of {settings.hub_id} are not in {folder}: nothing was begun. Run "
            "this as the service's account, with the service's settings."
        )


async def plan(runtime: Runtime) -> dict[str, object]:
    """What would be destroyed, and the cases whose legal hold stands against it."""
    hub_id = runtime.settings.hub_id
    async with runtime.database.reading() as tx:
        held = [one.case_no for one in await closed_cases.held_cases(tx, hub_id)]
    counts = await _counts(runtime.database, runtime.keys.of(hub_id), hub_id)
    return {"hub": hub_id, **counts, "under legal hold": held}


async def run(
    runtime: Runtime,
    place: DatabaseTarget,
    hub_id: str,
    folder: Path,
    now: datetime,
    settle_s: float,
) -> DestructionCertificate:
    """Close the hub and destroy what it knows of people; the certificate of the whole.

    `folder` gets counts, aggregates and certificate. A hub that was certified before gets the
    same certificate again, and what a restore brought back is destroyed again. Raises
    `Conflict` before anything has begun, while a legal hold is in place or when the folder is
    another hub's; `OSError`, `Unavailable`.
    """
    keys = runtime.keys.of(hub_id)
    await _require_free(runtime.database, hub_id, folder)
    done = await _certificate(runtime.database, hub_id)
    if done is None or any((await _counts(runtime.database, keys, hub_id)).values()):
        await retention.close(runtime.database, hub_id, now)
        await asyncio.sleep(settle_s)
        counts = await _written_counts(runtime.database, keys, hub_id, folder / COUNTS)
        digest = await _written_aggregates(runtime, hub_id, folder / AGGREGATES)
        await retention.destroy_all(runtime.database, keys, hub_id, now)
        await asyncio.to_thread(_remove, runtime.settings.outbox_path / hub_id)
        await endings.purge(place.owner_url, hub_id)
        async with runtime.database.transaction() as tx:
            await destruction.certify(
                tx,
                keys,
                hub_id,
                destruction.HUB,
                {table: counts[table] for table in endings.PURGED},
                DestructionReason.SUNSET,
                now,
                keys_destroyed=counts[KEYS],
                aggregates_sha256=digest,
            )
        done = await _certificate(runtime.database, hub_id)
    if done is None or not retention.believes(keys, done):
        raise NotFound("There is no certificate that the hub has signed.")
    await destruction.publish(runtime.database, hub_id, runtime.settings.destructions_path)
    _write(folder / CERTIFICATE, done.line())
    return done


async def _require_free(database: Database, hub_id: str, folder: Path) -> None:
    written = _read(folder / COUNTS)
    if written is not None and json.loads(written)["hub_id"] != hub_id:
        raise Conflict(f"{folder} has the counts of another hub: give another one with --out.")
    async with database.reading() as tx:
        held = [one.case_no for one in await closed_cases.held_cases(tx, hub_id)]
    if held:
        raise Conflict(
            f"A legal hold keeps {', '.join(held)}: nothing was begun. Hand over what it is "
            "about, then lift it."
        )


async def _certificate(database: Database, hub_id: str) -> DestructionCertificate | None:
    async with database.reading() as tx:
        try:
            return await destruction.one(tx, hub_id, destruction.HUB)
        except NotFound:
            return None


async def _counts(database: Database, keys: KeyFiles, hub_id: str) -> dict[str, int]:
    counts = {KEYS: len(retention.protecting(keys))}
    async with database.reading() as tx:
        for table in endings.PURGED:
            row = await tx.raw.fetchrow(
                f'SELECT count(*) FROM "{table}" WHERE hub_id = $1',  # noqa: S608 # constants
                hub_id,
            )
            counts[table] = row[0] if row else 0
    return counts


async def _written_counts(
    database: Database, keys: KeyFiles, hub_id: str, path: Path
) -> dict[str, int]:
    """What there was before anything was deleted: counted by the first call alone."""
    written = _read(path)
    if written is None:
        counts = await _counts(database, keys, hub_id)
        told = json.dumps({"hub_id": hub_id, **counts}, sort_keys=True)
        written = _write(path, told.encode() + b"\n")
    read: dict[str, int] = json.loads(written)
    return read


async def _written_aggregates(runtime: Runtime, hub_id: str, path: Path) -> str:
    """Written by the first call alone; the SHA-256 of the file."""
    written = _read(path)
    if written is None:
        text = await aggregates.by_month(
            runtime.database, hub_id, runtime.settings.zone, clock.now()
        )
        written = _write(path, text.encode())
    return hashlib.sha256(written).hexdigest()


def _remove(folder: Path) -> None:
    """Remove a folder with all in it, wherever a link leads. Raises `OSError`."""
    folder = folder.resolve()
    while folder.exists():
        with suppress(FileNotFoundError):  # a gateway has taken a message meanwhile
            shutil.rmtree(folder)


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _write(path: Path, content: bytes) -> bytes:
    """Write it whole or not at all, and give it back."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    write_synced(draft, content)
    draft.replace(path)
    return content
