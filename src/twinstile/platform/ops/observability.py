"""What the service says of itself: log lines and metrics, without people in them.

A log line names route templates, statuses and durations, never a path, a query, a body or a
message of an exception: an identity number inside an error text is how personal data leak.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Iterable, MutableMapping
from datetime import UTC, datetime
from secrets import token_hex
from typing import TextIO

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from twinstile.platform.http.problems import Internal

disable_created_metrics()
REGISTRY = CollectorRegistry()
REQUESTS = Counter(
    "twinstile_http_requests_total",
    "Answers given",
    ("method", "route", "status"),
    registry=REGISTRY,
)
SECONDS = Histogram(
    "twinstile_http_request_seconds",
    "Time from the first byte of a request to the last of its answer",
    ("route",),
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.3, 0.8, 2, 5),
    registry=REGISTRY,
)
REFUSED = Counter(
    "twinstile_http_refused_total",
    "Connections the guard cut off",
    ("reason",),
    registry=REGISTRY,
)
CHECKS = Counter(
    "twinstile_checks_total",
    "Checks by status and verdict",
    ("hub", "status", "verdict"),
    registry=REGISTRY,
)
QUARANTINED = Counter(
    "twinstile_facts_quarantined_total", "Facts kept aside", ("hub", "code"), registry=REGISTRY
)
REVIEWED = Counter(
    "twinstile_decisions_reviewed_total",
    "Decisions of devices that the service decides otherwise, by how it came",
    ("hub", "cause"),
    registry=REGISTRY,
)
BATCHES = Histogram(
    "twinstile_gate_batch_checks",
    "Checks committed together",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128),
    registry=REGISTRY,
)
SHED = Counter(
    "twinstile_gate_shed_total",
    "Checks told to come again because too many waited",
    registry=REGISTRY,
)
LOOK_UPS = Counter(
    "twinstile_lookups_total",
    "Look-ups of people by a document",
    ("hub", "outcome"),
    registry=REGISTRY,
)
PASSAGES = Counter(
    "twinstile_passages_total",
    "Passages that began, by whether the traveller was on a list",
    ("hub", "expected"),
    registry=REGISTRY,
)
NOTICES = Counter(
    "twinstile_notices_total",
    "Messages to travellers by what became of them",
    ("hub", "channel", "state"),
    registry=REGISTRY,
)
CHANNEL_FAULTS = Counter(
    "twinstile_channel_faults_total",
    "Batches a channel did not take or did not answer",
    ("hub", "channel", "code"),
    registry=REGISTRY,
)
FEED_AGE = Gauge(
    "twinstile_feed_age_seconds",
    "How old the last good word of a feed is, at the moment of asking",
    ("hub", "feed"),
    multiprocess_mode="mostrecent",
    registry=REGISTRY,
)
FEED_SHARE = Gauge(
    "twinstile_feed_share",
    "Of a feed's rows of the last ten minutes: those that were rejected, or unmatched",
    ("hub", "feed", "of"),
    multiprocess_mode="mostrecent",
    registry=REGISTRY,
)
FEED_DELIVERIES = Gauge(
    "twinstile_feed_deliveries",
    "Deliveries of a feed that wait to be applied, or were given up",
    ("hub", "feed", "state"),
    multiprocess_mode="mostrecent",
    registry=REGISTRY,
)
PROVIDER_SECONDS = Histogram(
    "twinstile_provider_seconds",
    "What online providers of health codes answered, and in what time",
    ("provider", "outcome"),
    buckets=(0.05, 0.1, 0.2, 0.4, 0.8),
    registry=REGISTRY,
)
PROVIDER_OPEN = Gauge(
    "twinstile_provider_left_alone",
    "1: the provider fails, and is asked again later",
    ("provider",),
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
TRUST_AGE = Gauge(
    "twinstile_trust_list_age_seconds",
    "How old the trust list in force was at the last look",
    ("hub",),
    multiprocess_mode="mostrecent",
    registry=REGISTRY,
)
TRUST_FETCHES = Counter(
    "twinstile_trust_fetches_total",
    "Times a source of trust lists was asked, by what came of it",
    ("hub", "source", "outcome"),
    registry=REGISTRY,
)
JOBS = Counter(
    "twinstile_jobs_total", "Runs of background jobs", ("job", "outcome"), registry=REGISTRY
)

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which several processes count in files of one folder: the library's own."""


def registry() -> CollectorRegistry:
    """What is counted: by this process, or by all that count in the same folder."""
    if METRICS_FOLDER not in os.environ:
        return REGISTRY
    everybody = CollectorRegistry()
    MultiProcessCollector(everybody)
    return everybody


log: structlog.stdlib.BoundLogger = structlog.get_logger("twinstile")


def configure_logging(stream: TextIO = sys.stderr, level: str = "INFO") -> None:
    """One JSON object a line; of other libraries only warnings and worse."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(ensure_ascii=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level]
        ),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Discreet())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def configure_words() -> None:
    """Warnings and worse in words on standard error: standard output is a command's answer."""
    structlog.configure(
        processors=[_said],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _said(_logger: object, _method: str, event: MutableMapping[str, object]) -> str:
    """`twinstile: what happened (name value, …)`."""
    what = event.pop("event")
    parts = ", ".join(f"{name} {value}" for name, value in event.items())
    return f"twinstile: {what} ({parts})" if parts else f"twinstile: {what}"


def _place(record: logging.LogRecord) -> str:
    return f"{record.module}:{record.lineno}"


class _Discreet(logging.Formatter):
    """Other libraries' records, without what they were about.

    Messages are written as the template in the source, its first line, and only of libraries
    known to keep values out of it; asyncio, for one, prints the error of a lost task whole.
    """

    templates = frozenset({"uvicorn", "pgqueuer", "alembic", "sqlalchemy"})

    @override
    def format(self, record: logging.LogRecord) -> str:
        known = record.name.partition(".")[0] in self.templates
        line = {
            "event": str(record.msg).partition("\n")[0] if known else _place(record),
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(),
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = error_kind(record.exc_info[1])
        return json.dumps(line)


def error_kind(error: BaseException) -> str:
    """What may be said of an error: its type and where it arose, not its message."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_name}:{frame.tb_lineno}" if frame else "unknown"
    return f"{type(error).__name__} in {where}"


class Measured:
    """ASGI middleware around all rooms: trace id, metrics and headers of every answer.

    It is also where an error nobody expected ends: with a problem document and a log line of
    its kind. Let further up, the server would log its message.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Measure HTTP requests, pass anything else through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["trace_id"] = token_hex(8)
        started = time.perf_counter()
        status = 0

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = with_ours(message["headers"], scope["trace_id"])
                if MODE in scope:
                    message["headers"].append((b"hub-mode", scope[MODE].encode()))
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        except ClientDisconnect:
            pass
        except Exception as error:  # noqa: BLE001 # the edge of the house
            # not log.exception: it would write the message
            log.error("unexpected", error=error_kind(error), trace_id=scope["trace_id"])  # noqa: TRY400
            if not status:
                body = Internal().body(scope["trace_id"]).model_dump_json()
                answer = Response(body, Internal.status, media_type="application/problem+json")
                await answer(scope, receive, send_noting)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            route = getattr(scope.get("route"), "path", "unmatched")
            REQUESTS.labels(method, route, status or CLIENT_LEFT).inc()
            SECONDS.labels(route).observe(time.perf_counter() - started)


MODE = "twinstile.mode"
"""Where a request keeps the mode of its caller's hub, if that is not a real one."""
CLIENT_LEFT = 499
"""What the metrics call a request whose sender went away; nothing is sent."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_SECURITY_HEADERS = ((b"x-content-type-options", b"nosniff"),)
_UNLESS_SAID = (
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def with_ours(
    headers: Iterable[tuple[bytes, bytes]], trace_id: str
) -> list[tuple[bytes, bytes]]:
    """The headers of an answer and ours; what does not say so is not cached or referred to."""
    given = list(headers)
    named = {name.lower() for name, _ in given}
    given += [(name, value) for name, value in _UNLESS_SAID if name not in named]
    return [*given, *_SECURITY_HEADERS, (b"trace-id", trace_id.encode())]
