import asyncio
import io
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from hubs import PASSCODE, Hub
from rich.console import Console

from twinstile.app import create_app
from twinstile.arrivals.feeds import applier, config, polling
from twinstile.arrivals.feeds.applier import ApplyRuntime
from twinstile.arrivals.feeds.polling import Poller
from twinstile.cli import serving
from twinstile.identity import forms
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ledger import chain
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.policy.versions import Policies
from twinstile.reminders import automatic, sending
from twinstile.screening import transitions
from twinstile_simulator import bodies, truth
from twinstile_simulator import hub as demo_hub
from twinstile_simulator.client import connect
from twinstile_simulator.day import DayOptions, run_day
from twinstile_simulator.departments import feeds
from twinstile_simulator.departments.feeds import Departments
from twinstile_simulator.hub import Bootstrap, OperatorAccount
from twinstile_simulator.recount import RecountScope, recount
from twinstile_simulator.tablets import SimulatedTablet


@asynccontextmanager
async def ticking(hub: Hub, runtime: Runtime) -> AsyncGenerator[None]:
    """Let the service's clock go for as long as the block, as its worker does."""
    out = sending.outbox(hub.runtime)
    at_once = timedelta(0)
    senders = [replace(one, interval=at_once) for one in config.feed_sources(runtime.settings)]
    asker = Poller(runtime.database, runtime.keys, uuid4(), clock.now)
    terms = forms.document_context(runtime.settings, runtime.settings.mode, clock.now())
    desk = ApplyRuntime(runtime.database, runtime.keys.of(hub.hub_id), terms, clock.now)

    async def tick() -> None:
        while True:
            now = clock.now()
            await transitions.expire_due(hub.runtime.database, Policies(), hub.hub_id, now)
            await automatic.run(hub.runtime, Policies(), hub.hub_id, now)
            await sending.run(out, hub.hub_id, now)
            for sender in senders:
                await polling.poll_feed(asker, sender)
                await applier.apply_due(desk, sender.feed)
            async with hub.runtime.database.transaction() as tx:
                await chain.seal(tx, hub.hub_id, now)
            await asyncio.sleep(0.5)

    async with asyncio.TaskGroup() as beside:  # a clock that stops ends the test
        clockwork = beside.create_task(tick())
        yield
        clockwork.cancel()


@dataclass
class Restarted:
    """A service of its own, which can be away for a while."""

    runtime: Runtime
    base_url: str = ""
    _serving: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        listening = serving.listen("127.0.0.1", urlsplit(self.base_url).port or 0)
        (self.base_url,) = serving.addresses(listening)
        await self._serving.enter_async_context(
            serving.running(create_app(self.runtime), listening)
        )

    @asynccontextmanager
    async def away(self) -> AsyncGenerator[None]:
        await self._serving.aclose()
        yield
        await self.start()

    async def end(self) -> None:
        await self._serving.aclose()


@pytest.fixture
async def departments(hub: Hub, tmp_path: Path) -> AsyncGenerator[Departments]:
    async with feeds.open_departments(tmp_path / "departments") as here:
        file = here.feeds_file
        file.write_text(file.read_text().replace("[[feed]]", f'[[feed]]\nhub = "{hub.hub_id}"'))
        yield here


@pytest.fixture
async def restarted(runtime: Runtime, departments: Departments) -> AsyncGenerator[Restarted]:
    told = runtime.settings.model_copy(
        update={
            "feeds_file": departments.feeds_file,
            "providers_file": departments.issuers.providers_file,
        }
    )
    own = Restarted(replace(runtime, settings=told))
    await own.start()
    yield own
    await own.end()


async def test_the_service_counts_a_day_as_the_truth_has_it(
    hub: Hub, restarted: Restarted, departments: Departments, tmp_path: Path
):
    async with hub.client(Role.ADMINISTRATOR) as administrator:
        answer = await administrator.post("/v1/enrolments", json={})
    login = hub.duties[Role.ADMINISTRATOR].login
    second = (await hub.another(Role.ADMINISTRATOR)).login
    options = DayOptions(
        base_url=restarted.base_url,
        away=restarted.away,
        bootstrap=Bootstrap(
            OperatorAccount(login, PASSCODE),
            OperatorAccount(second, PASSCODE),
            answer.json()["code"],
        ),
        truth=tmp_path / "truth.json",
        outside=departments,
        travellers=60,
        tablets=3,
        fever_per_100k=6000.0,
    )
    out = io.StringIO()
    async with ticking(hub, restarted.runtime):
        result = await run_day(options, Console(file=out, width=120))
    assert not result.troubles, out.getvalue()
    assert result.service.counts == result.truth
    assert result.exit_code == 0
    assert result.truth.cases > 0
    assert result.truth.offline > 3 * truth.TAKEN_AWAY
    assert result.truth.deferred_closed_24h == 2


async def test_an_acknowledged_check_that_cannot_be_read_is_lost(hub: Hub):
    since = bodies.now()
    supervisor, epidemiologist = hub.tokens[Role.SUPERVISOR], hub.tokens[Role.EPIDEMIOLOGIST]
    async with connect(hub.service.base_url) as service:
        tablet, idle = (
            SimulatedTablet(service, hub.tokens[Role.SCREENER], lane)
            for lane in ("north-1", "north-s")
        )
        nobody = OperatorAccount("", "")
        day = demo_hub.SimulatedHub(
            (tablet,),
            idle,
            idle,
            idle,
            idle,
            idle,
            supervisor,
            supervisor,
            epidemiologist,
            demo_hub.BrowserAccess("north-1", "", nobody),
        )
        await tablet.check({"illness": False})
        asked = RecountScope(since, bodies.now(), [], "")
        assert (await recount(service, day, asked)).lost == 0
        tablet.acknowledged.add(str(uuid4()))
        counted = await recount(service, day, asked)
    assert counted.lost == 1
    assert counted.counts.checks == 1
    assert counted.case_rows == 0
