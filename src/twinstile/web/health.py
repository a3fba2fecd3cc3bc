"""Whether the service lives, can serve, and how it does: for supervisors and for monitoring.

Metrics count; no label is a person, a document or a path with an id in it. They still tell how
busy a hub is: without a metrics token they are shown to this machine only, and never through a
proxy on it; with one, to whoever holds it.
"""

import asyncio
import secrets
from ipaddress import ip_address
from typing import Annotated, Literal

import asyncpg
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from twinstile.arrivals.feeds import feed_status
from twinstile.platform.db import schema
from twinstile.platform.db.schema import PRESENT_SQL
from twinstile.platform.http.field_types import Answer
from twinstile.platform.http.problems import Forbidden, Problem, Unavailable, documented
from twinstile.platform.http.routes import RuntimeDep
from twinstile.platform.keys.data_keys import KeyDestroyed, KeyFiles, KeyUnavailable
from twinstile.platform.ops import observability

router = APIRouter(tags=["operation"])

PATIENCE_S = 1.0
_PROXIED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class NotReady(Unavailable):
    """Requests should go elsewhere; the detail says what is missing here."""

    slug = "not-ready"
    title = "The service cannot serve just now"
    stored = False


class HealthAnswer(Answer):
    status: Literal["ok"]


@router.get("/livez", summary="Is the process alive")
async def read_life(response: Response) -> HealthAnswer:
    """Answered by any process that runs, whatever its database does: restart a silent one."""
    # the page of `twinstile tls share`, of another origin, sees whether a device trusts us
    response.headers["cross-origin-resource-policy"] = "cross-origin"
    return HealthAnswer(status="ok")


@router.get("/readyz", summary="Can it serve", responses=documented(NotReady))
async def read_readiness(runtime: RuntimeDep) -> HealthAnswer:
    """Whether the database answers within a second, the schema is ours and keys can be read."""
    try:
        async with asyncio.timeout(PATIENCE_S), runtime.database.reading() as tx:
            row = await tx.raw.fetchrow(PRESENT_SQL)
    except (Problem, SQLAlchemyError, asyncpg.PostgresError, TimeoutError) as error:
        raise NotReady("The database does not answer.", retry_after_s=1) from error
    if not schema.ours().judge(*(row or (None, None))).serves:
        raise NotReady("The schema is of another version: run `twinstile migrate`.")
    try:
        await asyncio.to_thread(_read_a_key, runtime.keys.of(runtime.settings.hub_id))
    except (KeyUnavailable, OSError) as error:
        raise NotReady("The keys cannot be read.") from error
    return HealthAnswer(status="ok")


def _read_a_key(keys: KeyFiles) -> None:
    try:
        for name in keys.names("")[-1:]:
            keys.get(name)
    except KeyDestroyed:
        pass  # by the retention job, between the two calls


_token = HTTPBearer(
    auto_error=False,
    scheme_name="metrics",
    description="TWINSTILE_METRICS_TOKEN, if one is set.",
)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=PlainTextResponse,
    responses=documented(Forbidden),
)
async def read_metrics(
    request: Request,
    runtime: RuntimeDep,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_token)],
) -> PlainTextResponse:
    """Counters and durations of all processes in Prometheus' text format."""
    wanted = runtime.settings.metrics_token
    if wanted is None:
        allowed = _from_here(request)
    else:
        offered = credentials.credentials if credentials else ""
        allowed = secrets.compare_digest(offered.encode(), wanted.get_secret_value().encode())
    if not allowed:
        raise Forbidden("Metrics are for this machine, or for the holder of the metrics token.")
    await feed_status.update_gauges(runtime)
    return PlainTextResponse(
        generate_latest(observability.registry()), media_type=CONTENT_TYPE_LATEST
    )


def _from_here(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in _PROXIED):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
