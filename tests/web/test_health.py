"""Liveness, readiness and metrics, and who may see them."""

from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from hubs import Hub, Service
from pydantic import SecretStr

from twinstile.app import create_app
from twinstile.cli import serving
from twinstile.operations import startup
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.db.database import Database
from twinstile.platform.http.routes import Runtime
from twinstile.platform.ops import settings
from twinstile.platform.ops.settings import Profile

DEAD = "postgresql://nobody@127.0.0.1:1/nothing"


async def test_a_service_that_can_serve_says_so(service: Service) -> None:
    async with service.client() as client:
        for path in ("/livez", "/readyz"):
            answer = await client.get(path)
            assert answer.status_code == 200, answer.text
            assert answer.json() == {"status": "ok"}
            assert answer.headers["cache-control"] == "no-store"


async def test_without_its_database_it_lives_but_is_not_ready(runtime: Runtime) -> None:
    answers = await ask(
        replace(runtime, database=Database(DEAD)), "/livez", "/readyz", "/v1/me"
    )
    alive, ready, me = answers
    assert alive.status_code == 200
    assert ready.status_code == 503
    assert ready.json()["type"] == "/problems/not-ready"
    assert ready.json()["retryable"]
    assert ready.headers["retry-after"] == "1"
    assert me.status_code == 401  # nobody is looked up where no token is given


@pytest.mark.usefixtures("runtime")
async def test_with_keys_it_cannot_read_it_is_not_ready(
    place: DatabaseTarget, tmp_path: Path
) -> None:
    own = settings.load(profile=Profile.DEMO, data_dir=tmp_path, database_url=None)
    startup.key_ring(own).of(own.hub_id).get_or_create("case.1")
    (path,) = startup.key_folder(own).rglob("case.1.key")
    path.write_bytes(bytes(40))
    (answer,) = await ask(startup.open_runtime(own, place), "/readyz")
    assert answer.status_code == 503
    assert "keys" in answer.json()["detail"]


async def test_metrics_count_by_route_and_name_nobody(hub: Hub) -> None:
    device_id = hub.duties["screener"].device_id
    await hub.client().get(f"/v1/devices/{device_id}/sync-status")
    text = (await hub.service.client().get("/metrics")).text
    assert 'route="/v1/devices/{device_id}/sync-status"' in text
    assert str(device_id) not in text


async def test_metrics_are_not_shown_through_a_proxy(service: Service) -> None:
    for header in ("X-Forwarded-For", "Forwarded", "Via"):
        answer = await service.client().get("/metrics", headers={header: "10.0.0.9"})
        assert answer.status_code == 403


async def test_with_a_metrics_token_only_its_holder_sees_them(
    runtime: Runtime, place: DatabaseTarget
) -> None:
    token = SecretStr("a token of the monitoring")
    watched = runtime.settings.model_copy(update={"metrics_token": token})
    opened = startup.open_runtime(watched, place)
    headers = {"Authorization": f"Bearer {token.get_secret_value()}", "Via": "1.1 gate"}
    without, with_it = await ask(opened, "/metrics", ("/metrics", headers))
    assert without.status_code == 403
    assert with_it.status_code == 200


async def ask(
    runtime: Runtime, *questions: str | tuple[str, dict[str, str]]
) -> list[httpx2.Response]:
    """The answers of a service of its own on this house."""
    listening = serving.listen("127.0.0.1", 0)
    (base_url,) = serving.addresses(listening)
    async with (
        serving.running(create_app(runtime), listening),
        httpx2.AsyncClient(base_url=base_url) as client,
    ):
        asked = [(q, {}) if isinstance(q, str) else q for q in questions]
        return [await client.get(path, headers=headers) for path, headers in asked]
