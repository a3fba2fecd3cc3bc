"""Those who receive the guests: each script is sent as it is written, by whom it names."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

from uuid_utils.compat import uuid7

from twinstile_simulator import bodies, guests
from twinstile_simulator.bodies import Answer
from twinstile_simulator.client import (
    Json,
    Refused,
    Service,
    Unreadable,
    mapping,
    member,
    until,
)
from twinstile_simulator.credentials.presentations import describe_answer
from twinstile_simulator.guests import Desk, Guest, Move, Visit, Way
from twinstile_simulator.hub import Hub, sign_in
from twinstile_simulator.tablets import Tablet
from twinstile_simulator.timetable import Train

AT_ONCE = 6
"""Guests at the desks; more would stand in the crowd's way."""


@dataclass(frozen=True, slots=True)
class GuestTrain:
    """A run of the guests' own."""

    run_id: str
    train: Train


@dataclass(slots=True)
class Received:
    """A guest as the service knows them: the passages, by their own ids, oldest first."""

    guest: Guest
    kind: str
    afternoon: bool
    found: bool
    """Must be found again by the document."""
    early: bool
    run_id: str
    proof: dict[str, object] = field(default_factory=dict)
    """What the service must tell of the first check beside its decision."""
    passages: list[str] = field(default_factory=list)
    case_id: str | None = None
    misjudged: bool = False
    """The service answered otherwise than the presented credential is worth."""
    order_id: str | None = None
    """Of the message to this guest."""
    notice_states: frozenset[str] = frozenset()
    """In one of which that message must be."""


@dataclass(slots=True)
class Hosts:
    """The guests' day."""

    service: Service
    hub: Hub
    trains: Mapping[bool, GuestTrain]
    """Of those who are expected; the one of those who come early by True."""
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the codes that are shown, by the guest's key."""
    troubles: list[str] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    _at_groups: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def receive(self, visits: Sequence[Visit]) -> None:
        """Let all of them through; returns when the last one is done with."""
        places = asyncio.Semaphore(AT_ONCE)

        async def visit(one: Visit) -> None:
            async with places:
                await self._visit(one)

        await asyncio.gather(*(visit(one) for one in visits))

    async def _visit(self, visit: Visit) -> None:
        group = visit.group
        party = str(uuid7())
        come = [
            Received(
                guest,
                group.kind,
                group.afternoon,
                group.found,
                group.early,
                self.trains[group.early].run_id,
                {"evidence": {"credential": guest.shows.recorded}} if guest.shows else {},
            )
            for guest in visit.guests
        ]
        self.received += come
        try:
            begin = WAYS.get(group.way)
            if begin:
                await begin(self, come, party)
            for one in come:
                for move in one.guest.script[bool(begin) :]:
                    await self._move(one, move, party)
        except (Refused, Unreadable) as error:
            self.troubles.append(f"{group.kind}: {error}")

    async def scan(self, come: Sequence[Received], party: str) -> None:
        """Hand over the first check of each as one batch."""
        async with self._at_groups:
            tablet = self.hub.groups
            kept = {self._keep(one, party, offline=False): one for one in come}
            self._note_all(kept, await tablet.replay())

    async def change_shift(self, come: Sequence[Received], party: str) -> None:
        """Half are checked by one officer, half by the next; both without a line."""
        async with self._at_groups:
            tablet, shift_id = self.hub.groups, str(uuid7())
            first = await self.service.ask("GET", "/v1/me", tablet.token)
            half = len(come) // 2
            kept = {
                self._keep(one, party, shift_id=str(first["shift_id"])): one
                for one in come[:half]
            }
            since = bodies.now()
            kept |= {self._keep(one, party, shift_id=shift_id): one for one in come[half:]}
            relief = self.hub.relief
            tablet.token = await sign_in(self.service, tablet.device, relief)
            second = await self.service.ask("GET", "/v1/me", tablet.token)
            await tablet.claim(shift_id, relief.login, since)
            path = f"/v1/offline-shifts/{shift_id}/confirmation"
            await self.service.send("PUT", path, tablet.token)
            for place, one in enumerate(come):
                officer = first if place < half else second
                one.proof = {"operator_id": officer["operator_id"], "offline": True}
            self._note_all(kept, await tablet.replay())

    async def key_in(self, come: Sequence[Received], party: str) -> None:
        """Key in a form for each; one that tells of a fever is compared by a second person."""
        for one in come:
            form_no = f"D-{secrets.randbelow(10**8):08d}"
            move = one.guest.script[0]
            reply = await self.hub.assisted.key_in(form_no, self._check(one, move, party))
            answer = bodies.answer(reply["check"])
            one.proof = {"evidence": {"source": "PAPER", "form_no": form_no}}
            self._note(one, move, answer.state, answer.screening_id)
            if reply["second_look"]:
                path, same = f"/v1/paper-forms/{form_no}/second-look", {"agrees": True}
                await self.service.send("PUT", path, self.hub.supervisor, same)

    def _keep(
        self, one: Received, party: str, *, offline: bool = True, shift_id: str | None = None
    ) -> str:
        content = self._check(one, one.guest.script[0], party)
        return self.hub.groups.keep(content, offline=offline, shift_id=shift_id)

    def _note_all(self, kept: Mapping[str, Received], answers: Mapping[str, Answer]) -> None:
        for id_, answer in answers.items():
            one = kept[id_]
            self._note(one, one.guest.script[0], answer.state, answer.screening_id)

    async def _move(self, one: Received, move: Move, party: str) -> None:
        if move.event is None:
            answer = await self._tablet(move.desk).check(self._check(one, move, party))
            one.case_id = one.case_id or answer.case_id
            self._judge(one, answer.credential)
            self._note(one, move, answer.state, answer.screening_id)
        else:
            await DEEDS.get(move.event, Hosts.step)(self, one, move)

    async def remind(self, one: Received, move: Move) -> None:
        """Order a message to the guest alone; some have no address. The clock may be first."""
        one.order_id = str(uuid4())
        path = f"/v1/runs/{one.run_id}/notices/{one.order_id}"
        order = {"kind": "R1", "entry_id": one.guest.key}
        reply = await self.service.ask("PUT", path, self._token(move.desk), order)
        if reply["unreachable"] != move.told["unreachable"]:
            self.troubles.append(f"{one.kind}: {reply['unreachable']} without an address")

    async def arrive(self, one: Received, move: Move) -> None:
        """Tell that the guest's train is here, before its time."""
        body = bodies.run(self.trains[one.early].train, datetime.now(UTC))
        await self.service.ask("PUT", f"/v1/runs/{one.run_id}", self._token(move.desk), body)

    async def noticed(self, one: Received, move: Move) -> None:
        """Look until the message has left or failed."""
        one.notice_states = frozenset(cast("list[str]", move.told["states"]))
        path = f"/v1/runs/{one.run_id}/reminders"

        async def out() -> bool:
            told = await self.service.ask("GET", path, self._token(move.desk))
            notices = [mapping(notice) for notice in cast("list[object]", told["notices"])]
            return not any(notice["state"] in {"WAITING", "SENDING"} for notice in notices)

        await until(out)

    async def dispose(self, one: Received, move: Move) -> None:
        """Send the guest's case somewhere."""
        path = f"/v1/cases/{one.case_id}/dispositions/{uuid4()}"
        body = bodies.disposition(str(move.told["code"]))
        await self.service.ask("PUT", path, self._token(move.desk), body)

    async def name(self, one: Received, move: Move) -> None:
        """Say who a patient without a name is."""
        papers = one.guest.document
        if papers is None:
            raise ValueError("a guest without papers cannot be named")
        path = f"/v1/cases/{one.case_id}/identifications/{uuid4()}"
        body = {"document": bodies.announced(papers), **move.told}
        await self.service.ask("PUT", path, self._token(move.desk), body)

    async def override(self, one: Received, move: Move) -> None:
        """Let somebody go on against what was decided."""
        path = f"/v1/screenings/{one.passages[-1]}/overrides"
        body = {"id": str(uuid4()), "reason": "synthetic station day", **move.told}
        reply = await self.service.ask("POST", path, self._token(move.desk), body)
        self._note(one, move, member(reply, "state", str), one.passages[-1])

    async def step(self, one: Received, move: Move) -> None:
        """Take a step; before there is a passage it is one of the manifest's entry."""
        body: dict[str, object] = {
            "event": move.event,
            "at": bodies.now(),
            "reason": "synthetic station day",
            "particulars": _dated(move.told),
        }
        place = f"/v1/screenings/{one.passages[-1]}" if one.passages else None
        if place is None:
            place, body["entry_id"] = f"/v1/runs/{one.run_id}", one.guest.key
        path = f"{place}/steps/{uuid4()}"
        reply = await self.service.ask("PUT", path, self._token(move.desk), body)
        state = member(reply, "state", str)
        self._note(one, move, state, str(reply.get("screening_id") or one.passages[-1]))

    async def wait(self, one: Received, move: Move) -> None:
        """Look until the service's own clock has moved the passage."""
        path, states = f"/v1/screenings/{one.passages[-1]}", [""]

        async def moved() -> bool:
            told = await self.service.ask("GET", path, self.hub.supervisor)
            states.append(member(told, "state", str))
            return states[-1] == move.state

        await until(moved)
        self._note(one, move, states[-1], one.passages[-1])

    def _check(self, one: Received, move: Move, party: str) -> Json:
        guest = one.guest
        told = dict(_dated(move.told))
        if result := told.pop("identity", None):
            told["identity"] = bodies.identity(
                guest.document, guest.born, str(result), guest.name
            )
        if told.pop(guests.SHOWN, None) and guest.shows:
            told["scanned"] = {"text": self.texts[guest.key], "rules": guest.shows.rules}
        if guest.role:
            told["party"] = {"id": party, "role": guest.role}
        if one.passages and not move.again:
            told["screening_id"] = one.passages[-1]
        return {"assistance": False, "illness": False, **told}

    def _judge(self, one: Received, judged: Json | None) -> None:
        """Compare what was made of a code with what it is worth, and remember it."""
        wanted = one.guest.shows
        if judged is None or wanted is None:
            return
        found = describe_answer(judged["colour"], judged["outcome"], judged["status"])
        if found != (known := describe_answer(wanted.colour, wanted.outcome, wanted.status)):
            one.misjudged = True
            self.troubles.append(f"{one.kind}, {wanted.how}: expected {known}, got {found}")

    def _note(self, one: Received, move: Move, state: str | None, passage: str | None) -> None:
        """Compare where a request led with the script, and remember the passage."""
        if passage and passage not in one.passages:
            one.passages.append(passage)
        if state != move.state:
            asked = move.event or "check"
            self.troubles.append(f"{one.kind}/{asked}: expected {move.state}, got {state}")

    def _tablet(self, desk: Desk) -> Tablet:
        tablets = {
            Desk.DEPARTURES: self.hub.departures,
            Desk.ASSISTED: self.hub.assisted,
            Desk.SECONDARY: self.hub.secondary,
        }
        return tablets.get(desk, self.hub.guests)

    def _token(self, desk: Desk) -> str:
        tokens = {
            Desk.SUPERVISOR: self.hub.supervisor,
            Desk.COMMANDER: self.hub.commander,
            Desk.EPIDEMIOLOGIST: self.hub.epidemiologist,
        }
        return tokens.get(desk) or self._tablet(desk).token


DEEDS: Mapping[str, Callable[[Hosts, Received, Move], Awaitable[None]]] = {
    guests.CLOCK: Hosts.wait,
    guests.DISPOSITION: Hosts.dispose,
    guests.OVERRIDE: Hosts.override,
    guests.NAMING: Hosts.name,
    guests.REMIND: Hosts.remind,
    guests.ARRIVE: Hosts.arrive,
    guests.NOTICED: Hosts.noticed,
}
"""What a script can ask for beside checks and the steps of the state machine."""

WAYS: Mapping[Way, Callable[[Hosts, Sequence[Received], str], Awaitable[None]]] = {
    Way.TOGETHER: Hosts.scan,
    Way.SHIFT_CHANGE: Hosts.change_shift,
    Way.PAPER: Hosts.key_in,
}
"""How first checks are sent that are not sent one by one."""


def _dated(told: Mapping[str, object]) -> Json:
    """Make moments of what is told as a distance from now."""
    dated: dict[str, object] = {}
    for name, value in told.items():
        match value:
            case timedelta():
                dated[name] = (datetime.now(UTC) + value).isoformat()
            case dict():
                dated[name] = _dated({str(key): inner for key, inner in value.items()})  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            case _:
                dated[name] = value
    return dated
