"""Fixtures of a module whose tests work at every hub there is: a database of the module's own.

Every other test leaves its hub behind in the database of its process, so that work at all of
them would take ever longer, and would move the clocks of hubs that are none of its business.

    place, house, service = apart.place, apart.house, apart.service
"""

from collections.abc import AsyncGenerator

import houses
import pytest
from hubs import Service

from twinstile.opening import Place
from twinstile.platform.web import House


@pytest.fixture(scope="module")
async def place(ground: Place) -> AsyncGenerator[Place]:
    async with houses.beside(ground) as own:
        yield own


@pytest.fixture(scope="module")
async def house(
    place: Place, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[House]:
    async with houses.opened(place, tmp_path_factory.mktemp("data")) as house:
        yield house


@pytest.fixture(scope="module")
async def service(house: House) -> AsyncGenerator[Service]:
    async with houses.served(house) as service:
        yield service
