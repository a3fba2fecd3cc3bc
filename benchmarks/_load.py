"""The load: one cheap process that plays all tablets (`gate` starts it and gives it orders).

It shares the processors with what it measures, so a request is one formatted byte string and an
answer is read for its status and length alone. Every request is a new check of a person not
seen before, from the connection's own tablet, with that tablet's next counter.

One order a line on standard input, one result a line on standard output, both JSON. The figures
leave out the first `ramp` seconds; `acknowledged` counts every 201 ever given, ramp included,
so that it can be held against the rows of the database.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import _cpu
import uvloop
from typing_extensions import override
from uuid_utils import uuid7

LAST_ANSWER_S = 40
TOO_MUCH_S = 2.0
"""An open loop ends when so many seconds of arrivals wait: the server cannot keep up."""
FEVER_EVERY = 333  # 0.3 %: one of them is asked aside, as on a usual day
_WEIGHTS = [pow(2, 17 - place, 11) for place in range(17)]
_CHECK_DIGITS = "10X98765432"
_BODY = (
    b'{"observed_at":"%b","sent_at":"%b","counter":%d,'
    b'"temperature":{"value":%b,"method":"WALK_THROUGH"},"credential":{"status":"GREEN"},'
    b'"identity":{"document":{"kind":"RESIDENT_ID","number":"%b","name":"\xe5\xbc\xa0\xe4\xbc'
    b'\x9f"},"result":"MATCH"},"reminders":["R2"],"services":[{"kind":"S1","outcome":"OFFERED"}'
    b',{"kind":"S2","outcome":"OFFERED"}]}'
)
_HEAD = (
    "PUT /v1/checks/%%b HTTP/1.1\r\nHost: twinstile\r\nAuthorization: Bearer {token}\r\n"
    "Accept-Language: zh-CN\r\nContent-Type: application/json\r\nContent-Length: %%d\r\n\r\n"
)


def resident_number(serial: int) -> bytes:
    """A number that belongs to nobody (no division begins with 77), valid check character."""
    digits = f"77{serial // 1000 % 10000:04}19900101{serial % 1000:03}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
    return (digits + _CHECK_DIGITS[total % 11]).encode()


class Tablets:
    """The tablets of one database: their tokens, their counters, the people who pass them."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._heads = [
            _HEAD.format(token=token).replace("%%", "%").encode() for token in tokens
        ]
        self._counters = [0] * len(self._heads)
        self._serial = 0
        self._moment = b""
        self._until = 0.0

    def request(self, place: int) -> bytes:
        """The next check of that tablet, ready to be written."""
        self._serial += 1
        self._counters[place] += 1
        moment = self._now()
        heat = b"38.4" if self._serial % FEVER_EVERY == 0 else b"36.5"
        body = _BODY % (
            moment,
            moment,
            self._counters[place],
            heat,
            resident_number(self._serial),
        )
        return self._heads[place] % (str(uuid7()).encode(), len(body)) + body

    def _now(self) -> bytes:
        """The time of day, written anew a hundred times a second."""
        if (passed := time.monotonic()) > self._until:
            self._until = passed + 0.01
            self._moment = datetime.now(UTC).isoformat().encode()
        return self._moment


class Connection(asyncio.Protocol):
    """One kept-alive connection with at most one request under way."""

    def __init__(self, answered: Callable[["Connection", int, float], None]) -> None:
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._unread = b""
        self._since = 0.0
        self.lost = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # pyright: ignore[reportAttributeAccessIssue]

    def send(self, request: bytes, since: float) -> None:
        """Write a request whose wait counts from `since`."""
        self._since = since
        self._transport.write(request)

    @override
    def data_received(self, data: bytes) -> None:
        data = self._unread + data
        head = data.find(b"\r\n\r\n")
        start = data.find(b"content-length: ", 0, head)
        if head < 0 or len(data) < head + 4 + int(data[start + 16 : data.find(b"\r", start)]):
            self._unread = data
            return
        self._unread = b""
        self._answered(self, int(data[9:12]), self._since)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True

    def close(self) -> None:
        self._transport.close()


class Window:
    """One repetition: when what counts begins and ends, and what was answered in between."""

    def __init__(self, order: dict, tablets: Tablets) -> None:
        self._order = order
        self._tablets = tablets
        self._places: dict[Connection, int] = {}
        self._statuses: Counter[int] = Counter()
        self._waits: list[float] = []
        self._under_way = 0
        self._idle: deque[Connection] = deque()
        self._overdue: deque[float] = deque()
        self._begin = self._end = 0.0
        self._overloaded = False

    async def run(self) -> dict[str, object]:
        order, loop = self._order, asyncio.get_running_loop()
        for place in range(order["clients"]):
            _, connection = await loop.create_connection(
                lambda: Connection(self._answered), order["host"], order["port"]
            )
            self._places[connection] = place
        now = time.perf_counter()
        self._begin, self._end = now + order["ramp"], now + order["ramp"] + order["seconds"]
        driving = asyncio.create_task(self._open() if order.get("rate") else self._closed())
        await asyncio.sleep(self._begin - time.perf_counter())
        before, started = _cpu.used(order["pids"]), time.perf_counter()
        await asyncio.sleep(self._end - time.perf_counter())
        used, elapsed = _cpu.used(order["pids"]).since(before), time.perf_counter() - started
        await driving
        await self._last_answers()
        for connection in self._places:
            connection.close()
        return {
            "acknowledged": self._statuses.pop(201, 0),
            "refused": dict(self._statuses),
            "unanswered": self._under_way,
            "overloaded": self._overloaded,
            "counted": len(self._waits),
            "seconds": order["seconds"],
            "elapsed": elapsed,
            "machine_cpu_s": used.machine,
            "cpu_s": used.trees,
            **percentiles(self._waits),
        }

    async def _closed(self) -> None:
        for connection in self._places:
            self._send(connection, time.perf_counter())
        await asyncio.sleep(self._end - time.perf_counter())

    async def _open(self) -> None:
        """Arrivals come as they come (Poisson), whatever becomes of those before."""
        gaps = random.Random(222)
        self._idle.extend(self._places)
        due = time.perf_counter()
        while (due := due + gaps.expovariate(self._order["rate"])) < self._end:
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            if self._idle:
                self._send(self._idle.popleft(), due)
            elif len(self._overdue) < TOO_MUCH_S * self._order["rate"]:
                self._overdue.append(due)
            else:
                self._overloaded = True
                return

    def _send(self, connection: Connection, since: float) -> None:
        self._under_way += 1
        connection.send(self._tablets.request(self._places[connection]), since)

    def _answered(self, connection: Connection, status: int, since: float) -> None:
        now = time.perf_counter()
        self._under_way -= 1
        self._statuses[status] += 1
        closed = not self._order.get("rate")
        if status == 201 and self._begin <= (now if closed else since) < self._end:
            self._waits.append(now - since)
        if closed:
            if now < self._end:
                self._send(connection, now)
        elif self._overdue:
            self._send(connection, self._overdue.popleft())
        else:
            self._idle.append(connection)

    async def _last_answers(self) -> None:
        """Wait for what was asked: a check that is answered late is still acknowledged."""
        ends = time.perf_counter() + LAST_ANSWER_S
        while self._under_way and time.perf_counter() < ends:
            if any(connection.lost for connection in self._places):
                break
            await asyncio.sleep(0.01)


def percentiles(waits: list[float]) -> dict[str, float]:
    """Milliseconds, to two places."""
    waits.sort()
    return {
        f"p{share}_ms": round(1000 * waits[min(len(waits) - 1, len(waits) * share // 100)], 2)
        for share in (50, 95, 99)
        if waits
    }


async def main() -> None:
    known: dict[str, Tablets] = {}
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        tablets = known.setdefault(order["tablets"], Tablets(order["tokens"]))
        print(json.dumps(await Window(order, tablets).run()), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
