"""A practice hub stands beside a real one and never touches it; a backlog finds its own hub."""

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import apart
import fever
import linelists
import people
import pytest
from commands import command
from httpx2 import Response
from hubs import DEVICE, Hub, Service, open_hub
from refusals import footprint, refused

from twinstile import practice, sunset
from twinstile.export import aggregates
from twinstile.opening import Place
from twinstile.platform import clock
from twinstile.platform.errors import Conflict, NotFound
from twinstile.platform.modes import HubMode
from twinstile.platform.roles import Role
from twinstile.platform.web import House

place, house, service = apart.place, apart.house, apart.service

REAL = people.possible_number()


def of(hub: Hub) -> House:
    """The house as the operator of that hub runs it."""
    named = hub.house.settings.model_copy(update={"hub_id": hub.hub_id, "hub_name": "North"})
    return House(named, hub.house.database, hub.house.gatekeeper, hub.house.keys)


@pytest.fixture(scope="module")
async def real(house: House, service: Service) -> Hub:
    return await open_hub(house, service, HubMode.PRODUCTION)


@pytest.fixture(scope="module")
async def drill(house: House, service: Service) -> Hub:
    return await open_hub(house, service, HubMode.PRACTICE)


async def sign_in(service: Service, code: str, login: str, passcode: str) -> Response:
    answer = await service.client().post("/v1/devices:enrol", json={"code": code, "name": "t"})
    return await service.client(answer.json()["token"]).post(
        "/v1/shifts", json={"login": login, "passcode": passcode}
    )


async def test_a_practice_hub_has_the_lanes_and_the_policy_and_nobody_of_the_real_one(
    real: Hub, place: Place, tmp_path: Path
) -> None:
    before = await footprint(real)
    opened = await practice.create(of(real), clock.now(), each=1)
    assert len(opened.hub_id) <= 31
    assert set(opened.passcodes) == {f"{role.value.replace('_', '-')}-1" for role in Role}
    signed = await sign_in(
        real.service, opened.enrolment_code, "screener-1", opened.passcodes["screener-1"]
    )
    client = real.service.client(signed.json()["token"])
    me = (await client.get("/v1/me")).json()
    assert (me["hub_id"], me["mode"]) == (opened.hub_id, "PRACTICE")
    lanes = (await client.get("/v1/lanes")).json()
    assert lanes == (await real.client().get("/v1/lanes")).json()
    policies = (await client.get("/v1/policies")).json()["policies"]
    theirs = (await real.client().get("/v1/policies")).json()["policies"]
    assert [p["version"] for p in policies] == [p["version"] for p in theirs]
    with pytest.raises(Conflict, match="lives already"):
        await practice.create(of(real), clock.now(), each=1)

    ended = await practice.living(of(real))
    assert ended == opened.hub_id
    house = of(real)
    await sunset.run(house, place, ended, tmp_path, clock.now(), settle_s=0)
    real.house.gatekeeper.forget()
    late = await client.put(f"/v1/checks/{people.new_id()}", json=people.check())
    assert refused(late, 403, "hub-closed") == []
    with pytest.raises(NotFound):
        await practice.living(house)
    again = await practice.create(house, clock.now(), each=1)
    assert again.hub_id not in {opened.hub_id, real.hub_id}
    async with house.database.reading() as tx:
        found = await practice.of_hub(tx, real.hub_id)
    assert [hub.closed_at is None for hub in found] == [False, True]
    assert await footprint(real) == before


@pytest.mark.parametrize("hub_id", ["hub", "a-station-with-a-long-name-31ch"])
def test_ids_of_practice_hubs_fit_and_tell_hubs_apart(hub_id: str) -> None:
    assert len(practice.stem(hub_id)) <= 28
    assert practice.stem(hub_id) != practice.stem(f"{hub_id[:-1]}x")


def test_the_list_tells_which_lives_and_when_the_others_ended() -> None:
    opened, ended = (
        datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
        datetime(2026, 11, 24, 9, 5, tzinfo=UTC),
    )
    first = practice.Practice("hub-practice-1", opened, ended)
    second = practice.Practice("hub-practice-2", ended, None)
    assert practice.listed([]) == ["There is no practice hub yet."]
    assert practice.listed([first, second]) == [
        "hub-practice-1  opened 2026-11-24 08:00 UTC, ended 2026-11-24 09:05 UTC",
        "hub-practice-2  opened 2026-11-24 09:05 UTC, lives",
    ]


async def test_practice_has_no_practice_of_its_own(drill: Hub) -> None:
    with pytest.raises(Conflict, match="itself"):
        await practice.create(of(drill), clock.now(), each=1)


def test_practice_stands_beside_an_installation(tmp_path: Path) -> None:
    refusal = command(tmp_path, "practice", "create", "--data-dir", tmp_path / "data")
    assert refusal.returncode == 1
    assert "There is no hub" in refusal.stderr
    assert not (tmp_path / "data").exists()


async def test_everything_that_leaves_practice_says_so(drill: Hub) -> None:
    told = await fever.confirmed(drill)
    assert str(told["case_no"]).startswith("P20")
    span = linelists.period(clock.now() - linelists.DAY, clock.now() + linelists.DAY)
    exported = await linelists.export(drill, span)
    assert 'filename="PRACTICE-cases-' in exported.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert {row["hub_mode"] for row in rows} == {"PRACTICE"}
    assert {row["case_no"][0] for row in rows} == {"P"}
    report = await drill.client(Role.SUPERVISOR).get(f"/v1/reports/period?{span}")
    assert report.json()["mode"] == report.headers["hub-mode"] == "PRACTICE"
    text = await aggregates.by_month(
        drill.house.database, drill.hub_id, of(drill).settings.zone, clock.now()
    )
    assert {row["hub_mode"] for row in csv.DictReader(io.StringIO(text))} == {"PRACTICE"}


async def test_nobody_outside_hears_of_practice(drill: Hub) -> None:
    answer = await drill.client(Role.ADMINISTRATOR).post(
        "/v1/partners", json={"name": "City health commission", "kind": "health"}
    )
    assert refused(answer, 403, "not-in-practice") == []
    assert (await footprint(drill))["partner"] == 0


def backlog(made_for: str | None, *numbers: str) -> people.Json:
    items = [
        {
            "kind": "check",
            "id": str(people.new_id()),
            "counter": counter,
            "body": people.fact(number, offline=True),
        }
        for counter, number in enumerate(numbers, 1)
    ]
    return {"sent_at": people.now(), "items": items} | (
        {"made_for": made_for} if made_for else {}
    )


async def hand_over(hub: Hub, body: people.Json) -> Response:
    return await hub.client(DEVICE).post("/v1/facts:batch", json=body)


def facts(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """The tables that have grown, by how much."""
    return {name: after[name] - count for name, count in before.items() if after[name] != count}


async def test_a_backlog_of_practice_is_refused_by_the_real_hub_and_can_be_read(
    real: Hub, drill: Hub
) -> None:
    before = await footprint(real)
    body = backlog(drill.hub_id, people.resident_number(), people.resident_number())
    for _ in range(2):  # a resend is kept once
        answer = await hand_over(real, body)
        assert answer.status_code == 409
        told = answer.json()
        assert (told["type"], told["stored"]) == ("/problems/other-hub", True)
        assert facts(before, await footprint(real)) == {"quarantine": 1}
    supervisor = real.client(Role.SUPERVISOR)
    (kept,) = (await supervisor.get("/v1/quarantine")).json()["facts"]
    assert (kept["code"], kept["kind"]) == ("other-hub", "unknown")
    shown = await supervisor.post(
        f"/v1/quarantine/{kept['quarantine_id']}:reveal", json={"purpose": "DATA_QUALITY"}
    )
    assert shown.json()["item"]["items"] == body["items"]


async def test_a_backlog_of_the_real_hub_leaves_nothing_in_practice(
    real: Hub, drill: Hub
) -> None:
    before = await footprint(drill)
    told = await hand_over(drill, backlog(real.hub_id, REAL))
    assert refused(told, 409, "other-hub") == []
    unsaid = backlog(None, people.resident_number(), REAL)
    faults = refused(await hand_over(drill, unsaid), 422, "real-document-in-practice")
    pointer = "/items/1/body/identity/document/number"
    assert faults == [{"pointer": pointer, "code": "unknown-value"}]
    assert await footprint(drill) == before


async def test_a_backlog_of_one_real_hub_is_not_kept_by_another(real: Hub, hub: Hub) -> None:
    before = await footprint(hub)
    for made_for in (real.hub_id, "nowhere"):
        assert refused(await hand_over(hub, backlog(made_for, REAL)), 409, "other-hub") == []
        check = people.check() | {"made_for": made_for}
        put = await hub.client().put(f"/v1/checks/{people.new_id()}", json=check)
        assert refused(put, 409, "other-hub") == []
    assert await footprint(hub) == before


async def test_a_backlog_that_names_its_own_hub_is_taken(drill: Hub) -> None:
    told = await hand_over(drill, backlog(drill.hub_id, people.resident_number()))
    assert [item["status"] for item in told.json()["items"]] == ["stored"]
    check_id, body = people.new_id(), people.check() | {"made_for": drill.hub_id}
    for status in (201, 200):  # and it is not part of the content
        put = await drill.client().put(f"/v1/checks/{check_id}", json=body)
        assert put.status_code == status
        body = {name: part for name, part in body.items() if name != "made_for"}


async def test_a_tablet_enrolled_twice_has_two_tokens_that_know_nothing_of_each_other(
    real: Hub, drill: Hub
) -> None:
    tokens: list[str] = []
    for hub in (real, drill):
        code = await hub.client(Role.ADMINISTRATOR).post("/v1/enrolments", json={})
        body = {"code": code.json()["code"], "name": "North 3"}
        tokens.append(
            (await hub.service.client().post("/v1/devices:enrol", json=body)).json()["token"]
        )
    seen = [(await real.service.client(token).get("/v1/me")).json() for token in tokens]
    assert [me["mode"] for me in seen] == ["PRODUCTION", "PRACTICE"]
    assert len({me["device_id"] for me in seen}) == 2
