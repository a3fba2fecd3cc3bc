"""F9: the way to the database is slow, silent or rude. Answers come in time all the same."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import fleets
import judges
import proxies
import pytest
import stations
from proxies import Mood, Proxy
from stations import Station, Token

from twinstile.platform.db import embedded_server
from twinstile.platform.db.embedded_server import EmbeddedServer

BUDGET_S = 2.3
"""After that a lane wants an answer, and be it 503."""
BUSY_MACHINE_S = 3.0


@pytest.fixture(scope="module")
def server() -> Generator[EmbeddedServer]:
    with embedded_server.temporary() as running:
        yield running


@pytest.fixture(scope="module")
async def proxy(server: EmbeddedServer) -> AsyncGenerator[Proxy]:
    url = server.url("postgres", driver="postgresql")
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE DATABASE far")
    await connection.close()
    folder = parse_qs(urlsplit(url).query)["host"][0]
    async with proxies.proxy(Path(folder) / ".s.PGSQL.5432") as there:
        yield there


@pytest.fixture(scope="module")
async def station(proxy: Proxy) -> AsyncGenerator[Station]:
    url = f"postgresql://postgres@127.0.0.1:{proxy.port}/far"
    async with stations.station(database_url=url) as there:
        yield there


@pytest.fixture(scope="module")
async def crew(station: Station) -> list[Token]:
    return await station.crew(6)


@pytest.mark.parametrize("mood", [Mood.SLOW, Mood.SILENT, Mood.RUDE])
async def test_answers_stay_bounded_and_nothing_is_lost(
    station: Station, crew: list[Token], proxy: Proxy, mood: Mood
) -> None:
    async with fleets.fleet(station, crew) as ledger:
        await fleets.until(ledger, 30)
        ledger.waits.clear()
        proxy.become(mood)
        await asyncio.sleep(3)
        proxy.become(Mood.FAIR)
        await fleets.until(ledger, 40)
    judgement = await judges.judge(station, ledger)
    assert judgement.harmless, judgement
    assert max(ledger.waits) < BUDGET_S + BUSY_MACHINE_S
    if mood is not Mood.SLOW:
        assert ledger.answers["503 unavailable"]
