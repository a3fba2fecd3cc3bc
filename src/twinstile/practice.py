"""Practice hubs: beside a real hub, with its lanes and its policy, and nothing else of it.

A practice hub is a hub of its own in the same installation: own id, own keys, own people, own
ledger. So nothing has to be told apart afterwards. One at a time lives beside a hub; its end is
that of any hub (`sunset`), and the next one has another id.
"""

# ruff: noqa: PLC0415 -- as in `cli`: --help answers at once

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from twinstile import cli_parts
from twinstile.cli_parts import AsJson, DataDir, settings_of

if TYPE_CHECKING:
    from twinstile.platform.db import Reading
    from twinstile.platform.web import House

app = typer.Typer(help="A practice hub beside the real one.", no_args_is_help=True)


LONGEST_STEM = 18
"""Of a practice hub's id, which has at most 31 characters with `-practice-` and a number."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A new practice hub, and what exists nowhere else in clear."""

    hub_id: str
    enrolment_code: str
    code_expires_at: datetime
    passcodes: dict[str, str]
    """By login."""


@dataclass(frozen=True, slots=True)
class Practice:
    """A practice hub of a real one; `closed_at` is None of the one that lives."""

    hub_id: str
    opened_at: datetime
    closed_at: datetime | None


def stem(hub_id: str) -> str:
    """What the ids of a hub's practice hubs begin with."""
    if len(hub_id) > LONGEST_STEM:
        hub_id = f"{hub_id[:11]}-{hashlib.sha256(hub_id.encode()).hexdigest()[:6]}"
    return f"{hub_id}-practice-"


_OF_HUB = """
SELECT h.hub_id, h.opened_at, c.closed_at
FROM hub h LEFT JOIN closure c USING (hub_id)
WHERE starts_with(h.hub_id, $1) AND h.mode = 'PRACTICE'
ORDER BY h.opened_at LIMIT 1000
"""


async def of_hub(tx: "Reading", hub_id: str) -> list[Practice]:
    """Every practice hub this hub ever had, the latest last."""
    return [Practice(*row) for row in await tx.raw.fetch(_OF_HUB, stem(hub_id))]


async def living(house: "House") -> str:
    """The id of the practice hub that lives beside the hub of the house. Raises `NotFound`."""
    from twinstile.platform.errors import NotFound

    async with house.database.reading() as tx:
        for hub in await of_hub(tx, house.settings.hub_id):
            if hub.closed_at is None:
                return hub.hub_id
    raise NotFound("There is no practice hub: `twinstile practice create` makes one.")


async def create(house: "House", at: datetime, each: int) -> Opened:
    """Enter a practice hub with the hub's lanes and policy, and `each` people of every role.

    Nobody of the real hub is copied: a passcode learnt here opens nothing there. Raises
    `Conflict` while one lives.
    """
    from twinstile import opening
    from twinstile.platform import devices, shifts, signing
    from twinstile.platform.errors import Conflict
    from twinstile.platform.modes import HubMode
    from twinstile.platform.roles import Role
    from twinstile.policy import versions

    real = house.settings.hub_id
    async with house.database.transaction() as tx:
        if await devices.mode_of(tx, real) is HubMode.PRACTICE:
            raise Conflict(f"{real} is a practice hub itself.")
        earlier = await of_hub(tx, real)
        if any(hub.closed_at is None for hub in earlier):
            raise Conflict("A practice hub lives already: `twinstile practice reset` ends it.")
        hub_id = f"{stem(real)}{len(earlier) + 1}"
        name = f"PRACTICE {house.settings.hub_name}"[:120]
        named = house.settings.model_copy(update={"hub_id": hub_id, "hub_name": name})
        if not await devices.open_hub(tx, named, at, HubMode.PRACTICE):
            raise Conflict(f"There is a hub {hub_id} already.")
        await devices.copy_lanes(tx, real, hub_id)
        version = await versions.in_force(tx, real, at)
        document = await versions.read_document(tx, real, version)
        await versions.put_in_force(tx, hub_id, document, opening.ALWAYS, at)
        passcodes: dict[str, str] = {}
        for role in Role:
            for n in range(1, each + 1):
                login = f"{role.value.replace('_', '-')}-{n}"
                passcodes[login] = opening.new_passcode()
                await shifts.add_operator(
                    tx, hub_id, login, f"Practice {login}", [role], passcodes[login], at
                )
        code, expires_at = await devices.mint_code(tx, hub_id, None, at)
    signing.signer(house.keys.of(hub_id))
    return Opened(hub_id, code, expires_at, passcodes)


@app.command("create")
def create_hub(
    each: Annotated[int, typer.Option(min=1, max=50, help="People of each role.")] = 2,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a practice hub with the hub's lanes and policy; passcodes are shown this once."""
    from twinstile.platform import clock

    opened = cli_parts.at_hub(data_dir, lambda house: create(house, clock.now(), each))
    if as_json:
        _print(asdict(opened))
        return
    typer.echo(f"The practice hub {opened.hub_id} is open. Its people, shown this once:")
    for login, passcode in opened.passcodes.items():
        typer.echo(f"  {login}  passcode {passcode}")
    cli_parts.tell_code(opened.enrolment_code, opened.code_expires_at)


@app.command("code")
def practice_code(
    lane: Annotated[str | None, typer.Option(help="The lane the device will stand at.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a one-time code that lets one device into the practice hub."""
    from twinstile.platform import clock, devices
    from twinstile.platform.web import House

    async def mint(house: House) -> tuple[str, datetime]:
        hub_id = await living(house)
        async with house.database.transaction() as tx:
            return await devices.mint_code(tx, hub_id, lane, clock.now())

    code, expires_at = cli_parts.at_hub(data_dir, mint)
    if as_json:
        _print({"enrolment_code": code, "expires_at": expires_at})
    else:
        cli_parts.tell_code(code, expires_at)


@app.command("list")
def list_hubs(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the practice hubs there are and were."""
    from twinstile.platform.web import House

    async def read(house: House) -> list[Practice]:
        async with house.database.reading() as tx:
            return await of_hub(tx, house.settings.hub_id)

    found = cli_parts.at_hub(data_dir, read)
    if as_json:
        _print({"practice": [asdict(hub) for hub in found]})
        return
    for line in listed(found):
        typer.echo(line)


@app.command("reset")
def reset_hub(
    yes_destroy: Annotated[
        str | None,
        typer.Option(metavar="HUB_ID", help="The practice hub's id: yes, destroy it."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Tell what would be done; do nothing.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """End the practice hub as any hub ends, with a certificate; `create` then makes another."""
    from twinstile import sunset

    settings = settings_of(data_dir)
    hub_id = cli_parts.at_hub(data_dir, living)
    if not dry_run and yes_destroy != hub_id:
        raise typer.BadParameter(
            f"give --yes-destroy {hub_id}, or --dry-run", param_hint="--yes-destroy"
        )
    folder = settings.data_path.with_name(f"{settings.data_path.name}-PRACTICE-{hub_id}")
    named = settings.model_copy(update={"hub_id": hub_id})
    told = sunset.command(named, folder, dry_run=dry_run)
    if as_json:
        _print(told)
        return
    for line in sunset.in_words(told):
        typer.echo(line)


def listed(found: list[Practice]) -> list[str]:
    """A line for each, or the one that says there is none."""
    lines: list[str] = []
    for hub in found:
        ended = f"ended {hub.closed_at:%F %H:%M} UTC" if hub.closed_at else "lives"
        lines.append(f"{hub.hub_id}  opened {hub.opened_at:%F %H:%M} UTC, {ended}")
    return lines or ["There is no practice hub yet."]


def _print(members: dict[str, object]) -> None:
    typer.echo(json.dumps(members, ensure_ascii=False, default=str))
