"""A database that cannot be started any more ends the service, in words, for its supervisor."""

import asyncio

import stations

IMPATIENT = """
import functools
from twinstile.cli import main
from twinstile.platform.db import supervision
supervision.keeping = functools.partial(supervision.keeping, give_up_s=1)
main.main()
"""


async def test_a_service_that_cannot_keep_its_database_says_why_and_ends() -> None:
    async with stations.station(program=("-c", IMPATIENT)) as station:
        control = next(station.data.glob("pg*/global/pg_control"))
        control.rename(station.home / "hidden")
        station.kill_database()
        assert station.process is not None
        code = await asyncio.wait_for(station.process.wait(), 60)
        log = station.log()
    assert code == 1
    assert "twinstile: PostgreSQL could not be kept running: PostgreSQL did not start" in log
