"""What the service says of itself: JSON log lines and Prometheus metrics, without people in them.

A log line names route templates, statuses and durations, never a path, a query, a body or a
message of an exception: an identity number inside an error text is how personal data leak.
"""

import logging
import sys
import time
from secrets import token_hex

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
CHECKS = Counter(
    "twinstile_checks_total",
    "Checks by status and verdict",
    ("hub", "status", "verdict"),
    registry=REGISTRY,
)
QUARANTINED = Counter(
    "twinstile_facts_quarantined_total", "Facts kept aside", ("hub", "code"), registry=REGISTRY
)
JOBS = Counter(
    "twinstile_jobs_total", "Runs of background jobs", ("job", "outcome"), registry=REGISTRY
)

log: structlog.stdlib.BoundLogger = structlog.get_logger("twinstile")


def configure_logging(level: str = "INFO") -> None:
    """One JSON object a line on standard error; other libraries' lines only from warnings up."""
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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def error_kind(error: BaseException) -> str:
    """What may be said of an error: its type and where it arose, not its message."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_name}:{frame.tb_lineno}" if frame else "unknown"
    return f"{type(error).__name__} in {where}"


class Measured:
    """ASGI middleware: a trace id for each request, its metrics and the headers of every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Measure HTTP requests, pass anything else through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace_id = token_hex(8)
        scope["trace_id"] = trace_id
        started = time.perf_counter()
        status = 500

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message["headers"],
                    *_SECURITY_HEADERS,
                    (b"trace-id", trace_id.encode()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            REQUESTS.labels(method, route, status).inc()
            SECONDS.labels(route).observe(time.perf_counter() - started)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
