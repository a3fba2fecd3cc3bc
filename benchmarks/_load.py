"""The load: one cheap process that plays all tablets (`gate` starts it and gives it orders).

It shares the processors with what it measures, so a request is one formatted byte string and an
answer is read for its status and length alone. Every request is a new check of a person not
seen before, from the connection's own tablet, with that tablet's next counter: either
`PUT /v1/checks/{id}`, or `POST /v1/facts:batch` with one check as the gate page forms it
(`pages/files/gate/link.js` and `front.js`).

One order a line on standard input, one result a line on standard output, both JSON. The figures
leave out the first `ramp` seconds; `acknowledged` counts every 201 ever given, ramp included,
so that it can be held against the rows of the database. A batch whose one item is `stored`
counts as a 201.
"""

import asyncio
import functools
import json
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
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
_BATCH = (
    b'{"sent_at":"%b","made_for":"{hub_id}","items":[{"kind":"check","id":"%b","counter":%d,'
    b'"body":{"lane_id":"{lane_id}","observed_at":"%b","offline":true,'
    b'"decided":{"verdict":"%b","policy_version":"{policy_version}"},'
    b'"identity":{"document":{"kind":"RESIDENT_ID","number":"%b","name":"\xe5\xbc\xa0\xe4\xbc'
    b'\x9f"},"result":"MATCH","method":"READER"},'
    b'"temperature":{"value":%b,"unit":"C","method":"WALK_THROUGH"},'
    b'"credential":{"status":"GREEN","kind":"HEALTH_CODE"}},'
    b'"shift_id":"{shift_id}","clock_offset_ms":0}]}'
)
_STORED = b'"status":"stored"'
_HEAD = (
    "{line} HTTP/1.1\r\nHost: twinstile\r\nAuthorization: Bearer {token}\r\n"
    "Accept-Language: zh-CN\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
_PUT_LINE, _BATCH_LINE = "PUT /v1/checks/%b", "POST /v1/facts:batch"


def resident_number(serial: int) -> bytes:
    """A number that belongs to nobody (no division begins with 77), valid check character."""
    digits = f"77{serial // 1000 % 10000:04}19900101{serial % 1000:03}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
    return (digits + _CHECK_DIGITS[total % 11]).encode()


class Tablets:
    """The tablets of one database: their tokens, their counters, the people who pass them."""

    def __init__(self, hub_id: str, tablets: Sequence[Mapping[str, str]]) -> None:
        self._heads = [_head(_PUT_LINE, tablet["token"]) for tablet in tablets]
        self._batch_heads = [_head(_BATCH_LINE, tablet["token"]) for tablet in tablets]
        self._batches = [
            functools.reduce(
                lambda body, member: body.replace(
                    b"{%b}" % member[0].encode(), member[1].encode()
                ),
                {**tablet, "hub_id": hub_id}.items(),
                _BATCH,
            )
            for tablet in tablets
        ]
        self._counters = [0] * len(tablets)
        self._serial = 0
        self._moment = b""
        self._until = 0.0

    def request(self, index: int, *, batch: bool) -> bytes:
        """The next check of that tablet, ready to be written."""
        self._serial += 1
        self._counters[index] += 1
        moment, check_id = self._now(), str(uuid7()).encode()
        counter, number = self._counters[index], resident_number(self._serial)
        fever = self._serial % FEVER_EVERY == 0
        celsius = b"38.4" if fever else b"36.5"
        if batch:
            verdict = b"CHECK" if fever else b"PASS"
            members = (moment, check_id, counter, moment, verdict, number, celsius)
            body = self._batches[index] % members
            return self._batch_heads[index] % len(body) + body
        body = _BODY % (moment, moment, counter, celsius, number)
        return self._heads[index] % (check_id, len(body)) + body

    def _now(self) -> bytes:
        """The time of day, written anew a hundred times a second."""
        if (passed := time.monotonic()) > self._until:
            self._until = passed + 0.01
            self._moment = datetime.now(UTC).isoformat().encode()
        return self._moment


def _head(line: str, token: str) -> bytes:
    return _HEAD.format(line=line, token=token).encode()


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
        status = int(data[9:12])
        if status == 200 and _STORED in data:
            status = 201
        self._answered(self, status, self._since)

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
        request = self._tablets.request(self._places[connection], batch=self._order["batch"])
        connection.send(request, since)

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
        tablets = known.setdefault(order["tablets"], Tablets(order["hub_id"], order["devices"]))
        print(json.dumps(await Window(order, tablets).run()), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
