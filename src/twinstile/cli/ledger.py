"""The commands `twinstile audit …`: seal, verify; and the key an auditor needs.

They work beside a service that runs, or without one, and change no schema and enter no hub.
"""

# ruff: noqa: PLC0415 -- commands import what is heavy themselves

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from twinstile.cli import common
from twinstile.cli.common import AsJson, DataDir, settings_of

if TYPE_CHECKING:
    from twinstile.platform.http.routes import Runtime
    from twinstile.platform.ledger.verification import Audit
    from twinstile.platform.ops.settings import Settings

PATIENCE_MS = 60_000
Result = TypeVar("Result")

app = typer.Typer(help="The ledger of changes.", no_args_is_help=True)


@app.command("verify")
def verify_ledger(data_dir: DataDir = None, as_json: AsJson = False) -> None:  # an option
    """Compute the ledger anew and compare it with every root that was published."""
    from dataclasses import asdict

    begun = time.monotonic()
    settings = settings_of(data_dir)
    audit = _at(settings, _verify)
    took = round(time.monotonic() - begun, 3)
    if as_json:
        typer.echo(json.dumps({"well": not audit.faults, **asdict(audit), "seconds": took}))
    else:
        _tell(audit, settings.audit_path, took)
    raise typer.Exit(1 if audit.faults else 0)


@app.command("seal")
def seal_now(data_dir: DataDir = None) -> None:
    """Seal everything and publish the root now, not in a minute."""
    from twinstile.platform.ledger import sealer

    async def work(runtime: "Runtime") -> None:
        await sealer.seal(runtime.database)
        await sealer.publish(runtime.database, runtime.keys, runtime.settings.audit_path)

    settings = settings_of(data_dir)
    _at(settings, work)
    typer.echo(f"The root is in {settings.audit_path}.")


@app.command("key")
def show_keys(data_dir: DataDir = None) -> None:
    """Print the public keys, for auditors to keep: base64 of Ed25519's 32 bytes."""
    from twinstile.operations import startup
    from twinstile.platform.keys import signing

    settings = settings_of(data_dir)
    startup.require_keys(settings)
    keys = startup.key_ring(settings).of(settings.hub_id)
    signing.signer(keys)
    for key_id, public_key in signing.public_keys(keys).items():
        typer.echo(f"{key_id}  {public_key}")


async def _verify(runtime: "Runtime") -> "Audit":
    from twinstile.platform.keys import signing
    from twinstile.platform.ledger import signed_roots, verification

    hub_id, file = runtime.settings.hub_id, runtime.settings.audit_path
    public_keys = signing.public_keys(runtime.keys.of(hub_id))
    lines = signed_roots.read(file, hub_id) if file.exists() else None
    return await verification.verify(runtime.database, hub_id, lines, public_keys)


def _tell(audit: "Audit", file: Path, took: float) -> None:
    typer.echo(
        f"Hub {audit.hub_id}: {audit.entries} entries, {audit.pending} events not sealed."
    )
    for epoch in audit.epochs:
        gone = f"; {epoch.lost} later entries are gone, as declared" if epoch.lost else ""
        typer.echo(f"  epoch {epoch.name}: {epoch.first} to {epoch.last}{gone}")
        for name, last in epoch.gave_up.items():
            typer.echo(f"    gave up epoch {name}, published to entry {last}, as declared")
    torn = f", {audit.unreadable} unreadable lines" if audit.unreadable else ""
    typer.echo(f"{file}: {audit.roots} roots compared{torn}.")
    for fault in audit.faults:
        where = "" if fault.n is None else f" at entry {fault.n}"
        typer.echo(f"BAD{where}: {fault.what}")
    typer.echo(f"{'NOT in order' if audit.faults else 'In order'}; {took:.1f} s.")


def _at(settings: "Settings", work: Callable[["Runtime"], Awaitable[Result]]) -> Result:
    from twinstile.operations import startup

    async def run(place: startup.DatabaseTarget) -> Result:
        patient = settings.model_copy(update={"statement_timeout_ms": PATIENCE_MS})
        runtime = startup.open_runtime(patient, place)
        try:
            return await work(runtime)
        finally:
            await runtime.database.close()

    startup.require_installation(settings)
    with startup.server(settings, common.waiting) as place:
        return asyncio.run(run(place))
