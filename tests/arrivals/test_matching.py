"""Who comes to a lane and who was announced: matched by documents, and by nothing else."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import access_log_reader
import feed_deliveries
import people
import pytest
import screening_states
from feed_service import station
from hubs import Hub
from people import Json
from reminded_runs import Run, announced

from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.screening import expectations, unmatched_alerts


def passport(number: str) -> Json:
    return {
        "kind": "PASSPORT",
        "number": number,
        "issuer": "UTO",
        "name": "ZHANG WEI",
        "birth_date": "1990-01-01",
    }


def permit(number: str) -> Json:
    return {"kind": "HK_MACAU_PERMIT", "number": number, "name": "张伟"}


async def link(hub: Hub, one: Json, other: Json) -> None:
    claim = {
        "document": one,
        "other": other,
        "evidence": "BOTH_DOCUMENTS_SHOWN",
        "purpose": "IDENTIFICATION",
        "reason": "both shown",
    }
    answer = await hub.client(Role.ASSISTANT).put(f"/v1/links/{people.new_id()}", json=claim)
    assert answer.status_code == 200, answer.text


async def shown(hub: Hub, document: Json, **more: object) -> Json:
    identity = {"document": document, "result": "MATCH"}
    answer = await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(identity=identity, **more)
    )
    assert answer.status_code == 201, answer.text
    whole = await hub.client().get(f"/v1/screenings/{answer.json()['screening_id']}")
    told: Json = whole.json()
    return told


async def figures(run: Run) -> tuple[int, int, int]:
    """Expected, screened, outstanding."""
    client = run.hub.client(Role.SUPERVISOR)
    told = (await client.get(f"/v1/runs/{run.run_id}/expectations")).json()
    return told["expected"], told["screened"], told["outstanding"]


async def test_who_shows_another_document_than_the_list_names_is_the_one_expected(
    hub: Hub,
) -> None:
    run, one, other = await announced(hub), passport("L898902M1"), permit("H00000101")
    await run.land([{"entry_id": "1", "document": one}])
    await link(hub, one, other)
    told = await shown(hub, other)
    assert (told["run_id"], await figures(run)) == (str(run.run_id), (1, 1, 0))


async def test_the_same_name_and_birthday_match_nobody(hub: Hub) -> None:
    run = await announced(hub)
    await run.land([{"entry_id": "1", "document": passport("L898902M2")}])
    told = await shown(hub, passport("L898902M3"))
    assert (told["run_id"], await figures(run)) == (None, (1, 0, 1))


async def test_of_two_documents_on_a_list_the_one_shown_is_matched(hub: Hub) -> None:
    run, one, other = await announced(hub), passport("L898902M4"), permit("H00000104")
    await link(hub, one, other)
    await run.land([{"entry_id": "1", "document": one}, {"entry_id": "2", "document": other}])
    first = await shown(hub, other)
    async with hub.runtime.database.reading() as tx:
        row = await tx.raw.fetchrow(
            "SELECT entry_id FROM screening WHERE hub_id = $1 AND screening_id = $2::uuid",
            hub.hub_id,
            first["screening_id"],
        )
    assert row
    assert row[0] == "2"


async def test_who_is_linked_after_passing_is_no_no_show(hub: Hub) -> None:
    run, one, other = await announced(hub), passport("L898902M5"), permit("H00000105")
    await run.land([{"entry_id": "1", "document": one}])
    await shown(hub, other)
    await link(hub, one, other)
    async with hub.runtime.database.transaction() as tx:
        assert await expectations.close_run(tx, hub.hub_id, run.run_id, clock.now()) == 0


async def read(hub: Hub, path: str, role: str = Role.ASSISTANT) -> Json:
    answer = await hub.client(role).get(path)
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()
    return told


async def test_the_desk_sees_the_seats_of_who_has_not_come_and_no_names(hub: Hub) -> None:
    run = await announced(hub)
    papers = [passport(f"L898902N{n}") for n in range(3)]
    await run.land(
        [
            {"entry_id": str(n), "document": paper, "coach": "08", "seat": f"{n}A"}
            for n, paper in enumerate(papers)
        ]
    )
    await shown(hub, papers[1])
    path = f"/v1/runs/{run.run_id}/outstanding"
    told = await read(hub, path)
    seats = [(one["entry_id"], one["coach"], one["seat"]) for one in told["entries"]]
    assert seats == [("0", "08", "0A"), ("2", "08", "2A")]
    assert "ZHANG" not in str(told)
    async with hub.runtime.database.transaction() as tx:
        await expectations.close_run(tx, hub.hub_id, run.run_id, clock.now())
    assert (await read(hub, path))["entries"] == []
    unknown = await hub.client().get(f"/v1/runs/{people.new_id()}/outstanding")
    assert unknown.status_code == 404


async def test_who_has_not_come_is_named_for_a_purpose_and_who_has_is_not(hub: Hub) -> None:
    run, absent, here = await announced(hub), passport("L898902P1"), passport("L898902P2")
    await run.land([{"entry_id": "1", "document": absent}, {"entry_id": "2", "document": here}])
    await shown(hub, here)
    path = f"/v1/runs/{run.run_id}/outstanding:reveal"
    supervisor = hub.client(Role.SUPERVISOR)
    purpose = {"purpose": "FOLLOW_UP", "reason": "not on the platform"}
    refused = await supervisor.post(path, json={"entry_id": "1"})
    assert refused.json()["type"] == "/problems/purpose-required"
    told = await supervisor.post(path, json={"entry_id": "1", **purpose})
    assert (told.status_code, told.json()["document_number"]) == (200, "L898902P1")
    came = await supervisor.post(path, json={"entry_id": "2", **purpose})
    assert came.status_code == 404
    (row,) = await access_log_reader.reads(hub)
    assert (row["action"], row["purpose"]) == ("REVEAL", "FOLLOW_UP")


FEEDS = """
    [[feed]]
    name = "rail-lists"
    hub = "HUB"
    department = "rail"
    format = "test"
    interval_s = 60
    [feed.transport]
    kind = "folder"
    path = "HERE"
"""


async def test_figures_say_how_old_the_lists_are(
    hub: Hub, place: DatabaseTarget, tmp_path: Path
) -> None:
    feed_deliveries.use()
    async with station(hub, place, tmp_path, FEEDS) as here:
        run = await announced(here)
        for path in ("expectations", "outstanding"):
            told = await read(here, f"/v1/runs/{run.run_id}/{path}")
            assert told["sources"] == [{"source": "rail-lists", "as_of": None, "stale": True}]


async def come(hub: Hub, count: int, of: Sequence[Json] = ()) -> None:
    """So many come, the first of them on the list."""
    for n in range(count):
        await shown(hub, of[n] if n < len(of) else people.document())


async def alerted(hub: Hub, limit: float, after: timedelta = timedelta()) -> Sequence[Json]:
    async with hub.runtime.database.transaction() as tx:
        await unmatched_alerts.look(tx, hub.hub_id, limit, clock.now() + after)
    path = "/v1/alerts?kind=UNMATCHED"
    told: Sequence[Json] = (await read(hub, path, Role.DUTY_COMMANDER))["alerts"]
    return told


async def test_many_on_no_list_are_an_alert_until_they_are_few(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unmatched_alerts, "LEAST", 4)
    papers = [passport(f"L898902Q{n}") for n in range(4)]
    await come(hub, 3)
    run = await screening_states.expect(hub)
    assert await alerted(hub, 0.5) == []  # nobody is on a list that names nobody
    manifest = [{"entry_id": str(n), "document": paper} for n, paper in enumerate(papers)]
    landed = await hub.client(Role.SUPERVISOR).put(
        f"/v1/runs/{run}/manifest", json={"batch": 2, "entries": manifest}
    )
    assert landed.status_code == 200
    assert await alerted(hub, 0.5) == []  # three are too few to tell
    await come(hub, 1, papers)
    assert await alerted(hub, 0.8) == []
    (alert,) = await alerted(hub, 0.5)
    assert alert["facts"] == {"passed": 4, "unmatched": 3, "minutes": 30}
    await come(hub, 1, papers[1:])
    assert len(await alerted(hub, 0.7)) == 1  # 0.6, and it does not flutter
    assert await alerted(hub, 0.7, timedelta(minutes=31)) == []
