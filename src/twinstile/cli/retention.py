"""The commands for what ends: certificates of destruction and legal holds."""

# ruff: noqa: PLC0415 -- as in `cli`: `--help` answers at once

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twinstile.cli import common
from twinstile.cli.common import AsJson, DataDir, settings_of

if TYPE_CHECKING:
    from twinstile.cases.retention import CaseUnderHold, LegalHold
    from twinstile.platform.http.routes import Runtime

destructions = typer.Typer(help="Certificates of destruction.", no_args_is_help=True)
holds = typer.Typer(help="Legal holds on the identity of a case.", no_args_is_help=True)

CaseNo = Annotated[str, typer.Argument(help="The case's number, as 20261124-001.")]
Why = Annotated[str, typer.Option("--reason", help="Who asked for it; no names of travellers.")]


@destructions.command("list")
def list_destructions(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List what was destroyed, as published outside the data folder."""
    from twinstile.platform.keys import destruction

    path = settings_of(data_dir).destructions_path
    found = list(destruction.read(path))
    if as_json:
        told = [{**one.members, "signature": one.signature} for one in found]
        typer.echo(json.dumps({"file": str(path), "destructions": told}, ensure_ascii=False))
        return
    for one in found:
        if fault := one.fault():
            typer.echo(f"not believed: {fault}", err=True)
            continue
        rows = ", ".join(f"{count} {table}" for table, count in one.rows.items() if count)
        words = [one.word(name) for name in ("destroyed_at", "hub_id", "key_id", "reason")]
        typer.echo("  ".join([*words, rows or "no rows"]))
    typer.echo(f"certificates in {path}: {len(found)}")


@destructions.command()
def verify(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="One certificate, or a list.")
    ],
    key: Annotated[
        str | None, typer.Option(help="Id of the signing key you know to be the hub's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check certificates without the service: one JSON object a line."""
    from twinstile.platform.keys import destruction

    faults: list[str] = []
    lines = [line for line in file.read_bytes().splitlines() if line.strip()]
    signers: set[str] = set()
    for number, line in enumerate(lines, 1):
        one = destruction.parse(line)
        fault = "no certificate" if one is None else one.fault()
        if one is not None and fault is None:
            signers.add(one.word("signing_key"))
            if key is not None and one.word("signing_key") != key:
                fault = "signed by another key"
        if fault is not None:
            faults.append(f"line {number}: {fault}")
    if as_json:
        typer.echo(
            json.dumps({"lines": len(lines), "faults": faults, "signers": sorted(signers)})
        )
    else:
        for fault in faults:
            typer.echo(fault, err=True)
        by = ", ".join(sorted(signers)) or "nobody"
        typer.echo(f"{len(lines) - len(faults)} of {len(lines)} are whole, signed by {by}")
    raise typer.Exit(1 if faults or not lines else 0)


@holds.command()
def place(case_no: CaseNo, reason: Why, data_dir: DataDir = None) -> None:
    """Keep the identity of a case beyond its time, until the hold is lifted."""
    from twinstile.cases.retention import LegalHold

    _hold(data_dir, case_no, LegalHold.PLACED, reason)
    typer.echo(f"The identity of case {case_no} is kept until the hold is lifted.")


@holds.command()
def lift(case_no: CaseNo, reason: Why, data_dir: DataDir = None) -> None:
    """Let the identity of a case end when its time is over."""
    from twinstile.cases.retention import LegalHold

    _hold(data_dir, case_no, LegalHold.LIFTED, reason)
    typer.echo(f"The hold on case {case_no} is lifted.")


@holds.command("list")
def list_holds(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the cases whose identity a hold keeps: since when, and why."""
    from twinstile.cases import retention

    async def read(runtime: "Runtime") -> "list[CaseUnderHold]":
        async with runtime.database.reading() as tx:
            return await retention.held_cases(tx, runtime.settings.hub_id)

    found = common.at_hub(data_dir, read)
    if as_json:
        told = [
            {"case_no": one.case_no, "since": one.since.isoformat(), "reason": one.reason}
            for one in found
        ]
        common.print_json(holds=told)
        return
    for one in found:
        typer.echo(f"{one.case_no}  since {one.since:%F %H:%M} UTC  {one.reason}")
    typer.echo(f"cases under a legal hold: {len(found)}")


def _hold(data_dir: Path | None, case_no: str, kind: "LegalHold", reason: str) -> None:
    from twinstile.operations import retention as destruction
    from twinstile.platform.ops import clock

    async def enter(runtime: "Runtime") -> None:
        hub_id = runtime.settings.hub_id
        await destruction.hold(runtime, hub_id, case_no, kind, reason, clock.now())

    common.at_hub(data_dir, enter)


def sunset(
    yes_destroy: Annotated[
        str | None,
        typer.Option(metavar="HUB_ID", help="The hub's id: yes, destroy it for good."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Tell what would be done; do nothing.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="For the aggregates and the certificate.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Close the hub for good: publish aggregates, destroy every identity, certify it."""
    from twinstile.operations import decommission

    settings = settings_of(data_dir)
    if not dry_run and yes_destroy != settings.hub_id:
        raise typer.BadParameter(
            f"give --yes-destroy {settings.hub_id}, or --dry-run", param_hint="--yes-destroy"
        )
    folder = out or settings.data_path.with_name(f"{settings.data_path.name}-sunset")
    told = decommission.command(settings, folder, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False))
        return
    for line in decommission.in_words(told):
        typer.echo(line)
