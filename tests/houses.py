"""A house and its service for tests, opened once and closed behind them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx2
from hubs import Service
from sqlalchemy import text
from sqlalchemy.engine import make_url

from twinstile import opening
from twinstile.opening import Place
from twinstile.platform import settings
from twinstile.platform.settings import Profile
from twinstile.platform.web import House


@asynccontextmanager
async def beside(place: Place) -> AsyncGenerator[Place]:
    """Another database on the same server, nothing in it yet."""
    name = f"beside_{uuid4().hex[:8]}"

    def there(url: str) -> str:
        return make_url(url).set(database=name).render_as_string(hide_password=False)

    async with opening.owner(place.owner_url) as owner:
        await owner.execute(text(f"CREATE DATABASE {name}"))
        try:
            yield replace(
                place, service_url=there(place.service_url), owner_url=there(place.owner_url)
            )
        finally:
            await owner.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@asynccontextmanager
async def opened(place: Place, folder: Path) -> AsyncGenerator[House]:
    """A house in the folder, its schema in place."""
    await opening.prepare(place)
    configuration = settings.load(profile=Profile.DEMO, data_dir=folder, database_url=None)
    house = opening.open_house(configuration, place)
    yield house
    await house.database.close()


@asynccontextmanager
async def served(house: House) -> AsyncGenerator[Service]:
    """Its service on a port of its own, in the event loop of the tests."""
    from twinstile import serving  # noqa: PLC0415 -- all rooms: only tests by HTTP wait for it
    from twinstile.app import create_app  # noqa: PLC0415

    listening = serving.listen("127.0.0.1", 0)
    (base_url,) = serving.addresses(listening)
    async with (
        serving.running(create_app(house), listening),
        httpx2.AsyncHTTPTransport() as transport,
    ):
        yield Service(base_url, transport)
