"""What operators see of credentials: doctor, metrics and the alert of a list that grows old."""

import asyncio
import json
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import module_database
import pytest
from credential_issuers import CERTIFICATES, begin, listed, overwritten, put
from credential_providers import FORM, GREEN, SHARED, TRAVELLER, asked, code
from hubs import Hub
from people import Json
from trust_list_publishers import Publisher, fetch, publisher, source

from twinstile import worker
from twinstile.cli import doctor_credentials
from twinstile.credentials.types import Context
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import clock
from twinstile.platform.ops.observability import REGISTRY
from twinstile.platform.security.roles import Role

__all__ = ["publisher"]

place, runtime, service = (
    module_database.place,
    module_database.runtime,
    module_database.service,
)


async def alerts(hub: Hub, place: DatabaseTarget) -> list[Json]:
    """Those that stand after the worker has looked."""
    (job,) = [one for one in worker.jobs_of(hub.runtime, place) if one.name == "trust"]
    await job.work(clock.now())
    client = hub.client(Role.SUPERVISOR)
    told = await client.get("/v1/alerts", params={"kind": "TRUST_LIST_STALE"})
    assert told.status_code == 200, told.text
    return told.json()["alerts"]


async def trust(hub: Hub) -> list[doctor_credentials.Told]:
    own = hub.runtime.settings.model_copy(update={"hub_id": hub.hub_id})
    async with hub.runtime.database.reading() as tx:
        return await doctor_credentials.trust(tx, own, hub.runtime.keys.of(hub.hub_id))


async def test_a_list_that_grows_old_is_an_alert_until_a_newer_one_is_in_force(
    hub: Hub, place: DatabaseTarget
) -> None:
    assert await alerts(hub, place) == []
    await begin(hub, 1, listed(CERTIFICATES[0], hours=30))
    (one,) = await alerts(hub, place)
    assert one["facts"] == {"version": 1, "freshness": "AGING"}
    assert len(await alerts(hub, place)) == 1
    await put(hub, 2, listed(*CERTIFICATES, hours=1))
    assert await alerts(hub, place) == []
    age = REGISTRY.get_sample_value("twinstile_trust_list_age_seconds", {"hub": hub.hub_id})
    assert age is not None
    assert 3600 <= age < 7200


@pytest.mark.parametrize(
    ("hours", "said"),
    [(1, ""), (30, "over a day"), (80, "no result is better than yellow")],
)
async def test_the_doctor_tells_the_age_of_the_list_in_words(
    hub: Hub, hours: int, said: str
) -> None:
    assert (await trust(hub))[0][1].startswith("none")
    await begin(hub, 3, listed(CERTIFICATES[0], hours=hours))
    (_, found, advice) = (await trust(hub))[0]
    assert found.startswith(f"3, {hours} h old")
    assert said in found
    assert bool(advice) == bool(said)


async def test_a_list_the_hub_did_not_sign_is_found(hub: Hub, place: DatabaseTarget) -> None:
    await begin(hub, 1, listed(CERTIFICATES[0]))
    await overwritten(hub, place, "{}")
    assert "not what the hub signed" in (await trust(hub))[0][1]
    assert [one["facts"]["freshness"] for one in await alerts(hub, place)] == [None]


async def test_fetches_are_counted_by_what_came_of_them(hub: Hub, publisher: Publisher) -> None:
    def counted(outcome: str) -> float | None:
        labels = {"hub": hub.hub_id, "source": "main", "outcome": outcome}
        return REGISTRY.get_sample_value("twinstile_trust_fetches_total", labels)

    main = source(hub, publisher)
    publisher.publish(listed(CERTIFICATES[0]))
    await fetch(hub, main)
    await fetch(hub, main, after=timedelta(hours=2))
    publisher.status, publisher.etag = "500 Oh", "other"
    await fetch(hub, main, after=timedelta(hours=4))
    assert [counted(one) for one in ("new", "same", "failed")] == [1, 1, 1]


async def test_what_providers_answer_is_counted_without_what_was_asked(tmp_path: Path) -> None:
    def counted(outcome: str) -> float:
        labels = {"provider": "here", "outcome": outcome}
        return REGISTRY.get_sample_value("twinstile_provider_seconds_count", labels) or 0

    before = counted("answered"), counted("not-asked")
    codes = {"CANARY8": code("generic-rest", GREEN["generic-rest"])}
    async with asked(tmp_path, "generic-rest", codes) as (provider, _):
        await provider.verify("CANARY8", Context(clock.now(), TRAVELLER, None))
        await provider.verify("x" * 5000, Context(clock.now(), TRAVELLER, None))
    assert (counted("answered"), counted("not-asked")) == (before[0] + 1, before[1] + 1)
    told = [sample for one in REGISTRY.collect() for sample in one.samples]
    assert "CANARY8" not in json.dumps([sample.labels for sample in told])


async def test_the_doctor_tells_which_providers_answer_and_by_what_clock(
    hub: Hub, tmp_path: Path
) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        date = format_datetime(clock.now() + timedelta(minutes=10), usegmt=False)
        head = f"HTTP/1.1 405 No\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close"
        writer.write(f"{head}\r\n\r\n".encode())
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    (tmp_path / "secret").write_bytes(SHARED)
    shared = f'profile = "generic-rest"\ninside = true\nsecret_file = "{tmp_path}/secret"\n'
    told = tmp_path / "providers.toml"
    told.write_text(
        f'[[provider]]\nname = "late"\nurl = "http://127.0.0.1:{port}"\nprefixes = ["L:"]\n'
        f'{shared}[[provider]]\nname = "gone"\nurl = "http://127.0.0.1:1"\n{FORM}\n{shared}'
    )
    own = hub.runtime.settings.model_copy(update={"providers_file": told})
    late, gone = await doctor_credentials.providers(own)
    server.close()
    assert late[0] == "provider: late"
    assert "its clock" in late[1]
    assert "NTP" in late[2]
    assert gone[:2] == ("provider: gone", "not reached (connect-failed)")
