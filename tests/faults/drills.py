"""The long restore drill: a database of millions of rows is backed up, proved and restored.

    python3 dev.py faults restore --rows 2000000

Prints one JSON object of rows and seconds. A count or a hash of any table that is not equal
ends it with the words of the command. Rows of `check` are copies of ones that the service
wrote; the rest is as it wrote it. Events are not copied: nobody would have sealed them, and a
restore would seal them one by one.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))  # as pytest has it

import fleets
import stations
from stations import Station

from twinstile.operations import backups, restore
from twinstile.platform.ops import settings

_COLUMNS = """
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
       string_agg(CASE WHEN attname = $2 THEN 'uuidv7(-make_interval(secs => i / 10.0))'
                       ELSE 't.' || quote_ident(attname) END, ', ' ORDER BY attnum)
FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
"""


async def fill(station: Station, rows: int) -> None:
    """Let the service write some, then copy those until there are so many."""
    await station.start()
    crew = await station.crew(4)
    async with fleets.fleet(station, crew, batches=1) as ledger:
        await fleets.until(ledger, 200)
    connection = await station.connect()
    names, values = await connection.fetchrow(_COLUMNS, '"check"', "id")
    await connection.execute(
        "CREATE TEMP TABLE source AS"
        ' SELECT row_number() OVER () AS r, * FROM "check" LIMIT 100;'
        f' INSERT INTO "check" ({names}) SELECT {values}'
        f" FROM generate_series(1, {rows}) i JOIN source t ON t.r = i % 100 + 1",
        timeout=1800,
    )
    await connection.close()


def drill(rows: int) -> dict[str, object]:
    with stations.home() as home:
        station = Station(home, stations.free_port())

        async def made() -> None:
            try:
                await fill(station, rows)
            finally:
                await stations.end(station)

        asyncio.run(made())
        there = settings.load(data_dir=station.data, database_url=None)
        taken = backups.take(there, home / "backups", None)
        began = time.monotonic()
        backups.verify(there, taken.path, quick=True)
        quick = time.monotonic() - began
        restored = restore.restore(there, taken.path, replace=True, unsigned=False)
        return {
            "rows": taken.manifest.rows,
            "bytes": taken.size,
            "backup_s": round(taken.seconds, 1),
            "verify_quick_s": round(quick, 1),
            "restore_and_compare_s": round(restored.seconds, 1),
        }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    sys.stdout.write(json.dumps(drill(parser.parse_args().rows)) + "\n")
