"""Whom police and health departments tell of is met at the gate, and nobody learns why."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import _day
import authority_lists
import partner_systems
import people
import pytest
import screening_states
import step_bodies
from _day import Sent
from authority_lists import DAY
from hubs import Hub, open_hub

from twinstile.arrivals.records import AlertAction, Mark, Op, StatusColour, WatchReason
from twinstile.identity import vault
from twinstile.operations import retention
from twinstile.platform.ledger import sealer
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.policy import documents, reported_areas
from twinstile.policy.areas import KeyArea, Level
from twinstile.policy.reported_areas import AreaReport
from twinstile.policy.versions import Policies
from twinstile.replay import stream
from twinstile.replay.stream import ReplayPlan
from twinstile.screening import decision_context, machine, rules
from twinstile.screening.decision_context import DecisionContext
from twinstile.screening.evidence import Evidence


def because(answer: people.Json) -> list[str]:
    return [reason["rule_id"] for reason in answer["reasons"]]  # type: ignore[index,union-attr]


async def rows(hub: Hub, query: str) -> list[tuple[object, ...]]:
    async with hub.runtime.database.reading() as tx:
        return [tuple(row) for row in await tx.raw.fetch(query, hub.hub_id)]


@pytest.mark.parametrize(
    ("action", "verdict", "rule"),
    [
        (AlertAction.CHECK, "CHECK", "AUTHORITY-CHECK"),
        (AlertAction.STOP, "STOP", "AUTHORITY-STOP"),
    ],
)
async def test_somebody_with_an_alert_is_asked_to_the_second_check(
    hub: Hub, action: AlertAction, verdict: str, rule: str
) -> None:
    number = people.resident_number()
    await authority_lists.told(hub, authority_lists.alert(number, action=action))
    answer = await authority_lists.shown(hub, number)
    assert (answer["verdict"], answer["state"]) == (verdict, "SECONDARY")
    assert (because(answer), answer["case_id"]) == ([rule], None)
    assert answer["next_step"] == "secondary-area"
    assert (await authority_lists.shown(hub, people.resident_number()))["verdict"] == "PASS"


async def test_both_languages_say_what_to_do_and_not_why(hub: Hub) -> None:
    number = people.resident_number()
    await authority_lists.told(hub, authority_lists.alert(number, action=AlertAction.STOP))
    english = await authority_lists.shown(hub, number)
    chinese = await authority_lists.shown(hub, number, language="zh-CN")
    texts = [answer["reasons"][0]["text"] for answer in (english, chinese)]  # type: ignore[index]
    assert texts == ["Stop: ask this person to the second check", "请拦停 引导至二次核验"]


@pytest.mark.parametrize(
    "said",
    [
        pytest.param({"until": timedelta(seconds=-1)}, id="over"),
        pytest.param({"since": timedelta(hours=1)}, id="not begun"),
        pytest.param({"op": Op.DELETE}, id="withdrawn"),
    ],
)
async def test_an_alert_counts_while_it_is_valid_only(
    hub: Hub, said: dict[str, object]
) -> None:
    number = people.resident_number()
    await authority_lists.told(hub, authority_lists.alert(number, **said))  # type: ignore[arg-type]
    assert (await authority_lists.shown(hub, number))["verdict"] == "PASS"


async def test_an_alert_of_another_hub_is_none_here(hub: Hub) -> None:
    number, other = people.resident_number(), await open_hub(hub.runtime, hub.service)
    await authority_lists.told(other, authority_lists.alert(number))
    assert (await authority_lists.shown(hub, number))["verdict"] == "PASS"
    assert (await authority_lists.shown(other, number))["verdict"] == "CHECK"


async def test_what_is_withdrawn_or_ended_by_its_sender_leaves_nothing(hub: Hub) -> None:
    for ending in ({"op": Op.DELETE}, {"until": timedelta(seconds=-1)}):
        number = people.resident_number()
        await authority_lists.told(hub, authority_lists.alert(number))
        await authority_lists.told(hub, authority_lists.alert(number, **ending))  # type: ignore[arg-type]
        assert (await authority_lists.shown(hub, number))["verdict"] == "PASS"
    assert await rows(hub, "SELECT 1 FROM identity_alert WHERE hub_id = $1") == []


async def test_the_last_word_under_a_key_counts(hub: Hub) -> None:
    number = people.resident_number()
    for action, verdict in ((AlertAction.STOP, "STOP"), (AlertAction.CHECK, "CHECK")):
        await authority_lists.told(hub, authority_lists.alert(number, action=action))
        assert (await authority_lists.shown(hub, number))["verdict"] == verdict


async def test_two_sources_speak_each_for_itself(hub: Hub) -> None:
    number = people.resident_number()
    await authority_lists.told(
        hub, authority_lists.alert(number, action=AlertAction.STOP), feed="police"
    )
    await authority_lists.told(hub, authority_lists.alert(number, op=Op.DELETE), feed="customs")
    assert (await authority_lists.shown(hub, number))["verdict"] == "STOP"


@pytest.mark.parametrize(
    ("colour", "contact", "rules_"),
    [
        (StatusColour.RED, False, ["HEALTH-RED"]),
        (StatusColour.YELLOW, False, ["HEALTH-YELLOW"]),
        (StatusColour.GREEN, True, ["HEALTH-CONTACT"]),
        (StatusColour.RED, True, ["HEALTH-RED", "HEALTH-CONTACT"]),
        (StatusColour.GREEN, False, []),
        (StatusColour.UNKNOWN, False, []),
    ],
)
async def test_a_health_status_can_warn_and_never_helps(
    hub: Hub, colour: StatusColour, contact: bool, rules_: list[str]
) -> None:
    number = people.resident_number()
    await authority_lists.told(
        hub, authority_lists.status(number, colour, close_contact=contact)
    )
    answer = await authority_lists.shown(hub, number)
    assert because(answer) == rules_
    assert answer["verdict"] == ("CHECK" if rules_ else "PASS")
    bare, other = people.resident_number(), people.resident_number()
    await authority_lists.told(hub, authority_lists.status(bare, StatusColour.GREEN))
    nothing = {"credential": {"status": "NOT_PRESENTED"}}
    with_status = await authority_lists.shown(hub, bare, **nothing)
    assert (
        with_status["verdict"]
        == (await authority_lists.shown(hub, other, **nothing))["verdict"]
    )
    assert with_status["verdict"] != "PASS"


async def test_a_status_is_taken_back_by_its_own_key_alone(hub: Hub) -> None:
    number = people.resident_number()
    await authority_lists.told(hub, authority_lists.status(number, StatusColour.RED, key="a"))
    await authority_lists.told(hub, authority_lists.status(number, StatusColour.GREEN, key="b"))
    assert (await authority_lists.shown(hub, number))["verdict"] == "CHECK"
    other = people.resident_number()
    await authority_lists.told(hub, authority_lists.status(other, StatusColour.RED, key="c"))
    await authority_lists.told(hub, authority_lists.status(other, StatusColour.GREEN, key="c"))
    assert (await authority_lists.shown(hub, other))["verdict"] == "PASS"


async def test_an_alert_on_another_document_counts_while_they_are_linked(hub: Hub) -> None:
    number, passport = people.resident_number(), "X1234567"
    shown = {"kind": "PASSPORT", "number": passport, "issuer": "UTO", "name": "ZHANG WEI"}
    link = people.new_id()
    linked = await hub.client(Role.ASSISTANT).put(
        f"/v1/links/{link}",
        json={
            "document": people.document(number),
            "other": shown,
            "evidence": "BOTH_DOCUMENTS_SHOWN",
            "purpose": "IDENTIFICATION",
            "reason": "both shown",
        },
    )
    assert linked.status_code == 200, linked.text
    await authority_lists.told(hub, authority_lists.alert(number))
    identity = {"document": shown, "result": "MATCH"}
    assert (await authority_lists.shown(hub, number, identity=identity))["verdict"] == "CHECK"
    await hub.client(Role.SUPERVISOR).put(
        f"/v1/links/{link}/withdrawal", json={"reason": "a mistake"}
    )
    await authority_lists.told(hub, authority_lists.alert(number))
    fresh = {"kind": "PASSPORT", "number": "X7654321", "issuer": "UTO"}
    identity = {"document": fresh, "result": "MATCH"}
    assert (await authority_lists.shown(hub, number, identity=identity))["verdict"] == "PASS"


async def test_a_person_id_may_end_before_the_alert_does(hub: Hub) -> None:
    """Somebody met in the last epoch gets another id in this one; the alert still counts."""
    zone, number = hub.runtime.settings.zone, people.resident_number()
    epoch = vault.epoch_of(datetime.now(zone).date())
    turn = datetime.fromordinal(epoch * vault.EPOCH_DAYS).replace(tzinfo=zone, hour=8)
    for moment in (turn - 15 * DAY, turn - DAY):
        said = replace(
            authority_lists.alert(number), valid_from=moment - DAY, valid_to=moment + 5 * DAY
        )
        await authority_lists.told(hub, said, at=moment)
    people_ = await rows(hub, "SELECT DISTINCT person_id FROM vault WHERE hub_id = $1")
    sent = [Sent(turn, turn, "north-1", people.fact(number, observed_at=turn.isoformat()))]
    await _day.recorded(hub.runtime, hub.hub_id, sent)
    ((person, reasons),) = await rows(
        hub, 'SELECT person_id, reasons FROM "check" WHERE hub_id = $1'
    )
    assert (person,) not in people_
    assert [one["rule_id"] for one in reasons] == ["AUTHORITY-CHECK"]


async def listed(hub: Hub, *said: AreaReport) -> None:
    async with hub.runtime.database.transaction() as tx:
        await reported_areas.apply(tx, hub.hub_id, "cdc", said, clock.now())


def area(code: str, level: Level = Level.HIGH, **days: int) -> KeyArea:
    today = clock.now().date()
    since, until = today - 30 * DAY, today + DAY * days.get("until", 3)
    return KeyArea(code, level, since, until)


AREA_RULE = {
    "id": "T-AREA",
    "when": {"===": [{"var": "area.county"}, "HIGH"]},
    "outcome": "SECONDARY",
    "code": "of-tests",
    "text": {"en": "x", "zh-CN": "x"},
}
STAY = {"itinerary": {"source": "OFFICER", "areas": [{"code": "610113"}]}}


async def test_a_received_area_counts_beside_the_policys_own_until_it_ends(hub: Hub) -> None:
    whole = documents.pack("cn-hub")
    await hub.adopt({**whole, "version": "areas-1", "rules": [*whole["rules"], AREA_RULE]})

    async def told() -> bool:
        return "T-AREA" in because(
            await authority_lists.shown(hub, people.resident_number(), **STAY)
        )

    assert not await told()
    for said, counts in (
        (AreaReport("1", area("610113")), True),
        (AreaReport("1", area("610113", until=-1)), False),
        (AreaReport("1", area("610113", Level.MEDIUM)), False),
        (AreaReport("2", area("610114")), False),
        (AreaReport("3", area("610100")), False),
        (AreaReport("1", area("610113")), True),
        (AreaReport("1", None), False),
    ):
        await listed(hub, said)
        assert await told() == counts, said


async def test_a_replay_decides_by_what_was_known_at_the_gate(hub: Hub) -> None:
    whole = documents.pack("cn-hub")
    document = {**whole, "version": "areas-1", "rules": [*whole["rules"], AREA_RULE]}
    await hub.adopt(document)
    stopped, contact = people.resident_number(), people.resident_number()
    await authority_lists.told(hub, authority_lists.alert(stopped, action=AlertAction.STOP))
    await authority_lists.told(
        hub, authority_lists.status(contact, StatusColour.GREEN, close_contact=True)
    )
    await listed(hub, AreaReport("1", area("610113")))
    for number, more in ((stopped, {}), (contact, {}), (people.resident_number(), STAY)):
        assert (await authority_lists.shown(hub, number, **more))["verdict"] in {
            "STOP",
            "CHECK",
        }
    await authority_lists.told(hub, authority_lists.alert(stopped, op=Op.DELETE))
    await listed(hub, AreaReport("1", None))
    policy = documents.compile_document(document)
    span = (clock.now() - DAY, clock.now() + DAY)
    plan = ReplayPlan(hub.hub_id, policy, hub.runtime.settings.zone, *span)
    found = await stream.run(hub.runtime.database, plan)
    assert (found.checks, found.checks_elsewhere, found.reasons_elsewhere) == (3, 0, 0)


@pytest.mark.parametrize("mark", list(Mark))
def test_no_policy_lets_somebody_marked_pass(mark: Mark) -> None:
    lenient = documents.compile_document(
        {**documents.pack("cn-hub"), "rules": [{**AREA_RULE, "outcome": "DEFER", "when": True}]}
    )
    around = DecisionContext(datetime.now(UTC), date(2026, 11, 24), marks=frozenset({mark}))
    decision = rules.decide(machine.START, Evidence(), around, lenient)
    assert decision.state == "SECONDARY"
    guarded = mark is not Mark.STATUS_YELLOW
    assert (rules.RELEASE_FORBIDDEN in decision.reasons) == guarded
    stored = decision_context.stored_context(around, Evidence(), None)
    again = DecisionContext.stored(around.at, around.day, json.loads(json.dumps(stored)))
    assert again == around


async def test_surge_lets_nobody_by_who_is_marked(hub: Hub) -> None:
    await screening_states.surge(hub)
    marked, free = people.resident_number(), people.resident_number()
    await authority_lists.told(hub, authority_lists.alert(marked))
    screening = await screening_states.reach(hub, "PRESENTED", people.resident_number())
    told = (await screening_states.check(hub, marked)).json()
    refused = await step_bodies.take(hub, Role.SCREENER, told["screening_id"], "fuse_release")
    assert refused.status_code == 409, refused.text
    assert (await step_bodies.take(hub, Role.SCREENER, screening, "fuse_release")).is_success
    other = people.resident_number()
    await authority_lists.told(hub, authority_lists.status(other, StatusColour.YELLOW))
    run = await screening_states.expect(hub, other, free)
    await screening_states.surge(hub, run)
    bypassed = await hub.client(Role.SUPERVISOR).post(
        f"/v1/runs/{run}:bypass", json={"reason": "platform 4 is full"}
    )
    assert (bypassed.json()["deferred"], bypassed.json()["kept_back"]) == (1, 1)


async def test_what_a_tablet_could_not_know_moves_no_passage_that_is_over(hub: Hub) -> None:
    number = people.resident_number()
    await authority_lists.told(hub, authority_lists.alert(number, action=AlertAction.STOP))
    body = people.fact(number, offline=True, observed_at=people.ago(minutes=20))
    item = {"kind": "check", "id": str(people.new_id()), "counter": 7, "body": body}
    answer = await hub.client("device").post(
        "/v1/facts:batch", json={"sent_at": people.now(), "items": [item]}
    )
    told = answer.json()["items"][0]["check"]
    assert (told["verdict"], told["state"]) == ("PASS", "CLEARED")
    listed_ = (await hub.client(Role.SUPERVISOR).get("/v1/alerts")).json()["alerts"]
    assert [(one["kind"], one["facts"]["cause"]) for one in listed_] == [
        ("RETROSPECTIVE", "HIT")
    ]


SECRETS = (
    authority_lists.AUTHORITY,
    authority_lists.BASIS,
    "ISOLATION_ORDER",
    "police-list",
    "Hangzhou CDC",
)


async def test_neither_who_asks_nor_why_leaves_the_table(
    hub: Hub, logged: Callable[[], str]
) -> None:
    number = people.resident_number()
    await authority_lists.told(
        hub, authority_lists.alert(number, kind=WatchReason.ISOLATION_ORDER), feed="police-list"
    )
    await authority_lists.told(
        hub, authority_lists.status(number, StatusColour.RED), feed="police-list"
    )
    department = await partner_systems.enter(hub)
    answer = await authority_lists.shown(hub, number)
    screening = answer["screening_id"]
    await sealer.seal(hub.runtime.database)
    seen = [json.dumps(answer), logged(), json.dumps((await department.changes()).json())]
    for role, path in (
        (Role.SUPERVISOR, f"/v1/screenings/{screening}"),
        (Role.SUPERVISOR, f"/v1/checks/{answer['id']}"),
        (Role.SUPERVISOR, "/v1/alerts"),
        (Role.SCREENER, "/v1/lanes/north-1/state"),
    ):
        found = await hub.client(role).get(path)
        assert found.is_success
        seen.append(found.text)
    for table in ("event", '"check"', "screening", "access", "alert"):
        seen += map(str, await rows(hub, f"SELECT t::text FROM {table} t WHERE hub_id = $1"))
    assert any("AUTHORITY-CHECK" in text for text in seen)
    for secret in (*SECRETS, number):
        assert [text for text in seen if secret in text] == []
    alerts = str(await rows(hub, "SELECT t::text FROM identity_alert t WHERE hub_id = $1"))
    assert authority_lists.BASIS in alerts
    assert number not in alerts
    assert number.encode().hex() not in alerts


async def test_it_ends_by_its_own_end_and_with_its_day(hub: Hub) -> None:
    async def left() -> list[int]:
        counts = [
            await rows(hub, f"SELECT count(*) FROM {table} WHERE hub_id = $1")
            for table in ("identity_alert", "health_status", "key_area")
        ]
        return [int(str(count)) for ((count,),) in counts]

    one, two = people.resident_number(), people.resident_number()
    await authority_lists.told(
        hub,
        authority_lists.alert(one, until=3 * DAY),
        authority_lists.alert(two, until=13 * DAY),
    )
    await authority_lists.told(
        hub, authority_lists.status(one, StatusColour.RED, until=90 * DAY)
    )
    await listed(hub, AreaReport("1", area("610113")))
    for days, expected in ((2, [2, 1, 1]), (4, [1, 1, 1]), (7, [1, 1, 0]), (15, [0, 0, 0])):
        at = clock.now() + timedelta(days=days)
        await retention.retain(hub.runtime, Policies(), hub.hub_id, at)
        assert await left() == expected, days
