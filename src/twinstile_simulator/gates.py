"""People at the gates: every planned check, by its tablet, in order, at the day's speed."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from uuid import uuid4

from twinstile_simulator import bodies
from twinstile_simulator.bodies import CheckResult
from twinstile_simulator.client import Json, RequestRefused, ServiceClient, Unreadable
from twinstile_simulator.hub import SimulatedHub
from twinstile_simulator.protocol import CheckPlace
from twinstile_simulator.tablets import SimulatedTablet
from twinstile_simulator.truth import CrowdVisit, DayPlan

Away = Callable[[], AbstractAsyncContextManager[None]]
"""For as long as the block the service is not there."""

_Turn = tuple[CrowdVisit, int, CheckResult]
"""Someone on the way to a desk, the step to take there, the answer that sent them."""


@dataclass(slots=True)
class Gates:
    """The day's flow."""

    service: ServiceClient
    hub: SimulatedHub
    plan: DayPlan
    run_ids: Sequence[str]
    speed: float | None
    """Simulated seconds per second; None is as fast as the service answers."""
    away: Away
    checked: Callable[[], None]
    """Called after every check."""
    troubles: list[str] = field(default_factory=list)
    """What went otherwise than planned, by the person's key."""
    _desks: dict[CheckPlace, asyncio.Queue[_Turn | None]] = field(default_factory=dict)

    async def open(self) -> None:
        """Let everybody through; returns when the last one is done with.

        Once in the day the service goes away under the desks' and the guests' requests; the
        lanes meet then, and each takes some people without it.
        """
        desks = {
            CheckPlace.ASSISTED: self.hub.assisted,
            CheckPlace.SECONDARY: self.hub.secondary,
        }
        self._desks = {place: asyncio.Queue() for place in desks}
        started = asyncio.get_running_loop().time()
        cut = {passage.tablet for passage in self.plan.passages if passage.away}
        outage = asyncio.Barrier(len(cut) + 1)
        async with asyncio.TaskGroup() as desk_work:
            for place, tablet in desks.items():
                desk_work.create_task(self._desk(place, tablet))
            async with asyncio.TaskGroup() as lane_work:
                lane_work.create_task(self._interrupt(outage))
                for position, tablet in enumerate(self.hub.lanes):
                    mine = [p for p in self.plan.passages if p.tablet == position]
                    lane_work.create_task(self._lane(tablet, mine, started, outage))
            for queue in self._desks.values():
                queue.put_nowait(None)

    async def _interrupt(self, outage: asyncio.Barrier) -> None:
        """When all lanes have come so far, let the service be away until all have gone on."""
        await outage.wait()
        async with self.away():
            if await self.service.answers():
                self.troubles.append("the service did not go away")
            await outage.wait()
            await outage.wait()
        await outage.wait()

    async def _lane(
        self,
        tablet: SimulatedTablet,
        passages: Sequence[CrowdVisit],
        started: float,
        outage: asyncio.Barrier,
    ) -> None:
        kept: dict[str, CrowdVisit] = {}
        away = False
        for passage in passages:
            await self._until_due(passage, started)
            if passage.away is not away:  # it goes, or it has come back
                away = passage.away
                await outage.wait()
                await outage.wait()
            if passage.offline:
                kept[tablet.keep(self._content(passage, 0, None))] = passage
                continue
            await self._replay(tablet, kept)
            await self._go_on(CheckPlace.LANE, tablet, (passage, 0, None))
        if away:
            await outage.wait()
            await outage.wait()
        await self._replay(tablet, kept)

    async def _desk(self, place: CheckPlace, tablet: SimulatedTablet) -> None:
        while turn := await self._desks[place].get():
            await self._go_on(place, tablet, turn)

    async def _replay(self, tablet: SimulatedTablet, stored: dict[str, CrowdVisit]) -> None:
        """Hand over what was kept; only then can those who were stopped be looked at again."""
        if not stored:
            return
        try:
            answers = await tablet.replay()
        except (RequestRefused, Unreadable) as error:
            self.troubles.append(f"{tablet.lane_id}: {error}")
            return
        for id_, answer in answers.items():
            passage = stored.pop(id_)
            self._note(passage, 0, answer)
            if answer.acknowledged:
                await self._go_on(CheckPlace.LANE, tablet, (passage, 1, answer))

    async def _go_on(
        self,
        place: CheckPlace,
        tablet: SimulatedTablet,
        turn: tuple[CrowdVisit, int, CheckResult | None],
    ) -> None:
        """Take the person's checks from one on, until they must go elsewhere or are done."""
        passage, first, answer = turn
        for position in range(first, len(passage.steps)):
            if answer and passage.steps[position].place is not place:
                elsewhere = self._desks[passage.steps[position].place]
                elsewhere.put_nowait((passage, position, answer))
                return
            try:
                answer = await tablet.check(self._content(passage, position, answer))
            except (RequestRefused, Unreadable) as error:
                self.troubles.append(f"{passage.person.key}: {error}")
                return
            self._note(passage, position, answer)
        if passage.disposition and answer:
            await self._dispose(passage.disposition, passage, answer)

    async def _dispose(self, code: str, passage: CrowdVisit, answer: CheckResult) -> None:
        path = f"/v1/cases/{answer.case_id}/dispositions/{uuid4()}"
        body = bodies.disposition(code)
        try:
            await self.service.ask("PUT", path, self.hub.secondary.token, body)
        except (RequestRefused, Unreadable) as error:
            self.troubles.append(f"{passage.person.key}: {error}")

    def _content(self, passage: CrowdVisit, position: int, answer: CheckResult | None) -> Json:
        run_id = self.run_ids[passage.person.train]
        screening_id = answer.screening_id if answer else None
        return bodies.check(passage.person, passage.steps[position], run_id, screening_id)

    def _note(self, passage: CrowdVisit, position: int, answer: CheckResult) -> None:
        """Compare the answer with the protocol's."""
        self.checked()
        expected = passage.steps[position].state
        if not answer.acknowledged or answer.state != expected:
            got = f"{answer.state} ({answer.status})"
            trouble = f"{passage.person.key}/{position + 1}: expected {expected}, got {got}"
            self.troubles.append(trouble)

    async def _until_due(self, passage: CrowdVisit, started: float) -> None:
        if self.speed is None:
            return
        trains = self.plan.trains
        since_first = (
            trains[passage.person.train].scheduled_arrival - trains[0].scheduled_arrival
        )
        due = started + (since_first.total_seconds() + passage.person.walk) / self.speed
        await asyncio.sleep(due - asyncio.get_running_loop().time())
