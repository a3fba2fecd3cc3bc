"""Lets every test import the modules beside this file, such as `suites`; holds the fixtures.

Tests that speak HTTP ask for `hub`: a hub of their own, with lanes, devices and a shift for
each role, on one real service with a real PostgreSQL behind it. Everything is committed;
tests are kept apart by the hub they work in, never by rollback. The server is an embedded one
without fsync, or that of TWINSTILE_DATABASE_URL, where each test process makes a database of
its own.

    async def test_a_screener_sees_the_lanes(hub: Hub) -> None:
        answer = await hub.client(Role.SCREENER).get("/v1/lanes")
"""

import asyncio
import gc
import io
import logging
import os
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
import runtimes
import structlog
from hubs import Hub, Service, open_hub
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import make_url

from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import embedded_server
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import observability

# An example that takes for ever is found all the same. By itself Hypothesis allows a fifth of a
# second, and takes a machine that stands still so long for a fault of the example.
settings.register_profile(
    "station",
    deadline=timedelta(seconds=2),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("station")


def pytest_configure(config: pytest.Config) -> None:
    for said in (
        "pictures: leaves pictures of pages, if it is asked to (tests/pictures.py)",
        "slow: what others prove at less cost; run by `dev.py slow` only",
    ):
        config.addinivalue_line("markers", said)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None]:
    """Nothing that is collected goes away: the collector need not look for it meanwhile."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules that ask for much time begin: else one process works on when others have ended.

    It is when nearly all is done that processes take each other's tests, single ones, and so
    set up a module anew: what is left by then sets up little.
    """
    asked: dict[Path, float] = {}
    for item in items:
        marker = item.get_closest_marker("timeout")
        seconds = marker.args[0] if marker else 0
        asked[item.path] = max(seconds, asked.get(item.path, 0))
    items.sort(key=lambda item: -asked[item.path])


@pytest.fixture(scope="session")
def ground() -> Generator[DatabaseTarget]:
    """A database of this test process, nothing in it yet."""
    given = os.environ.get("TWINSTILE_DATABASE_URL")
    if given is None:
        with embedded_server.temporary() as running:
            made = startup.inside(running)
            asyncio.run(startup.make_database(made))
            yield made
        return
    own = make_url(given).set(database=f"twinstile_test_{uuid4().hex[:12]}")
    url = own.render_as_string(hide_password=False)
    administer(given, f'CREATE DATABASE "{own.database}"')
    try:
        yield DatabaseTarget(url, startup.APP_ROLE, url, embedded=False)
    finally:
        administer(given, f'DROP DATABASE "{own.database}" WITH (FORCE)')


@pytest.fixture(scope="session")
def place(ground: DatabaseTarget) -> DatabaseTarget:
    """The database of the tests; those of a module that asks for it have another (`apart`)."""
    return ground


def administer(url: str, statement: str) -> None:
    async def run() -> None:
        plain = make_url(url).set(drivername="postgresql")
        connection = await asyncpg.connect(plain.render_as_string(hide_password=False))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


@pytest.fixture(scope="session")
async def runtime(
    place: DatabaseTarget, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Runtime]:
    """The house all tests of this process share, its schema in place."""
    async with runtimes.opened(place, tmp_path_factory.mktemp("data")) as runtime:
        yield runtime


@pytest.fixture(scope="session")
async def service(runtime: Runtime) -> AsyncGenerator[Service]:
    """The service on a port of its own, in the event loop of the tests."""
    async with runtimes.served(runtime) as service:
        yield service


@pytest.fixture
def logged() -> Generator[Callable[[], str]]:
    """Log as the service does; what is handed out gives everything logged so far."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    observability.configure_logging(stream)
    yield stream.getvalue
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
async def hub(runtime: Runtime, service: Service) -> Hub:
    """A hub that only this test knows."""
    return await open_hub(runtime, service)


@pytest.fixture
def tokens(hub: Hub) -> Mapping[str, str]:
    """The bearer tokens of the hub: of each role's shift, and `device` without one."""
    return hub.tokens
