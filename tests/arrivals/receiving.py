"""A station with feeds of its own: the service of a test's hub over the file it is told."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import houses
from hubs import Hub

from twinstile.opening import Place
from twinstile.platform.db import Database
from twinstile.platform.web import House


@asynccontextmanager
async def station(hub: Hub, place: Place, folder: Path, feeds: str) -> AsyncGenerator[Hub]:
    """`feeds` is the operator's file; `HUB` in it stands for the hub, `HERE` for the folder."""
    file = folder / "feeds.toml"
    file.write_text(dedent(feeds).replace("HUB", hub.hub_id).replace("HERE", str(folder)))
    own = {"feeds_file": file, "hub_id": hub.hub_id}
    settings = hub.house.settings.model_copy(update=own)
    database = Database(place.service_url, pool_size=4, role=place.role)
    house = House(settings, database, hub.house.gatekeeper, hub.house.keys)
    async with houses.served(house) as service:  # which closes the database in the end
        yield replace(hub, house=house, service=service)
