"""The guard in front of the application: what a connection may cost, whoever is behind it.

uvicorn waits for ever for a head or a body, takes heads of any size, and answers what is not
HTTP in plain text. This protocol gives every step a deadline, every size a bound, and every
refusal a problem document. Deadlines are numbers on the connection, looked at by one `sweep`
over all of them twice a second: a request makes no timer.
"""

import asyncio
import heapq
import math
import resource
import socket
from collections.abc import Collection
from enum import IntEnum
from functools import cache
from secrets import token_hex
from time import monotonic
from types import SimpleNamespace
from typing import cast

import httptools
from typing_extensions import override
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from twinstile.platform.http.problems import (
    Busy,
    HeadTooLarge,
    InvalidRequest,
    Problem,
    TooLarge,
    TooSlow,
)
from twinstile.platform.ops import observability

SWEEP_S = 0.5
HEAD_S = 5.0
"""From the first byte of a head to its last; also how long a new connection may be silent."""
BODY_S = 8.0
"""How far a body, or the taking of an answer, may fall behind `RATE`."""
RATE = 16 << 10
"""Bytes a second that are always enough: a backlog of 8 MiB may take nine minutes."""
HEAD_LIMIT = 16 << 10
MAX_FIELDS = 64
MAX_BODY = 8 << 20
"""The largest body any route takes; most take less and refuse it themselves."""
OVERRUN = 64 << 10
"""What is read at most of a body beyond its limit, so that the refusal can be heard."""
LINGER_S = 1.0
"""How long that may take: to close at once would reset the line, and the answer be lost."""
MAX_PIPELINED = 16
MAX_CONNECTIONS = 2048
OTHER_FILES = 128
"""Files of the process that are no connections of clients: database, log, listening socket."""
SHEDDING = 64
"""Connections beyond the limit that are told so; any more are only closed."""
_RECEIVE_BUFFER = 64 << 10


class Phase(IntEnum):
    """What a connection is waiting for."""

    NEW = 0
    """The first byte."""
    IDLE = 1
    """The next request, as tablets do between two travellers."""
    HEAD = 2
    BODY = 3
    ANSWER = 4
    LAST_ANSWER = 5
    """No more is read from here on; what came before is still answered."""
    LINGER = 6
    CLOSING = 7


class Guard(HttpToolsProtocol):
    """One connection, and how long it may wait for what."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.phase: Phase = Phase.NEW
        self.deadline: float = math.inf
        self.taken_by: float = math.inf
        """When the answer that waits for its reader must have been taken."""
        self._line: SimpleNamespace = SimpleNamespace()
        self._running: RequestResponseCycle | None = None
        self._verdict: Problem | None = None
        self._keep_alive: bool = True
        self._head_bytes: int = 0
        self._fields_bytes: int = 0
        self._body_bytes: int = 0
        self._room: int = 0

    # The connection

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        # what an answer sees of the connection: closing it hears out who is still sending
        self._line = SimpleNamespace(
            write=transport.write, is_closing=transport.is_closing, close=self._hang_up
        )
        self._wait(Phase.NEW, HEAD_S)
        if len(self.connections) > most_connections():
            _make_room(cast("Collection[Guard]", self.connections), self)

    @override
    def data_received(self, data: bytes) -> None:
        if self.phase >= Phase.LAST_ANSWER:
            self._ignore(len(data))
            return
        cycle, phase = self.cycle, self.phase
        parser = cast("httptools.HttpRequestParser", self.parser)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # we may answer as if it had not been asked for, but what follows is not HTTP
            self.cycle.keep_alive = False
            self._wait(Phase.LAST_ANSWER, math.inf)
        except httptools.HttpParserError:
            self._refuse(
                self._verdict or InvalidRequest("This is not HTTP as RFC 9112 has it.")
            )
        else:
            self._count(len(data), belongs=phase is not Phase.BODY and self.cycle is cycle)

    def _count(self, size: int, *, belongs: bool) -> None:
        """Bound what is not complete; `belongs`: all that came is of the head under way."""
        if self.phase is Phase.HEAD:
            self._head_bytes = self._head_bytes + size if belongs else 0
            if self._head_bytes > HEAD_LIMIT:
                self._refuse(HeadTooLarge())
        elif self.phase is Phase.BODY:
            # chunks of one byte, and extensions of chunks, count as what they cost
            self._body_bytes += size
            if self._body_bytes > MAX_BODY + OVERRUN:
                self._refuse(TooLarge(MAX_BODY))

    @override
    def eof_received(self) -> None:
        """The transport closes by itself; see to it that it does not wait for a reader."""
        self.deadline = min(self.deadline, monotonic() + BODY_S)

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self.taken_by = monotonic() + self._time_to_take()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self.taken_by = math.inf

    @override
    def shutdown(self) -> None:
        self._keep_alive = False
        super().shutdown()

    # What the parser found

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._fields_bytes = 0
        self._wait(Phase.HEAD, HEAD_S)

    @override
    def on_url(self, url: bytes) -> None:
        self._fields_bytes += len(url)
        if self._fields_bytes > HEAD_LIMIT:
            self._stop(HeadTooLarge())
        super().on_url(url)

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields_bytes += len(name) + len(value)
        if self._fields_bytes > HEAD_LIMIT or len(self.headers) >= MAX_FIELDS:
            self._stop(HeadTooLarge())
        if self.phase is Phase.HEAD:  # and not a trailer: those could add to what was judged
            super().on_header(name, value)

    def _stop(self, verdict: Problem) -> None:
        """Leave the parser, which wraps what its callbacks raise in an error of its own."""
        self._verdict = verdict
        raise verdict

    @override
    def on_headers_complete(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop(Busy("Wait for answers before you send more."))
        parser = cast("httptools.HttpRequestParser", self.parser)
        hosts = [name for name, _ in self.headers].count(b"host")
        if hosts > 1 or (hosts == 0 and parser.get_http_version() == "1.1"):
            self._stop(InvalidRequest("A request names its host, once."))
        super().on_headers_complete()
        if not self.pipeline:  # it is not waiting in there
            self._running = self.cycle
        self.cycle.transport = cast("asyncio.Transport", cast("object", self._line))
        # An answer before the end of the request is the last one: the rest is not waited for.
        self._keep_alive = self.cycle.keep_alive
        self.cycle.keep_alive = False
        self._body_bytes = 0
        self._wait(Phase.BODY, BODY_S)

    @override
    def on_body(self, body: bytes) -> None:
        self.deadline += len(body) / RATE
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self.cycle.keep_alive = self._keep_alive and not self.cycle.response_started
        super().on_message_complete()
        self._wait(Phase.ANSWER, math.inf)

    @override
    def on_response_complete(self) -> None:
        # as the parent does, without its timer for every answer
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self.phase is Phase.LINGER:
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._running, app = self.pipeline.pop()
            self._start_asgi_task(self._running, app)
        elif self.phase is Phase.ANSWER:
            self._wait(Phase.IDLE, self.timeout_keep_alive)

    # What the guard does

    def _wait(self, phase: Phase, seconds: float) -> None:
        self.phase = phase
        self.deadline = monotonic() + seconds

    def _time_to_take(self) -> float:
        return BODY_S + self.transport.get_write_buffer_size() / RATE

    def check(self, now: float) -> None:
        """End what has waited too long."""
        if self.flow.read_paused and self.phase is Phase.BODY:
            self.deadline += SWEEP_S  # it is we who keep it waiting
        if self.taken_by < now:
            self._abort("unread")
        elif self.deadline < now:
            self._expire()

    def _expire(self) -> None:
        match self.phase:
            case Phase.NEW | Phase.IDLE:
                self._close()
            case Phase.HEAD | Phase.BODY:
                self._refuse(TooSlow())
            case Phase.ANSWER | Phase.LAST_ANSWER | Phase.CLOSING:
                self._abort("unread")
            case Phase.LINGER:
                self._close()

    def give_way(self) -> None:
        """Make room for a connection that may have something to say."""
        if self.phase is Phase.HEAD:
            self.turn_away()
        else:
            observability.REFUSED.labels("crowded").inc()
            self._close()

    def turn_away(self) -> None:
        """Tell a new connection that there is no room for it."""
        self._refuse(Busy(retry_after_s=1))

    def _refuse(self, problem: Problem) -> None:
        """Answer with the problem and close; requests before the refused one are answered."""
        observability.REFUSED.labels(problem.slug).inc()
        refused = self.cycle if self.phase is Phase.BODY else None
        if refused is not None:  # its work is told that the sender left: nothing of it is kept
            refused.disconnected = True
            refused.message_event.set()
            if self.pipeline and self.pipeline[0][0] is refused:
                self.pipeline.popleft()
        last = self.pipeline[0][0] if self.pipeline else self._running
        if last is refused and refused is not None and refused.response_started:
            self.transport.abort()
        elif last is refused or last is None or last.response_complete:
            self._tell(problem)
            self._linger()
        else:
            last.keep_alive = False
            self._wait(Phase.LAST_ANSWER, math.inf)

    def _tell(self, problem: Problem) -> None:
        trace_id = token_hex(8)
        document = problem.body(trace_id).model_dump_json().encode()
        ours = observability.with_ours(
            [
                # that of a service that is leaving says that it closes, as we do
                *(f for f in self.server_state.default_headers if f[0] != b"connection"),
                (b"content-type", b"application/problem+json"),
                (b"content-length", str(len(document)).encode()),
                (b"connection", b"close"),
                *((n.encode(), v.encode()) for n, v in problem.headers.items()),
            ],
            trace_id,
        )
        lines = (b"%b: %b\r\n" % field for field in ours)
        self.transport.write(b"".join((STATUS_LINE[problem.status], *lines, b"\r\n", document)))

    def _hang_up(self) -> None:
        """An answer was the last one."""
        if self.phase in {Phase.BODY, Phase.LAST_ANSWER}:
            self._linger()
        else:
            self._close()

    def _linger(self) -> None:
        if self.transport.is_closing():
            self._close()
            return
        self._room = OVERRUN - (len(self._running.body) if self._running else 0)
        self._wait(Phase.LINGER, LINGER_S)
        if self.transport.can_write_eof():  # over TLS our side is shut with the connection
            self.transport.write_eof()
        self.flow.resume_reading()

    def _ignore(self, size: int) -> None:
        """Read a little more of what is of no use, then only wait to be heard."""
        self._room -= size
        if self._room < 0:
            self.flow.pause_reading()

    def _close(self) -> None:
        self._wait(Phase.CLOSING, self._time_to_take())
        self.transport.close()

    def _abort(self, reason: str) -> None:
        observability.REFUSED.labels(reason).inc()
        self.transport.abort()


def bound(listening: socket.socket) -> None:
    """Let the kernel hold, and so one read take, at most this much of each connection."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)


def sweep(connections: Collection[asyncio.Protocol]) -> None:
    """End every connection of the process that has waited too long; every `SWEEP_S`."""
    now = monotonic()
    for connection in tuple(connections):
        cast("Guard", connection).check(now)


@cache
def most_connections() -> int:
    """How many connections the process takes: fewer where it may open fewer files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft < 0 else max(1, min(MAX_CONNECTIONS, soft - OTHER_FILES))


def _make_room(connections: Collection[Guard], newest: Guard) -> None:
    """Close those longest without a request, silent ones first, or else the newest.

    A sixteenth at a time, so that a flood does not pay for a search with each connection.
    """
    waiting = (c for c in connections if c.phase <= Phase.HEAD and c is not newest)
    idlest = heapq.nsmallest(
        max(1, most_connections() // 16),
        waiting,
        key=lambda c: (c.phase is Phase.IDLE, c.deadline),
    )
    for connection in idlest:
        connection.give_way()
    if idlest:
        return
    if len(connections) > most_connections() + SHEDDING:
        newest.transport.abort()
    else:
        newest.turn_away()
