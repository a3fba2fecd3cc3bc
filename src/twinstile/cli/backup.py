"""`twinstile backup`, `restore` and `upgrade-database`: taken, proved, brought back."""

# ruff: noqa: PLC0415 -- as in `cli`: --help answers at once

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twinstile.cli import common
from twinstile.cli.common import AsJson, DataDir, settings_of

if TYPE_CHECKING:
    from twinstile.operations.restore import Restored

Backup = Annotated[Path, typer.Argument(help="The folder of one backup.")]

app = typer.Typer(help="Back the database up, beside the service; keys are never in it.")


def join(parent: typer.Typer) -> None:
    """Put the commands of this module beside the others."""
    parent.add_typer(app, name="backup")
    parent.command()(restore)
    parent.command()(upgrade_database)


@app.callback(invoke_without_command=True)
def backup(
    context: typer.Context,
    to: Annotated[Path | None, typer.Option(help="Else TWINSTILE_BACKUP_DIR.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Back the database up, beside the service; keys are never in it."""
    if context.invoked_subcommand is not None:
        return
    from twinstile.operations import backups

    settings = settings_of(data_dir)
    taken = backups.take(settings, backups.folder_of(settings, to), common.waiting)
    if as_json:
        common.print_json(
            backup=str(taken.path),
            rows=taken.manifest.rows,
            bytes=taken.size,
            seconds=round(taken.seconds, 2),
            removed=[str(path) for path in taken.pruned],
        )
        return
    typer.echo(
        f"{taken.path}: {taken.manifest.rows} rows, {taken.size} bytes, {taken.seconds:.1f} s"
    )
    for path in taken.pruned:
        typer.echo(f"removed, too old: {path}")


@app.command()
def verify(
    backup: Backup,
    quick: Annotated[bool, typer.Option(help="Files only; restore nothing.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Prove that a backup can be restored: restore it into a server that is then deleted."""
    from twinstile.operations import backups

    proved = backups.verify(settings_of(data_dir), backup, quick=quick)
    if as_json:
        common.print_json(
            well=True,
            rows=proved.manifest.rows,
            signed=proved.signed,
            restored=proved.restored,
            seconds=round(proved.seconds, 2),
        )
        return
    how = "restored, all counts and hashes are equal" if proved.restored else "files are whole"
    typer.echo(f"{proved.manifest.rows} rows: {how}, {proved.seconds:.1f} s")
    if proved.signed is None:
        typer.echo("The hub's keys are not here: the signature was not checked.", err=True)


def restore(
    backup: Backup,
    replace: Annotated[bool, typer.Option(help="Set the present database aside.")] = False,
    unsigned: Annotated[bool, typer.Option(help="Without keys, or from elsewhere.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the database's place; the service must not run."""
    from twinstile.operations import restore as restoring

    settings = settings_of(data_dir)
    _tell(
        restoring.restore(
            settings, backup, replace=replace, unsigned=unsigned, on_wait=common.waiting
        ),
        as_json=as_json,
    )


def upgrade_database(
    old_programs: Annotated[
        Path | None, typer.Option(help="Folder of the older PostgreSQL's programs.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Bring the embedded database into a newer major version of PostgreSQL."""
    from twinstile.operations import restore as restoring

    restored = restoring.upgrade_database(settings_of(data_dir), old_programs, common.waiting)
    if restored is not None:
        _tell(restored, as_json=as_json)
    elif as_json:
        common.print_json(restored=False)
    else:
        typer.echo("Nothing to do: the database is of this version, or there is none yet.")


def _tell(restored: "Restored", *, as_json: bool) -> None:
    manifest = restored.manifest
    if as_json:
        common.print_json(
            restored=True,
            made_at=manifest.made_at,
            rows=manifest.rows,
            set_aside=restored.set_aside,
            epochs=restored.epochs,
            destroyed=restored.destroyed,
            seconds=round(restored.seconds, 2),
        )
        return
    typer.echo(
        f"Restored as of {manifest.made_at}: {manifest.rows} rows, {restored.seconds:.1f} s."
    )
    if restored.set_aside:
        typer.echo(f"The old database is {restored.set_aside}: remove it when all is well.")
    if restored.destroyed:
        typer.echo(f"Destroyed again, as it had been since: {restored.destroyed} keys' rows.")
    typer.echo(
        "What was acknowledged after that moment is not in it: tablets send what they still "
        "hold. Partners' cursors end (410); they read anew. Who was shut out after that moment "
        "(tablets, people, partners, secrets) is let in again: shut them out anew. Start the "
        "service."
    )
