"""The commands `twinstile policy`: what the hub decides by, and whether a document may."""

# ruff: noqa: PLC0415 -- as in `cli`: `--help` answers at once

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twinstile.cli import common
from twinstile.cli.common import AsJson, DataDir

if TYPE_CHECKING:
    from twinstile.platform.http.routes import Runtime
    from twinstile.replay.replay_result import ReplayResult

app = typer.Typer(help="The rules the hub decides by.", no_args_is_help=True)

MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%z"]
"""Without an offset: in the hub's zone."""


@app.command("list")
def list_policies(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the versions: from when each holds, which holds now, and what is only written."""
    from twinstile.platform.ops import clock
    from twinstile.policy import versions

    async def read(runtime: "Runtime") -> "tuple[str, list[tuple[str, datetime | None]]]":
        async with runtime.database.reading() as tx:
            hub_id = runtime.settings.hub_id
            current = await versions.in_force(tx, hub_id, clock.now())
            return current, await versions.listed(tx, hub_id)

    current, found = common.at_hub(data_dir, read)
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

    async def read(runtime: "Runtime") -> dict[str, object]:
        async with runtime.database.reading() as tx:
            return await versions.read_document(tx, runtime.settings.hub_id, version)

    typer.echo(json.dumps(common.at_hub(data_dir, read), ensure_ascii=False, indent=1))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)], as_json: AsJson = False
) -> None:
    """Try a policy or entry rules out, and say in English and Chinese what speaks against."""
    from dataclasses import asdict

    from twinstile.platform.ops import clock
    from twinstile.policy import validator
    from twinstile.policy.entry import validator as entry_rules

    document, today = _document(file), clock.now().date()
    judge = entry_rules.judge if "entry" in document else validator.judge
    findings = judge(document, today)
    if as_json:
        told = {"well": not findings, "findings": [asdict(finding) for finding in findings]}
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        for finding in findings:
            for language, text in finding.text.items():
                typer.echo(f"{text} {finding.remedy[language]}")
        typer.echo(
            "Nothing speaks against it." if not findings else f"{len(findings)} findings."
        )
    raise typer.Exit(1 if findings else 0)


def _document(file: Path) -> dict[str, object]:
    from twinstile.platform.ops import config_files
    from twinstile.platform.ops.config_files import InvalidFile

    try:
        return config_files.document(file)
    except InvalidFile as error:
        raise typer.BadParameter(str(error), param_hint="FILE") from None


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A document.")],
    since: Annotated[datetime, typer.Option("--from", formats=MOMENTS)],
    until: Annotated[datetime, typer.Option("--to", formats=MOMENTS, help="Not included.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Try a document on the checks stored in a period: who would have gone elsewhere."""
    import orjson

    from twinstile.policy import documents
    from twinstile.replay import stream
    from twinstile.replay.replay_result import ReplayResult

    policy = documents.compile_document(_document(file))

    async def read(runtime: "Runtime") -> ReplayResult:
        zone = runtime.settings.zone
        period = (at if at.tzinfo else at.replace(tzinfo=zone) for at in (since, until))
        plan = stream.ReplayPlan(runtime.settings.hub_id, policy, zone, *period)
        await stream.expected(runtime.database, plan)
        return await stream.run(runtime.database, plan)

    told = common.at_hub(data_dir, read)
    for line in [orjson.dumps(told).decode()] if as_json else _lines(told):
        typer.echo(line)


def _lines(result: "ReplayResult") -> "Iterator[str]":
    """What a replay found, as a table."""
    yield f"{result.checks} checks of {result.screenings} passages"
    yield f"{result.begun_before} checks left out: their passage began before"
    yield f"{result.checks_elsewhere} checks would have led elsewhere,"
    yield f"{result.screenings_elsewhere} passages would have ended elsewhere"
    yield f"{result.decided_by_person} passages were moved by a person: those steps are kept"
    cases = result.cases
    yield f"cases: {cases.would_open} would open, {cases.would_not_open} would not"
    yield ""
    yield f"{'ended':22}{'would end':22}{'passages':>9}"
    for shift in result.states:
        by = "  by a person" if shift.decided_by_person else ""
        yield f"{shift.before:22}{shift.after:22}{shift.screenings:9}{by}"
    yield ""
    yield f"{'rule':44}{'then':>9}{'now':>9}"
    for rule in result.rules:
        yield f"{rule.rule_id:44}{rule.before:9}{rule.after:9}"
    yield ""
    head = f"{'hour (UTC)':18}{'checkpoint':14}{'queue':11}"
    yield f"{head}{'lanes':>6}{'p95 s':>12}{'needed':>10}"
    for hour in result.hours:
        for queue in hour.queues:
            p95 = f"{queue.before.p95_s:.0f} > {queue.after.p95_s:.0f}"
            needed = f"{queue.before.lanes_needed} > {queue.after.lanes_needed}"
            yield (
                f"{hour.hour:%Y-%m-%d %H:%M}  {hour.checkpoint or '-':14}{queue.station:11}"
                f"{queue.lanes:6}{p95:>12}{needed:>10}"
            )
