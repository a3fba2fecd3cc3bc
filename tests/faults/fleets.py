"""Tablets that send checks through every fault, and a ledger of what was acknowledged to them.

A tablet does what a real one does: it mints the id, and sends the same check again until the
service has acknowledged it, whatever happens in between. The ledger keeps what was sent and
what each acknowledgement said; `judges` compares it with the database afterwards.
"""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx2
import people
from stations import Station, Token
from uuid_utils.compat import uuid7

from twinstile.identity.documents import check_character

Json = dict[str, object]

RETRY_S = 0.1
"""Shorter than a real tablet's pause, so that gaps are measured and not slept through."""
CLIENT_TIMEOUT_S = 20.0
BATCH = 20
_serials = itertools.count(random.SystemRandom().randrange(10**6) * 1000)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the service said of a check it took responsibility for."""

    verdict: str
    screening_id: UUID
    case_id: UUID | None
    status: str
    at: float
    """When, on the monotonic clock."""
    took_s: float
    """The last try alone."""


@dataclass
class Ledger:
    """Everything that was sent, and everything that was acknowledged."""

    sent: dict[UUID, Json] = field(default_factory=dict[UUID, Json])
    acknowledged: dict[UUID, Acknowledged] = field(default_factory=dict[UUID, Acknowledged])
    answers: Counter[str] = field(default_factory=Counter[str])
    """Every answer by what it was: `201`, `503 busy`, `ReadError`."""
    refused: list[str] = field(default_factory=list[str])
    """Answers that say the tablet is wrong: there must be none."""
    denied: list[UUID] = field(default_factory=list[UUID])
    """Checks of which a refusal said `stored: false` although they were stored."""
    waits: list[float] = field(default_factory=list[float])
    """Seconds until each answer, of whatever kind."""
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with each acknowledgement."""

    @property
    def duplicates(self) -> int:
        """Acknowledgements that a resend got: the first one never arrived."""
        return sum(done.status == "duplicate" for done in self.acknowledged.values())

    def gap(self, since: float, until: float = float("inf")) -> float:
        """The longest time without any acknowledgement that overlaps [since, until)."""
        moments = sorted(done.at for done in self.acknowledged.values())
        pairs = itertools.pairwise([since, *moments])
        return max((b - a for a, b in pairs if b > since and a < until), default=0.0)

    def healed(self, since: float) -> float:
        """Seconds from that moment to the next acknowledgement."""
        later = (done.at for done in self.acknowledged.values() if done.at > since)
        return min(later, default=float("inf")) - since


def person() -> str:
    """A resident number nobody has had before in this process."""
    serial = next(_serials)
    digits = f"77{serial // 1000 % 10000:04}{_birthday(serial // 10**7)}{serial % 1000:03}"
    return digits + check_character(digits)


def _birthday(days: int) -> str:
    return f"{datetime(1960, 1, 1, tzinfo=UTC) + timedelta(days=days % 15000):%Y%m%d}"


def check(counter: int, skew: timedelta = timedelta()) -> Json:
    """A check of somebody new; one in thirty has a fever, one in a hundred is severely ill."""
    draw = random.random()
    observed_at = (datetime.now(UTC) + skew).isoformat()
    body = people.fact(
        person(),
        38.4 if draw < 0.03 else 36 + random.randrange(10) / 10,
        observed_at=observed_at,
    )
    ill: Json = {"illness": True} if draw > 0.99 else {}
    return {**body, **ill, "counter": counter}


@dataclass
class Tablet:
    """One device on shift. With `batch` it hands over that many checks at once."""

    token: Token
    ledger: Ledger
    url: str
    stop: asyncio.Event
    batch: int = 1
    skew: timedelta = timedelta()
    """How far its clock is ahead."""
    counters: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    async def work(self) -> None:
        """Send one check (or batch) after the other until told to stop."""
        limits = httpx2.Limits(max_connections=1)
        async with httpx2.AsyncClient(
            base_url=self.url, timeout=CLIENT_TIMEOUT_S, limits=limits
        ) as client:
            while not self.stop.is_set():
                fresh = {
                    uuid7(): check(next(self.counters), self.skew) for _ in range(self.batch)
                }
                self.ledger.sent |= fresh
                await self._deliver(client, fresh)

    async def _deliver(self, client: httpx2.AsyncClient, waiting: dict[UUID, Json]) -> None:
        denied: set[UUID] = set()
        unsure = False
        while waiting:
            began = time.monotonic()
            try:
                answer = await self._send(client, waiting)
            except httpx2.HTTPError as error:
                self.ledger.answers[type(error).__name__] += 1
                unsure = True
            else:
                took = time.monotonic() - began
                self.ledger.waits.append(took)
                self._note(answer, waiting, denied, took)
                unsure = unsure or (not answer.is_success and answer.json()["stored"] is None)
            if unsure:  # an attempt without an answer may have stored it, whatever others say
                denied.clear()
            if waiting and not self.stop.is_set():
                await asyncio.sleep(RETRY_S * random.uniform(0.5, 1.5))
            elif self.stop.is_set():
                return

    async def _send(
        self, client: httpx2.AsyncClient, waiting: dict[UUID, Json]
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.token.shift}"}
        sent_at = (datetime.now(UTC) + self.skew).isoformat()
        if self.batch == 1:
            ((check_id, body),) = waiting.items()
            return await client.put(
                f"/v1/checks/{check_id}", json={**body, "sent_at": sent_at}, headers=headers
            )
        items = [
            {
                "kind": "check",
                "id": str(check_id),
                "counter": body["counter"],
                "body": {k: v for k, v in body.items() if k != "counter"},
            }
            for check_id, body in waiting.items()
        ]
        return await client.post(
            "/v1/facts:batch", json={"sent_at": sent_at, "items": items}, headers=headers
        )

    def _note(
        self,
        answer: httpx2.Response,
        waiting: dict[UUID, Json],
        denied: set[UUID],
        took: float,
    ) -> None:
        said = answer.json()
        if not answer.is_success:
            self.ledger.answers[f"{answer.status_code} {said['type'].rpartition('/')[2]}"] += 1
            if answer.status_code < 500 and answer.status_code != 429:
                self.ledger.refused.append(answer.text)
                waiting.clear()
            if said["stored"] is False:
                denied |= set(waiting)
            else:
                denied.clear()
            return
        self.ledger.answers[str(answer.status_code)] += 1
        now = time.monotonic()
        for done in [said] if self.batch == 1 else said["items"]:
            self._acknowledge(done, waiting, denied, now, took)

    def _acknowledge(
        self, done: Json, waiting: dict[UUID, Json], denied: set[UUID], now: float, took: float
    ) -> None:
        check_id, status = UUID(str(done["id"])), str(done["status"])
        if status == "retry":
            denied.discard(check_id)
            return
        del waiting[check_id]
        answer = done if "verdict" in done else done["check"]
        if not isinstance(answer, dict):
            self.ledger.refused.append(str(done))
            return
        case_id = answer["case_id"]
        self.ledger.acknowledged[check_id] = Acknowledged(
            answer["verdict"],
            UUID(answer["screening_id"]),
            UUID(case_id) if case_id else None,
            status,
            now,
            took,
        )
        self.ledger.moved.set()
        if status == "duplicate" and check_id in denied:
            self.ledger.denied.append(check_id)


@asynccontextmanager
async def fleet(
    station: Station,
    crew: Sequence[Token],
    *,
    batches: int = 0,
    skews: Sequence[timedelta] = (),
) -> AsyncGenerator[Ledger]:
    """The crew at work for as long as the block; the last `batches` of them hand over batches.

    What a tablet has not had acknowledged when the block ends stays unacknowledged. `skews`
    tells by how much the clock of each tablet is ahead.
    """
    ledger, stop = Ledger(), asyncio.Event()
    tablets = [
        Tablet(
            token,
            ledger,
            station.url,
            stop,
            BATCH if place >= len(crew) - batches else 1,
            skew,
        )
        for place, (token, skew) in enumerate(
            itertools.zip_longest(crew, skews, fillvalue=timedelta())
        )
    ]
    tasks = [asyncio.create_task(tablet.work()) for tablet in tablets]
    try:
        yield ledger
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def until(ledger: Ledger, more: int, patience_s: float = 30.0) -> None:
    """Wait until so many more checks are acknowledged. Raises `TimeoutError`."""
    wanted = len(ledger.acknowledged) + more
    async with asyncio.timeout(patience_s):
        while len(ledger.acknowledged) < wanted:
            ledger.moved.clear()
            await ledger.moved.wait()
