"""A tablet at a lane or a desk: takes checks, keeps them while its line is down, hands over.

Every fact has an id of its own (UUIDv7) and the device's next counter, without gaps. A fact
the service has acknowledged is remembered, so that the day's end can ask for it again.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from uuid_utils.compat import uuid7

from twinstile_simulator import bodies
from twinstile_simulator.bodies import CheckResult, StoredCheck
from twinstile_simulator.client import Json, RequestRefused, ServiceClient

CHUNK = 200
ROUNDS = 10
PAUSE_S = 0.5

Backlog = Mapping[str, StoredCheck]
"""Facts by id, oldest first."""


@dataclass(slots=True)
class SimulatedTablet:
    """One enrolled device with an operator signed in on it."""

    service: ServiceClient
    token: str
    lane_id: str
    counter: int = 0
    backlog: dict[str, StoredCheck] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    waits_ms: list[float] = field(default_factory=list)
    """How long each online check waited for its answer, retries included."""

    async def check(self, content: Json) -> CheckResult:
        """Take a check online. Raises RequestRefused."""
        id_, counter, fact = self._fact(content, offline=False)
        body = {**fact, "counter": counter, "sent_at": bodies.now()}
        started = time.perf_counter()
        reply = await self.service.ask("PUT", f"/v1/checks/{id_}", self.token, body)
        self.waits_ms.append(1000 * (time.perf_counter() - started))
        self.acknowledged.add(id_)
        return bodies.answer(reply)

    def keep(self, content: Json, *, offline: bool = True) -> str:
        """Take a check while the line is down, or to hand it over with others; its id."""
        id_, counter, fact = self._fact(content, offline=offline)
        self.backlog[id_] = StoredCheck(counter, fact)
        return id_

    async def replay(self) -> Mapping[str, CheckResult]:
        """Hand the backlog over, oldest first; returns the answer to each fact.

        A fact answered `retry`, or whose counter the service lists as missing, is sent again;
        one in quarantine is not. Raises RequestRefused if some are still open after ten rounds.
        """
        answers: dict[str, CheckResult] = {}
        open_facts = dict(self.backlog)
        for attempt in range(ROUNDS):
            await asyncio.sleep(PAUSE_S if attempt else 0)
            missing: list[range] = []
            for chunk in _chunks(open_facts):
                missing = await self._hand_over(chunk, answers)
            open_facts = {
                id_: stored
                for id_, stored in open_facts.items()
                if id_ not in answers
                or not answers[id_].settled
                or any(stored.counter in gap for gap in missing)
            }
            if not open_facts:
                self.acknowledged |= {a.id for a in answers.values() if a.acknowledged}
                self.backlog.clear()
                return answers
        raise RequestRefused(
            "POST", "/v1/facts:batch", 200, f"{len(open_facts)} facts stay open"
        )

    async def _hand_over(self, chunk: Backlog, answers: dict[str, CheckResult]) -> list[range]:
        """Send one chunk and note its answers; returns the counters the service lacks."""
        body = bodies.batch(chunk)
        reply = await self.service.ask("POST", "/v1/facts:batch", self.token, body)
        answers |= {answer.id: answer for answer in bodies.answers(reply)}
        return bodies.gaps(reply)

    def _fact(self, content: Json, *, offline: bool) -> tuple[str, int, Json]:
        self.counter += 1
        moment = {"observed_at": bodies.now(), "offline": offline, "lane_id": self.lane_id}
        return str(uuid7()), self.counter, {**content, **moment}


def _chunks(facts: Backlog) -> Iterator[Backlog]:
    ids = list(facts)
    for start in range(0, len(ids), CHUNK):
        yield {id_: facts[id_] for id_ in ids[start : start + CHUNK]}
