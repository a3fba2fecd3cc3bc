"""Receive special travellers: each script is sent as it is written, by whom it names."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import uuid4

from uuid_utils.compat import uuid7

from twinstile_simulator import bodies
from twinstile_simulator.bodies import CheckResult
from twinstile_simulator.client import (
    Json,
    RequestRefused,
    ServiceClient,
    Unreadable,
    member,
    until,
)
from twinstile_simulator.credentials.presentations import describe_answer
from twinstile_simulator.hub import SimulatedHub
from twinstile_simulator.scenarios import scripts
from twinstile_simulator.scenarios.scripts import (
    GroupArrival,
    ScriptAction,
    ScriptDesk,
    ScriptedTraveller,
    TravellerGroup,
)
from twinstile_simulator.tablets import SimulatedTablet

AT_ONCE = 6
"""Travellers at the desks; more would stand in the crowd's way."""


@dataclass(slots=True)
class ReceivedTraveller:
    """A special traveller as the service knows them."""

    traveller: ScriptedTraveller
    group: TravellerGroup
    party: str
    screening_ids: list[str] = field(default_factory=list)
    """Of each visit, oldest first."""
    case_id: str | None = None
    misjudged: bool = False
    """The service answered otherwise than the presented credential is worth."""


@dataclass(slots=True)
class Reception:
    """Sends the scripts, and notes where each request led."""

    service: ServiceClient
    hub: SimulatedHub
    run_id: str
    """Of the train of those who are expected."""
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the credentials that are presented, by the traveller's key."""
    troubles: list[str] = field(default_factory=list)
    received: list[ReceivedTraveller] = field(default_factory=list)
    _batch: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def receive(self, arrivals: Sequence[GroupArrival]) -> None:
        """Let all of them through; returns when the last one is done with."""
        places = asyncio.Semaphore(AT_ONCE)

        async def enter(arrival: GroupArrival) -> None:
            async with places:
                await self._receive(arrival)

        await asyncio.gather(*(enter(arrival) for arrival in arrivals))

    async def _receive(self, arrival: GroupArrival) -> None:
        group, party = arrival.group, str(uuid7())
        members = [ReceivedTraveller(one, group, party) for one in arrival.travellers]
        self.received += members
        try:
            if group.batched:
                await self._send_batch(members)
            for one in members:
                for action in one.traveller.script[group.batched :]:
                    await self._send(one, action)
        except (RequestRefused, Unreadable) as error:
            self.troubles.append(f"{group.kind}: {error}")

    async def _send_batch(self, members: Sequence[ReceivedTraveller]) -> None:
        """Hand over the first check of each in one request."""
        async with self._batch:
            tablet = self.hub.groups
            sent = {
                tablet.keep(self._describe(one, one.traveller.script[0]), offline=False): one
                for one in members
            }
            for id_, answer in (await tablet.replay()).items():
                self._note_answer(sent[id_], sent[id_].traveller.script[0], answer)

    async def _send(self, one: ReceivedTraveller, action: ScriptAction) -> None:
        if action.event is None:
            tablet = self._tablet(action.desk)
            self._note_answer(one, action, await tablet.check(self._describe(one, action)))
        else:
            await _ACTIONS.get(action.event, Reception.take_step)(self, one, action)

    async def send_disposition(self, one: ReceivedTraveller, action: ScriptAction) -> None:
        """Send the traveller's case somewhere."""
        path = f"/v1/cases/{one.case_id}/dispositions/{uuid4()}"
        body = bodies.disposition(str(action.content["code"]))
        await self.service.ask("PUT", path, self._token(action.desk), body)

    async def identify(self, one: ReceivedTraveller, action: ScriptAction) -> None:
        """Say who a patient without a name is."""
        if one.traveller.document is None:
            raise ValueError("a traveller without papers cannot be identified")
        path = f"/v1/cases/{one.case_id}/identifications/{uuid4()}"
        body = {"document": bodies.describe_document(one.traveller.document), **action.content}
        await self.service.ask("PUT", path, self._token(action.desk), body)

    async def override(self, one: ReceivedTraveller, action: ScriptAction) -> None:
        """Let somebody go on against what was decided."""
        path = f"/v1/screenings/{one.screening_ids[-1]}/overrides"
        body = {"id": str(uuid4()), "reason": "synthetic station day", **action.content}
        reply = await self.service.ask("POST", path, self._token(action.desk), body)
        self._note(one, action, member(reply, "state", str), one.screening_ids[-1])

    async def take_step(self, one: ReceivedTraveller, action: ScriptAction) -> None:
        """Take a step; before there is a visit it is one of the manifest's entry."""
        body: dict[str, object] = {
            "event": action.event,
            "at": bodies.now(),
            "reason": "synthetic station day",
            "particulars": _resolve_times(action.content),
        }
        if one.screening_ids:
            subject = f"/v1/screenings/{one.screening_ids[-1]}"
        else:
            subject, body["entry_id"] = f"/v1/runs/{self.run_id}", one.traveller.key
        path = f"{subject}/steps/{uuid4()}"
        reply = await self.service.ask("PUT", path, self._token(action.desk), body)
        screening_id = str(reply.get("screening_id") or one.screening_ids[-1])
        self._note(one, action, member(reply, "state", str), screening_id)

    async def await_clock(self, one: ReceivedTraveller, action: ScriptAction) -> None:
        """Wait until the service's own clock has moved the visit."""
        path, states = f"/v1/screenings/{one.screening_ids[-1]}", [""]

        async def has_moved() -> bool:
            reply = await self.service.ask("GET", path, self.hub.supervisor)
            states.append(member(reply, "state", str))
            return states[-1] == action.state

        await until(has_moved)
        self._note(one, action, states[-1], one.screening_ids[-1])

    def _describe(self, one: ReceivedTraveller, action: ScriptAction) -> Json:
        """The content of a check."""
        traveller, content = one.traveller, _resolve_times(action.content)
        if result := content.pop("identity", None):
            holder = traveller.member
            content["identity"] = bodies.identity(
                traveller.document, holder.born, str(result), holder.name
            )
        if content.pop(scripts.PRESENTED, None) and traveller.presentation:
            rules = traveller.presentation.rules
            content["scanned"] = {"text": self.texts[traveller.key], "rules": rules}
        if traveller.member.role:
            content["party"] = {"id": one.party, "role": traveller.member.role}
        if one.screening_ids and not action.new_visit:
            content["screening_id"] = one.screening_ids[-1]
        return {"assistance": False, "illness": False, **content}

    def _note_answer(
        self, one: ReceivedTraveller, action: ScriptAction, answer: CheckResult
    ) -> None:
        one.case_id = one.case_id or answer.case_id
        presented, judged = one.traveller.presentation, answer.credential
        if presented and judged:
            found = describe_answer(judged["colour"], judged["outcome"], judged["status"])
            if found != presented.answer:
                one.misjudged = True
                subject = f"{one.group.kind}, {presented.how}"
                self.troubles.append(f"{subject}: expected {presented.answer}, got {found}")
        self._note(one, action, answer.state, answer.screening_id)

    def _note(
        self,
        one: ReceivedTraveller,
        action: ScriptAction,
        state: str | None,
        screening_id: str | None,
    ) -> None:
        """Compare where a request led with the script, and remember the visit."""
        if screening_id and screening_id not in one.screening_ids:
            one.screening_ids.append(screening_id)
        if state != action.state:
            subject = f"{one.group.kind}/{action.event or 'check'}"
            self.troubles.append(f"{subject}: expected {action.state}, got {state}")

    def _tablet(self, desk: ScriptDesk) -> SimulatedTablet:
        tablets = {
            ScriptDesk.DEPARTURES: self.hub.departures,
            ScriptDesk.ASSISTED: self.hub.assisted,
            ScriptDesk.SECONDARY: self.hub.secondary,
        }
        return tablets.get(desk, self.hub.guests)

    def _token(self, desk: ScriptDesk) -> str:
        tokens = {
            ScriptDesk.SUPERVISOR: self.hub.supervisor,
            ScriptDesk.COMMANDER: self.hub.commander,
            ScriptDesk.EPIDEMIOLOGIST: self.hub.epidemiologist,
        }
        return tokens.get(desk) or self._tablet(desk).token


_ACTIONS: Mapping[
    str, Callable[[Reception, ReceivedTraveller, ScriptAction], Awaitable[None]]
] = {
    scripts.CLOCK: Reception.await_clock,
    scripts.DISPOSITION: Reception.send_disposition,
    scripts.OVERRIDE: Reception.override,
    scripts.IDENTIFICATION: Reception.identify,
}


def _resolve_times(content: Mapping[str, object]) -> dict[str, object]:
    """Turn distances from now into moments."""
    resolved: dict[str, object] = {}
    for name, value in content.items():
        if isinstance(value, timedelta):
            resolved[name] = (datetime.now(UTC) + value).isoformat()
        elif isinstance(value, dict):
            resolved[name] = _resolve_times(cast("dict[str, object]", value))
        else:
            resolved[name] = value
    return resolved
