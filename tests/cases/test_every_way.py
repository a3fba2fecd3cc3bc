"""Every way of the case table and every clock of a case is gone through HTTP, and no other."""

import os
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import fever_cases
import people
import pytest
import screening_states
import transfers_in_progress
import worker_clock
from hubs import Hub
from test_episodes import alarm, link
from test_follow_ups import attempt, open_contacts, report, report_link
from test_receivers import said
from test_reporting import suspect
from test_rooms import room, stay

from twinstile.cases import deadlines, machine
from twinstile.cases.machine import MACHINE
from twinstile.cases.types import CaseEvent, CaseState, Wait
from twinstile.platform.security.roles import Role

S, E = CaseState, CaseEvent
Way: TypeAlias = tuple[CaseState, CaseEvent]
Go: TypeAlias = Callable[[Hub, str], Awaitable[None]]

TABLE = """
ASSESSING: dispose DISPOSED, emergency IN_TRANSFER, not_fever CLOSED_NOT_FEVER,
  excluded CLOSED_EXCLUDED, merged CLOSED_MERGED, lost CLOSED_LOST, died CLOSED_DECEASED,
  timeout ASSESSING
DISPOSED: dispatched IN_TRANSFER, admitted IN_CARE, taken_up FOLLOWING_UP, redispose DISPOSED,
  excluded CLOSED_EXCLUDED, merged CLOSED_MERGED, transferred CLOSED_TRANSFERRED,
  lost CLOSED_LOST, died CLOSED_DECEASED, timeout DISPOSED
IN_TRANSFER: admitted IN_CARE, taken_up FOLLOWING_UP, diverted IN_TRANSFER, redispose DISPOSED,
  merged CLOSED_MERGED, transferred CLOSED_TRANSFERRED, lost CLOSED_LOST, died CLOSED_DECEASED,
  timeout IN_TRANSFER
IN_CARE: discharged FOLLOWING_UP, redispose DISPOSED, excluded CLOSED_EXCLUDED,
  confirmed CLOSED_CONFIRMED, recovered CLOSED_RECOVERED, merged CLOSED_MERGED,
  transferred CLOSED_TRANSFERRED, lost CLOSED_LOST, died CLOSED_DECEASED, timeout IN_CARE
FOLLOWING_UP: new_symptoms ASSESSING, redispose DISPOSED, excluded CLOSED_EXCLUDED,
  confirmed CLOSED_CONFIRMED, recovered CLOSED_RECOVERED, returned CLOSED_RETURNED,
  merged CLOSED_MERGED, transferred CLOSED_TRANSFERRED, lost CLOSED_LOST,
  died CLOSED_DECEASED, timeout FOLLOWING_UP
"""
"""The ways as they were agreed on, once more: a walk does not ask the service what is right."""


def _legal() -> dict[Way, CaseState]:
    stages = (line.split(":") for line in TABLE.strip().replace("\n  ", " ").splitlines())
    return {
        (S(state), E(event)): S(after)
        for state, ways in stages
        for event, after in (way.split() for way in ways.split(","))
    }


LEGAL = _legal()
OPEN = sorted({state for state, _ in LEGAL})
SENT = {E.DISPOSE, E.REDISPOSE}
DUTY = {Role.MEDIC, Role.EPIDEMIOLOGIST, Role.SUPERVISOR}
MEDICAL = {Role.MEDIC, Role.EPIDEMIOLOGIST}
SENDERS: Mapping[CaseEvent, set[Role]] = {
    E.EMERGENCY: {Role.MEDIC, Role.SUPERVISOR},  # of those who write cases
    E.DISPATCHED: {Role.MEDIC, Role.SUPERVISOR},
    E.DIVERTED: {Role.MEDIC, Role.SUPERVISOR},
    E.NOT_FEVER: {Role.MEDIC},
    E.EXCLUDED: {Role.MEDIC},
    E.MERGED: set(),
    E.TIMEOUT: set(),
    **dict.fromkeys((E.ADMITTED, E.TAKEN_UP, E.RETURNED, E.TRANSFERRED, E.LOST), DUTY),
    **dict.fromkeys((E.DISCHARGED, E.NEW_SYMPTOMS, E.CONFIRMED, E.RECOVERED, E.DIED), MEDICAL),
}


async def leave(hub: Hub, case_id: str) -> None:
    """A vehicle leaves, or goes elsewhere."""
    told = await transfers_in_progress.depart(
        hub, case_id, receiver="Second Hospital", reason="road closed"
    )
    assert told.status_code == 200, told.text


async def divert(hub: Hub, case_id: str) -> None:
    """Whoever goes elsewhere is in a vehicle: an emergency may have left without one named."""
    if all(way["ending"] for way in await transfers_in_progress.ways(hub, case_id)):
        await leave(hub, case_id)
    await leave(hub, case_id)


async def fall_ill(hub: Hub, case_id: str) -> None:
    """The patient says so, by their own link."""
    told = await report(hub, await report_link(hub, case_id), temperature_c=38.9)
    assert told.status_code == 201, told.text


async def unheard(hub: Hub, case_id: str) -> None:
    """Lost, after they were looked for as often as the policy wants."""
    await screening_states.govern(hub, lost_apart_hours=0)
    if (await fever_cases.read(hub, case_id))["state"] in deadlines.FOLLOWED:
        contact, *_ = await open_contacts(hub, case_id)
        for _ in range(3):
            assert (await attempt(hub, contact, "NO_ANSWER")).status_code == 200
    assert (await fever_cases.move(hub, case_id, E.LOST)).status_code == 200


async def merge(hub: Hub, case_id: str) -> None:
    """Their other document is shown; under it they have been in hospital for longer."""
    number = str((await fever_cases.reveal(hub, case_id)).json()["document_number"])
    other = people.resident_number()
    kept = await fever_cases.case_of(hub, number=other)
    for event in PATHS[S.IN_CARE]:
        await DOORS[event](hub, kept)
    async with hub.runtime.database.transaction() as tx:
        await tx.raw.execute(
            "UPDATE fever_case SET opened_at = opened_at - interval '1 hour'"
            " WHERE hub_id = $1 AND case_id = $2::uuid",
            hub.hub_id,
            kept,
        )
    await link(hub, number, other)
    assert (await fever_cases.read(hub, case_id))["followed_by"] == kept
    assert (await fever_cases.move(hub, kept, "recovered")).status_code == 200


async def go_back(hub: Hub, case_id: str) -> None:
    """Whoever was sent back has returned; of anybody else that cannot be said."""
    last = (await fever_cases.read(hub, case_id))["dispositions"][-1]
    if last["code"] != "PERSUADED_RETURN":
        assert (await fever_cases.move(hub, case_id, E.RETURNED)).status_code == 409
        await sent("PERSUADED_RETURN")(hub, case_id)
        await moved(E.TAKEN_UP)(hub, case_id)
    await moved(E.RETURNED)(hub, case_id)


async def overdue(hub: Hub, case_id: str) -> None:
    await worker_clock.later(hub, seconds=await left(await fever_cases.read(hub, case_id)) + 1)


async def left(whole: people.Json) -> float:
    """Seconds from now until that is due."""
    due = datetime.fromisoformat(str(whole["due_at"]))
    return (due - datetime.now(UTC)).total_seconds()


def sent(code: str = "FEVER_CLINIC") -> Go:
    async def go(hub: Hub, case_id: str) -> None:
        told = await fever_cases.dispose(hub, case_id, code, consent=True)
        assert told.status_code == 200, told.text

    return go


def moved(event: CaseEvent) -> Go:
    async def go(hub: Hub, case_id: str) -> None:
        who = min(SENDERS[event])
        told = await fever_cases.move(hub, case_id, event, who=who)
        assert told.status_code == 200, told.text

    return go


DOORS: Mapping[CaseEvent, Go] = {
    **{event: moved(event) for event in CaseEvent},
    E.DISPOSE: sent(),
    E.REDISPOSE: sent("HOME_ISOLATION"),
    E.EMERGENCY: sent("EMERGENCY_CARE"),
    E.DISPATCHED: leave,
    E.DIVERTED: divert,
    E.NEW_SYMPTOMS: fall_ill,
    E.RETURNED: go_back,
    E.LOST: unheard,
    E.MERGED: merge,
    E.TIMEOUT: overdue,
}
"""How each event comes about, through the route that is meant for it."""
PATHS: Mapping[CaseState, tuple[CaseEvent, ...]] = {
    S.ASSESSING: (),
    S.DISPOSED: (E.DISPOSE,),
    S.IN_TRANSFER: (E.DISPOSE, E.DISPATCHED),
    S.IN_CARE: (E.DISPOSE, E.DISPATCHED, E.ADMITTED),
    S.FOLLOWING_UP: (E.DISPOSE, E.REDISPOSE, E.TAKEN_UP),
}


async def reach(hub: Hub, state: CaseState) -> str:
    case_id = await fever_cases.case_of(hub)
    for event in PATHS[state]:
        await DOORS[event](hub, case_id)
    return case_id


def test_the_table_is_the_one_that_was_agreed_on() -> None:
    table = {(s, event): after for s in S for event, after in machine.edges(s).items()}
    assert table == LEGAL
    writers = {
        event: {one for one in triggers if one in DUTY}
        for event, triggers in MACHINE.triggers.items()
        if event not in SENT
    }
    assert writers == SENDERS


@pytest.mark.parametrize("way", LEGAL, ids="-".join)
async def test_a_way_of_the_table_can_be_gone(hub: Hub, way: Way) -> None:
    case_id = await reach(hub, way[0])
    await DOORS[way[1]](hub, case_id)
    whole = await fever_cases.read(hub, case_id)
    step = whole["transitions"][-1]
    assert (step["before"], step["event"], step["after"]) == (*way, LEGAL[way])
    assert whole["state"] == LEGAL[way]
    assert bool(whole["closed_at"]) == (LEGAL[way] not in OPEN)


DEADLINES = {
    S.ASSESSING: timedelta(minutes=30),
    S.DISPOSED: timedelta(minutes=10),
    S.IN_TRANSFER: timedelta(minutes=50),  # 30 after the arrival that is expected in 20
    S.IN_CARE: timedelta(hours=24),
    S.FOLLOWING_UP: timedelta(hours=24),
}


@pytest.mark.parametrize("state", DEADLINES)
async def test_a_state_nobody_ends_rings_at_its_time_and_not_before(
    hub: Hub, state: CaseState
) -> None:
    case_id = await reach(hub, state)
    before = await fever_cases.read(hub, case_id)
    due, since = (datetime.fromisoformat(before[name]) for name in ("due_at", "state_since"))
    assert abs(due - since - DEADLINES[state]) < timedelta(seconds=20)  # vehicles leave by now
    await worker_clock.later(hub, seconds=await left(before) - 60)
    early = await fever_cases.read(hub, case_id)
    assert (early["late_since"], early["transitions"]) == (None, before["transitions"])
    await overdue(hub, case_id)
    rung = await fever_cases.read(hub, case_id)
    assert (rung["state"], rung["late_since"]) == (state, before["due_at"])
    assert rung["transitions"][:-1] == before["transitions"]


async def declined(hub: Hub, case_id: str) -> None:
    told = await fever_cases.dispose(hub, case_id)
    no = {"reply": "DECLINED", "reason": "no beds"}
    answer = await said(hub, case_id, told.json()["disposition_id"], **no)
    assert answer.status_code == 200, answer.text


async def housed(hub: Hub, case_id: str) -> None:
    await room(hub, care_minutes=5)
    assert (await stay(hub, case_id)).status_code == 200


async def cared_for(hub: Hub, case_id: str) -> None:
    for event in PATHS[S.IN_CARE]:
        await DOORS[event](hub, case_id)


async def suspected(hub: Hub, case_id: str) -> None:
    assert (await suspect(hub, case_id)).status_code < 300


CLOCKS: Mapping[Wait, tuple[Go, timedelta, timedelta]] = {
    Wait.CARE: (housed, timedelta(minutes=5), timedelta(minutes=10)),
    Wait.RECEIVER: (declined, timedelta(), timedelta(minutes=10)),
    Wait.REPORT_SOON: (suspected, timedelta(minutes=90), timedelta(minutes=15)),
    Wait.REPORT: (suspected, timedelta(hours=2), timedelta(minutes=15)),
    Wait.FOLLOW_UP: (cared_for, timedelta(hours=26), timedelta(hours=2)),
    Wait.ORIGIN: (sent("PERSUADED_RETURN"), timedelta(hours=2), timedelta(minutes=15)),
}
"""What begins it, after how long it rings, and after how long again."""


def waiting(whole: people.Json, kind: Wait) -> people.Json:
    (found,) = (one for one in whole["waits"] if one["kind"] == kind)
    return found


@pytest.mark.parametrize("kind", Wait)
async def test_what_is_waited_for_rings_at_its_time_and_again_and_moves_nothing(
    hub: Hub, kind: Wait
) -> None:
    begin, lasts, again = CLOCKS[kind]
    case_id = await fever_cases.case_of(hub)
    await begin(hub, case_id)
    whole = await fever_cases.read(hub, case_id)
    first = waiting(whole, kind)
    assert abs(await left(first) - lasts.total_seconds()) < 60
    if lasts:
        await worker_clock.later(hub, seconds=await left(first) - 60)
        assert waiting(await fever_cases.read(hub, case_id), kind) == first
    moment = max(await left(first), 0) + 1
    await worker_clock.later(hub, seconds=moment)
    rung = waiting(await fever_cases.read(hub, case_id), kind)
    assert rung["late_since"] == first["due_at"]
    assert abs(await left(rung) - moment - again.total_seconds()) < 30
    await worker_clock.later(hub, seconds=await left(rung) + 1)
    after = await fever_cases.read(hub, case_id)
    assert waiting(after, kind)["due_at"] > rung["due_at"]
    assert waiting(after, kind)["late_since"] == first["due_at"]
    assert after["state"] == whole["state"]


MOST_WALKS, LONGEST_WALK = 80, 10
ILLEGAL = {(state, event) for state in S for event in E if event not in SENT} - set(LEGAL)


class Walks:
    """Cases one after another, each beside a model that knows nothing but `LEGAL`."""

    def __init__(self, hub: Hub, chance: random.Random) -> None:
        self.hub = hub
        self.chance = chance
        self.taken: set[Way] = set()
        self.refused: set[Way] = set()
        self.open: set[str] = set()
        self.case = self.number = ""
        self.state = S.ASSESSING
        self.kept: dict[str, people.Json] = {}
        self.ways: list[people.Json] = []

    async def go(self) -> None:
        """One case, to its end or as long as there is patience."""
        self.number = people.resident_number()
        self.case = await fever_cases.case_of(self.hub, number=self.number)
        self.open.add(self.case)
        self.state, self.kept, self.ways = S.ASSESSING, {}, []
        again = self.chance.randrange(3)
        for step in range(LONGEST_WALK + 1):
            if step == again:
                await alarm(self.hub, self.number)
                await self.count()
            await self.stray()
            ways = [way for way in LEGAL if way[0] is self.state]
            if not ways or step == LONGEST_WALK:
                break
            way = self._chosen(ways)
            door = DOORS[way[1]]
            if way[1] is E.EMERGENCY and self.chance.random() < 0.5:
                door = moved(E.EMERGENCY)
            await door(self.hub, self.case)
            *before, last = await self.observe()
            assert last == way
            sent_back = [(S.FOLLOWING_UP, E.REDISPOSE), (S.DISPOSED, E.TAKEN_UP)]
            assert before in ([], sent_back if way[1] is E.RETURNED else [])

    def _chosen(self, ways: list[Way]) -> Way:
        """A way not taken yet, or to where one begins; now and then any that leads on."""
        on = [way for way in ways if LEGAL[way] in OPEN]
        begin = {state for state, _ in set(LEGAL) - self.taken}
        fresh = [way for way in ways if way not in self.taken]
        towards = [way for way in on if LEGAL[way] in begin]
        return self.chance.choice((self.chance.random() < 0.9 and (fresh or towards)) or on)

    async def stray(self) -> None:
        """Ask for what the table does not have, and as who may not."""
        for event in [e for e in E if (self.state, e) in ILLEGAL - self.refused]:
            who = self.chance.choice(sorted(SENDERS[event] or DUTY))
            answer = await fever_cases.move(self.hub, self.case, event, who=who)
            assert answer.status_code == 409, (self.state, event)
            self.refused.add((self.state, event))
        event = self.chance.choice(sorted(SENDERS))
        for who in sorted(DUTY - SENDERS[event]):
            answer = await fever_cases.move(self.hub, self.case, event, who=who)
            assert answer.status_code == (403 if (self.state, event) in LEGAL else 409)
        if self.state not in {S.DISPOSED, S.IN_TRANSFER}:
            assert (await transfers_in_progress.depart(self.hub, self.case)).status_code == 409
        if self.state not in OPEN:
            assert (await fever_cases.dispose(self.hub, self.case)).status_code == 409
        assert await self.observe() == []

    async def observe(self) -> list[Way]:
        """The ways gone since the last look; nothing that was there before has changed."""
        whole = await fever_cases.read(self.hub, self.case)
        rows = {str(row["id"]): row for row in whole["transitions"]}
        assert self.kept.items() <= rows.items()
        assert whole["dispositions"][: len(self.ways)] == self.ways
        gone: list[Way] = []
        for row in (row for key, row in rows.items() if key not in self.kept):
            way = (S(row["before"]), E(row["event"]))
            assert way[0] is self.state
            assert LEGAL.get(way) == row["after"], row
            self.state = LEGAL[way]
            gone.append(way)
        self.kept, self.ways = rows, whole["dispositions"]
        assert whole["state"] == self.state
        if self.state not in OPEN:
            self.open.discard(self.case)
        self.taken.update(gone)
        return gone

    async def count(self) -> None:
        """Nobody has got a second open case, and no closed one was opened again."""
        query: dict[str, str | int] = {"by": "DUE", "limit": 200}
        told = await self.hub.client(Role.MEDIC).get("/v1/cases", params=query)
        assert {one["case_id"] for one in told.json()["cases"]} == self.open


async def test_walking_at_random_takes_every_way_there_is_and_no_other(hub: Hub) -> None:
    """The walks prefer what none of them has gone yet."""
    seed = int(os.environ.get("TWINSTILE_WALK") or random.SystemRandom().randrange(1 << 32))
    print(f"TWINSTILE_WALK={seed}")  # noqa: T201 # shown with a failure, to walk so again
    walks = Walks(hub, random.Random(seed))
    for _ in range(MOST_WALKS):
        if walks.taken == set(LEGAL) and walks.refused == ILLEGAL:
            break
        await walks.go()
    await walks.count()
    assert walks.taken == set(LEGAL)
    assert walks.refused == ILLEGAL
