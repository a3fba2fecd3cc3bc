"""Hours without the service: forms keyed in later, and people who were only counted."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

import asyncpg
import line_lists
import people
import pytest
from httpx2 import Response
from hubs import Hub
from refusals import refused

from twinstile.exports import aggregates
from twinstile.platform.security.hub_modes import HubMode
from twinstile.platform.security.roles import Role
from twinstile.web import paper_form_print

COUNTS = ("passed", "fever_suspected", "refused", "not_screened")
NORMAL = {"value": 36.6, "method": "EAR"}
FEVER = {"value": 38.4, "method": "EAR"}


def form(number: str | None = None, **changes: object) -> people.Json:
    seen = people.ago(hours=5)
    body = people.check(1, number, observed_at=seen, lane_id="north-1", temperature=NORMAL)
    return {**body, "check_id": str(people.new_id()), **changes}


async def key(hub: Hub, no: str, body: people.Json, role: Role = Role.ASSISTANT) -> Response:
    return await hub.client(role).put(f"/v1/paper-forms/{no}", json=body)


async def look(hub: Hub, no: str, role: Role, **word: object) -> Response:
    return await hub.client(role).put(f"/v1/paper-forms/{no}/second-look", json=word)


async def pending(hub: Hub) -> list[people.Json]:
    answer = await hub.client(Role.SUPERVISOR).get("/v1/paper-forms?pending=true")
    return answer.json()["forms"]


async def test_a_form_is_a_check_by_the_same_rules_and_is_keyed_once(hub: Hub) -> None:
    body = form()
    first = await key(hub, "A-0001", body)
    assert first.status_code == 201, first.text
    told = first.json()
    assert (told["second_look"], told["check"]["verdict"]) == (False, "PASS")
    stored = (await hub.client().get(f"/v1/checks/{body['check_id']}")).json()
    assert (stored["evidence"]["source"], stored["evidence"]["form_no"]) == ("PAPER", "A-0001")
    assert stored["offline"] is True
    assert stored["operator_id"] == str(hub.duties[Role.ASSISTANT].operator_id)
    again = await key(hub, "A-0001", body)
    assert (again.status_code, again.json()["check"]["status"]) == (200, "duplicate")
    other = await key(hub, "A-0001", form(), Role.SCREENER)
    assert refused(other, 409, "already-exists") == []
    changed = await key(hub, "A-0001", {**body, "temperature": FEVER})
    assert refused(changed, 409, "id-reused") == []
    under_another_number = await key(hub, "A-0002", body)
    assert refused(under_another_number, 409, "already-exists") == []
    assert await pending(hub) == []


async def test_two_desks_keying_one_form_make_one_check(hub: Hub) -> None:
    roles = (Role.ASSISTANT, Role.SCREENER, Role.MEDIC)
    answers = await asyncio.gather(*(key(hub, "B-0001", form(), role) for role in roles))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


async def test_a_fever_on_a_form_waits_for_a_second_person(hub: Hub) -> None:
    body = form(temperature=FEVER)
    told = (await key(hub, "C-0001", body)).json()
    assert (told["second_look"], told["check"]["state"]) == (True, "SECONDARY")
    assert [f["form_no"] for f in await pending(hub)] == ["C-0001"]
    own = await look(hub, "C-0001", Role.ASSISTANT, agrees=True)
    assert refused(own, 403, "forbidden") == []
    unsaid = await look(hub, "C-0001", Role.MEDIC, agrees=False)
    assert refused(unsaid, 422, "invalid-input") == [{"pointer": "", "code": "missing"}]
    for _ in range(2):
        differs = await look(hub, "C-0001", Role.MEDIC, agrees=False, reason="36.4 on paper")
        assert differs.status_code == 204, differs.text
    other = await look(hub, "C-0001", Role.SUPERVISOR, agrees=True)
    assert refused(other, 409, "conflict") == []
    assert await pending(hub) == []
    alerts = await hub.client(Role.SUPERVISOR).get("/v1/alerts?kind=RETROSPECTIVE")
    (alert,) = alerts.json()["alerts"]
    assert alert["facts"] == {"cause": "PAPER_DIFFERS", "check": body["check_id"]}
    with pytest.raises(asyncpg.CheckViolationError):
        async with hub.runtime.database.transaction() as tx:
            await tx.raw.execute(
                "UPDATE paper_form SET second_by = keyed_by WHERE hub_id = $1", hub.hub_id
            )
    nowhere = await look(hub, "Z-0001", Role.MEDIC, agrees=True)
    assert refused(nowhere, 404, "not-found") == []


async def test_the_second_reading_of_a_form_is_a_check_of_its_own(hub: Hub) -> None:
    again = {"check_id": str(people.new_id()), "counter": 2, "temperature": FEVER}
    first = {**FEVER, "method": "CONTACTLESS"}
    body = form(temperature=first, again=again)
    told = (await key(hub, "C-0002", body)).json()
    assert (told["check"]["verdict"], told["check"]["state"]) == ("STOP", "HELD")
    repeated = await key(hub, "C-0002", body)
    assert (repeated.status_code, repeated.json()["check"]["status"]) == (200, "duplicate")
    without = await key(hub, "C-0002", {name: body[name] for name in body if name != "again"})
    assert without.status_code == 200  # what was keyed of it stands
    hotter = {**again, "temperature": {**FEVER, "value": 39.4}}
    changed = await key(hub, "C-0002", {**body, "again": hotter})
    assert refused(changed, 409, "id-reused") == []
    other = {**again, "check_id": str(people.new_id()), "counter": 3}
    assert refused(await key(hub, "C-0002", {**body, "again": other}), 409, "id-reused") == []


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"observed_at": people.ago(hours=-1)}, "/observed_at", "out-of-range"),
        ({"lane_id": None}, "/lane_id", "missing"),
        ({"form": 1}, "/form", "unknown-field"),
    ],
)
async def test_a_form_that_cannot_be_is_refused_and_may_be_keyed_right(
    hub: Hub, changes: people.Json, pointer: str, code: str
) -> None:
    answer = await key(hub, "D-0001", form(**changes))
    assert refused(answer, 422, "invalid-input") == [{"pointer": pointer, "code": code}]
    late = await key(hub, "D-0001", form(observed_at=people.ago(hours=72.5)))
    assert refused(late, 409, "too-late") == []
    assert (await key(hub, "D-0001", form())).status_code == 201


async def test_a_number_that_is_on_no_form_is_refused(hub: Hub) -> None:
    answer = await key(hub, "north", form())
    assert refused(answer, 422, "invalid-input") == [
        {"pointer": "/form_no", "code": "invalid-format"}
    ]


def hour(ago: int) -> datetime:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return now - timedelta(hours=ago)


def tally(ago: int = 3, lane: str = "north-1", **changes: object) -> people.Json:
    since = hour(ago)
    return {
        "lane_id": lane,
        "from": since.isoformat(),
        "to": (since + timedelta(hours=1)).isoformat(),
        **dict.fromkeys(COUNTS, 1),
        **changes,
    }


async def put(hub: Hub, body: people.Json, tally_id: object = None) -> Response:
    path = f"/v1/tallies/{tally_id or people.new_id()}"
    return await hub.client(Role.SUPERVISOR).put(path, json=body)


async def report(hub: Hub) -> people.Json:
    span = line_lists.period(hour(60), hour(-1))
    return (await hub.client(Role.SUPERVISOR).get(f"/v1/reports/period?{span}")).json()


async def test_a_lane_has_one_valid_tally_an_hour(hub: Hub) -> None:
    tally_id = people.new_id()
    answers = [await put(hub, tally(), tally_id) for _ in range(2)]
    assert [answer.json() for answer in answers] == [
        {"status": "stored"},
        {"status": "duplicate"},
    ]
    assert refused(await put(hub, tally(passed=2), tally_id), 409, "id-reused") == []
    assert refused(await put(hub, tally()), 409, "already-exists") == []
    assert (await put(hub, tally(lane="north-a"))).status_code == 200
    correction = await put(hub, tally(passed=40, supersedes=str(tally_id)))
    assert correction.json() == {"status": "stored"}
    late = await put(hub, tally(passed=50, supersedes=str(tally_id)))
    assert refused(late, 409, "conflict") == []
    found = await hub.client(Role.SUPERVISOR).get(
        "/v1/tallies", params={"from": people.ago(hours=20), "to": people.now()}
    )
    told = found.json()["tallies"]
    valid = {t["lane_id"]: t["passed"] for t in told if not t["superseded_by"]}
    assert (valid, len(told)) == ({"north-1": 40, "north-a": 1}, 3)


async def test_of_tallies_at_the_same_moment_one_counts(hub: Hub) -> None:
    answers = await asyncio.gather(*(put(hub, tally(passed=n)) for n in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"to": 1}, "/to", "out-of-range"),  # hours ago, by the time the test runs
        ({"to": 3}, "/to", "out-of-range"),
        ({"from": -2, "to": -3}, "/to", "out-of-range"),
        ({"lane_id": "south-1"}, "/lane_id", "unknown-value"),
        ({"passed": -1}, "/passed", "out-of-range"),
        ({"passed": 100_001}, "/passed", "out-of-range"),
        ({"refused": 1.5}, "/refused", "invalid-format"),
        ({"names": []}, "/names", "unknown-field"),
    ],
)
async def test_a_tally_of_no_hour_or_lane_is_refused(
    hub: Hub, changes: people.Json, pointer: str, code: str
) -> None:
    assert refused(await put(hub, tally(80)), 409, "too-late") == []
    hours = {name: hour(n).isoformat() for name, n in changes.items() if name in {"from", "to"}}
    answer = await put(hub, tally(**changes | hours))
    assert refused(answer, 422, "invalid-input") == [{"pointer": pointer, "code": code}]


async def test_tallies_are_a_line_of_their_own_and_add_up(hub: Hub) -> None:
    nothing = await report(hub)
    dice, wanted = random.Random(222), dict.fromkeys(COUNTS, 0)
    for ago in range(1, 11):
        counts = {name: dice.randrange(300) for name in COUNTS}
        first = people.new_id()
        await put(hub, tally(ago, **counts), first)
        if ago % 3 == 0:  # corrected: only the correction counts
            counts = {name: dice.randrange(300) for name in COUNTS}
            await put(hub, tally(ago, **counts, supersedes=str(first)))
        wanted = {name: wanted[name] + counts[name] for name in COUNTS}
    told = await report(hub)
    assert told.pop("tallied") == {"lane_hours": 10, **wanted}
    assert nothing.pop("tallied") == dict.fromkeys(("lane_hours", *COUNTS), 0)
    del told["as_of"], nothing["as_of"]
    assert told == nothing  # nobody was invented
    zone = hub.runtime.settings.zone
    text = await aggregates.by_month(hub.runtime.database, hub.hub_id, zone, datetime.now(UTC))
    assert "tallied_passed" in text


def test_the_blank_form_has_both_languages_its_number_and_no_way_out() -> None:
    text = paper_form_print.pages("North <b>", HubMode.DEMO, ["A-0001", "A-0002"])
    assert text.count("<section>") == 2
    for phrase in (
        paper_form_print.TITLE,
        paper_form_print.NOTE,
        paper_form_print.PRACTICE,
        *paper_form_print.DESK,
    ):
        assert (text.count(phrase.en), text.count(phrase.zh_cn)) >= (2, 2)
    for label, choices in paper_form_print.FIELDS:
        assert all(part in text for p in (label, *choices) for part in (p.en, p.zh_cn))
    assert "A-0001" in text
    assert "North &lt;b&gt;" in text
    assert "http" not in text
    assert paper_form_print.PRACTICE.en not in paper_form_print.pages(
        "North", HubMode.PRODUCTION, ["A-0001"]
    )
