"""A backup is taken beside the service, proved, and brought back; nothing less is a backup.

Commands are run as an operator runs them. One station is backed up under load; the tests that
bring it back each have a data folder of their own.
"""

import asyncio
import errno
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import fleets
import httpx2
import people
import pytest
import stations
from command_line import ENVIRONMENT, command
from sqlalchemy import text
from stations import Station

from twinstile.operations import backups, startup
from twinstile.operations import restore as restoring
from twinstile.operations.restore import Restored
from twinstile.operations.startup import EMBEDDED_DATABASE, DatabaseTarget
from twinstile.platform.db import embedded_server
from twinstile.platform.keys import data_keys
from twinstile.platform.ops import backup_archive, clock, settings
from twinstile.platform.ops.backup_archive import BackupError
from twinstile.platform.ops.settings import Settings

PATIENCE_S = 110
OLD_PROGRAMS = Path("/usr/lib/postgresql/15/bin")
LIVING = {"event", "ledger", "ledger_epoch", "ledger_head", "ledger_node"}
"""Tables to which a new epoch adds."""


@dataclass(frozen=True)
class Drill:
    """A station that was backed up while it worked, and has ended."""

    folder: Path
    hub_id: str
    path: Path
    taken: dict[str, object]
    token: str
    before: list[str]
    """Checks acknowledged before the backup began."""
    after: list[str]
    """Checks acknowledged after it was complete."""


def surroundings(folder: Path) -> dict[str, str]:
    return {
        **ENVIRONMENT,
        "TWINSTILE_PROFILE": "demo",
        "TWINSTILE_DATA_DIR": str(folder),
    }


def run(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return command(folder, *arguments, environment=surroundings(folder))


def told(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def configuration(folder: Path, **more: object) -> Settings:
    return settings.load(data_dir=folder, database_url=None, **more)


def restore(folder: Path, path: Path, **options: bool) -> Restored:
    chosen = {"replace": False, "unsigned": False, **options}
    return restoring.restore(configuration(folder), path, **chosen)


@pytest.fixture(scope="module")
async def drill() -> AsyncGenerator[Drill]:
    async with stations.station() as there:
        crew = await there.crew(4)
        async with fleets.fleet(there, crew, batches=1) as ledger:
            await fleets.until(ledger, 200)
            before = [str(one) for one in ledger.acknowledged]
            to = there.home / "backups"
            done = await asyncio.to_thread(run, there.data, "backup", "--to", to, "--json")
            taken = told(done)
            known = set(ledger.acknowledged)
            await fleets.until(ledger, 20)
            after = [str(one) for one in ledger.acknowledged if one not in known]
        assert not ledger.refused
        await stations.end(there)
        path = Path(str(taken["backup"]))
        token = crew[0].shift
        yield Drill(there.data, there.hub_id, path, taken, token, before, after)


@contextmanager
def machine(drill: Drill) -> Generator[Path]:
    """Another machine, to which only the keys were brought."""
    with stations.home() as home:
        shutil.copytree(drill.folder / "keys", home / "data" / "keys")
        (home / "data").chmod(0o711)
        yield home / "data"


@pytest.fixture
def elsewhere(drill: Drill) -> Generator[Path]:
    with machine(drill) as folder:
        yield folder


@pytest.fixture(scope="module")
def restored(drill: Drill) -> Generator[Path]:
    """A machine where the station came back, for tests that only back it up again."""
    with machine(drill) as folder:
        restore(folder, drill.path)
        yield folder


def copy_of(drill: Drill, folder: Path) -> Path:
    return Path(shutil.copytree(drill.path, folder / drill.path.name))


async def contents(station: Station) -> dict[str, int]:
    connection = await station.connect()
    try:
        return {
            table.table: await connection.fetchval(f'SELECT count(*) FROM "{table.table}"')
            for table in backup_archive.read(Path(station.environment["BACKUP"])).tables
        }
    finally:
        await connection.close()


async def test_a_station_comes_back_as_it_was_and_serves(drill: Drill, elsewhere: Path) -> None:
    manifest = backup_archive.read(drill.path)
    assert manifest.rows == drill.taken["rows"]
    restored = told(await asyncio.to_thread(run, elsewhere, "restore", drill.path, "--json"))
    assert restored["set_aside"] is None
    assert set(restored["epochs"]) == {drill.hub_id}  # type: ignore[call-overload]
    environment = {"BACKUP": str(drill.path)}
    again = Station(elsewhere.parent, stations.free_port(), environment=environment)
    try:
        await again.start()
        found = await contents(again)
        for table in manifest.tables:
            if table.table == "enrolment":  # each start makes a code
                assert found[table.table] == table.rows + 1
            elif table.table in LIVING:
                assert found[table.table] >= table.rows
            else:
                assert found[table.table] == table.rows, table.table
        headers = {"Authorization": f"Bearer {drill.token}"}
        async with httpx2.AsyncClient(base_url=again.url, headers=headers, timeout=30) as http:
            for check_id in drill.before[:20]:
                assert (await http.get(f"/v1/checks/{check_id}")).status_code == 200
            for check_id in drill.after[:5]:
                assert (await http.get(f"/v1/checks/{check_id}")).status_code == 404
            new = people.check(10_000)
            answer = await http.put(f"/v1/checks/{people.new_id()}", json=new)
            assert answer.status_code == 201, answer.text
    finally:
        await stations.end(again)


def test_a_backup_is_closed_to_others_and_holds_no_key(drill: Drill) -> None:
    assert drill.path.stat().st_mode & 0o777 == 0o700
    files = list(drill.path.iterdir())
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    keys = [key.read_bytes() for key in (drill.folder / "keys").rglob("*.key")]
    assert len(keys) >= 3
    whole = b"".join(
        backup_archive.gzip.open(file).read() if file.suffix == ".gz" else file.read_bytes()
        for file in files
    )
    assert not [key for key in keys if key in whole or key.hex().encode() in whole]


def test_a_backup_holds_every_table_of_ours(drill: Drill) -> None:
    from twinstile.platform.db import schema  # noqa: PLC0415

    kept = {table.table for table in backup_archive.read(drill.path).tables}
    assert kept == set(schema.metadata().tables)


def test_a_full_proof_restores_and_compares(drill: Drill) -> None:
    proved = told(run(drill.folder, "backup", "verify", drill.path, "--json"))
    assert proved == {**proved, "well": True, "signed": True, "restored": True}


def flip(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def lie(path: Path) -> None:
    manifest = json.loads(path.read_text())
    manifest["tables"][0]["rows"] += 1
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("file", "harm", "words"),
    [
        ("check.copy.gz", flip, "damaged"),
        ("check.copy.gz", cut, "damaged"),
        ("event.copy.gz", Path.unlink, "cannot be read"),
        ("manifest.json", lie, "not signed"),
        ("manifest.json", cut, "cannot be read"),
        ("manifest.json", Path.unlink, "no backup"),
    ],
)
def test_harm_is_found_and_restores_nothing(
    drill: Drill, elsewhere: Path, file: str, harm: Callable[[Path], None], words: str
) -> None:
    path = copy_of(drill, elsewhere)
    harm(path / file)
    with pytest.raises(BackupError, match=words):
        backups.verify(configuration(elsewhere), path, quick=True)
    with pytest.raises(BackupError, match=words):
        restore(elsewhere, path)
    assert not [*elsewhere.glob("pg*/*"), *elsewhere.glob("restoring")]


def test_rows_that_differ_are_found_though_every_file_hash_fits(
    drill: Drill, elsewhere: Path
) -> None:
    path = copy_of(drill, elsewhere)
    manifest = json.loads((path / "manifest.json").read_text())
    (entry,) = (table for table in manifest["tables"] if table["table"] == "check")
    file = path / "check.copy.gz"
    lines = backup_archive.gzip.open(file).read().splitlines(keepends=True)
    with backup_archive.gzip.open(file, "wb") as packed:
        packed.writelines(lines[1:])
    entry["sha256"] = backup_archive.hashlib.sha256(file.read_bytes()).hexdigest()
    (path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BackupError, match="rows of check"):
        restore(elsewhere, path, unsigned=True)
    assert not [*elsewhere.glob("pg*/*")]
    # and no start makes an empty station of it
    with pytest.raises(embedded_server.EmbeddedError, match="twinstile restore"):
        embedded_server.start(elsewhere)


def test_without_keys_nothing_is_restored_unless_asked_for(drill: Drill) -> None:
    with stations.home() as home:
        folder = home / "data"
        with pytest.raises(BackupError, match="copy them there first"):
            restore(folder, drill.path)
        assert not (folder / "keys").exists()
        assert restore(folder, drill.path, unsigned=True).epochs


def test_a_database_that_is_there_is_set_aside_only_when_told(
    drill: Drill, elsewhere: Path
) -> None:
    restore(elsewhere, drill.path)
    (elsewhere / "pg18" / "mark").touch()
    with pytest.raises(BackupError, match="--replace"):
        restore(elsewhere, drill.path)
    assert (elsewhere / "pg18" / "mark").exists()
    (elsewhere / "restoring").mkdir()  # as one that was cut off leaves it
    (elsewhere / "restoring" / "pg18").mkdir()
    done = restore(elsewhere, drill.path, replace=True)
    assert (Path(str(done.set_aside)) / "mark").exists()
    assert not (elsewhere / "restoring").exists()


def test_restored_again_and_again_it_verifies_and_a_rollback_does_not(
    drill: Drill, elsewhere: Path
) -> None:
    done = []
    for _ in range(3):
        done.append(restore(elsewhere, drill.path, replace=True))
        assert run(elsewhere, "audit", "seal").returncode == 0
    (first, second, third) = (restored.epochs[drill.hub_id] for restored in done)
    found = run(elsewhere, "audit", "verify")
    assert found.returncode == 0, found.stdout
    assert f"gave up epoch {first}, published to entry " in found.stdout
    # the database of the second one is put back, and nobody declares it
    shutil.rmtree(elsewhere / "pg18")
    Path(str(done[-1].set_aside)).rename(elsewhere / "pg18")
    found = run(elsewhere, "audit", "verify")
    assert found.returncode == 1
    assert f"epoch {third} is not in the ledger: it was rolled back" in found.stdout
    assert f"epoch {second} is not" not in found.stdout


def test_published_roots_that_cannot_be_read_stop_it(drill: Drill, elsewhere: Path) -> None:
    configuration(elsewhere).audit_path.mkdir()
    with pytest.raises(IsADirectoryError):
        restore(elsewhere, drill.path)
    assert not [*elsewhere.glob("pg*/*")]


def test_a_service_that_runs_is_not_restored_over(drill: Drill, elsewhere: Path) -> None:
    with (
        embedded_server.start(elsewhere),
        pytest.raises(embedded_server.EmbeddedError, match="stop the service"),
    ):
        restore(elsewhere, drill.path, replace=True)


def killed(folder: Path, to: Path, files: int) -> bool:
    """Whether a backup was killed after it began that many files, and before it was one."""
    before = set(to.iterdir())
    child = subprocess.Popen(
        [sys.executable, "-m", "twinstile", "backup", "--to", str(to)],
        env=surroundings(folder),
        cwd=folder,
        stdout=subprocess.DEVNULL,
    )
    drafts: list[Path] = []
    while child.poll() is None:
        drafts = [path for path in to.glob("*.partial") if path not in before]
        if any(len(list(path.glob("*.gz"))) >= files for path in drafts):
            break
        time.sleep(0.001)
    child.send_signal(signal.SIGKILL)
    return child.wait() == -signal.SIGKILL and any(path.exists() for path in drafts)


def test_a_killed_backup_is_none_and_the_next_one_tidies_up(restored: Path) -> None:
    to = restored / "killed"
    to.mkdir()
    for files in (0, 1, 20):
        # a machine that stands still for a while lets one finish
        assert any(killed(restored, to, files) for _ in range(5))
        for path in to.glob("twinstile-*Z"):
            backups.verify(configuration(restored), path, quick=True)
    backups.take(configuration(restored), to, None)
    assert not list(to.glob("*.partial"))
    assert backups.list_backups(to)


def test_a_full_disk_leaves_no_backup_and_says_so(restored: Path) -> None:
    to = restored / "full"
    with embedded_server.start(restored):  # its files have no limit
        done = subprocess.run(
            [sys.executable, "-m", "twinstile", "backup", "--to", str(to)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            cwd=restored,
            env=surroundings(restored),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000)),
        )
    assert done.returncode == 1
    assert "No backup was made" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(to.glob("twinstile-*")) == []


class Disk(io.BytesIO):
    """A file on a disk that has so much room left."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def write(self, piece: bytes, /) -> int:  # type: ignore[override]
        self.room -= len(piece)
        if self.room < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(piece)


MUCH = """
CREATE TABLE a_much AS
SELECT repeat(md5(n::text), 5) AS text FROM generate_series(1, 3000) AS n
"""


def test_a_disk_that_fills_at_any_moment_ends_the_backup_at_once(
    restored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some moments are those in which asyncpg would wait for the rest of a table for ever."""

    async def tried() -> None:
        connection = await asyncpg.connect(server.url(EMBEDDED_DATABASE, driver="postgresql"))
        await connection.execute(MUCH)
        for room in range(0, 60_000, 2_000):
            monkeypatch.setattr(backup_archive, "_created", lambda _, room=room: Disk(room))
            with pytest.raises(OSError, match="No space left"):
                async with asyncio.timeout(10):
                    await backup_archive.write(
                        server.url(EMBEDDED_DATABASE), restored, "1", "now"
                    )
        await connection.execute("DROP TABLE a_much")
        await connection.close()

    with embedded_server.start(restored) as server:
        asyncio.run(tried())


def test_old_backups_go_and_the_newest_stays(tmp_path: Path) -> None:
    now = clock.now()
    for days in (40, 20, 15, 13):
        moment = now - timedelta(days=days)
        folder = tmp_path / f"twinstile-{moment:%Y%m%dT%H%M%S.%f}Z"
        folder.mkdir()
        (folder / backup_archive.MANIFEST).touch()
    (tmp_path / "twinstile-notes").mkdir()
    assert len(backups.prune(tmp_path, now - timedelta(days=14))) == 3
    assert len(backups.prune(tmp_path, now)) == 0
    assert len(backups.list_backups(tmp_path)) == 1
    assert (tmp_path / "twinstile-notes").is_dir()


def test_what_was_destroyed_after_the_backup_stays_destroyed(
    drill: Drill, elsewhere: Path
) -> None:
    held = {table.table: table.rows for table in backup_archive.read(drill.path).tables}
    assert held["vault"] > 50
    keys = startup.key_ring(configuration(elsewhere)).of(drill.hub_id)
    (day,) = keys.names("day.")
    keys.destroy(day)
    done = run(elsewhere, "restore", drill.path, "--json")
    assert told(done)["destroyed"] == 1
    assert done.stderr == "twinstile: what was destroyed had come back (keys 1)\n"
    with embedded_server.start(elsewhere) as running:
        assert asyncio.run(count(startup.inside(running), "vault")) == 0
        assert asyncio.run(count(startup.inside(running), "check")) == held["check"]
    with pytest.raises(data_keys.KeyDestroyed):
        keys.get_or_create(day)


async def count(place: DatabaseTarget, table: str) -> int:
    async with startup.owner(place.owner_url) as owner:
        return await owner.scalar(text(f'SELECT count(*) FROM "{table}"')) or 0


@pytest.mark.skipif(not OLD_PROGRAMS.is_dir(), reason=f"no PostgreSQL 15 in {OLD_PROGRAMS}")
def test_a_database_of_an_older_major_is_brought_over(drill: Drill, elsewhere: Path) -> None:
    there = configuration(elsewhere)
    with embedded_server.start(elsewhere, bindir=OLD_PROGRAMS) as running:
        old = startup.inside(running)
        asyncio.run(backups.load(old, drill.path, backup_archive.read(drill.path)))
        taken = backups.take_from(there, old, elsewhere.parent / "backups")
    # the new programs do not open it, nor make an empty station beside it
    with pytest.raises(embedded_server.EmbeddedError, match="twinstile upgrade-database"):
        embedded_server.start(elsewhere)
    with pytest.raises(BackupError, match="--old-programs"):
        restoring.upgrade_database(there, None)
    upgraded = restoring.upgrade_database(there, OLD_PROGRAMS)
    assert upgraded is not None
    assert upgraded.manifest.server.startswith("15.")
    assert upgraded.set_aside is None
    assert (elsewhere / "pg15" / "PG_VERSION").exists()
    assert restoring.upgrade_database(there, OLD_PROGRAMS) is None
    # and by the other way: the backup made before the programs were replaced
    assert restore(elsewhere, taken.path, replace=True).manifest.rows == taken.manifest.rows
    same = {table.table: table.content for table in backup_archive.read(drill.path).tables}
    assert {table.table: table.content for table in taken.manifest.tables} == same


def test_the_nightly_job_leaves_a_backup_and_a_failure_is_one(restored: Path) -> None:
    to = restored.parent / "nightly"
    asyncio.run(backups.take_apart(configuration(restored, backup_dir=to)))
    assert len(backups.list_backups(to)) == 1
    with pytest.raises(BackupError):
        asyncio.run(backups.take_apart(configuration(restored / "no", backup_dir=to)))


def test_there_is_nothing_to_back_up_where_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="no database"):
        backups.take(configuration(tmp_path), tmp_path / "backups", None)
    assert not (tmp_path / "backups").exists()
