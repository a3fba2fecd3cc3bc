"""Another policy on stored checks: exact where nothing changed, and where something did."""

import random
from collections import Counter, deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast

import _day
import orjson
import people
import pytest
from hubs import Hub, open_hub

from twinstile.arrivals.records import Mark
from twinstile.platform.ops import clock
from twinstile.platform.security.roles import Role
from twinstile.policy import documents
from twinstile.policy.areas import Level, Met
from twinstile.policy.types import HubPolicy
from twinstile.policy.versions import Policies
from twinstile.replay import stream
from twinstile.replay.queues import Queue, waited
from twinstile.replay.replay_result import ReplayResult
from twinstile.replay.stream import ReplayPlan
from twinstile.screening import decision_context, transitions
from twinstile.screening.decision_context import DecisionContext
from twinstile.screening.evidence import Evidence
from twinstile.screening.types import (
    Company,
    LaneDirection,
    PartyRole,
    ScreeningState,
    Verdict,
    VerificationKind,
)

PACK = documents.pack("cn-hub")
HOURS = timedelta(hours=1)
_S = ScreeningState


def changed(**figures: int) -> dict[str, object]:
    """The usual policy with other figures."""
    parameters = cast("dict[str, object]", PACK["parameters"])
    return {**PACK, "version": "other-1", "parameters": {**parameters, **figures}}


async def replayed(hub: Hub, policy: HubPolicy, until: datetime | None = None) -> ReplayResult:
    end = until or clock.now() + HOURS
    zone = hub.runtime.settings.zone
    plan = ReplayPlan(hub.hub_id, policy, zone, clock.now() - timedelta(days=2), end)
    return await stream.run(hub.runtime.database, plan)


async def fact(hub: Hub, who: str, **body: object) -> Mapping[str, object]:
    """A check by itself; what it was answered."""
    answer = await hub.client(who).put(
        f"/v1/checks/{people.new_id()}", json={**people.check(**body)}
    )
    assert answer.status_code == 201, answer.text
    return cast("dict[str, object]", answer.json())


async def step(hub: Hub, who: str, screening_id: object, event: str, **more: object) -> None:
    answer = await hub.client(who).put(
        f"/v1/screenings/{screening_id}/steps/{people.new_id()}",
        json={"event": event, "at": people.now(), "reason": "as told", **more},
    )
    assert answer.status_code in {200, 201}, answer.text


async def _day_of(hub: Hub, travellers: int, seed: int) -> None:
    async with hub.runtime.database.transaction() as tx:
        await _day.lanes(tx, hub.hub_id)
    begins = clock.now() - 12 * HOURS
    sent = _day.travellers(travellers, begins, 10 * HOURS, seed)
    await _day.recorded(hub.runtime, hub.hub_id, sent)


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_policy_in_force_finds_nothing_in_its_own_day(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """With checks that came late, passages others moved, deadlines, and people known before."""
    monkeypatch.setattr(stream, "PAGE", 70)
    monkeypatch.setattr(stream, "SETTLED_EVERY", 3)
    await _day_of(hub, 400, seed)
    refused = await fact(hub, Role.SCREENER, celsius=37.6, number=people.resident_number(7))
    await step(
        hub,
        Role.SCREENER,
        refused["screening_id"],
        "refuse",
        particulars={
            "refused": "TEMPERATURE",
            "alternatives": ["OTHER_DEVICE"],
            "witness": "0731",
        },
    )
    await fact(hub, Role.MEDIC, number=people.resident_number(7))
    policies, database = Policies(), hub.runtime.database
    await transitions.expire_due(database, policies, hub.hub_id, clock.now())
    async with database.reading() as tx:
        held = await tx.raw.fetch(
            "SELECT screening_id FROM screening WHERE hub_id = $1 AND state = 'HELD'",
            hub.hub_id,
        )
        in_force = await policies.get(tx, hub.hub_id, str(PACK["version"]))
        stored = await tx.raw.fetch(
            "SELECT count(*), count(evidence -> 'around'), count(*) FILTER (WHERE offline)"
            ' FROM "check" WHERE hub_id = $1',
            hub.hub_id,
        )
    for (screening_id,) in held[:5]:
        await fact(hub, Role.MEDIC, identity=None, screening_id=str(screening_id))
    told = await replayed(hub, in_force)
    checks, around, offline = stored[0]
    assert around > 0
    assert offline > 10
    assert len(held) > 1
    assert told.checks == checks + min(5, len(held))
    assert (told.checks_elsewhere, told.screenings_elsewhere, told.reasons_elsewhere) == (
        0,
        0,
        0,
    )
    assert told.examples == []
    assert told.begun_before == 0
    assert told.cases.before == told.cases.after > 0
    assert told.decided_by_person == 1
    assert all(rule.before == rule.after for rule in told.rules)
    assert all(q.before == q.after for hour in told.hours for q in hour.queues)
    assert sum(hour.checks for hour in told.hours) == told.checks


async def test_another_threshold_finds_what_the_gates_would_have_decided(
    hub: Hub,
) -> None:
    """Told by a second hub that decides by the other policy from the first check on."""
    other = await open_hub(hub.runtime, hub.service)
    document = changed(threshold_tenths=380)
    now = clock.now() - timedelta(days=1)
    begins = clock.now() - 12 * HOURS
    # each traveller's first check: what comes after it depends on what was decided
    first: dict[str, _day.Sent] = {}
    for one in _day.travellers(1500, begins, 10 * HOURS, 3):
        identity = cast("dict[str, dict[str, str]]", one.body["identity"])
        first.setdefault(identity["document"]["number"], one)
    sent = list(first.values())
    verdicts: list[list[tuple[Verdict, ScreeningState]]] = []
    for place in (hub, other):
        async with place.runtime.database.transaction() as tx:
            await _day.lanes(tx, place.hub_id)
            if place is other:
                await _adopt(place, document, now)
        await _day.recorded(place.runtime, place.hub_id, sent)
        async with place.runtime.database.reading() as tx:
            rows = await tx.raw.fetch(
                'SELECT verdict, state FROM "check" WHERE hub_id = $1 ORDER BY counter',
                place.hub_id,
            )
        verdicts.append([(Verdict(verdict), _S(state)) for verdict, state in rows])
    told = await replayed(hub, documents.compile_document(document))
    pairs = list(zip(*verdicts, strict=True))
    assert told.checks == len(pairs)
    differ = [pair for pair in pairs if pair[0] != pair[1]]
    assert told.checks_elsewhere == told.screenings_elsewhere == len(differ) > 5
    shifts = Counter((before[1], after[1]) for before, after in pairs)
    assert {(s.before, s.after): s.screenings for s in told.states} == shifts
    shown = Counter((before[0], after[0]) for before, after in pairs)
    assert {(s.before, s.after): s.checks for s in told.verdicts} == shown
    assert len(told.examples) <= 5 * len(shifts)


async def _adopt(hub: Hub, document: Mapping[str, object], at: datetime) -> None:
    from twinstile.policy import versions  # noqa: PLC0415

    async with hub.runtime.database.transaction() as tx:
        await versions.put_in_force(tx, hub.hub_id, document, at, at - HOURS)


async def test_who_would_have_gone_is_followed_to_the_end(hub: Hub) -> None:
    fever, cool, moved = (people.resident_number(n) for n in (11, 12, 13))
    await fact(hub, Role.SCREENER, number=fever, celsius=37.6)
    held = await fact(
        hub, Role.MEDIC, number=fever, temperature={"value": 37.7, "method": "EAR"}
    )
    passed = await fact(hub, Role.SCREENER, number=cool, celsius=36.8)
    alarm = await fact(hub, Role.SCREENER, number=moved, celsius=37.6)
    await step(hub, Role.MEDIC, alarm["screening_id"], "recheck_normal")
    higher = await replayed(hub, documents.compile_document(changed(threshold_tenths=385)))
    assert (higher.checks, higher.screenings) == (4, 3)
    shifts = {(s.before, s.after, s.decided_by_person): s.screenings for s in higher.states}
    assert shifts == {
        (_S.HELD, _S.CLEARED, False): 1,
        (_S.CLEARED, _S.CLEARED, False): 1,
        (_S.CLEARED, _S.CLEARED, True): 1,
    }
    assert higher.cases.would_not_open == higher.cases.before == 1
    assert higher.cases.would_open == higher.cases.after == 0
    assert {(v.before, v.after) for v in higher.verdicts} >= {(Verdict.STOP, None)}
    (example,) = higher.examples
    assert str(example.screening_id) == held["screening_id"]
    assert example.checkpoint == "north"
    assert example.before.verdict is Verdict.STOP
    assert example.before.rules
    lower = await replayed(hub, documents.compile_document(changed(threshold_tenths=370)))
    (example,) = lower.examples
    assert str(example.screening_id) == passed["screening_id"]
    assert (example.before.state, example.after.state) == (_S.CLEARED, _S.SECONDARY)
    queues = [q for hour in lower.hours for q in hour.queues if q.station == "SECONDARY"]
    assert sum(q.after.people for q in queues) == sum(q.before.people for q in queues) + 1


async def test_checks_of_passages_that_began_before_are_left_out(hub: Hub) -> None:
    number = people.resident_number(21)
    await fact(hub, Role.SCREENER, number=number, temperature=None)
    between = clock.now()
    await fact(hub, Role.SCREENER, number=number)
    policy = documents.compile_document(PACK)
    plan = ReplayPlan(
        hub.hub_id, policy, hub.runtime.settings.zone, between, clock.now() + HOURS
    )
    told = await stream.run(hub.runtime.database, plan)
    assert (told.checks, told.begun_before) == (0, 1)


async def test_what_a_minor_has_of_the_guardian_is_replayed(hub: Hub) -> None:
    """A declaration, a credential that counts, a suspicion, and a word without a check."""
    party = str(people.new_id())
    declared = {"symptoms": ["COUGH"], "contact": "YES"}

    def of(role: str, **more: object) -> people.Json:
        return people.fact(party={"id": party, "role": role}, **more)

    guardian = people.resident_number()
    later = people.resident_number(born="20190101")
    bodies = (
        of("MINOR", credential=None),
        of("GUARDIAN", number=guardian, declaration=declared),
        of("MINOR", number=later, credential=None, temperature=None),
        of("MINOR", number=later, credential=None),
        of("MEMBER", celsius=38.4),
        of("MEMBER"),
    )
    for counter, body in enumerate(bodies, 1):
        item = {"kind": "check", "id": str(people.new_id()), "counter": counter, "body": body}
        answer = await hub.client("device").post(
            "/v1/facts:batch", json={"sent_at": people.now(), "items": [item]}
        )
        assert answer.json()["items"][0]["status"] == "stored", answer.text
    found = await replayed(hub, documents.compile_document(PACK))
    assert (found.checks, found.checks_elsewhere, found.reasons_elsewhere) == (6, 0, 0)
    assert found.screenings_elsewhere == 0
    assert len({rule.rule_id for rule in found.rules}) > 2


def test_what_a_decision_reads_comes_back_from_the_check() -> None:
    at = clock.now()
    company = Company(PartyRole.MINOR, "GREEN", flagged=True)
    met = Met(county=Level.HIGH, left_on=at.date())
    known_of = (True, True, company, LaneDirection.DEPARTING, frozenset(Mark), met)
    full = DecisionContext(at, at.date(), *known_of)
    last = Evidence(((365, "EAR", None),), "GREEN", verifications=frozenset(VerificationKind))
    begins = last.again()
    stored = orjson.loads(
        orjson.dumps(decision_context.stored_context(full, Evidence(), begins))
    )
    assert DecisionContext.stored(at, at.date(), stored, full.direction) == full
    assert decision_context.begun(stored) == begins
    known = {"at", "day", "direction", *stored} - {"carried"}
    assert set(DecisionContext._fields) == known
    assert DecisionContext.stored(at, at.date(), {}) == DecisionContext(at, at.date())


def test_a_queue_is_that_of_a_simulation_lane_by_lane() -> None:
    dice = random.Random(222)
    arrivals = sorted(dice.uniform(0, 3600) for _ in range(900))
    lanes = [0.0] * 3
    waits: list[float] = []
    for at in arrivals:
        lane = min(range(3), key=lanes.__getitem__)
        waits.append(max(0.0, lanes[lane] - at))
        lanes[lane] = max(lanes[lane], at) + 15.0
    assert waited(arrivals, deque([0.0] * 3), 15.0) == pytest.approx(waits)
    queue = Queue(15.0)
    hour = queue.hour(0.0, arrivals, 3)
    assert (hour.people, hour.p95_s) == (900, pytest.approx(sorted(waits)[854], abs=0.1))
    assert hour.p50_s == pytest.approx(sorted(waits)[449], abs=0.1)
    after = queue.hour(3600.0, [3600.0], 3)  # who waits when an hour ends, waits on
    assert after.p95_s == pytest.approx(max(0.0, min(lanes) - 3600.0), abs=0.1)
    assert Queue(15.0).hour(0.0, [], 1).lanes_needed == 0


@pytest.mark.parametrize(("people_", "lanes"), [(10, 1), (240, 1), (600, 2), (6000, 13)])
def test_lanes_needed_keep_nineteen_in_twenty_below_ten_minutes(
    people_: int, lanes: int
) -> None:
    arrivals = [3600.0 * n / people_ for n in range(people_)]
    needed = Queue(10.0).hour(0.0, arrivals, 1).lanes_needed
    assert needed is not None

    def p95(count: int) -> float:
        return sorted(waited(arrivals, deque([0.0] * count), 10.0))[int(people_ * 0.95) - 1]

    assert p95(needed) <= 600
    assert needed == 1 or p95(needed - 1) > 600
    assert needed <= max(1, -(-people_ * 10 // 3600)) <= lanes + 5
