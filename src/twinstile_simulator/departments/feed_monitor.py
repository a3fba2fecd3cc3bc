"""Somebody who lets the departments speak, and waits until the service has heard them."""

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import cast

from twinstile_simulator.client import Json, ServiceClient, mapping, member, until
from twinstile_simulator.departments.feeds import POLICE, Departments, FeedCounters
from twinstile_simulator.hub import SimulatedHub
from twinstile_simulator.scenarios.scripts import (
    DepartmentReport,
    GroupArrival,
    ScriptedTraveller,
    list_travellers,
)

COUNTERS = tuple(one.name for one in fields(FeedCounters))
PATIENCE_S = 180.0
"""A service that was killed while it asked takes up to two minutes to ask again."""
_LOOKED_FOR = (
    DepartmentReport.POLICE_CHECK,
    DepartmentReport.POLICE_STOP,
    DepartmentReport.DOCUMENT_LOST,
)


@dataclass(frozen=True, slots=True)
class FeedResult:
    """What the service tells of a feed at the end of the day, and what it must be."""

    name: str
    sent: FeedCounters
    told: FeedCounters
    rows: int
    outages: int
    recovered: int

    @property
    def as_sent(self) -> bool:
        return self.told == self.sent and self.outages == self.recovered


@dataclass(slots=True)
class FeedMonitor:
    service: ServiceClient
    hub: SimulatedHub
    departments: Departments
    troubles: list[str] = field(default_factory=list[str])
    _seen: int = 0
    _over: int = 0

    async def await_first_reports(self, arrivals: Sequence[GroupArrival]) -> None:
        """Wait until all that was said so far has been heard, and the tablets know."""
        await self._heard(
            [one for report in _LOOKED_FOR for one in _reported(arrivals, report)]
        )

    async def interrupt_police(self, arrivals: Sequence[GroupArrival]) -> None:
        """Let the police be away, and speak; it is seen, and over when they are back."""
        async with self.departments.police.server.away():
            self.departments.publish_late_reports(arrivals)
            self._seen += await self._until(self._police_fail, "no outage was seen")
        self._over += await self._until(self._police_are_well, "an outage was not over")
        await self._heard(_reported(arrivals, DepartmentReport.POLICE_LATE))

    async def read_results(self) -> list[FeedResult]:
        """How all feeds stand."""
        feeds = await self._feeds()
        return [
            FeedResult(
                name,
                sent,
                _counters(feeds[name]),
                member(feeds[name]["counters"], "rows", int),
                *((self._seen, self._over) if name == POLICE else (0, 0)),
            )
            for name, sent in self.departments.sent.items()
        ]

    async def _heard(self, people: Sequence[ScriptedTraveller]) -> None:
        async def known() -> bool:
            feeds = await self._feeds()
            return all(
                _counters(feeds[name]) == sent and feeds[name]["waiting"] == 0
                for name, sent in self.departments.sent.items()
            ) and await self._tablets_know(people)

        await self._until(known, "what departments said did not arrive")

    async def _police_fail(self) -> bool:
        return (await self._feeds())[POLICE]["fault"] is not None

    async def _police_are_well(self) -> bool:
        return not await self._police_fail()

    async def _feeds(self) -> dict[str, Json]:
        told = await self.service.ask("GET", "/v1/feeds", self.hub.supervisor)
        feeds = [mapping(feed) for feed in cast("list[object]", member(told, "feeds", list))]
        return {member(feed, "feed", str): feed for feed in feeds}

    async def _until(self, done: Callable[[], Awaitable[bool]], else_: str) -> bool:
        await until(done, PATIENCE_S)
        well = await done()
        if not well:
            self.troubles.append(else_)
        return well

    async def _tablets_know(self, people: Sequence[ScriptedTraveller]) -> bool:
        """Whether a tablet would send them to the desk without the service (docs/api.md)."""
        tablet = self.hub.guests
        path = f"/v1/lanes/{tablet.lane_id}/state"
        told = (await self.service.ask("GET", path, tablet.token))["alerts"]
        if told is None:
            return not people
        alerts = mapping(told)
        key, bits = bytes.fromhex(member(alerts, "key", str)), member(alerts, "bits", int)
        tags = cast("list[object]", member(alerts, "tags", list))
        numbers = [one.document.number for one in people if one.document]
        digests = [hmac.digest(key, number.encode(), "sha256") for number in numbers]
        return all(int.from_bytes(one[:8]) >> (64 - bits) in tags for one in digests)


def _reported(
    arrivals: Sequence[GroupArrival], report: DepartmentReport
) -> list[ScriptedTraveller]:
    return list(list_travellers([one for one in arrivals if one.group.report is report]))


def _counters(feed: Json) -> FeedCounters:
    return FeedCounters(*(member(feed["counters"], name, int) for name in COUNTERS))
