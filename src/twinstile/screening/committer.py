"""Group commit: the checks that wait at this moment are recorded and committed together.

A commit costs a write to the disk, and the statements around it the same few round trips,
whether they carry one check or a hundred. So each process has one committer: while it commits,
the next checks gather, and then it takes all of them (of one hub at a time). Nobody waits for a
batch to fill. A check is answered after the commit of its batch, as any other write.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from twinstile.platform.db.dedicated_connection import DedicatedConnection
from twinstile.platform.http.problems import Busy, Overtaken, Unavailable
from twinstile.platform.http.routes import Runtime
from twinstile.platform.keys.data_keys import KeyFiles
from twinstile.platform.ops import observability
from twinstile.policy.versions import Policies
from twinstile.screening import checks
from twinstile.screening.facts import GateCheck
from twinstile.screening.intake import Receiver
from twinstile.screening.visit import RecordedCheck

MOST_A_BATCH = 128
MOST_WAITING = 1024
"""More would wait longer than a tablet does; they are told at once to come again."""
PATIENCE_S = 0.8
"""How long a check may wait for its batch to begin, and be tried again after a failed one."""
BATCH_S = 2.0
"""How long a batch may take."""
STATEMENT_TIMEOUT_MS = 1500
SERVER_SETTINGS = {
    # for a person or screening that another request is working on; all others wait meanwhile
    "lock_timeout": "250ms",
    # Planning costs four times as much as doing it (docs/decisions/0016).
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
}
PLANS_LIVE_S = 5
"""A plan made on an empty table misleads at most so long; the next ones live longer."""


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A check in the queue, and who waits for what becomes of it."""

    check: GateCheck
    answer: asyncio.Future[RecordedCheck]
    since: float


@dataclass(frozen=True, slots=True)
class _Queue:
    """What waits at one hub, in the order of arrival."""

    hub_id: str
    keys: KeyFiles
    zone: ZoneInfo
    waiting: deque[_Waiting]


class Committer:
    """The one writer of single checks in a process, on a connection of its own."""

    def __init__(self, runtime: Runtime, policies: Policies) -> None:
        self.runtime = runtime
        self._line = DedicatedConnection(
            runtime.database,
            more=lambda: self._waiting > 0,
            statement_timeout_ms=STATEMENT_TIMEOUT_MS,
            server_settings=SERVER_SETTINGS,
            plans_live_s=PLANS_LIVE_S,
        )
        self._policies = policies
        self._queues: OrderedDict[str, _Queue] = OrderedDict()
        self._waiting = 0
        self._awake = asyncio.Event()
        self._shedding: asyncio.TimerHandle | None = None

    async def record(self, receiver: Receiver, check: GateCheck) -> RecordedCheck:
        """What became of the check, once it is committed.

        Raises `Busy` when too much waits already (nothing is stored then) and `Unavailable`
        when the database does not answer (nobody knows).
        """
        if self._waiting >= MOST_WAITING:
            observability.SHED.inc()
            raise Busy(retry_after_s=1)
        loop = asyncio.get_running_loop()
        hub_id = receiver.who.hub_id
        queue = self._queues.get(hub_id)
        if queue is None:
            queue = _Queue(hub_id, receiver.keys, receiver.zone, deque())
            self._queues[hub_id] = queue
        waiting = _Waiting(check, loop.create_future(), loop.time())
        queue.waiting.append(waiting)
        self._waiting += 1
        self._awake.set()
        if self._shedding is None:
            self._shedding = loop.call_later(PATIENCE_S, self._shed)
        return await waiting.answer

    async def warm(self) -> None:
        """Connect now, so that the first check does not wait for it."""
        await self._line.warm()

    async def run(self) -> None:
        """Commit what waits, until cancelled; call it once, beside the requests.

        Whoever still waits then is answered.
        """
        batch: list[_Waiting] = []
        try:
            while True:
                if not self._awake.is_set():
                    self._line.rest()
                await self._awake.wait()
                hub_id, queue = self._queues.popitem(last=False)
                size = min(len(queue.waiting), MOST_A_BATCH)
                batch = [queue.waiting.popleft() for _ in range(size)]
                if queue.waiting:
                    self._queues[hub_id] = queue  # behind the other hubs
                elif not self._queues:
                    self._awake.clear()
                self._waiting -= size
                await self._settle(queue, [item for item in batch if not item.answer.done()])
        finally:
            _refuse(batch, Unavailable(retry_after_s=1))
            for queue in self._queues.values():  # nothing of theirs has begun
                _refuse(queue.waiting, Busy(retry_after_s=1))
            await self._line.close()

    async def _settle(self, queue: _Queue, batch: Sequence[_Waiting]) -> bool:
        """Commit a batch and answer it; if it fails, each of its checks by itself.

        One bad check, or one person somebody else is working on, never sinks its neighbours.
        Whether the database is there: without it, nothing is tried again.
        """
        if not batch:
            return True
        try:
            try:
                done = await self._commit(queue, batch)
            except Overtaken:  # by what is committed, and will be read this time
                done = await self._commit(queue, batch)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            _refuse(batch, Unavailable(retry_after_s=1))
            return False  # nobody told us to end: it was a wait of the driver's
        except Exception as error:  # noqa: BLE001 # whatever it is, it is somebody's answer
            return await self._fail(queue, batch, error)
        for item, recorded in zip(batch, done, strict=True):
            if not item.answer.done():
                item.answer.set_result(recorded)
        return True

    async def _fail(self, queue: _Queue, batch: Sequence[_Waiting], error: Exception) -> bool:
        """Answer a batch that was undone: whose error it was shows when each is tried alone.

        It is told to nobody else, as a tablet may give up what is refused for good.
        """
        there = isinstance(error, Busy) or not isinstance(error, Unavailable)
        if len(batch) == 1 or not there:
            _refuse(batch, error)
            return there
        for item in batch:
            if there and not _late(item):
                there = await self._settle(queue, [item])
            else:
                _refuse([item], Busy(retry_after_s=1))
        return there

    async def _commit(self, queue: _Queue, batch: Sequence[_Waiting]) -> list[RecordedCheck]:
        observability.BATCHES.observe(len(batch))
        taken = [item.check for item in batch]
        stand = checks.RecordingContext(
            queue.hub_id,
            queue.keys,
            self._policies,
            queue.zone,
            max(check.received_at for check in taken),
        )
        try:
            async with asyncio.timeout(BATCH_S), self._line.transaction() as tx:
                return await checks.record(tx, stand, taken, counting=True)
        except TimeoutError as error:
            raise Unavailable(retry_after_s=1) from error

    def _shed(self) -> None:
        """Tell those who have waited too long to come again: their batch has not begun."""
        loop = asyncio.get_running_loop()
        oldest: list[float] = []
        for queue in self._queues.values():
            while queue.waiting and _late(queue.waiting[0]):
                late = queue.waiting.popleft()
                self._waiting -= 1
                observability.SHED.inc()
                _refuse([late], Busy(retry_after_s=1))
            if queue.waiting:
                oldest.append(queue.waiting[0].since)
        self._shedding = loop.call_at(min(oldest) + PATIENCE_S, self._shed) if oldest else None


def _late(item: _Waiting) -> bool:
    return asyncio.get_running_loop().time() >= item.since + PATIENCE_S


def _refuse(waiting: Iterable[_Waiting], error: Exception) -> None:
    """Answer whoever has no answer yet."""
    for item in waiting:
        if not item.answer.done():
            item.answer.set_exception(error)
