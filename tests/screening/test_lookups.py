"""Finding a person at the desk by the document they show: exact, on the record, few times."""

import asyncio
from datetime import timedelta

import fever_cases
import people
import pytest
from access_log_reader import look_up, reads
from asyncpg import InsufficientPrivilegeError
from hubs import PASSCODE, Duty, Hub, open_hub
from refusals import refused

from twinstile.identity import vault
from twinstile.platform.ledger import events
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.screening import lookups


async def passage(hub: Hub, number: str) -> people.Json:
    answer = await hub.client().put(
        f"/v1/checks/{people.new_id()}", json=people.check(number=number)
    )
    assert answer.status_code == 201, answer.text
    told: people.Json = answer.json()
    return told


async def used(hub: Hub, duty: Duty, times: int, **ago: float) -> None:
    """Look-ups that operator made before."""
    at = clock.now() - timedelta(**ago)
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "INSERT INTO access (hub_id, access_id, at, operator_id, roles, action, purpose,"
            " fields, rows, outcome) SELECT $1, gen_random_uuid(), $2, $3, '{}', 'LOOK_UP',"
            " 'IDENTIFICATION', '{}', 0, 'NOTHING' FROM generate_series(1, $4)",
            hub.hub_id,
            at,
            duty.operator_id,
            times,
        )


@pytest.mark.parametrize("role", [Role.ASSISTANT, Role.MEDIC, Role.SUPERVISOR])
async def test_the_desk_finds_whoever_shows_the_document(hub: Hub, role: Role) -> None:
    number = people.resident_number()
    held = await fever_cases.confirmed(hub, number)
    answer = await look_up(hub, number, role)
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    (screening,) = told.pop("screenings")
    (read,) = await reads(hub)
    assert told.pop("findings") == ["SYNTHETIC", "VALID"]
    assert told.pop("sources") == []
    assert told == {"lookup_id": read["access_id"], "known": True, "name": "张*", "left": 19}
    assert (screening["screening_id"], screening["case_id"], screening["state"]) == (
        held["screening_id"],
        held["case_id"],
        "HELD",
    )
    assert number not in answer.text
    duty = hub.duties[role]
    assert (read["operator_id"], read["shift_id"]) == (
        str(duty.operator_id),
        str(duty.shift_id),
    )
    assert (read["action"], read["purpose"], read["outcome"], read["rows"]) == (
        "LOOK_UP",
        "IDENTIFICATION",
        "SHOWN",
        1,
    )
    assert read["subject_id"] not in {None, held["screening_id"], held["case_id"]}


async def test_a_person_met_in_the_epoch_before_is_found(hub: Hub) -> None:
    number = people.resident_number()
    await passage(hub, number)
    # as if two weeks had passed: what knows the document now is the key of the last epoch
    keys, folder = hub.runtime.keys.of(hub.hub_id), hub.runtime.keys._folder / hub.hub_id
    (present,) = keys.names("epoch.")
    last = vault.epoch_key(int(present.removeprefix("epoch.")) - 1)
    (folder / f"{present}.key").rename(folder / f"{last}.key")
    keys._cache.clear()
    assert (await look_up(hub, number)).json()["known"]
    keys.destroy(last)
    assert not (await look_up(hub, number)).json()["known"]


async def test_a_part_of_a_number_or_another_finds_nobody(hub: Hub) -> None:
    number = people.resident_number()
    await passage(hub, number)
    for other in (number[:17], number[:6], people.resident_number()):
        assert not (await look_up(hub, other)).json()["known"]
    assert [read["outcome"] for read in await reads(hub)] == ["NOTHING"] * 3


async def test_there_is_no_search_by_name(hub: Hub) -> None:
    await passage(hub, people.resident_number())
    body = {"document": {"kind": "RESIDENT_ID", "name": "张伟"}, "purpose": "IDENTIFICATION"}
    answer = await hub.client(Role.ASSISTANT).post("/v1/lookups", json=body)
    assert refused(answer, 422, "invalid-input")


async def test_another_hubs_traveller_is_as_unknown_as_nobody(hub: Hub) -> None:
    number = people.resident_number()
    await passage(await open_hub(hub.runtime, hub.service), number)
    theirs, nobodys = [
        (await look_up(hub, each)).json() for each in (number, people.resident_number())
    ]
    assert theirs.pop("lookup_id") != nobodys.pop("lookup_id")
    assert (theirs.pop("left"), nobodys.pop("left")) == (19, 18)
    assert theirs == nobodys
    nothing = {"known": False, "name": None, "screenings": [], "sources": []}
    assert theirs == {**nothing, "findings": ["SYNTHETIC", "VALID"]}
    assert {read["subject_id"] for read in await reads(hub)} == {None}


@pytest.mark.parametrize("purpose", [None, "INVESTIGATION", "HANDOVER"])
async def test_nobody_is_looked_up_without_a_purpose_that_fits(
    hub: Hub, purpose: str | None
) -> None:
    answer = await look_up(hub, people.resident_number(), purpose=purpose)
    assert refused(answer, 403, "purpose-required") == []
    assert await reads(hub) == []


async def test_somebody_who_tries_numbers_is_stopped_after_twenty_and_told_on_once(
    hub: Hub,
) -> None:
    numbers = [people.resident_number() for _ in range(30)]
    answers = [await look_up(hub, number) for number in numbers]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429] * 10
    assert [answer.json()["left"] for answer in answers[:20]] == list(range(19, -1, -1))
    for stopped in answers[20:]:
        told = stopped.json()
        assert (told["type"], told["retryable"], told["stored"]) == (
            "/problems/lookup-quota",
            True,
            False,
        )
        assert 590 <= int(stopped.headers["Retry-After"]) <= 600
    logged = await reads(hub)
    assert [read["outcome"] for read in logged] == ["REFUSED"] + ["NOTHING"] * 20
    operator_id = hub.duties[Role.ASSISTANT].operator_id
    async with hub.runtime.database.reading() as tx:
        (alarm,) = await events.of_subject(
            tx, hub.hub_id, operator_id, [lookups.QUOTA_REACHED], 10
        )
    assert alarm.body == {"access_id": logged[0]["access_id"]}
    assert (await reads(hub, outcome="REFUSED")) == logged[:1]
    # others are not stopped
    assert (await look_up(hub, numbers[0], Role.MEDIC)).status_code == 200


async def test_requests_at_the_same_moment_get_no_more_than_the_quota(hub: Hub) -> None:
    answers = await asyncio.gather(*(look_up(hub, people.resident_number()) for _ in range(40)))
    stati = sorted(answer.status_code for answer in answers)
    assert stati.count(200) <= 20
    assert set(stati) <= {200, 429, 503}  # in such a rush some may find no connection
    assert [read["outcome"] for read in await reads(hub)].count("NOTHING") == stati.count(200)


async def test_the_quota_follows_a_person_to_another_device_and_shift(hub: Hub) -> None:
    duty = hub.duties[Role.ASSISTANT]
    await used(hub, duty, 20, minutes=3)
    device = hub.service.client(hub.duties[Role.MEDIC].device_token)
    signed = await device.post("/v1/shifts", json={"login": duty.login, "passcode": PASSCODE})
    assert signed.status_code == 201, signed.text
    elsewhere = hub.service.client(signed.json()["token"])
    body = {
        "document": people.document(people.resident_number()),
        "purpose": "IDENTIFICATION",
    }
    stopped = await elsewhere.post("/v1/lookups", json=body)
    assert stopped.status_code == 429
    assert 410 <= int(stopped.headers["Retry-After"]) <= 420


async def test_look_ups_long_ago_are_forgiven(hub: Hub) -> None:
    await used(hub, hub.duties[Role.ASSISTANT], 20, minutes=11)
    answer = await look_up(hub, people.resident_number())
    assert (answer.status_code, answer.json()["left"]) == (200, 19)


async def test_a_hundred_a_shift_are_enough(hub: Hub) -> None:
    duty = hub.duties[Role.ASSISTANT]
    await used(hub, duty, 99, hours=11)
    assert (await look_up(hub, people.resident_number())).json()["left"] == 0
    stopped = await look_up(hub, people.resident_number())
    assert stopped.status_code == 429
    assert 3500 <= int(stopped.headers["Retry-After"]) <= 3600


async def test_after_the_day_is_destroyed_the_person_is_known_without_a_name(hub: Hub) -> None:
    number = people.resident_number()
    done = await passage(hub, number)
    keys = hub.runtime.keys.of(hub.hub_id)
    for day in keys.names("day."):
        keys.destroy(day)
    told = (await look_up(hub, number)).json()
    assert (told["known"], told["name"]) == (True, None)
    assert [each["screening_id"] for each in told["screenings"]] == [done["screening_id"]]


async def test_a_row_of_the_log_cannot_be_taken_back(hub: Hub) -> None:
    await look_up(hub, people.resident_number())
    for change in ("DELETE FROM access", "UPDATE access SET operator_id = NULL"):
        with pytest.raises(InsufficientPrivilegeError):
            async with hub.runtime.database.transaction() as tx:
                await tx.raw.execute(change)
    assert len(await reads(hub)) == 1
