"""The commands `twinstile operator`: people on duty."""

# ruff: noqa: PLC0415 -- as in `cli`: `--help` answers at once

from typing import TYPE_CHECKING, Annotated

import typer

from twinstile.cli import common
from twinstile.cli.common import AsJson, DataDir
from twinstile.platform.security.roles import Role

if TYPE_CHECKING:
    from twinstile.platform.http.routes import Runtime
    from twinstile.platform.security.shifts import OnDuty

app = typer.Typer(help="People on duty.", no_args_is_help=True)


@app.command("add")
def add_operator(
    login: str,
    role: Annotated[list[Role], typer.Option(help="May be given several times.")],
    name: Annotated[str | None, typer.Option(help="The name people see.")] = None,
    ask: Annotated[bool, typer.Option(help="Ask for the passcode; else make one.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Enter a person on duty with a login, roles and a first passcode."""
    from twinstile.cli import commands
    from twinstile.operations import startup

    common.require_slug(login, "LOGIN")
    settings = common.settings_of(data_dir)
    passcode = (
        typer.prompt("Passcode", hide_input=True, confirmation_prompt=True, err=True)
        if ask
        else startup.new_passcode()
    )
    _, first = commands.at_hub(
        settings,
        lambda runtime: commands.add_operator(runtime, login, name or login, role, passcode),
        common.waiting,
    )
    if as_json:
        common.print_json(login=login, passcode=None if ask else passcode)
        return
    common.tell_administrator(first)
    typer.echo(f"{login} may sign in" + ("." if ask else f" with the passcode {passcode}"))


@app.command("list")
def list_operators(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the people on duty, those without access any more included."""
    from twinstile.platform.security import shifts

    async def read(runtime: "Runtime") -> "list[OnDuty]":
        async with runtime.database.reading() as tx:
            return await shifts.operators(tx, runtime.settings.hub_id)

    found = common.at_hub(data_dir, read)
    if as_json:
        told = [
            {
                "operator_id": str(one.operator_id),
                "login": one.login,
                "display_name": one.display_name,
                "roles": one.roles,
                "disabled": one.disabled,
            }
            for one in found
        ]
        common.print_json(operators=told)
        return
    for one in found:
        ended = " (disabled)" if one.disabled else ""
        typer.echo(f"{one.login}{ended}  {', '.join(one.roles)}  {one.display_name}")


@app.command("disable")
def disable_operator(login: str, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """End a person's access, with the shifts that are open; nothing gives it back."""
    from twinstile.platform.ops import clock
    from twinstile.platform.security import shifts

    async def end(runtime: "Runtime") -> None:
        hub_id = runtime.settings.hub_id
        async with runtime.database.transaction() as tx:
            operator_id = await shifts.known_by(tx, hub_id, login)
            await shifts.disable_operator(tx, hub_id, operator_id, clock.now())

    common.at_hub(data_dir, end)
    if as_json:
        common.print_json(login=login.lower(), disabled=True)
        return
    typer.echo(f"{login.lower()} gets in no more; open shifts end within two seconds.")
