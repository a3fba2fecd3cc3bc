"""What the commands share: options, settings, a hub to work at, and how they speak."""

# ruff: noqa: PLC0415 -- as in `cli`: `--help` answers at once

import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from twinstile.operations.startup import FirstAdministrator
    from twinstile.platform.http.routes import Runtime
    from twinstile.platform.ops.settings import Settings

DataDir = Annotated[Path | None, typer.Option(help="Keys and embedded database.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]
Result = TypeVar("Result")


def set_options(**options: object) -> dict[str, object]:
    """Those options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def settings_of(data_dir: Path | None = None, **options: object) -> "Settings":
    """The settings, with what the command line says instead. Raises `SettingsError`.

    What is logged is said in words from here on, unless the command is a service.
    """
    from twinstile.platform.ops import observability, settings

    observability.configure_words()
    return settings.load(**set_options(data_dir=data_dir, **options))


def at_hub(data_dir: Path | None, work: "Callable[[Runtime], Awaitable[Result]]") -> Result:
    """Do something at the hub of the settings, which must be there: none is made.

    Raises `SettingsError`.
    """
    from twinstile.cli import commands

    return commands.at_known_hub(settings_of(data_dir), work, waiting)


def print_json(**members: object) -> None:
    """Say it as one JSON object on one line."""
    typer.echo(json.dumps(members, ensure_ascii=False))
    sys.stdout.flush()


def tell_administrator(first: "FirstAdministrator | None") -> None:
    """Show the first passcode of a hub that has just been made."""
    if first:
        typer.echo(
            f"The hub is new. Its administrator, shown this once:  {first.login}"
            f"  passcode {first.passcode}"
        )


def secrets_of(first: "FirstAdministrator | None") -> dict[str, str | None]:
    """The same as members of an object."""
    return {
        "login": first.login if first else None,
        "passcode": first.passcode if first else None,
    }


def tell_code(code: str, expires_at: datetime) -> None:
    """Show an enrolment code, and until when it lets a device in, by this machine's clock."""
    until = f"{expires_at.astimezone():%H:%M %Z}"
    typer.echo(f"Enrolment code for one device, until {until}:  {code}")


def waiting(seconds: float) -> None:
    """Say on standard error that a start or a recovery takes its time."""
    typer.echo(f"PostgreSQL is starting, {seconds:.0f} s ...", err=True)


def require_slug(text: str, hint: str) -> None:
    """The API takes the same: another login could be entered and never sign in."""
    from pydantic import TypeAdapter, ValidationError

    from twinstile.platform.http.field_types import Slug

    try:
        TypeAdapter[str](Slug).validate_python(text)
    except ValidationError:
        raise typer.BadParameter(
            "at most 32 letters, digits, dots, dashes and underscores", param_hint=hint
        ) from None
