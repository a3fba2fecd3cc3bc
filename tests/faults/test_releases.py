"""Two releases serve one database: today's, and the oldest that the schema's floor admits."""

from collections.abc import Generator
from pathlib import Path
from urllib.parse import quote

import crews
import fleets
import judges
import pytest
import releases
import stations
from stations import Station

PATIENCE_S = crews.PATIENCE_S
WHERE_SQL = """
SELECT (SELECT floor FROM alembic_version), current_setting('unix_socket_directories')
"""


@pytest.fixture
def folder() -> Generator[Path]:
    with stations.home() as made:
        yield made


@pytest.mark.timeout(400)
async def test_the_oldest_program_that_may_serve_serves_beside_todays(folder: Path) -> None:
    async with stations.station() as station:
        connection = await station.connect()
        floor, sockets = await connection.fetchrow(WHERE_SQL)
        await connection.close()
        program = releases.earliest(folder, floor)
        if program is None:
            pytest.skip("the repository's history is not here")
        beside = Station(
            station.home,
            stations.free_port(),
            f"postgresql://postgres@/twinstile?host={quote(sockets)}",
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
            assert not crews.failed(ledger), hint
