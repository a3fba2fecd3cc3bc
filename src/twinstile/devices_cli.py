"""`twinstile enrol-code` and `lane`: devices, and where they stand."""

# ruff: noqa: PLC0415 -- as in `cli`: `--help` answers at once

from typing import Annotated

import typer

from twinstile import cli_parts
from twinstile.cli_parts import AsJson, DataDir


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
    from twinstile import operating

    (code, expires_at), first = operating.at_hub(
        cli_parts.settings_of(data_dir),
        lambda house: operating.enrolment_code(house, lane),
        cli_parts.waiting,
    )
    if as_json:
        cli_parts.print_json(
            enrolment_code=code,
            expires_at=expires_at.isoformat(),
            **cli_parts.secrets_of(first),
        )
        return
    cli_parts.tell_administrator(first)
    cli_parts.tell_code(code, expires_at)


def enter_lane(
    lane: str,
    checkpoint: Annotated[str, typer.Option(help="The checkpoint it belongs to.")],
    kind: Annotated[str, typer.Option(help="AUTO, STAFFED, ASSISTED …: what it is for.")],
    data_dir: DataDir = None,
) -> None:
    """Enter a lane where a device may stand, or say anew what it is for."""
    from twinstile import operating
    from twinstile.platform.devices import LaneKind

    cli_parts.require_slug(lane, "LANE")
    cli_parts.require_slug(checkpoint, "--checkpoint")
    if kind not in list(LaneKind):
        raise typer.BadParameter(f"one of {', '.join(LaneKind)}", param_hint="--kind")
    way, first = operating.at_hub(
        cli_parts.settings_of(data_dir),
        lambda house: operating.enter_lane(house, lane, checkpoint, LaneKind(kind)),
        cli_parts.waiting,
    )
    cli_parts.tell_administrator(first)
    typer.echo(f"{lane}: {kind}, of the checkpoint {checkpoint} ({way})")
