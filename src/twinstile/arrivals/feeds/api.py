"""HTTP: how feeds do, what of them was set aside, and deliveries of departments that come."""

from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, cast
from urllib.parse import unquote
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field
from typing_extensions import override

from twinstile.arrivals.feeds import config, deliveries, feed_status, pushing
from twinstile.arrivals.feeds.config import Department, FeedSource
from twinstile.arrivals.feeds.deliveries import QuarantinedDelivery, QuarantinedRow
from twinstile.arrivals.feeds.feed_status import ColumnAnswer, FeedCondition, FeedStatus
from twinstile.arrivals.feeds.inbox import DeliveryState, ReceiptOutcome
from twinstile.arrivals.feeds.pushing import VerifiedPush
from twinstile.arrivals.formats.reasons import Text, text_of
from twinstile.arrivals.records import Delivery
from twinstile.arrivals.transport import MOST_BYTES
from twinstile.platform.http import request_signatures
from twinstile.platform.http.circuit_breaker import BreakerState
from twinstile.platform.http.field_types import Answer, Body
from twinstile.platform.http.problems import (
    NotFound,
    TooLarge,
    Unauthenticated,
    UnsupportedMediaType,
    documented,
)
from twinstile.platform.http.request_signatures import SignatureFault
from twinstile.platform.http.routes import (
    GatedRoute,
    Read,
    Runtime,
    RuntimeDep,
    Tx,
    caller,
    current_runtime,
)
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.ops import clock
from twinstile.platform.security.auth import Principal, Scope

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["feeds"])

FeedName = Annotated[str, Path(pattern=config.NAME)]
MOST_REPLAYED: Final = 100
_SIGNED: Final = "twinstile.signed"
"""Where a request keeps who signed it."""


class SignatureRefused(Unauthenticated):
    """The request is not signed as agreed; the detail says what is wrong with it."""

    slug = "signature-refused"
    title = "The signature was refused"


class LocalisedText(Answer):
    en: str
    zh_cn: str = Field(alias="zh-CN")


class FeedFaultAnswer(Answer):
    code: str
    words: LocalisedText
    at: datetime | None


class CountersAnswer(Answer):
    deliveries: int
    duplicates: int = Field(description="deliveries whose very bytes had come before")
    refused: int = Field(description="deliveries in a state nobody should read")
    rows: int
    applied: int
    repeated: int = Field(description="rows that said what stands already")
    superseded: int = Field(description="rows older than what stands")
    rejected: int = Field(description="rows set aside with a reason")
    unmatched: int = Field(description="rows of runs nobody has announced")


class FeedAnswer(Answer):
    feed: str
    department: Department
    format: str
    transport: str = Field(examples=["http"])
    condition: FeedCondition
    words: LocalisedText
    as_of: datetime | None = Field(description="what it told is known up to then")
    stale: bool
    expected_interval_s: int
    polled_at: datetime | None
    fault: FeedFaultAnswer | None = Field(description="what the last attempt ended with")
    failures: int = Field(description="attempts that failed since the last that did not")
    breaker: BreakerState
    again_at: datetime | None = Field(description="not before: the breaker is open")
    waiting: int = Field(description="deliveries that are not applied yet, 1000 at most")
    dead: int = Field(description="deliveries given up, 1000 at most: replay them")
    counters: CountersAnswer
    unknown_columns: list[ColumnAnswer] = Field(description="the format may have changed")


class FeedListAnswer(Answer):
    feeds: list[FeedAnswer]


class RowAnswer(Answer):
    delivery_id: UUID
    received_at: datetime
    row: int = Field(description="in the sender's words: a line of a file")
    reason: str
    words: LocalisedText
    column: str | None


class DeliveryAnswer(Answer):
    delivery_id: UUID
    received_at: datetime
    state: DeliveryState
    reason: str
    words: LocalisedText
    attempts: int


class QuarantinePage(Answer):
    deliveries: list[DeliveryAnswer] = Field(
        description="refused or given up, the latest 50; on the first page only"
    )
    rows: list[RowAnswer]
    next: str | None = Field(description="cursor of the next page; null on the last")


class FeedReplayBody(Body):
    deliveries: Annotated[tuple[UUID, ...], Field(max_length=MOST_REPLAYED)] = Field(
        default=(), description="unless given, those that are dead"
    )


class FeedReplayAnswer(Answer):
    replayed: list[UUID] = Field(description="100 at most; ask again for more")


class ReceivedAnswer(Answer):
    outcome: ReceiptOutcome
    delivery_id: UUID | None = Field(description="null: these very bytes had come before")


@router.get("/feeds", summary="List the feeds and how they do")
async def list_feeds(
    tx: Read, runtime: RuntimeDep, who: Annotated[Principal, caller(Scope.ARRIVALS_READ)]
) -> FeedListAnswer:
    """Every feed of the hub: how old its word is, what is wrong with it and since when."""
    senders = feed_status.sources_of_hub(config.feed_sources(runtime.settings), who.hub_id)
    columns = await feed_status.unknown_columns(tx, who.hub_id)
    found = await feed_status.feed_statuses(tx, senders, clock.now())
    return FeedListAnswer(
        feeds=[_feed(one, columns.get(one.sender.feed.name, [])) for one in found]
    )


@router.get(
    "/feeds/{feed}/quarantine",
    summary="List what could not be used",
    responses=documented(NotFound),
)
async def list_quarantine(
    feed: FeedName,
    tx: Read,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.QUARANTINE_READ)],
    cursor: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> QuarantinePage:
    """Rows set aside with the reason and the sender's column, and deliveries given up.

    No value of a row is kept: look the line up at the sender's.
    """
    sender = _sender(runtime, who, feed)
    bad = () if cursor else await deliveries.quarantined_deliveries(tx, sender.feed)
    found = await deliveries.quarantined_rows(tx, sender.feed, cursor, limit + 1)
    return QuarantinePage(
        deliveries=[_delivery(one) for one in bad],
        rows=[_row(one) for one in found[:limit]],
        next=found[limit - 1].place if len(found) > limit else None,
    )


@router.post(
    "/feeds/{feed}/replays", summary="Apply deliveries anew", responses=documented(NotFound)
)
async def replay_deliveries(
    feed: FeedName,
    body: FeedReplayBody,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.QUARANTINE_WRITE)],
) -> FeedReplayAnswer:
    """Read deliveries again from their bytes: after a mistake was mended, or the hub's own.

    What stands already is known as such and changes nothing.
    """
    sender, now = _sender(runtime, who, feed), clock.now()
    wanted = body.deliveries or await deliveries.dead_deliveries(tx, sender.feed, MOST_REPLAYED)
    done = await deliveries.replay_deliveries(tx, sender.feed, wanted, now)
    told = [
        Event(who.hub_id, "feed.replayed", one, now, {"feed": sender.feed.name}, *_by(who))
        for one in done
    ]
    await events.append(tx, told)
    return FeedReplayAnswer(replayed=done)


class SignedRoute(GatedRoute):
    """A route for whoever signed: nobody else makes us read a body."""

    open_limit: ClassVar[int] = MOST_BYTES

    @override
    def get_route_handler(
        self,
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:  # pyright: ignore[reportExplicitAny] # as FastAPI declares it
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            request.scope[_SIGNED] = await _recognised(request)
            return await inner(request)

        return handle


pushed = APIRouter(prefix="/v1", route_class=SignedRoute, tags=["feeds"])


@pushed.post(
    "/feeds/{feed}/deliveries",
    status_code=202,
    summary="Bring a delivery",
    responses=documented(SignatureRefused, TooLarge, UnsupportedMediaType),
    openapi_extra={
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
            for name in (
                request_signatures.KEY_ID,
                request_signatures.TIMESTAMP,
                request_signatures.NONCE,
                request_signatures.DIGEST,
                request_signatures.SIGNATURE,
            )
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary"},
                    "example": "车次,日期,姓名,证件号码\n",
                }
            },
        },
    },
)
async def bring_delivery(
    feed: FeedName, request: Request, runtime: RuntimeDep
) -> ReceivedAnswer:
    """For a department that comes itself: the bytes as they are, of any media type.

    Signed by HMAC over method, path, digest of the body, time, nonce and key; no token. A 202
    means that it is stored and will be applied. The same bytes again are a DUPLICATE; a request
    that is repeated needs a signature of its own.
    """
    del feed  # it is among what was signed
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType
    now, known = clock.now(), cast("VerifiedPush", request.scope[_SIGNED])
    media_type = request.headers.get("content-type", "")[:200]
    delivery = Delivery(await request.body(), now, media_type=media_type)
    try:
        landed = await pushing.receive_push(runtime, known, delivery, now)
    except SignatureFault as fault:
        raise _refused(fault) from None
    return ReceivedAnswer(outcome=landed.outcome, delivery_id=landed.delivery_id)


async def _recognised(request: Request) -> VerifiedPush:
    runtime = current_runtime(request)
    raw_path = cast("bytes", request.scope["raw_path"]).decode("latin-1")
    query = cast("bytes", request.scope["query_string"]).decode("latin-1")
    target = f"{raw_path}?{query}" if query else raw_path
    name = unquote(raw_path).split("/")[-2]
    headers = {one.title(): value for one, value in request.headers.items()}
    signed = pushing.SignedRequest(request.method, target, headers)
    try:
        senders = config.feed_sources(runtime.settings)
        return await pushing.verify_push(runtime, senders, name, signed, clock.now())
    except SignatureFault as fault:
        raise _refused(fault) from None


def _refused(fault: SignatureFault) -> SignatureRefused:
    return SignatureRefused(f"{fault.reason}.")


def _sender(runtime: Runtime, who: Principal, feed: str) -> FeedSource:
    for one in feed_status.sources_of_hub(config.feed_sources(runtime.settings), who.hub_id):
        if one.feed.name == feed:
            return one
    raise NotFound("There is no such feed.")


def _by(who: Principal) -> tuple[UUID, UUID | None]:
    return who.device_id, who.operator_id


def _feed(one: FeedStatus, columns: list[ColumnAnswer]) -> FeedAnswer:
    sender = one.sender
    fault = one.fault and FeedFaultAnswer(
        code=one.fault, words=_words(text_of(one.fault)), at=one.fault_at
    )
    return FeedAnswer(
        feed=sender.feed.name,
        department=sender.department,
        format=sender.feed.format,
        transport=sender.transport.kind,
        condition=one.condition,
        words=_words(text_of(f"condition-{one.condition}")),
        as_of=one.as_of,
        stale=one.stale,
        expected_interval_s=round(sender.expected.total_seconds()),
        polled_at=one.polled_at,
        fault=fault or None,
        failures=one.failures,
        breaker=one.breaker.state,
        again_at=one.breaker.again_at,
        waiting=one.waiting,
        dead=one.dead,
        counters=CountersAnswer.model_validate(one.counters),
        unknown_columns=columns,
    )


def _row(one: QuarantinedRow) -> RowAnswer:
    return RowAnswer.model_validate({**asdict(one), "words": text_of(one.reason)})


def _delivery(one: QuarantinedDelivery) -> DeliveryAnswer:
    return DeliveryAnswer.model_validate({**asdict(one), "words": text_of(one.reason)})


def _words(text: Text) -> LocalisedText:
    return LocalisedText.model_validate(text)
