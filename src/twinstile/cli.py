"""The operator's command: `twinstile serve`, `doctor`, `demo` and the rest.

Heavy modules are imported inside the commands, so that `--help` and `version` answer at once.
An operator's mistake ends in one sentence on standard error and exit code 1, not a traceback.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict
from uuid import uuid4

import typer

if TYPE_CHECKING:
    from twinstile.platform.web import House
    from twinstile.serving import Serving

app = typer.Typer(
    help="Passenger health screening at transport hubs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
operators = typer.Typer(help="People on duty.", no_args_is_help=True)
app.add_typer(operators, name="operator")

READY_S = 180


class Login(TypedDict):
    """A login and its passcode."""

    login: str
    passcode: str


class Announcement(TypedDict):
    """What `serve --json` says once it takes requests; the administrator on a new hub only."""

    addresses: list[str]
    enrolment_code: str
    administrator: Login


def main() -> None:
    """Run the command line."""
    app()


def fail(sentence: str) -> typer.Exit:
    """Say what is wrong; to be raised."""
    typer.echo(f"twinstile: {sentence}", err=True)
    return typer.Exit(1)


@contextmanager
def plain_words() -> Generator[None]:
    """Turn the errors an operator can mend into one sentence."""
    from twinstile.platform.crypto import KeyUnavailable  # noqa: PLC0415
    from twinstile.platform.embedded import EmbeddedError  # noqa: PLC0415
    from twinstile.platform.errors import Problem  # noqa: PLC0415
    from twinstile.platform.schema import SchemaError  # noqa: PLC0415
    from twinstile.platform.settings import SettingsError  # noqa: PLC0415
    from twinstile.policy.documents import PolicyError  # noqa: PLC0415
    from twinstile.serving import PortTaken  # noqa: PLC0415

    try:
        yield
    except (SettingsError, EmbeddedError, SchemaError, PolicyError, PortTaken) as error:
        raise fail(str(error)) from error
    except KeyUnavailable as error:
        raise fail(f"the keys cannot be used: {error}") from error
    except Problem as error:
        raise fail(f"{error.detail}. Is the database up? Try: twinstile doctor") from error
    except OSError as error:
        raise fail(f"{error.strerror or error}. Try: twinstile doctor") from error


Host = Annotated[str | None, typer.Option(help="address to listen on; 0.0.0.0 for all")]
Port = Annotated[int | None, typer.Option(help="port to listen on; 0 takes a free one")]


@app.command()
def serve(
    host: Host = None,
    port: Port = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="say where it is as one JSON object on a line")
    ] = False,
) -> None:
    """Serve the hub; start the embedded PostgreSQL unless TWINSTILE_DATABASE_URL names one."""
    import uvloop  # noqa: PLC0415

    from twinstile import opening, serving  # noqa: PLC0415
    from twinstile.platform import observe, settings  # noqa: PLC0415

    observe.configure_logging()
    given = {
        name: value for name, value in (("host", host), ("port", port)) if value is not None
    }
    with plain_words():
        configuration = settings.load(**given)
        listening = serving.listen(configuration.host, configuration.port)
        with opening.server(configuration, _waiting) as place:

            async def run() -> bool:
                stop = _stop_on_signals()
                async with serving.serving(configuration, place, listening) as service:
                    _announce(service, as_json=as_json)
                    stopped = asyncio.create_task(stop.wait())
                    await asyncio.wait(
                        {service.ended, stopped}, return_when=asyncio.FIRST_COMPLETED
                    )
                    stopped.cancel()
                    return stop.is_set()

            if not uvloop.run(run()):
                raise fail("the HTTP server ended by itself; its log lines above say why")


def _waiting(seconds: float) -> None:
    typer.echo(f"PostgreSQL is starting or recovering ({seconds:.0f} s) ...", err=True)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _announce(service: "Serving", *, as_json: bool) -> None:
    first = service.administrator
    if as_json:
        told = {
            "addresses": service.addresses,
            "enrolment_code": service.enrolment_code,
            "administrator": first and {"login": first.login, "passcode": first.passcode},
        }
        typer.echo(json.dumps(told))
    else:
        for address in service.addresses:
            typer.echo(f"twinstile is ready at  {address}   (API documents: {address}/docs)")
        typer.echo(
            f"enrolment code         {service.enrolment_code}   (one device, 30 minutes)"
        )
        if first is not None:
            typer.echo(f"administrator          {first.login}   passcode {first.passcode}")
            typer.echo("                       shown once; note it now")
    sys.stdout.flush()


@app.command()
def doctor() -> None:
    """Look whether this installation is fit to serve, and say what to do about what is not."""
    from twinstile import doctor as examination  # noqa: PLC0415

    ill = False
    for finding in examination.examine({}):
        typer.echo(f"{'ok ' if finding.well else 'BAD'}  {finding.name:12} {finding.found}")
        if not finding.well:
            ill = True
            typer.echo(f"     {'':12} -> {finding.advice}")
    if ill:
        raise typer.Exit(1)


def _with_house(work: "Callable[[House], Coroutine[None, None, str]]") -> None:
    """Open the installation as `serve` does, do one thing and tell its result."""
    from twinstile import opening  # noqa: PLC0415
    from twinstile.platform import settings  # noqa: PLC0415

    with plain_words():
        configuration = settings.load()
        with opening.server(configuration, _waiting) as place:

            async def run() -> str:
                await opening.prepare(place)
                house = opening.open_house(configuration, place)
                try:
                    return await work(house)
                finally:
                    await house.database.close()

            typer.echo(asyncio.run(run()))


@app.command()
def migrate() -> None:
    """Bring the database's schema to this version; `serve` does it at its start, too."""

    async def nothing_more(_: "House") -> str:
        return "the schema is up to date"

    _with_house(nothing_more)


@app.command("enrol-code")
def enrol_code(
    lane: Annotated[str | None, typer.Option(help="the lane the device will stand at")] = None,
) -> None:
    """Make a one-time code for one more device."""
    from twinstile.platform import clock, devices  # noqa: PLC0415

    async def mint(house: "House") -> str:
        async with house.database.transaction() as tx:
            code, _ = await devices.mint_code(tx, house.settings.hub_id, lane, clock.now())
        return code

    _with_house(mint)


@operators.command("add")
def add_operator(
    login: str,
    role: Annotated[list[str], typer.Option(help="a duty; may be given several times")],
    name: Annotated[str | None, typer.Option(help="the name shown to colleagues")] = None,
) -> None:
    """Enter a person on duty; a passcode is made up and shown once."""
    from twinstile import opening  # noqa: PLC0415
    from twinstile.platform import clock, shifts  # noqa: PLC0415
    from twinstile.platform.roles import Role  # noqa: PLC0415

    try:
        roles = [Role(word) for word in role]
    except ValueError:
        raise fail(f"a role is one of: {', '.join(Role)}") from None
    passcode = opening.new_passcode()

    async def add(house: "House") -> str:
        async with house.database.transaction() as tx:
            await shifts.add_operator(
                tx, house.settings.hub_id, login, name or login, roles, passcode, clock.now()
            )
        return f"{login}   passcode {passcode}   (shown once)"

    _with_house(add)


@app.command()
def openapi(
    file: Annotated[Path, typer.Argument(help="where the document is or goes")],
    check: Annotated[bool, typer.Option("--check", help="compare instead of writing")] = False,
) -> None:
    """Write the API's OpenAPI document, or compare it with the one written before."""
    from twinstile.app import contract  # noqa: PLC0415
    from twinstile.contract import differences  # noqa: PLC0415

    made = contract()
    if not check:
        file.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", "utf-8")
        return
    if not file.is_file():
        raise fail(f"there is no {file}; write it with: twinstile openapi {file}")
    found = list(differences(json.loads(file.read_text("utf-8")), made))
    for line in found[:50]:
        typer.echo(line)
    if found:
        raise fail(f"{file} differs in {len(found)} places; renew it: twinstile openapi {file}")
    typer.echo(f"{file} is what the code says")


@app.command()
def version() -> None:
    """Say which version this is."""
    typer.echo(installed_version("twinstile"))


@app.command()
def demo(  # noqa: PLR0913, PLR0917 # one parameter an option
    timetable: Annotated[
        Path | None, typer.Option(help="a GTFS zip; else one built in")
    ] = None,
    stop: Annotated[str | None, typer.Option(help="a stop of it; else the busiest")] = None,
    seed: Annotated[int, typer.Option(help="the same seed, the same people")] = 222,
    trains: Annotated[int | None, typer.Option(min=1, help="at most so many")] = None,
    travellers: Annotated[int, typer.Option(min=1, max=300_000)] = 2000,
    speed: Annotated[
        float | None, typer.Option(min=0.1, help="simulated seconds a second; else full speed")
    ] = None,
    tablets: Annotated[int, typer.Option(min=1, max=200, help="tablets at lanes")] = 8,
    offline: Annotated[
        float, typer.Option(min=0, max=1, help="share of them offline for a while")
    ] = 0.25,
    fever_per_100k: Annotated[float, typer.Option(min=0, max=50_000)] = 300.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="one JSON object on standard output")
    ] = False,
) -> None:
    """Screen an invented station day through a service of its own, and count it again."""
    from rich.console import Console  # noqa: PLC0415

    from twinstile.demo.client import Refused, Unreadable  # noqa: PLC0415
    from twinstile.demo.day import DayOptions, run_day  # noqa: PLC0415
    from twinstile.demo.hub import Bootstrap  # noqa: PLC0415
    from twinstile.demo.timetable import TimetableError  # noqa: PLC0415
    from twinstile.platform import settings  # noqa: PLC0415

    console = Console(stderr=as_json)
    with plain_words():
        data = settings.load(profile="demo").data_path / "demo"
        with _own_service(data, console.print) as told:
            options = DayOptions(
                base_url=told["addresses"][0],
                bootstrap=Bootstrap(
                    told["administrator"]["login"],
                    told["administrator"]["passcode"],
                    told["enrolment_code"],
                ),
                truth=data / "truth.json",
                timetable=timetable,
                stop=stop,
                seed=seed,
                trains=trains,
                travellers=travellers,
                speed=speed,
                tablets=tablets,
                offline_share=offline,
                fever_per_100k=fever_per_100k,
            )
            try:
                result = asyncio.run(run_day(options, console))
            except (TimetableError, Refused, Unreadable) as error:
                raise fail(str(error)) from error
    if as_json:
        typer.echo(result.as_json())
    raise typer.Exit(result.exit_code)


@contextmanager
def _own_service(data: Path, say: Callable[[str], object]) -> Generator["Announcement"]:
    """Run `twinstile serve` in a process of its own, on a hub that only this day uses."""
    environment = {
        **os.environ,
        "TWINSTILE_PROFILE": "demo",
        "TWINSTILE_DATA_DIR": str(data),
        "TWINSTILE_HUB_ID": f"demo-{uuid4().hex[:8]}",
        "TWINSTILE_HUB_NAME": "Demo hub",
    }
    say("Starting PostgreSQL and the service ...")
    command = [sys.executable, "-m", "twinstile", "serve", "--json", "--port", "0"]
    child = subprocess.Popen(  # noqa: S603 # our own command, no shell
        command, env=environment, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        line = child.stdout.readline() if child.stdout else ""
        if not line:
            child.wait(READY_S)
            raise fail("the service did not start; the lines above say why")
        yield json.loads(line)
    finally:
        child.terminate()
        child.wait(READY_S)
