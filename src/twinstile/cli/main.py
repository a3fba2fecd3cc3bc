"""The command `twinstile`: serve, look after, rehearse.

Commands import what is heavy themselves, so that `--help` answers at once. With `--json`
standard output carries one JSON object and nothing else; people are told on standard error.
A mistake that can be mended ends in words and code 1, not in a traceback.
"""

# ruff: noqa: PLC0415 -- see above

import asyncio
import gc
import json
import sys
from datetime import datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twinstile.cli import (
    backup,
    common,
    devices,
    keys,
    ledger,
    operators,
    policies,
    retention,
    tls,
)
from twinstile.cli.common import AsJson, DataDir, settings_of

if TYPE_CHECKING:
    from twinstile.cli.serving import Serving
    from twinstile.platform.ops.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line."""
    # what is imported stays: looking for what does not was a quarter of every start
    gc.set_threshold(50_000)
    try:
        app()
    except Exception as error:
        from twinstile.cli import commands

        words = commands.in_words(error)
        if words is None:
            raise
        typer.echo(f"twinstile: {words}", err=True)
        sys.exit(1)


def _ours() -> str:
    return metadata.version("twinstile")


def _say_version(requested: bool) -> None:  # noqa: FBT001 -- an option that is there or not
    if requested:
        typer.echo(_ours())
        raise typer.Exit


@app.callback()
def twinstile(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_say_version, help="Print the version."
        ),
    ] = False,
) -> None:
    """Passenger health screening at transport hubs."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="0.0.0.0 lets other machines in.")] = None,
    port: Annotated[int | None, typer.Option(help="0 takes a free one.")] = None,
    workers: Annotated[int | None, typer.Option(help="Serving processes.")] = None,
    worker: Annotated[
        bool | None,
        typer.Option(help="With timers, feeds and messages; else run `twinstile worker`."),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Serve the hub until Ctrl-C or SIGTERM; the first start makes everything it needs.

    With several workers SIGHUP replaces them one by one by the release now on disk.
    """
    from twinstile.cli import commands

    settings = settings_of(
        host=host, port=port, workers=workers, worker=worker, data_dir=data_dir
    )
    tell = _tell_serving_json if as_json else _tell_serving
    commands.serve(settings, partial(tell, settings), common.waiting)


@app.command()
def worker(data_dir: DataDir = None) -> None:
    """Run timers, feeds and messages apart from `twinstile serve --no-worker`."""
    from twinstile.cli import commands

    def tell() -> None:
        typer.echo("The worker runs. Ctrl-C ends it.", err=True)

    commands.work(settings_of(data_dir=data_dir), tell, common.waiting)


@app.command()
def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Look whether this installation is fit to serve, and say what to do where it is not."""
    from twinstile.cli.doctor import examine
    from twinstile.cli.findings import Diagnosis
    from twinstile.platform.ops import observability

    observability.configure_words()
    findings: list[Diagnosis] = []
    for finding in examine(common.set_options(data_dir=data_dir)):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{'ok ' if finding.well else 'BAD'} {finding.name}: {finding.found}")
            if not finding.well:
                typer.echo(f"    do this: {finding.advice}")
    well = all(finding.well for finding in findings)
    if as_json:
        common.print_json(
            well=well,
            findings=[
                {"name": f.name, "well": f.well, "found": f.found, "advice": f.advice}
                for f in findings
            ],
        )
    raise typer.Exit(0 if well else 1)


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database's schema to this version; harmless beside a service that runs."""
    from twinstile.cli import commands

    commands.migrate(settings_of(data_dir=data_dir), common.waiting)
    typer.echo("The schema is one this version serves.")


@app.command()
def openapi(
    path: Annotated[Path | None, typer.Argument(help="A file; else standard output.")] = None,
    check: Annotated[bool, typer.Option(help="Compare with the file; write nothing.")] = False,
) -> None:
    """Write the API's contract, an OpenAPI 3.1 document."""
    from twinstile.app import contract
    from twinstile.web.openapi import differences

    document = contract()
    if path is None:
        typer.echo(json.dumps(document, ensure_ascii=False, indent=1))
    elif check:
        changes = list(differences(json.loads(path.read_text("utf-8")), document))
        for line in changes[:50]:
            typer.echo(line)
        if changes:
            typer.echo(f"{len(changes)} differences: `twinstile openapi {path}` writes them.")
        raise typer.Exit(1 if changes else 0)
    else:
        path.write_text(
            json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )


@app.command()
def demo(  # noqa: PLR0913, PLR0917 -- each is one thing to vary
    travellers: Annotated[int, typer.Option(min=1, max=200_000)] = 2000,
    trains: Annotated[int | None, typer.Option(min=1, help="At most so many.")] = None,
    tablets: Annotated[int, typer.Option(min=1, max=200, help="At the lanes.")] = 8,
    speed: Annotated[
        float | None, typer.Option(min=1, help="Simulated seconds a second; else flat out.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed, the same day.")] = 222,
    offline: Annotated[float, typer.Option(min=0, max=1, help="Share of tablets.")] = 0.25,
    fever_per_100k: Annotated[float, typer.Option(min=0, max=50_000)] = 300.0,
    timetable: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A GTFS zip.")
    ] = None,
    stop: Annotated[str | None, typer.Option(help="A stop's id or name.")] = None,
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])] = None,
    stay: Annotated[
        bool | None, typer.Option(help="Serve on until Ctrl-C; unless said, at a terminal.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Else `demo` in the data folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Rehearse a station day against a service of its own, and count it again."""
    from rich.console import Console

    from twinstile.cli import simulate
    from twinstile_simulator.day import DayOptions
    from twinstile_simulator.departments.feeds import Departments

    def options(stage: simulate.ServiceUnderTest, outside: Departments) -> DayOptions:
        return DayOptions(
            base_url=stage.base_url,
            bootstrap=stage.bootstrap,
            away=stage.away,
            truth=stage.folder / f"{stage.hub_id}.json",
            outside=outside,
            timetable=timetable,
            stop=stop,
            day=day.date() if day else None,
            seed=seed,
            trains=trains,
            travellers=travellers,
            speed=speed,
            tablets=tablets,
            offline_share=offline,
            fever_per_100k=fever_per_100k,
        )

    folder = data_dir or settings_of().data_path / "demo"
    stays = sys.stdin.isatty() and not as_json if stay is None else stay
    day_in = simulate.run(folder, options, Console(stderr=as_json), stay=stays)
    result = asyncio.run(day_in)
    if as_json:
        typer.echo(result.as_json())
    raise typer.Exit(result.exit_code)


@app.command()
def paper_forms(
    path: Annotated[Path, typer.Argument(help="An HTML file to be printed.")],
    series: Annotated[str, typer.Option(help="1 to 4 letters before the number.")] = "A",
    first: Annotated[int, typer.Option(min=1, max=9_999_999)] = 1,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Pages, one a traveller.")] = 50,
    data_dir: DataDir = None,
) -> None:
    """Write numbered blank forms for an outage, in English and Chinese: print them before."""
    from twinstile.web import paper_form_print

    if not (series.isascii() and series.isalnum() and series.isupper() and len(series) <= 4):
        raise typer.BadParameter("1 to 4 capital letters", param_hint="--series")
    settings = settings_of(data_dir=data_dir)
    numbers = [f"{series}-{number:04}" for number in range(first, first + count)]
    path.write_text(
        paper_form_print.pages(settings.hub_name, settings.mode, numbers), encoding="utf-8"
    )
    typer.echo(f"{count} forms, {numbers[0]} to {numbers[-1]}: print {path} on A4.")


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the version."""
    if as_json:
        common.print_json(version=_ours())
    else:
        typer.echo(_ours())


# after the commands above, so that `--help` begins with what is needed first
app.add_typer(operators.app, name="operator")
devices.join(app)
app.add_typer(keys.app, name="keys")
app.add_typer(tls.app, name="tls")
app.add_typer(policies.app, name="policy")
backup.join(app)
app.add_typer(ledger.app, name="audit")
app.add_typer(retention.destructions, name="destructions")
app.add_typer(retention.holds, name="hold")
app.command()(retention.sunset)


def _tell_serving_json(settings: "Settings", service: "Serving") -> None:
    code, expires_at = service.code or (None, None)
    common.print_json(
        url=service.addresses[0],
        addresses=service.addresses,
        hub_id=settings.hub_id,
        closed=service.code is None,
        enrolment_code=code,
        code_expires_at=expires_at and expires_at.isoformat(),
        **common.secrets_of(service.administrator),
    )


def _tell_serving(settings: "Settings", service: "Serving") -> None:
    typer.echo(f"twinstile serves {settings.hub_name} ({settings.hub_id}):")
    for address in service.addresses:
        typer.echo(f"  {address}/   API reference: {address}/docs")
    common.tell_administrator(service.administrator)
    if service.code:
        common.tell_code(*service.code)
    else:
        typer.echo(
            "This hub is closed for good: it takes nothing any more and lets no device in. "
            "People may sign in on devices it has, and read."
        )
    typer.echo("Ctrl-C ends it.")
