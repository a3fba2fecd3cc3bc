"""The application: every room's routes, what they share at the edge, and its life."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import TypeAlias

import asyncpg
from fastapi import FastAPI
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError

from twinstile.arrivals import api as arrivals
from twinstile.arrivals.feeds import api as feeds
from twinstile.arrivals.tags import Tagger
from twinstile.cases import api as cases
from twinstile.cases import follow_ups_api as followup
from twinstile.cases import isolation_rooms_api as wards
from twinstile.cases import reporting_api as reporting
from twinstile.cases import transfers_api as transfers
from twinstile.contacts import api as contacts
from twinstile.credentials import api as credentials
from twinstile.credentials import verifying
from twinstile.credentials.pictures import api as picturing
from twinstile.credentials.pictures.reading import Reader
from twinstile.credentials.sources import api as trust_sources
from twinstile.credentials.trusting import api as trusting
from twinstile.credentials.trusting import lists
from twinstile.credentials.trusting.current_lists import CurrentLists
from twinstile.declarations.api import desk as declaring
from twinstile.declarations.api import travellers
from twinstile.deferrals import api as flow
from twinstile.deferrals import surge_orders
from twinstile.downtime import api as outage
from twinstile.exports import api as export
from twinstile.exports import identified, traced
from twinstile.platform.http import problem_handlers
from twinstile.platform.http.fair_scheduling import FairScheduling
from twinstile.platform.http.routes import Runtime
from twinstile.platform.keys import destruction_api
from twinstile.platform.ops import observability
from twinstile.platform.security import (
    access_log_api,
    approvals,
    approvals_api,
    shifts_api,
)
from twinstile.platform.security import api as platform
from twinstile.platform.security.approvals import Kinds
from twinstile.policy import activations
from twinstile.policy import api as policy
from twinstile.policy.entry import api as entry
from twinstile.policy.entry import validator as entry_rules
from twinstile.policy.versions import Policies
from twinstile.reminders import api as notices
from twinstile.replay import api as replay
from twinstile.screening import overrides, transitions
from twinstile.screening.api import checks as screening
from twinstile.screening.api import emergencies as emergency
from twinstile.screening.api import lookups as desk
from twinstile.screening.api import outstanding
from twinstile.screening.api import parties as party
from twinstile.screening.committer import Committer
from twinstile.sharing import api as sharing
from twinstile.sharing.feed import Feed
from twinstile.web import (
    api_reference,
    appeals,
    gate,
    health,
    home,
    paper_form_entry,
    public_links,
    sign_in,
    traveller,
)
from twinstile.web import desk as desk_page
from twinstile.web.openapi import Documented

ROUTERS = (
    screening.router,  # the gate's: routes are tried in this order
    screening.facts_router,
    platform.router,
    shifts_api.router,
    destruction_api.router,
    access_log_api.router,
    approvals_api.router,
    policy.router,
    entry.router,
    credentials.router,
    picturing.router,
    trusting.router,
    trust_sources.router,
    replay.router,
    arrivals.router,
    feeds.router,
    feeds.pushed,
    cases.router,
    wards.router,
    reporting.router,
    travellers.router,
    transfers.router,
    followup.router,
    desk.router,
    declaring.router,
    emergency.router,
    outage.router,
    flow.router,
    outstanding.router,
    contacts.router,
    notices.router,
    party.router,
    export.router,
    sharing.router,
    sharing.feed_router,
    health.router,
    sign_in.router,
    traveller.router,
    desk_page.router,
    paper_form_entry.router,
    appeals.router,
    api_reference.router,
    gate.router,
    home.front,
    home.router,
    public_links.router,
)

DRAIN_S = 10.0
"""How long work beside the requests may go on after the last request."""

Background: TypeAlias = Callable[[Runtime, asyncio.Event], Awaitable[None]]
"""What runs beside the requests until the event is set; it outlives its own failures."""


def create_app(runtime: Runtime, background: Background | None = None) -> FastAPI:
    """The service on an open house; in the end the application closes the house's database."""

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncGenerator[None]:
        stop = asyncio.Event()
        try:
            await runtime.database.warm()
            await committer.warm()
        except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
            # it may come back any moment: be alive, not ready, and say so
            observability.log.warning(
                "database does not answer", error=observability.error_kind(error)
            )
        committing = asyncio.create_task(committer.run())
        beside = asyncio.ensure_future(background(runtime, stop)) if background else None
        try:
            yield
        finally:
            stop.set()
            if beside is not None:
                await asyncio.wait({beside}, timeout=DRAIN_S)
                beside.cancel()
                await asyncio.wait({beside})
            committing.cancel()  # the server has answered every request by now
            await asyncio.wait({committing})
            await verifier.close()
            await runtime.database.close()

    policies = Policies()
    committer = Committer(runtime, policies)
    app = Documented(
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=_name,
        # its log records carry the messages of exceptions, which may hold personal data
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.runtime = runtime
    app.state.policies = policies
    app.state.entry_rules = entry_rules.load(runtime.settings.entry_rules)
    app.state.committer = committer
    app.state.tagger = Tagger()
    app.state.lists = CurrentLists()
    app.state.verifier = verifier = verifying.verifier(runtime.settings)
    app.state.pictures = Reader()
    app.state.kinds = kinds_of(runtime, policies)
    app.state.feed = Feed(runtime.database)
    app.state.door = travellers.Door()
    app.state.leaving = False  # true from when the server is told to end: who waits is let go
    for router in ROUTERS:
        app.include_router(router)
    problem_handlers.install(app)
    home.install(app)
    app.add_middleware(FairScheduling)
    app.add_middleware(observability.Measured)
    return app


def kinds_of(runtime: Runtime, policies: Policies) -> Kinds:
    """Every deed that takes two persons (`platform.approvals`); each room has its own."""
    return approvals.registry(
        activations.KIND,
        lists.KIND,
        identified.KIND,
        traced.KIND,
        surge_orders.KIND,
        transitions.VOID_IN_DOUBT,
        overrides.kind(runtime.settings, runtime.keys, policies),
    )


@cache
def contract() -> dict[str, object]:
    """The OpenAPI document of the whole service, without a service; made once, to be read."""
    app = Documented(generate_unique_id_function=_name)
    for router in ROUTERS:
        app.include_router(router)
    return app.openapi()


def _name(route: APIRoute) -> str:
    return route.name
