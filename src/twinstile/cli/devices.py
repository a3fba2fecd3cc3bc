"""`twinstile enrol-code` and `lane`: devices, and where they stand."""

# ruff: noqa: PLC0415 -- as in `cli`: `--help` answers at once

from typing import Annotated

import typer

from twinstile.cli import common
from twinstile.cli.common import AsJson, DataDir


def join(parent: typer.Typer) -> None:
    """Put the commands of this module beside the others."""
    parent.command()(enrol_code)
    parent.command("lane")(enter_lane)


def enrol_code(
    lane: Annotated[str | None, typer.Option(help="The lane the device will stand at.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a one-time code that lets one device in."""
    from twinstile.cli import commands

    (code, expires_at), first = commands.at_hub(
        common.settings_of(data_dir),
        lambda runtime: commands.enrolment_code(runtime, lane),
        common.waiting,
    )
    if as_json:
        common.print_json(
            enrolment_code=code,
            expires_at=expires_at.isoformat(),
            **common.secrets_of(first),
        )
        return
    common.tell_administrator(first)
    common.tell_code(code, expires_at)


def enter_lane(
    lane: str,
    checkpoint: Annotated[str, typer.Option(help="The checkpoint it belongs to.")],
    kind: Annotated[str, typer.Option(help="AUTO, STAFFED, ASSISTED …: what it is for.")],
    data_dir: DataDir = None,
) -> None:
    """Enter a lane where a device may stand, or say anew what it is for."""
    from twinstile.cli import commands
    from twinstile.platform.security.devices import LaneKind

    common.require_slug(lane, "LANE")
    common.require_slug(checkpoint, "--checkpoint")
    if kind not in list(LaneKind):
        raise typer.BadParameter(f"one of {', '.join(LaneKind)}", param_hint="--kind")
    way, first = commands.at_hub(
        common.settings_of(data_dir),
        lambda runtime: commands.enter_lane(runtime, lane, checkpoint, LaneKind(kind)),
        common.waiting,
    )
    common.tell_administrator(first)
    typer.echo(f"{lane}: {kind}, of the checkpoint {checkpoint} ({way})")
