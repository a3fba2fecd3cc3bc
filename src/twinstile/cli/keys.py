"""The commands `twinstile keys`: which master keys are in use, and a new one."""

# ruff: noqa: PLC0415 -- as in `cli`: `--help` answers at once

import json
from collections import Counter

import typer

from twinstile.cli.common import AsJson, DataDir, settings_of

app = typer.Typer(help="Master keys and what they wrap.", no_args_is_help=True)


@app.command("list")
def list_keys(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Count the keys of each hub by kind and by the master they are wrapped under."""
    from twinstile.operations import startup

    settings = settings_of(data_dir)
    startup.require_keys(settings)
    ring = startup.key_ring(settings)
    current = ring.masters.current()
    hubs = {
        hub_id: {
            "living": Counter(name.partition(".")[0] for name in ring.of(hub_id).names("")),
            "destroyed": Counter(
                name.partition(".")[0] for name in ring.of(hub_id).destroyed("")
            ),
            "masters": Counter(ring.of(hub_id).masters().values()),
        }
        for hub_id in ring.hubs()
    }
    if as_json:
        typer.echo(json.dumps({"current": current, "hubs": hubs}))
        return
    typer.echo(f"Keys are wrapped under the master {current}.")
    for hub_id, counts in hubs.items():
        for what, by_kind in counts.items():
            told = ", ".join(f"{count} {kind}" for kind, count in sorted(by_kind.items()))
            typer.echo(f"{hub_id}: {what}: {told or 'none'}")


@app.command()
def rotate(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Wrap every key under a new master, while services run; go on with one that was cut short.

    Where a setting or a command keeps the masters, make the new one current there first.
    """
    from twinstile.operations import startup

    settings = settings_of(data_dir)
    startup.require_keys(settings)
    ring = startup.key_ring(settings)
    result = ring.rotate()
    if as_json:
        current = ring.masters.current()
        typer.echo(
            json.dumps({"current": current, "rewrapped": result.done, "failed": result.failed})
        )
    else:
        typer.echo(f"Keys wrapped under {ring.masters.current()}: {result.done}.")
        for name in result.failed:
            typer.echo(f"{name} cannot be opened; the old master is kept.", err=True)
    raise typer.Exit(1 if result.failed else 0)
