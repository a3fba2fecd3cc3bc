"""Which schema a program serves: its own, and a newer one whose floor it knows."""

from collections.abc import AsyncGenerator

import asyncpg
import httpx2
import pytest
import runtimes
from sqlalchemy.engine import make_url

from twinstile.app import create_app
from twinstile.cli import serving
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db import schema
from twinstile.platform.db.schema import Revisions, SchemaCompatibility, SchemaError
from twinstile.platform.http.routes import Runtime

NEXT = "from a later release"
KNOWN = Revisions(frozenset({"0001", "0002", "0003"}), "0003")


@pytest.mark.parametrize(
    ("present", "floor", "standing"),
    [
        (None, None, SchemaCompatibility.OLDER),
        ("0002", None, SchemaCompatibility.OLDER),
        ("0003", "0002", SchemaCompatibility.OURS),
        (NEXT, "0002", SchemaCompatibility.NEWER),
        (NEXT, "0003", SchemaCompatibility.NEWER),
        (NEXT, NEXT, SchemaCompatibility.TOO_NEW),
        (NEXT, None, SchemaCompatibility.TOO_NEW),
    ],
)
def test_a_program_serves_a_newer_schema_whose_floor_it_knows(
    present: str | None, floor: str | None, standing: SchemaCompatibility
) -> None:
    assert KNOWN.judge(present, floor) is standing


@pytest.fixture
async def apart(place: DatabaseTarget) -> AsyncGenerator[DatabaseTarget]:
    """A database of its own, with our schema."""
    async with runtimes.beside(place) as own:
        await startup.prepare(own)
        yield own


async def ask(url: str, statement: str) -> object:
    plain = make_url(url).set(drivername="postgresql")
    connection = await asyncpg.connect(plain.render_as_string(hide_password=False))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def readiness(runtime: Runtime, place: DatabaseTarget) -> httpx2.Response:
    listening = serving.listen("127.0.0.1", 0)
    (base_url,) = serving.addresses(listening)
    app = create_app(startup.open_runtime(runtime.settings, place))
    async with serving.running(app, listening), httpx2.AsyncClient(base_url=base_url) as client:
        return await client.get("/readyz")


async def test_a_newer_schema_with_room_for_us_is_served_and_left_alone(
    apart: DatabaseTarget, runtime: Runtime
) -> None:
    assert await schema.read_compatibility(apart.owner_url) is SchemaCompatibility.OURS
    await ask(apart.owner_url, f"UPDATE alembic_version SET version_num = '{NEXT}'")
    assert await schema.read_compatibility(apart.owner_url) is SchemaCompatibility.NEWER
    await startup.prepare(apart)
    assert (await readiness(runtime, apart)).status_code == 200
    assert await ask(apart.owner_url, "SELECT version_num FROM alembic_version") == NEXT


async def test_a_newer_schema_without_room_for_us_is_refused_in_words(
    apart: DatabaseTarget, runtime: Runtime
) -> None:
    await ask(
        apart.owner_url, f"UPDATE alembic_version SET version_num = '{NEXT}', floor = '{NEXT}'"
    )
    with pytest.raises(SchemaError, match="newer release"):
        await startup.prepare(apart)
    answer = await readiness(runtime, apart)
    assert answer.status_code == 503
    assert "schema" in answer.json()["detail"]


async def test_an_older_schema_is_brought_to_ours(
    place: DatabaseTarget, runtime: Runtime
) -> None:
    async with runtimes.beside(place) as older:
        await schema.upgrade(older.owner_url, revision="0005")
        await ask(older.owner_url, "ALTER TABLE alembic_version DROP COLUMN IF EXISTS floor")
        assert (await readiness(runtime, older)).status_code == 503
        await startup.prepare(older)
        assert (await readiness(runtime, older)).status_code == 200
