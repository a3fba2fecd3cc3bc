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

from twinstile import auditing, backup_cli, endings, keys, policy_cli, practice, tls_cli
from twinstile.platform.roles import Role

if TYPE_CHECKING:
    from twinstile.opening import FirstAdministrator
    from twinstile.platform.settings import Settings
    from twinstile.serving import Serving

app = typer.Typer(
    help="Passenger health screening at transport hubs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
operators = typer.Typer(help="People on duty.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option(help="Keys and embedded database.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


def main() -> None:
    """Run the command line."""
    # what is imported stays: looking for what does not was a quarter of every start
    gc.set_threshold(50_000)
    try:
        app()
    except Exception as error:
        from twinstile import operating

        words = operating.in_words(error)
        if words is None:
            raise
        typer.echo(f"twinstile: {words}", err=True)
        sys.exit(1)


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
    from twinstile import operating

    settings = _settings(
        host=host, port=port, workers=workers, worker=worker, data_dir=data_dir
    )
    tell = _tell_serving_json if as_json else _tell_serving
    operating.serve(settings, partial(tell, settings), _waiting)


@app.command()
def worker(data_dir: DataDir = None) -> None:
    """Run timers, feeds and messages apart from `twinstile serve --no-worker`."""
    from twinstile import operating

    def tell() -> None:
        typer.echo("The worker runs. Ctrl-C ends it.", err=True)

    operating.work(_settings(data_dir=data_dir), tell, _waiting)


@app.command()
def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Look whether this installation is fit to serve, and say what to do where it is not."""
    from twinstile.doctor import examine
    from twinstile.findings import Finding

    findings: list[Finding] = []
    for finding in examine(_given(data_dir=data_dir)):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{'ok ' if finding.well else 'BAD'} {finding.name}: {finding.found}")
            if not finding.well:
                typer.echo(f"    do this: {finding.advice}")
    well = all(finding.well for finding in findings)
    if as_json:
        _print_json(
            well=well,
            findings=[
                {"name": f.name, "well": f.well, "found": f.found, "advice": f.advice}
                for f in findings
            ],
        )
    raise typer.Exit(0 if well else 1)


@app.command()
def enrol_code(
    lane: Annotated[str | None, typer.Option(help="The lane the device will stand at.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a one-time code that lets one device in."""
    from twinstile import operating

    (code, expires_at), first = operating.at_hub(
        _settings(data_dir=data_dir),
        lambda house: operating.enrolment_code(house, lane),
        _waiting,
    )
    if as_json:
        _print_json(enrolment_code=code, expires_at=expires_at.isoformat(), **_secrets(first))
        return
    _tell_administrator(first)
    typer.echo(f"Enrolment code for one device, until {_clock(expires_at)}:  {code}")


@app.command("lane")
def enter_lane(
    lane: str,
    checkpoint: Annotated[str, typer.Option(help="The checkpoint it belongs to.")],
    kind: Annotated[str, typer.Option(help="AUTO, STAFFED, ASSISTED …: what it is for.")],
    data_dir: DataDir = None,
) -> None:
    """Enter a lane where a device may stand, or say anew what it is for."""
    from twinstile import operating
    from twinstile.platform.devices import LaneKind

    _require_slug(lane, "LANE")
    _require_slug(checkpoint, "--checkpoint")
    if kind not in list(LaneKind):
        raise typer.BadParameter(f"one of {', '.join(LaneKind)}", param_hint="--kind")
    way, first = operating.at_hub(
        _settings(data_dir=data_dir),
        lambda house: operating.enter_lane(house, lane, checkpoint, LaneKind(kind)),
        _waiting,
    )
    _tell_administrator(first)
    typer.echo(f"{lane}: {kind}, of the checkpoint {checkpoint} ({way})")


def _require_slug(text: str, hint: str) -> None:
    """The API takes the same: another login could be entered and never sign in."""
    from pydantic import TypeAdapter, ValidationError

    from twinstile.platform.fields import Slug

    try:
        TypeAdapter[str](Slug).validate_python(text)
    except ValidationError:
        raise typer.BadParameter(
            "at most 32 letters, digits, dots, dashes and underscores", param_hint=hint
        ) from None


@operators.command("add")
def add_operator(
    login: str,
    role: Annotated[list[Role], typer.Option(help="May be given several times.")],
    name: Annotated[str | None, typer.Option(help="The name people see.")] = None,
    ask: Annotated[bool, typer.Option(help="Ask for the passcode; else make one.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Enter a person on duty with a login, roles and a first passcode."""
    from twinstile import opening, operating

    _require_slug(login, "LOGIN")
    settings = _settings(data_dir=data_dir)
    passcode = (
        typer.prompt("Passcode", hide_input=True, confirmation_prompt=True, err=True)
        if ask
        else opening.new_passcode()
    )
    _, first = operating.at_hub(
        settings,
        lambda house: operating.add_operator(house, login, name or login, role, passcode),
        _waiting,
    )
    if as_json:
        _print_json(login=login, passcode=None if ask else passcode)
        return
    _tell_administrator(first)
    typer.echo(f"{login} may sign in" + ("." if ask else f" with the passcode {passcode}"))


@app.command()
def migrate(data_dir: DataDir = None) -> None:
    """Bring the database's schema to this version; harmless beside a service that runs."""
    from twinstile import operating

    operating.migrate(_settings(data_dir=data_dir), _waiting)
    typer.echo("The schema is one this version serves.")


@app.command()
def openapi(
    path: Annotated[Path | None, typer.Argument(help="A file; else standard output.")] = None,
    check: Annotated[bool, typer.Option(help="Compare with the file; write nothing.")] = False,
) -> None:
    """Write the API's contract, an OpenAPI 3.1 document."""
    from twinstile.app import contract
    from twinstile.contract import differences

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

    from twinstile import rehearsal
    from twinstile.demo.day import DayOptions
    from twinstile.demo.departments.outside import Outside

    def options(stage: rehearsal.Stage, outside: Outside) -> DayOptions:
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

    folder = data_dir or _settings().data_path / "demo"
    stays = sys.stdin.isatty() and not as_json if stay is None else stay
    day_in = rehearsal.run(folder, options, Console(stderr=as_json), stay=stays)
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
    practice_hub: Annotated[bool, typer.Option(help="Marked as practice.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Write numbered blank forms for an outage, in English and Chinese: print them before."""
    from twinstile.pages import paper
    from twinstile.platform.modes import HubMode

    if not (series.isascii() and series.isalnum() and series.isupper() and len(series) <= 4):
        raise typer.BadParameter("1 to 4 capital letters", param_hint="--series")
    settings = _settings(data_dir=data_dir)
    numbers = [f"{series}-{number:04}" for number in range(first, first + count)]
    mode = HubMode.PRACTICE if practice_hub else settings.mode
    path.write_text(paper.pages(settings.hub_name, mode, numbers), encoding="utf-8")
    typer.echo(f"{count} forms, {numbers[0]} to {numbers[-1]}: print {path} on A4.")


@app.command()
def version(as_json: AsJson = False) -> None:
    """Print the version."""
    ours = metadata.version("twinstile")
    if as_json:
        _print_json(version=ours)
    else:
        typer.echo(ours)


# after the commands above, so that `--help` begins with what is needed first
app.add_typer(operators, name="operator")
app.add_typer(keys.app, name="keys")
app.add_typer(tls_cli.app, name="tls")
app.add_typer(policy_cli.app, name="policy")
backup_cli.join(app)
app.add_typer(auditing.app, name="audit")
app.add_typer(practice.app, name="practice")
app.add_typer(endings.destructions, name="destructions")
app.add_typer(endings.holds, name="hold")
app.command()(endings.sunset)


def _given(**options: object) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _settings(**options: object) -> "Settings":
    from twinstile.platform import settings

    return settings.load(**_given(**options))


def _print_json(**members: object) -> None:
    typer.echo(json.dumps(members, ensure_ascii=False))
    sys.stdout.flush()


def _secrets(first: "FirstAdministrator | None") -> dict[str, str | None]:
    return {
        "login": first.login if first else None,
        "passcode": first.passcode if first else None,
    }


def _tell_serving_json(settings: "Settings", service: "Serving") -> None:
    _print_json(
        url=service.addresses[0],
        addresses=service.addresses,
        hub_id=settings.hub_id,
        enrolment_code=service.enrolment_code,
        code_expires_at=service.code_expires_at.isoformat(),
        **_secrets(service.administrator),
    )


def _tell_serving(settings: "Settings", service: "Serving") -> None:
    typer.echo(f"twinstile serves {settings.hub_name} ({settings.hub_id}):")
    for address in service.addresses:
        typer.echo(f"  {address}/   API reference: {address}/docs")
    _tell_administrator(service.administrator)
    until = _clock(service.code_expires_at)
    typer.echo(f"Enrolment code for one device, until {until}:  {service.enrolment_code}")
    typer.echo("Ctrl-C ends it.")


def _tell_administrator(first: "FirstAdministrator | None") -> None:
    if first:
        typer.echo(
            f"The hub is new. Its administrator, shown this once:  {first.login}"
            f"  passcode {first.passcode}"
        )


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%H:%M %Z}"


def _waiting(seconds: float) -> None:
    typer.echo(f"PostgreSQL is starting, {seconds:.0f} s ...", err=True)
