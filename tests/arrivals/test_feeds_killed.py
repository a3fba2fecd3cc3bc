"""Who applies deliveries is killed, and another goes on: nothing twice, nothing lost."""

import asyncio
import os
import signal
import sys

import feed_deliveries
import people
from feed_deliveries import event, feed_of, figures, traveller
from hubs import Hub

from twinstile.arrivals.feeds import applier

ROWS = 400
CHILD = """
import asyncio, sys
sys.path[:0] = {path!r}
import feed_deliveries
from uuid import UUID
from zoneinfo import ZoneInfo
from twinstile.arrivals.feeds import applier
from twinstile.arrivals.feeds.applier import ApplyRuntime
from twinstile.arrivals.feeds.reading import FeedSettings
from twinstile.identity import forms
from twinstile.operations.startup import DatabaseTarget, key_ring
from twinstile.platform.ops import clock, settings
from twinstile.platform.db.database import Database
from twinstile.platform.security.hub_modes import HubMode
from twinstile.platform.ops.settings import Profile

async def main():
    feed_deliveries.use()
    applier.AT_ONCE = 2  # time enough to be killed in the middle
    conf = settings.load(profile=Profile.DEMO, data_dir={folder!r}, database_url=None)
    database = Database({url!r}, role={role!r}, pool_size=2)
    terms = forms.document_context(conf, HubMode.DEMO, clock.now())
    desk = ApplyRuntime(database, key_ring(conf).of({hub!r}), terms, clock.now)
    print("ready", flush=True)
    await applier.apply_due(desk, FeedSettings({hub!r}, "rail", format="test", zone=conf.zone))
    print("done", flush=True)

asyncio.run(main())
"""


async def taken(hub: Hub) -> int:
    ((count,),) = await feed_deliveries.rows(
        hub, "SELECT rows_applied FROM feed_delivery WHERE hub_id = $1"
    )
    assert isinstance(count, int)
    return count


async def test_killed_in_the_middle_it_goes_on_where_it_stood(hub: Hub) -> None:
    feed_deliveries.use()
    feed, runtime = feed_of(hub), hub.runtime
    said = [traveller("G1", f"{n}", people.resident_number(), seat=f"{n}") for n in range(ROWS)]
    delivery_id = await feed_deliveries.land(hub, feed, [event("G1"), *said])
    script = CHILD.format(
        path=[path for path in sys.path if path.endswith(("tests", "fixtures"))],
        folder=str(runtime.settings.data_dir),
        url=runtime.database.given_url,
        role=runtime.database.role,
        hub=hub.hub_id,
    )
    stood = [0]
    for _ in range(2):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
        )
        while await taken(hub) <= stood[-1]:
            assert child.returncode is None
            await asyncio.sleep(0.002)
        os.kill(child.pid, signal.SIGKILL)
        await child.wait()
        stood.append(await taken(hub))
    assert 0 < stood[1] < stood[2] < ROWS + 1
    await applier.apply_due(feed_deliveries.desk_of(hub), feed)
    told = await figures(hub, delivery_id)
    assert (told["state"], told["rows"], told["applied"], told["repeated"]) == (
        "APPLIED",
        ROWS + 1,
        ROWS + 1,
        0,
    )
    assert await feed_deliveries.expected(hub, "G1") == {(str(n), "in") for n in range(ROWS)}
    ((announced,),) = await feed_deliveries.rows(
        hub, "SELECT count(*) FROM event WHERE hub_id = $1 AND kind = 'run.announced'"
    )
    assert announced == 1
