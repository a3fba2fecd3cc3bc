"""Two releases serve one database: today's, and the oldest that the schema's floor admits."""

from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote

import fleets
import judges
import pytest
import releases
import stations
import worker_groups
from stations import Station

from twinstile.platform.http.routes import Runtime

PATIENCE_S = worker_groups.PATIENCE_S
HINT = "raise the schema's floor, or let the programs that know it live with this"


@pytest.fixture
def folder() -> Generator[Path]:
    with stations.home() as made:
        yield made


@pytest.mark.timeout(400)
async def test_the_oldest_program_that_may_serve_serves_beside_todays(
    folder: Path, runtime: Runtime
) -> None:
    """As in an upgrade: the old one has opened the hub, today's migrates and joins it."""
    async with runtime.database.reading() as tx:
        row = await tx.raw.fetchrow("SELECT floor FROM alembic_version")
    assert row is not None
    program = releases.earliest(folder, row["floor"])
    if program is None:
        pytest.skip("the repository's history is not here")
    async with stations.station(environment=releases.path(program)) as station:
        connection = await station.connect()
        sockets = await connection.fetchval("SHOW unix_socket_directories")
        await connection.close()
        beside = Station(
            station.home,
            stations.free_port(),
            f"postgresql://postgres@/twinstile?host={quote(sockets)}",
        )
        try:
            await beside.start()
            # a hub of a release without modes is a real one, and takes nobody invented
            connection = await station.connect()
            await connection.execute("UPDATE hub SET mode = 'DEMO'")
            await connection.close()
            crew = await station.crew(4)
            async with (
                fleets.fleet(station, crew[:2], batches=1) as before,
                fleets.fleet(beside, crew[2:], batches=1) as today,
            ):
                await fleets.until(before, 60, PATIENCE_S)
                await fleets.until(today, 60, PATIENCE_S)
        finally:
            await beside.stop()
        for ledger in (before, today):
            judgement = await judges.judge(station, ledger)
            assert judgement.harmless, (judgement, ledger.refused[:3], HINT)
            assert not worker_groups.failed(ledger), HINT
