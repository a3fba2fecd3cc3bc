"""Every way of the table is gone through HTTP, and no other way is."""

import os
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import people
import pytest
import screening_states
import step_bodies
import worker_clock
from hubs import Hub

from twinstile.platform.security.roles import Role
from twinstile.screening import machine
from twinstile.screening.types import ScreeningEvent, ScreeningState

S, E = ScreeningState, ScreeningEvent
Way: TypeAlias = tuple[ScreeningState, ScreeningEvent]
Go: TypeAlias = Callable[[Hub, str, str], Awaitable[object]]


def by(role: Role, event: ScreeningEvent) -> Go:
    """A person takes the step."""

    async def go(hub: Hub, screening: str, _: str) -> object:
        if event is E.DENY_BOARDING:
            await screening_states.depart(hub)
        if event is E.FUSE_RELEASE:
            await screening_states.surge(hub)
        answer = await step_bodies.take(hub, role, screening, event)
        assert answer.status_code == 200, answer.text
        return answer.json()["state"]

    return go


def seen(**parts: object) -> Go:
    """A check brings it about."""

    async def go(hub: Hub, screening: str, number: str) -> object:
        told = (await screening_states.check(hub, number, **parts)).json()
        assert told["screening_id"] == screening
        return None

    return go


def after(**parts: float) -> Go:
    """The clock does."""

    async def go(hub: Hub, _screening: str, _number: str) -> object:
        await worker_clock.later(hub, **parts)
        return None

    return go


FEVER = {"temperature": screening_states.EAR_FEVER}
PENDING = screening_states.CHECKS["VERIFYING"]
A, C, M, P, V, X = (
    Role.ASSISTANT,
    Role.SCREENER,
    Role.MEDIC,
    Role.EPIDEMIOLOGIST,
    Role.SUPERVISOR,
    Role.DUTY_COMMANDER,
)
WAYS: Mapping[Way, Go] = {
    (S.PRESENTED, E.EVIDENCE_COMPLETE): seen(**PENDING),
    (S.PRESENTED, E.ALARM): seen(**FEVER),
    (S.PRESENTED, E.ASSIST_NEEDED): by(C, E.ASSIST_NEEDED),
    (S.PRESENTED, E.REFUSE): by(C, E.REFUSE),
    (S.PRESENTED, E.FUSE_RELEASE): by(C, E.FUSE_RELEASE),
    (S.PRESENTED, E.TIMEOUT): after(seconds=121),
    (S.PRESENTED, E.VOID): by(V, E.VOID),
    (S.ASSISTED, E.EVIDENCE_COMPLETE): seen(**PENDING),
    (S.ASSISTED, E.ALARM): by(A, E.ALARM),
    (S.ASSISTED, E.TIMEOUT): after(minutes=11),
    (S.ASSISTED, E.REFUSE): by(A, E.REFUSE),
    (S.ASSISTED, E.FUSE_RELEASE): by(A, E.FUSE_RELEASE),
    (S.VERIFYING, E.PASS): seen(),
    (S.VERIFYING, E.PASS_WITH_CONDITIONS): seen(category="CREW"),
    (S.VERIFYING, E.TRANSIT_OK): by(M, E.TRANSIT_OK),
    (S.VERIFYING, E.PROVIDER_UNAVAILABLE_LOW_RISK): seen(**screening_states.CHECKS["DEFERRED"]),
    (S.VERIFYING, E.FUSE_RELEASE): by(V, E.FUSE_RELEASE),
    (S.VERIFYING, E.FLAG): by(C, E.FLAG),
    (S.VERIFYING, E.PROVIDER_UNAVAILABLE): by(C, E.PROVIDER_UNAVAILABLE),
    (S.VERIFYING, E.TIMEOUT): after(seconds=21),
    (S.VERIFYING, E.ASSIST_NEEDED): by(C, E.ASSIST_NEEDED),
    (S.SECONDARY, E.RECHECK_NORMAL): by(M, E.RECHECK_NORMAL),
    (S.SECONDARY, E.RECHECK_NORMAL_CONDITIONS): by(M, E.RECHECK_NORMAL_CONDITIONS),
    (S.SECONDARY, E.TRANSIT_OK): by(M, E.TRANSIT_OK),
    (S.SECONDARY, E.CONFIRMED_ABNORMAL): by(M, E.CONFIRMED_ABNORMAL),
    (S.SECONDARY, E.TIMEOUT): after(minutes=16),
    (S.SECONDARY, E.REFUSE): by(C, E.REFUSE),
    (S.SECONDARY, E.ABSCONDED): by(C, E.ABSCONDED),
    (S.SECONDARY, E.DENY_BOARDING): by(V, E.DENY_BOARDING),
    (S.SECONDARY, E.POLICY_RETURN): by(M, E.POLICY_RETURN),
    (S.SECONDARY, E.FUSE_RELEASE): by(C, E.FUSE_RELEASE),
    (S.HELD, E.NOT_A_CASE): by(M, E.NOT_A_CASE),
    (S.HELD, E.HANDOVER_ACK): by(M, E.HANDOVER_ACK),
    (S.HELD, E.ABSCONDED): by(C, E.ABSCONDED),
    (S.HELD, E.TIMEOUT): after(minutes=61),
    (S.HELD, E.POLICY_RETURN): by(M, E.POLICY_RETURN),
    (S.REFUSAL, E.CONSENT): by(C, E.CONSENT),
    (S.REFUSAL, E.LAWFUL_ORDER): by(X, E.LAWFUL_ORDER),
    (S.REFUSAL, E.RETURN_CHOSEN): by(C, E.RETURN_CHOSEN),
    (S.REFUSAL, E.DENY_BOARDING): by(V, E.DENY_BOARDING),
    (S.REFUSAL, E.CUSTODY): by(X, E.CUSTODY),
    (S.REFUSAL, E.TIMEOUT): after(minutes=31),
    (S.RETURN_PENDING, E.TIMEOUT): after(hours=6, minutes=1),
    (S.RETURN_PENDING, E.CHANGED_MIND): by(C, E.CHANGED_MIND),
    (S.RETURN_PENDING, E.BOARDED): by(C, E.BOARDED),
    (S.TRANSIT_HELD, E.EXIT_CHOSEN): by(C, E.EXIT_CHOSEN),
    (S.TRANSIT_HELD, E.MISSED): after(hours=2, minutes=51),
    (S.TRANSIT_HELD, E.ALARM): seen(**FEVER),
    (S.TRANSIT_HELD, E.CONNECTION_BOARDED): by(C, E.CONNECTION_BOARDED),
    (S.DEFERRED, E.MATCHED_CLEAR): by(P, E.MATCHED_CLEAR),
    (S.DEFERRED, E.MATCHED_CONDITIONS): by(P, E.MATCHED_CONDITIONS),
    (S.DEFERRED, E.TIMEOUT): after(hours=24, minutes=1),
    (S.DEFERRED, E.MATCHED_RISK): by(P, E.MATCHED_RISK),
    (S.DEFERRED, E.REENTER): by(C, E.REENTER),
}
FROM_EXPECTED = {E.PRESENT, E.TRANSIT_DECLARED, E.RUN_CLOSED, E.VOID, E.FUSE_BYPASS}


def test_every_way_of_the_table_is_gone_here() -> None:
    table = {(s, event): after for s in S for event, after in machine.edges(s).items()}
    assert set(WAYS) | {(S.EXPECTED, event) for event in FROM_EXPECTED} == set(table)
    assert len(table) == 59
    assert table == LEGAL


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_way_of_the_table_can_be_gone(hub: Hub, way: Way) -> None:
    await screening_states.govern(hub)
    number = people.resident_number()
    screening = await screening_states.reach(hub, way[0], number)
    state = await WAYS[way](hub, screening, number)
    expected = machine.step(*way)
    assert state in {None, expected.value}
    whole = await step_bodies.read(hub, screening)
    taken = [(step["before"], step["event"], step["after"]) for step in whole["steps"]]
    assert (way[0].value, way[1].value, expected.value) in taken
    assert whole["state"] == taken[-1][2]


async def expected_and(hub: Hub, number: str, event: ScreeningEvent) -> str:
    """The passage of somebody expected, after this."""
    run, supervisor = await screening_states.expect(hub, number), hub.client(Role.SUPERVISOR)
    match event:
        case E.PRESENT:
            await screening_states.check(hub, number)
        case E.RUN_CLOSED:
            await supervisor.post(f"/v1/runs/{run}:close")
        case E.FUSE_BYPASS:
            await screening_states.surge(hub, run, checkpoints=())
            body = {"reason": "platform 4 is full"}
            told = await supervisor.post(f"/v1/runs/{run}:bypass", json=body)
            assert told.json() == {"deferred": 1, "kept_back": 0}
        case _:
            role = Role.SUPERVISOR if event is E.VOID else Role.SCREENER
            assert (await screening_states.entry(hub, role, run, event)).status_code == 200
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1), "limit": "500"}
    listed = (await hub.client().get("/v1/screenings", params=period)).json()["screenings"]
    (screening,) = (one for one in listed if one["run_id"] == str(run))
    return str(screening["screening_id"])


@pytest.mark.parametrize("event", sorted(FROM_EXPECTED))
async def test_a_way_of_somebody_expected_can_be_gone(hub: Hub, event: ScreeningEvent) -> None:
    screening = await expected_and(hub, people.resident_number(), event)
    whole, reached = await step_bodies.read(hub, screening), machine.step(S.EXPECTED, event)
    if event is E.RUN_CLOSED:  # told once, of the run
        assert (whole["state"], whole["steps"]) == (reached, [])
        return
    first = whole["steps"][0]
    assert (first["before"], first["event"], first["after"]) == (S.EXPECTED, event, reached)


TABLE = """
EXPECTED: present PRESENTED, transit_declared TRANSIT_HELD, fuse_bypass DEFERRED,
  run_closed NO_SHOW, void VOID
PRESENTED: evidence_complete VERIFYING, assist_needed ASSISTED, alarm SECONDARY, refuse REFUSAL,
  fuse_release DEFERRED, timeout ABANDONED, void VOID
ASSISTED: evidence_complete VERIFYING, alarm SECONDARY, refuse REFUSAL, fuse_release DEFERRED,
  timeout SECONDARY
VERIFYING: pass CLEARED, pass_with_conditions CLEARED_CONDITIONAL, flag SECONDARY,
  assist_needed ASSISTED, provider_unavailable SECONDARY,
  provider_unavailable_low_risk DEFERRED, transit_ok CLEARED_TRANSIT, fuse_release DEFERRED,
  timeout SECONDARY
SECONDARY: recheck_normal CLEARED, recheck_normal_conditions CLEARED_CONDITIONAL,
  confirmed_abnormal HELD, policy_return RETURN_PENDING, deny_boarding DENIED, refuse REFUSAL,
  transit_ok CLEARED_TRANSIT, fuse_release DEFERRED, absconded ABANDONED, timeout HELD
HELD: handover_ack HANDED_OVER, not_a_case CLEARED_CONDITIONAL, policy_return RETURN_PENDING,
  absconded ABANDONED, timeout HELD
REFUSAL: consent PRESENTED, lawful_order SECONDARY, return_chosen RETURN_PENDING,
  deny_boarding DENIED, custody HANDED_OVER, timeout REFUSAL
RETURN_PENDING: boarded RETURNED, changed_mind SECONDARY, timeout HELD
TRANSIT_HELD: connection_boarded CLEARED_TRANSIT, exit_chosen PRESENTED, alarm SECONDARY,
  missed PRESENTED
DEFERRED: matched_clear CLEARED, matched_conditions CLEARED_CONDITIONAL,
  matched_risk HANDED_OVER, reenter PRESENTED, timeout DEFERRED_UNRESOLVED
"""
"""The ways as they were agreed on, once more: a walk does not ask the service what is right."""


def _legal() -> dict[Way, ScreeningState]:
    stages = (line.split(":") for line in TABLE.strip().replace("\n  ", " ").splitlines())
    return {
        (S(state), E(event)): S(after)
        for state, ways in stages
        for event, after in (way.split() for way in ways.split(","))
    }


LEGAL = _legal()
HUMAN = sorted(machine.HUMAN_EVENTS)
ASKERS = [C, A, M, V, P, X]
STARTS: Mapping[ScreeningState, list[people.Json]] = {
    **{S(state): [parts] for state, parts in screening_states.CHECKS.items()},
    S.SECONDARY: [
        screening_states.CHECKS["SECONDARY"],
        FEVER,
        {"credential": {"status": "RED"}},
        {"illness": True},
    ],
}
HARMLESS = list(screening_states.CHECKS.values())
BY_CHECK = {way for way in WAYS if way[1] not in HUMAN} | {
    (S.PRESENTED, E.ALARM),
    (S.TRANSIT_HELD, E.ALARM),
}
BY_CLOCK = {way for way in WAYS if way[1] in {E.TIMEOUT, E.MISSED}}
FOR_CHECKPOINTS = {E.DENY_BOARDING, E.FUSE_RELEASE}
ILLEGAL = {(state, E(event)) for state, _ in WAYS for event in HUMAN} - set(LEGAL)
MOST_WALKS, LONGEST_WALK, MOST_STRAYS = 120, 12, 12


class Walks:
    """Passages one after another, each beside a model that knows nothing but `LEGAL`."""

    def __init__(self, hub: Hub, chance: random.Random) -> None:
        self.hub = hub
        self.chance = chance
        self.taken: set[Way] = set()
        self.refused: set[Way] = set()
        self.number = self.screening = ""
        self.state, self.seen = S.EXPECTED, 0
        self.guarded = False
        """Surge mode must not release whoever it is."""
        self.referred = False
        """Was in SECONDARY: to say that it was an error takes two persons."""
        self.elsewhere = frozenset[ScreeningEvent]()
        """What is ordered of a checkpoint is of nobody who was only expected."""

    async def go(self) -> None:
        """One passage, to its end or as long as there is patience."""
        await self.begin()
        for _ in range(LONGEST_WALK):
            await self.stray()
            ways = [way for way in LEGAL if way[0] is self.state and self._possible(way)]
            if not ways:
                return
            await self.follow(self._chosen(ways))

    async def begin(self) -> None:
        """Somebody comes, or is expected and does not: whatever leads on to something new."""
        self.number, self.guarded, self.referred = people.resident_number(), False, False
        self.state, self.seen = S.EXPECTED, 0
        begun = self._chosen([way for way in LEGAL if way[0] in {S.EXPECTED, *STARTS}])
        at_lane = begun[0] is not S.EXPECTED or begun[1] is E.PRESENT
        orders = {E.DENY_BOARDING} if begun[1] is E.FUSE_BYPASS else FOR_CHECKPOINTS
        self.elsewhere = frozenset() if at_lane else frozenset(orders)
        if at_lane:
            state = begun[0] if begun[0] in STARTS else self.chance.choice(sorted(STARTS))
            start = self.chance.choice(STARTS[state])
            told = (await screening_states.check(self.hub, self.number, **start)).json()
            self.screening, self.guarded = str(told["screening_id"]), start not in HARMLESS
        else:
            self.screening = await expected_and(self.hub, self.number, begun[1])
        await self.observe()

    def _possible(self, way: Way) -> bool:
        """Whether it can be brought about here: not by a check of who had a fever before."""
        by_check = self.guarded and way in BY_CHECK - BY_CLOCK
        return not (by_check or self._kept(way[1]) or self._asked(way[1]))

    def _asked(self, event: ScreeningEvent) -> bool:
        """Whether it waits for another person to agree."""
        return event is E.VOID and self.referred

    def _kept(self, event: ScreeningEvent) -> bool:
        """Whether the service must refuse what the table has."""
        return event in self.elsewhere or (self.guarded and event is E.FUSE_RELEASE)

    def _chosen(self, ways: list[Way]) -> Way:
        """A way not taken yet, or towards one; now and then any."""
        if self.chance.random() < 0.1:
            return self.chance.choice(ways)
        nearest = min(map(self._distance, ways))
        return self.chance.choice([way for way in ways if self._distance(way) == nearest])

    def _distance(self, way: Way) -> int:
        """How many ways it is from here until one that was not taken yet, this one counted."""
        reached, seen, steps = {way}, set[ScreeningState](), 1
        while reached <= self.taken:
            states = {LEGAL[one] for one in reached} - seen
            if not states:
                return len(LEGAL)
            seen |= states
            reached = {one for one in LEGAL if one[0] in states}
            steps += 1
        return steps

    async def follow(self, way: Way) -> None:
        """Go that way, and see that it was gone."""
        if way in BY_CLOCK:
            due = datetime.fromisoformat(
                (await step_bodies.read(self.hub, self.screening))["due_at"]
            )
            ahead = due - datetime.now(UTC) + timedelta(seconds=1)
            await worker_clock.later(self.hub, seconds=ahead.total_seconds())
        else:
            await WAYS[way](self.hub, self.screening, self.number)
        self.guarded |= way in BY_CHECK and way[1] is E.ALARM
        assert way in await self.observe(), way

    async def stray(self) -> None:
        """Ask for what was not refused here yet, and as anybody for anything."""
        untried = [E(e) for e in HUMAN if (self.state, e) in ILLEGAL - self.refused]
        for event in self.chance.sample(untried, min(len(untried), MOST_STRAYS)):
            answer = await self._ask(event, self.chance.choice(self._roles(event)))
            assert answer == 409, (self.state, event)
            self.refused.add((self.state, event))
        event, role = E(self.chance.choice(HUMAN)), self.chance.choice(ASKERS)
        asked, expected = (self.state, event), self._answer(event, role)
        assert await self._ask(event, role) == expected, (asked, role)
        gone = [asked] if expected == 200 and not self._asked(event) else []
        assert await self.observe() == gone, asked

    def _roles(self, event: ScreeningEvent) -> list[Role]:
        return sorted(machine.HUMAN_EVENTS[event])

    async def _ask(self, event: ScreeningEvent, role: Role) -> int:
        answer = await step_bodies.take(self.hub, role, self.screening, event)
        if answer.status_code == 200:
            assert answer.json()["status"] == ("asked" if self._asked(event) else "stored")
        return answer.status_code

    def _answer(self, event: ScreeningEvent, role: Role) -> int:
        if role not in machine.HUMAN_EVENTS[event]:
            return 403
        return 200 if (self.state, event) in LEGAL and not self._kept(event) else 409

    async def observe(self) -> list[Way]:
        """The ways gone since the last look; every one of them is legal and begins there."""
        whole = await step_bodies.read(self.hub, self.screening)
        gone: list[Way] = []
        closed = {"before": S.EXPECTED, "event": E.RUN_CLOSED, "after": whole["state"]}
        for step in (whole["steps"] or [closed])[self.seen :]:
            way = (S(step["before"]), E(step["event"]))
            assert way[0] is self.state, (way, self.state)
            assert LEGAL.get(way) == step["after"], step
            self.state = LEGAL[way]
            self.referred |= self.state is S.SECONDARY
            gone.append(way)
        self.seen += len(gone)
        assert whole["state"] == self.state
        self.guarded |= whole["case_id"] is not None  # who was held by the clock alone has none
        self.taken.update(gone)
        return gone


async def test_walking_at_random_takes_every_way_there_is_and_no_other(hub: Hub) -> None:
    """The walks prefer what none of them has gone yet."""
    seed = int(os.environ.get("TWINSTILE_WALK") or random.SystemRandom().randrange(1 << 32))
    print(f"TWINSTILE_WALK={seed}")  # noqa: T201 # shown with a failure, to walk so again
    walks = Walks(hub, random.Random(seed))
    await screening_states.govern(hub)
    await screening_states.depart(hub)
    await screening_states.surge(hub)
    for _ in range(MOST_WALKS):
        if walks.taken == set(LEGAL) and walks.refused == ILLEGAL:
            break
        await walks.go()
    assert walks.taken == set(LEGAL)
    assert walks.refused == ILLEGAL
