"""Opening cases, on a real database."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

import database_sessions
import fever_cases
import people
import pytest
from hubs import Hub
from test_episodes import link

from twinstile.cases import referrals
from twinstile.cases.referrals import Opening
from twinstile.cases.types import CaseOrigin
from twinstile.identity import retention, vault
from twinstile.identity.types import Document, DocumentHolder, DocumentKind, Sex
from twinstile.identity.vault import Identity
from twinstile.operations.startup import DatabaseTarget
from twinstile.platform.ledger import events
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role

SHANGHAI = ZoneInfo("Asia/Shanghai")
LATE_EVENING = datetime(2026, 11, 24, 15, 59, 59, tzinfo=UTC)  # 23:59:59 at the hub


def opening(at: datetime = LATE_EVENING) -> Opening:
    return Opening(uuid4(), uuid4(), None, None, CaseOrigin.CONFIRMED_ABNORMAL, at, 378, 386)


async def open_all(hub: Hub, *openings: Opening, at: datetime = LATE_EVENING) -> list[str]:
    """The case numbers of the openings, in order, as one transaction gives them."""
    async with hub.runtime.database.transaction() as tx:
        cases = await referrals.open_cases(
            tx,
            hub.runtime.keys.of(hub.hub_id),
            hub.hub_id,
            SHANGHAI,
            openings,
            at,
        )
    return [cases[o.screening_id][1] for o in openings]


async def test_cases_are_numbered_by_the_day_of_the_hub(hub: Hub) -> None:
    assert await open_all(hub, opening(), opening()) == ["20261124-001", "20261124-002"]
    assert await open_all(hub, opening()) == ["20261124-003"]
    midnight = LATE_EVENING + timedelta(seconds=1)
    assert await open_all(hub, opening(), at=midnight) == ["20261125-001"]


async def test_a_screening_that_has_a_case_keeps_it(hub: Hub) -> None:
    old, new = opening(), opening()
    (number,) = await open_all(hub, old)
    again = replace(old, case_id=uuid4(), origin=CaseOrigin.CLINICIAN)
    assert await open_all(hub, again, new) == [number, "20261124-002"]
    whole = await fever_cases.read(hub, str(old.case_id))
    assert (whole["case_no"], whole["origin"]) == (number, "CONFIRMED_ABNORMAL")


async def test_one_screening_named_twice_is_one_case(hub: Hub) -> None:
    twice = opening()
    numbers = await open_all(hub, twice, replace(twice, case_id=uuid4()))
    assert numbers == ["20261124-001"] * 2


@pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=1)], ids=["day", "midnight"])
async def test_who_comes_second_under_another_document_waits_and_joins_the_first_ones_case(
    hub: Hub, place: DatabaseTarget, later: timedelta
) -> None:
    """Two processes decide two linked documents at one instant; after midnight too."""
    await link(hub, people.resident_number(), people.resident_number())
    async with hub.runtime.database.reading() as tx:
        (pair,) = await tx.raw.fetch(
            "SELECT person_id, other_person_id FROM person_link WHERE hub_id = $1", hub.hub_id
        )
    for one, other in (pair, reversed(pair)):
        first, second = (replace(opening(), person_id=who) for who in (one, other))
        async with hub.runtime.database.transaction() as tx:
            keys = hub.runtime.keys.of(hub.hub_id)
            await referrals.open_cases(tx, keys, hub.hub_id, SHANGHAI, [first], LATE_EVENING)
            coming = asyncio.create_task(open_all(hub, second, at=LATE_EVENING + later))
            await database_sessions.until_one_waits(place)
        (number,) = await coming
        whole = await fever_cases.read(hub, str(first.case_id))
        assert (number, len(whole["alarms"])) == (whole["case_no"], 1)
        assert (await fever_cases.move(hub, str(first.case_id), "excluded")).status_code == 200


@pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=1)], ids=["day", "midnight"])
async def test_who_comes_second_to_a_screening_waits_and_gets_the_first_ones_case(
    hub: Hub, place: DatabaseTarget, later: timedelta
) -> None:
    first = opening()
    second = replace(first, case_id=uuid4())
    async with hub.runtime.database.transaction() as tx:
        keys = hub.runtime.keys.of(hub.hub_id)
        await referrals.open_cases(tx, keys, hub.hub_id, SHANGHAI, [first], LATE_EVENING)
        coming = asyncio.create_task(open_all(hub, second, opening(), at=LATE_EVENING + later))
        await database_sessions.until_one_waits(place)
    number, of_another = await coming
    assert number == "20261124-001"
    assert of_another > number
    listed = await hub.client(Role.MEDIC).get("/v1/cases")
    assert len(listed.json()["cases"]) == 2


async def test_alarms_of_one_person_are_one_open_case(hub: Hub) -> None:
    person = uuid4()
    alarms = [replace(opening(), person_id=person, peak_tenths=380 + n) for n in range(4)]
    numbers = await asyncio.gather(*(open_all(hub, alarm) for alarm in alarms))
    assert {number for (number,) in numbers} == {numbers[0][0]}
    listed = (await hub.client(Role.MEDIC).get("/v1/cases")).json()["cases"]
    assert [case["peak_c"] for case in listed] == [38.3]
    whole = await fever_cases.read(hub, listed[0]["case_id"])
    assert len(whole["alarms"]) == 3
    await fever_cases.move(hub, listed[0]["case_id"], "not_fever")
    assert await open_all(hub, replace(opening(), person_id=person)) != numbers[0]


async def test_keys_that_were_lost_cost_the_name_in_a_case_and_no_check(hub: Hub) -> None:
    """As after a restore of keys of the day before: the day has another key by then."""
    number, keys = people.resident_number(), hub.runtime.keys.of(hub.hub_id)
    await hub.client().put(f"/v1/checks/{people.new_id()}", json=people.check(1, number))
    (day,) = keys.names("day.")
    keys._path(day).unlink()  # no tombstone: nobody destroyed it
    told = await fever_cases.confirmed(hub, number)
    assert told["case_no"]
    unknown = await fever_cases.reveal(hub, str(told["case_id"]))
    assert unknown.status_code == 404


async def test_no_number_is_given_out_twice_to_ten_at_once(hub: Hub) -> None:
    numbers = await asyncio.gather(*(open_all(hub, opening(), opening()) for _ in range(10)))
    given = sorted(number for found in numbers for number in found)
    assert given == [f"20261124-{n:03}" for n in range(1, 21)]


async def test_the_thousandth_case_of_a_day_gets_a_longer_number(hub: Hub) -> None:
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute("INSERT INTO case_day VALUES ($1, '20261124', 999)", hub.hub_id)
    assert await open_all(hub, opening(), opening()) == ["20261124-1000", "20261124-1001"]


async def test_a_new_case_is_to_be_assessed_within_half_an_hour_and_is_announced(
    hub: Hub,
) -> None:
    seen_offline = replace(opening(), opened_at=LATE_EVENING - timedelta(hours=5))
    await open_all(hub, seen_offline)
    whole = await fever_cases.read(hub, str(seen_offline.case_id))
    assert whole["state"] == "ASSESSING"
    assert whole["opened_at"] == "2026-11-24T10:59:59Z"
    assert whole["due_at"] == "2026-11-24T16:29:59Z"
    assert (whole["first_c"], whole["peak_c"]) == (37.8, 38.6)
    async with hub.runtime.database.reading() as tx:
        (told,) = await events.of_subject(
            tx, hub.hub_id, seen_offline.case_id, ["case.opened"], 10
        )
    assert told.body == {
        "case_no": "20261124-001",
        "screening_id": str(seen_offline.screening_id),
        "origin": "CONFIRMED_ABNORMAL",
    }


async def test_what_rolls_back_opens_nothing(hub: Hub) -> None:
    async with hub.runtime.database.transaction() as tx:
        keys = hub.runtime.keys.of(hub.hub_id)
        await referrals.open_cases(tx, keys, hub.hub_id, SHANGHAI, [opening()], LATE_EVENING)
        await tx.raw.execute("ROLLBACK AND CHAIN")
    assert await open_all(hub, opening()) == ["20261124-001"]


@pytest.mark.parametrize(
    ("born", "age"),
    [
        (date(1990, 11, 25), 36),  # it is the 25th at the hub already
        (date(1990, 11, 26), 35),
        (date(2026, 11, 25), 0),
        (date(2026, 11, 26), None),  # misread: not born yet
        (date(1880, 1, 1), None),
        (date(2024, 2, 29), 2),
        (None, None),
    ],
)
async def test_the_age_is_that_of_the_day_of_opening(
    hub: Hub, born: date | None, age: int | None
) -> None:
    keys, day = hub.runtime.keys.of(hub.hub_id), date(2026, 11, 25)
    midnight = LATE_EVENING + timedelta(seconds=1)
    patient = Identity(
        Document(DocumentKind.PASSPORT, "E00000000", "CHN"),
        DocumentHolder(None, born, Sex.FEMALE),
    )
    async with hub.runtime.database.transaction() as tx:
        (person_id,) = await vault.recognise(tx, keys, hub.hub_id, day, [patient])
    case = replace(opening(midnight), person_id=person_id)
    await open_all(hub, case, at=midnight)
    whole = await fever_cases.read(hub, str(case.case_id))
    assert (whole["age_years"], whole["sex"]) == (age, "FEMALE")


async def test_somebody_whose_identity_was_destroyed_still_gets_a_case(hub: Hub) -> None:
    keys, day = hub.runtime.keys.of(hub.hub_id), date(2026, 11, 24)
    patient = Identity(
        Document(DocumentKind.PASSPORT, "E00000000", "CHN"), DocumentHolder("EXAMPLE")
    )
    async with hub.runtime.database.transaction() as tx:
        (person_id,) = await vault.recognise(tx, keys, hub.hub_id, day, [patient])
    keys.destroy(vault.day_key(day))
    case = replace(opening(), person_id=person_id)
    assert await open_all(hub, case) == ["20261124-001"]
    answer = await fever_cases.reveal(hub, str(case.case_id))
    assert answer.status_code == 404


async def test_a_person_whose_day_was_purged_sinks_no_case(hub: Hub) -> None:
    keys, day = hub.runtime.keys.of(hub.hub_id), date(2026, 11, 24)
    patient = Identity(
        Document(DocumentKind.PASSPORT, "E00000000", "CHN"), DocumentHolder("EXAMPLE")
    )
    async with hub.runtime.database.transaction() as tx:
        (person_id,) = await vault.recognise(tx, keys, hub.hub_id, day, [patient])
    later = LATE_EVENING + timedelta(days=15)
    purge = await retention.run(hub.runtime.database, keys, hub.hub_id, SHANGHAI, 14, later)
    assert purge.people == 1
    late = replace(opening(), person_id=person_id)
    assert await open_all(hub, late, opening()) == ["20261124-001", "20261124-002"]


async def test_a_check_that_confirms_a_fever_opens_a_case_and_its_resend_no_second(
    hub: Hub,
) -> None:
    number = people.resident_number(born="20190301")
    told = await fever_cases.confirmed(hub, number)
    today = clock.now().astimezone(SHANGHAI)
    assert told["case_no"] == f"{today:%Y%m%d}-001"
    whole = await fever_cases.read(hub, str(told["case_id"]))
    assert whole["screening_id"] == told["screening_id"]
    born = date(2019, 3, 1)
    had_birthday = (today.month, today.day) >= (born.month, born.day)
    assert whole["age_years"] == today.year - born.year - (not had_birthday)
    once_more = people.check(number=number, temperature={"value": 39.0, "method": "ORAL"})
    again = await hub.client(Role.MEDIC).put(f"/v1/checks/{people.new_id()}", json=once_more)
    assert again.json()["case_id"] == told["case_id"]
