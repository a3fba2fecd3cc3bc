"""F18: a release is rolled out under load and taken back; two releases serve one database."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import fleets
import httpx2
import judges
import pytest
import releases
import stations
from stations import Station

PATIENCE_S = 90
RENEWED = '"event": "processes renewed"'


@pytest.fixture
def folder() -> Generator[Path]:
    with stations.folder() as made:
        yield made


async def scalar(station: Station, statement: str) -> str:
    connection = await station.connect()
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def asking(station: Station) -> AsyncGenerator[list[tuple[int, str | None]]]:
    """Ask for readiness on new connections: each status, and the release that answered."""
    seen: list[tuple[int, str | None]] = []

    async def ask() -> None:
        while True:
            async with httpx2.AsyncClient(base_url=station.url, timeout=20) as client:
                answer = await client.get("/readyz")
            seen.append((answer.status_code, answer.headers.get(releases.HEADER)))
            await asyncio.sleep(0.02)

    task = asyncio.create_task(ask())
    try:
        yield seen
    finally:
        assert task.cancel(), task.exception()
        await asyncio.wait([task])


async def migrate(station: Station, program: Path) -> None:
    """What an operator does first, with the release that is to be."""
    settings = {"TWINSTILE_DATA_DIR": str(station.folder), **releases.path(program)}
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "twinstile", "migrate"),
        env=os.environ | settings,
        cwd=station.folder,
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await child.wait() == 0


def install(link: Path, program: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(program)


async def renew(station: Station) -> None:
    """Have the service take up what is installed."""
    assert station.process is not None
    before = station.log().count(RENEWED)
    station.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if station.log().count(RENEWED) > before:
                return
            await asyncio.sleep(0.05)


async def test_a_release_is_rolled_out_and_back_and_no_request_fails(folder: Path) -> None:
    now, later = releases.today(folder / "now"), releases.later(folder / "later")
    link = folder / "program"
    install(link, now)
    surroundings = releases.path(link)
    async with stations.station(
        options=("--workers", "2"), environment=surroundings
    ) as station:
        crew = await station.crew(2)
        async with asking(station) as seen, fleets.fleet(station, crew, batches=1) as ledger:
            await migrate(station, later)
            assert await scalar(station, "SELECT version_num FROM alembic_version") == "later"
            await fleets.until(ledger, 30, PATIENCE_S)
            assert set(seen) == {(200, None)}
            install(link, later)
            await renew(station)
            seen.clear()
            await fleets.until(ledger, 30, PATIENCE_S)
            assert set(seen) == {(200, "later")}
            install(link, now)
            await renew(station)
            seen.clear()
            await fleets.until(ledger, 30, PATIENCE_S)
            assert set(seen) == {(200, None)}
        judgement = await judges.judge(station, ledger)
    assert ledger.answers.keys() <= {"200", "201"}, ledger.answers
    assert judgement.harmless, (judgement, ledger.refused[:3])


async def test_the_oldest_program_that_may_serve_serves_beside_todays(folder: Path) -> None:
    async with stations.station() as station:
        floor = await scalar(station, "SELECT floor FROM alembic_version")
        program = releases.earliest(folder, floor)
        if program is None:
            pytest.skip("the repository's history is not here")
        sockets = quote(await scalar(station, "SHOW unix_socket_directories"))
        beside = Station(
            station.folder,
            stations.free_port(),
            f"postgresql://postgres@/twinstile?host={sockets}",
            environment=releases.path(program),
        )
        try:
            await beside.start()
            crew = await station.crew(4)
            async with (
                fleets.fleet(station, crew[:2], batches=1) as here,
                fleets.fleet(beside, crew[2:], batches=1) as there,
            ):
                await fleets.until(here, 60, PATIENCE_S)
                await fleets.until(there, 60, PATIENCE_S)
        finally:
            await stations.end(beside)
        hint = f"raise the schema's floor above {floor}, or let its programs live with this"
        for ledger in (here, there):
            judgement = await judges.judge(station, ledger)
            assert judgement.harmless, (judgement, ledger.refused[:3], hint)
            assert ledger.answers.keys() <= {"200", "201"}, (ledger.answers, hint)
