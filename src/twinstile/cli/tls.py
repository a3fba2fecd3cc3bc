"""The commands `twinstile tls`: HTTPS in a closed hub, and devices that trust it."""

# ruff: noqa: PLC0415 -- as in `cli`: `--help` answers at once

from typing import TYPE_CHECKING, Annotated

import typer

from twinstile.cli import common
from twinstile.cli.common import AsJson, DataDir, settings_of

if TYPE_CHECKING:
    from twinstile.platform.ops.settings import Settings

app = typer.Typer(help="HTTPS in a closed hub.", no_args_is_help=True)


@app.command()
def init(
    names: Annotated[
        list[str], typer.Argument(help="Host names and addresses of this server.")
    ],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make the hub's authority and the certificate of its server; then restart the service."""
    from twinstile.platform.ops import clock
    from twinstile.platform.security import tls

    settings = settings_of(data_dir)
    tls.make(settings.tls_path, settings.hub_name, tls.parsed(names), clock.now())
    _tell(settings, as_json=as_json)


@app.command()
def renew(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Sign a new certificate for the same names; services take it up as they run."""
    from twinstile.platform.ops import clock
    from twinstile.platform.security import tls

    settings = settings_of(data_dir)
    own = settings.tls_path / f"{tls.SERVER}.pem"
    tls.renew(settings.tls_path, tls.server(own).names, clock.now())
    _tell(settings, as_json=as_json)


@app.command()
def show(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Tell names, ends, and the fingerprint of the authority."""
    _tell(settings_of(data_dir), as_json=as_json)


@app.command()
def share(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "0.0.0.0",  # noqa: S104 # that is its purpose
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
    minutes: Annotated[int, typer.Option(min=1, max=720, help="Then it ends.")] = 60,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Hand the authority's certificate to devices, over plain HTTP, until Ctrl-C.

    Nothing else is served. Compare the fingerprint that a device shows with the one printed
    here.
    """
    from twinstile.cli import commands
    from twinstile.platform.security import tls

    settings = settings_of(data_dir)
    authority = tls.authority(settings.tls_path)

    def tell(addresses: list[str]) -> None:
        if as_json:
            common.print_json(
                url=addresses[-1], addresses=addresses, fingerprint=authority.fingerprint
            )
            return
        typer.echo(f"Open on each device, for {minutes} minutes; Ctrl-C ends it:")
        for address in addresses:
            typer.echo(f"  {address}/")
        typer.echo(_picture(f"{addresses[-1]}/"))
        typer.echo(f"The device must show this fingerprint:\n  {authority.fingerprint}")

    commands.share_authority(settings, (host, port), minutes, tell)


def _tell(settings: "Settings", *, as_json: bool) -> None:
    from twinstile.platform.security import tls

    own = tls.server(settings.tls_path / f"{tls.SERVER}.pem")
    authority = tls.authority(settings.tls_path)
    if as_json:
        common.print_json(
            names=own.names.all,
            ends_at=own.ends_at.isoformat(),
            authority_ends_at=authority.ends_at.isoformat(),
            fingerprint=authority.fingerprint,
            folder=str(settings.tls_path),
        )
        return
    typer.echo(f"HTTPS for {', '.join(own.names.all)} until {own.ends_at:%Y-%m-%d}.")
    typer.echo(f"Devices trust it once they have {settings.tls_path}/{tls.AUTHORITY}.crt:")
    typer.echo("`twinstile tls share` hands it to them. SHA-256 of it:")
    typer.echo(f"  {authority.fingerprint}")
    typer.echo(f"Keep {tls.AUTHORITY}.key elsewhere; only `tls init` and `renew` need it.")


def _picture(address: str) -> str:
    """The address as a QR code of characters, for a camera before the screen."""
    import io

    import segno

    drawn = io.StringIO()
    segno.make_qr(address, error="m").terminal(drawn, compact=True)
    return drawn.getvalue()
