"""A house and its service for tests, opened once and closed behind them."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from hubs import Service

from twinstile import opening
from twinstile.opening import Place
from twinstile.platform import settings
from twinstile.platform.settings import Profile
from twinstile.platform.web import House


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
