"""The embedded server is killed in every way, and runs again under the same address."""

import asyncio
import os
import signal
import tempfile
import threading
import time
from collections.abc import Generator
from pathlib import Path

import asyncpg
import pytest

from twinstile.platform.db import embedded_server, orphans, supervision
from twinstile.platform.db.embedded_server import EmbeddedError, EmbeddedServer

BUSY = "SELECT count(*) FROM generate_series(1, 10000000000)"  # looks at nothing but itself


@pytest.fixture(scope="module")
def root() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="twinstile-test-") as made:
        Path(made).chmod(0o711)  # root's server runs as another account
        embedded_server.start(Path(made)).stop()
        yield Path(made)


def nothing() -> None:
    raise AssertionError("the server was given up")


def ask(server: EmbeddedServer, statement: str) -> object:
    async def once() -> object:
        connection = await asyncpg.connect(server.url("postgres", driver="postgresql"))
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        return runner.run(once())


def pid_of(root: Path) -> int:
    return int(next(root.glob("pg*/postmaster.pid")).read_text().split()[0])


def back(server: EmbeddedServer, seconds: float = 30) -> None:
    """Wait until the server answers again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            ask(server, "SELECT 1")
        except (OSError, asyncpg.PostgresError):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        else:
            return


def test_a_killed_server_runs_again_with_its_data(root: Path) -> None:
    with supervision.keeping(root, on_lost=nothing) as server:
        ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        for _ in range(2):
            os.kill(pid_of(root), signal.SIGKILL)
            back(server)
        assert ask(server, "SELECT answer FROM kept") == 42
    assert not list(root.glob("pg*/postmaster.pid"))


def test_a_server_that_is_shut_down_by_other_hands_runs_again(root: Path) -> None:
    with supervision.keeping(root, on_lost=nothing) as server:
        before = pid_of(root)
        os.kill(before, signal.SIGINT)
        back(server)
        assert pid_of(root) != before


def test_an_orphan_in_a_long_statement_does_not_delay_the_start(root: Path) -> None:
    with supervision.keeping(root, on_lost=nothing) as server:

        def busy() -> None:
            with pytest.raises((OSError, asyncpg.PostgresError)):
                ask(server, BUSY)

        thread = threading.Thread(target=busy)
        thread.start()
        while ask(server, f"SELECT count(*) FROM pg_stat_activity WHERE query = '{BUSY}'") != 1:
            time.sleep(0.02)
        os.kill(pid_of(root), signal.SIGKILL)
        back(server)
        thread.join(10)
        assert not thread.is_alive()


def test_a_running_server_has_no_orphans(root: Path) -> None:
    with supervision.keeping(root, on_lost=nothing) as server:
        assert orphans.end(next(root.glob("pg??"))) == 0
        assert ask(server, "SELECT 1") == 1


def test_what_cannot_be_started_is_given_up_in_words(root: Path) -> None:
    lost = threading.Event()
    control = next(root.glob("pg*/global/pg_control"))

    def lose() -> None:
        with supervision.keeping(root, on_lost=lost.set, give_up_s=1):
            control.rename(root / "hidden")
            os.kill(pid_of(root), signal.SIGKILL)
            assert lost.wait(30)

    with pytest.raises(EmbeddedError, match="not be kept running: PostgreSQL did not start"):
        lose()
    (root / "hidden").rename(control)


def test_ending_while_the_server_is_down_does_not_wait_for_it(root: Path) -> None:
    control = next(root.glob("pg*/global/pg_control"))
    with supervision.keeping(root, on_lost=nothing):
        control.rename(root / "hidden")
        os.kill(pid_of(root), signal.SIGKILL)
        time.sleep(1)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    (root / "hidden").rename(control)
    with supervision.keeping(root, on_lost=nothing) as server:
        assert ask(server, "SELECT 1") == 1
