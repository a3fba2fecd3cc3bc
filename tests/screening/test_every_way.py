"""Every way of the table is gone through HTTP, and no other way is."""

import random
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import clocked
import crossings
import people
import pytest
import steps
from hubs import Hub

from twinstile.platform.roles import Role
from twinstile.screening import machine
from twinstile.screening.types import ScreeningEvent, ScreeningState

S, E = ScreeningState, ScreeningEvent
Way: TypeAlias = tuple[ScreeningState, ScreeningEvent]
Go: TypeAlias = Callable[[Hub, str, str], Awaitable[object]]


def by(role: Role, event: ScreeningEvent) -> Go:
    """A person takes the step."""

    async def go(hub: Hub, screening: str, _: str) -> object:
        if event is E.DENY_BOARDING:
            await crossings.depart(hub)
        if event is E.FUSE_RELEASE:
            await crossings.surge(hub)
        answer = await steps.take(hub, role, screening, event)
        assert answer.status_code == 200, answer.text
        return answer.json()["state"]

    return go


def seen(**parts: object) -> Go:
    """A check brings it about."""

    async def go(hub: Hub, screening: str, number: str) -> object:
        told = (await crossings.check(hub, number, **parts)).json()
        assert told["screening_id"] == screening
        return None

    return go


def after(**parts: float) -> Go:
    """The clock does."""

    async def go(hub: Hub, _screening: str, _number: str) -> object:
        await clocked.later(hub, **parts)
        return None

    return go


FEVER = {"temperature": crossings.EAR_FEVER}
PENDING = crossings.CHECKS["VERIFYING"]
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
    (S.VERIFYING, E.PROVIDER_UNAVAILABLE_LOW_RISK): seen(**crossings.CHECKS["DEFERRED"]),
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
    table = {(state, event) for state in S for event in machine.edges(state)}
    assert set(WAYS) | {(S.EXPECTED, event) for event in FROM_EXPECTED} == table
    assert len(table) == 59


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_way_of_the_table_can_be_gone(hub: Hub, way: Way) -> None:
    await crossings.govern(hub)
    number = people.resident_number()
    screening = await crossings.reach(hub, way[0], number)
    state = await WAYS[way](hub, screening, number)
    expected = machine.step(*way)
    assert state in {None, expected.value}
    whole = await steps.read(hub, screening)
    taken = [(step["before"], step["event"], step["after"]) for step in whole["steps"]]
    assert (way[0].value, way[1].value, expected.value) in taken
    assert whole["state"] == taken[-1][2]


@pytest.mark.parametrize("event", sorted(FROM_EXPECTED))
async def test_a_way_of_somebody_expected_can_be_gone(hub: Hub, event: ScreeningEvent) -> None:
    number = people.resident_number()
    run, supervisor = await crossings.expect(hub, number), hub.client(Role.SUPERVISOR)
    match event:
        case E.PRESENT:
            await crossings.check(hub, number)
        case E.RUN_CLOSED:
            await supervisor.post(f"/v1/runs/{run}:close")
        case E.FUSE_BYPASS:
            await crossings.surge(hub, run, checkpoints=())
            body = {"reason": "platform 4 is full"}
            told = await supervisor.post(f"/v1/runs/{run}:bypass", json=body)
            assert told.json() == {"deferred": 1, "kept_back": 0}
        case _:
            role = Role.SUPERVISOR if event is E.VOID else Role.SCREENER
            assert (await crossings.entry(hub, role, run, event)).status_code == 200
    period = {"from": people.ago(hours=1), "to": people.ago(hours=-1)}
    listed = await hub.client().get("/v1/screenings", params=period)
    (screening,) = listed.json()["screenings"]
    reached = machine.step(S.EXPECTED, event)
    assert screening["run_id"] == str(run)
    if event is E.PRESENT:
        whole = await steps.read(hub, screening["screening_id"])
        assert whole["steps"][0]["after"] == reached
    else:
        assert screening["state"] == reached


ASKERS = [Role.SCREENER, Role.ASSISTANT, Role.MEDIC, Role.SUPERVISOR, P, X]
STARTS = [
    {"credential": None},
    {"credential": {"status": "NOT_PRESENTED"}},
    PENDING,
    crossings.CHECKS["DEFERRED"],
    crossings.CHECKS["SECONDARY"],
    FEVER,
    {"credential": {"status": "RED"}},
    {"illness": True},
]
HARMFUL = STARTS[5:]
HUMAN = sorted(machine.HUMAN_EVENTS)


@pytest.mark.parametrize("seed", range(4))
async def test_walking_at_random_only_the_ways_of_the_table_are_open(
    hub: Hub, seed: int
) -> None:
    """Beside the service runs a model; where they differ, the walk says at which step."""
    chance = random.Random(seed)
    await crossings.govern(hub)
    await crossings.depart(hub)
    await crossings.surge(hub)
    for _ in range(4):
        number, start = people.resident_number(), chance.choice(STARTS)
        told = (await crossings.check(hub, number, **start)).json()
        screening, state = str(told["screening_id"]), ScreeningState(told["state"])
        guarded = start in HARMFUL
        for _ in range(14):
            open_ways = [event for event in machine.edges(state) if event in HUMAN]
            likely = open_ways and chance.random() < 0.6
            event = ScreeningEvent(chance.choice(open_ways if likely else HUMAN))
            if guarded and E.FUSE_RELEASE in open_ways and chance.random() < 0.4:
                event = E.FUSE_RELEASE  # most of all, nobody of these is let through
            roles = sorted(machine.HUMAN_EVENTS[event])
            role = chance.choice(roles if chance.random() < 0.8 else ASKERS)
            answer = await steps.take(hub, role, screening, event)
            expected = _model(state, event, role, guarded=guarded)
            assert answer.status_code == expected, (state, event, role, answer.text)
            if expected == 200 and answer.json()["status"] == "stored":
                assert answer.json()["state"] == machine.step(state, event)
                state = machine.step(state, event)
                guarded |= state is S.HELD
            assert (await steps.read(hub, screening))["state"] == state


def _model(state: ScreeningState, event: ScreeningEvent, role: Role, *, guarded: bool) -> int:
    if role not in machine.HUMAN_EVENTS[event]:
        return 403
    if event not in machine.edges(state) or (event is E.FUSE_RELEASE and guarded):
        return 409
    return 200
