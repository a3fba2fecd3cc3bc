"""The commands `twinstile policy`: which versions the hub has, and what one says."""

# ruff: noqa: PLC0415 -- as in `cli`: `--help` answers at once

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from datetime import datetime

    from twinstile.platform.web import House

app = typer.Typer(help="The rules the hub decides by.", no_args_is_help=True)
Result = TypeVar("Result")

DataDir = Annotated[Path | None, typer.Option(help="Keys and embedded database.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.command("list")
def list_policies(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the versions: from when each holds, which holds now, and what is only written."""
    from twinstile.platform import clock
    from twinstile.policy import versions

    async def read(house: "House") -> "tuple[str, list[tuple[str, datetime | None]]]":
        async with house.database.reading() as tx:
            hub_id = house.settings.hub_id
            current = await versions.in_force(tx, hub_id, clock.now())
            return current, await versions.listed(tx, hub_id)

    current, found = _at_hub(data_dir, read)
    if as_json:
        told = {version: since and since.isoformat() for version, since in found}
        typer.echo(json.dumps({"in_force": current, "effective_from": told}))
        return
    for version, since in found:
        when = f"from {since:%Y-%m-%d %H:%M} UTC" if since else "written, never in force"
        typer.echo(f"{'*' if version == current else ' '} {version}  {when}")


@app.command()
def show(version: str, data_dir: DataDir = None) -> None:
    """Print the document of a version as JSON."""
    from twinstile.policy import versions

    async def read(house: "House") -> dict[str, object]:
        async with house.database.reading() as tx:
            return await versions.read_document(tx, house.settings.hub_id, version)

    typer.echo(json.dumps(_at_hub(data_dir, read), ensure_ascii=False, indent=1))


def _at_hub(data_dir: Path | None, read: "Callable[[House], Awaitable[Result]]") -> Result:
    """Read from the hub of these settings, which must be there: none is made."""
    from twinstile import opening, operating
    from twinstile.platform import settings

    given = settings.load(**({} if data_dir is None else {"data_dir": data_dir}))
    opening.require_installation(given)
    found, _ = operating.at_hub(given, read, lambda _: None)
    return found
