"""HTTP: messages to single people of a run, what became of them, and the channels."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field
from sqlalchemy import RowMapping

from twinstile.platform.http import paging
from twinstile.platform.http.field_types import Answer, Body, Word
from twinstile.platform.http.problems import Conflict, IdReused, NotFound, documented
from twinstile.platform.http.routes import GatedRoute, Read, RuntimeDep, Tx, caller
from twinstile.platform.ops import clock
from twinstile.platform.security import devices
from twinstile.platform.security.auth import Principal, Scope
from twinstile.reminders import orders, queries, routing, texts
from twinstile.reminders.orders import Hand, ReminderOrder
from twinstile.reminders.texts import TextContext
from twinstile.screening.bodies import FactStatus
from twinstile.screening.types import Addressee, NoticeKind, NoticeState, ReminderKind
from twinstile.screening.words import Language

router = APIRouter(prefix="/v1", route_class=GatedRoute, tags=["reminders"])


class NoticeOrderBody(Body):
    kind: Literal[NoticeKind.R1] = Field(examples=["R1"])
    entry_id: Word | None = Field(
        default=None,
        description="the carrier's key of the one traveller to be reminded; all unless given",
    )


class NoticeOrderAnswer(Answer):
    status: FactStatus
    notices: int = Field(description="messages that this order has led to")
    unreachable: int = Field(description="of those meant, people without an address")


@router.put(
    "/runs/{run_id}/notices/{order_id}",
    summary="Remind the people of a run by messages",
    responses=documented(NotFound, Conflict, IdReused),
)
async def put_notices(
    run_id: UUID,
    order_id: UUID,
    body: NoticeOrderBody,
    tx: Tx,
    runtime: RuntimeDep,
    who: Annotated[Principal, caller(Scope.ARRIVALS_WRITE)],
) -> NoticeOrderAnswer:
    """One message to each who can be reached, however often it is ordered, within seconds.

    Another order tries again what failed. Where the answer of a channel was lost, nobody is
    written to a second time unless an order names the person. A message counts as R1 for its
    person alone, once it was sent.
    """
    language, ways = Language(runtime.settings.language), routing.of(runtime.settings)
    hand = Hand(who.hub_id, who.mode, language, ways, who.device_id, who.operator_id)
    order = ReminderOrder(order_id, run_id, body.kind, body.entry_id)
    done = await orders.order(tx, hand, order, clock.now())
    return NoticeOrderAnswer(
        status=done.status, notices=done.notices, unreachable=done.unreachable
    )


class EvidenceAnswer(Answer):
    state: NoticeState
    at: datetime
    ref: str | None = Field(description="the provider's own id, or the name of the file")
    code: str | None = Field(description="a word for why", examples=["not-collected"])


class NoticeAnswer(Answer):
    notice_id: UUID
    order_id: UUID
    kind: NoticeKind
    contact: str = Field(description="PHONE, EMAIL, APP or ON_BOARD; no address is shown")
    channel: str
    language: str = Field(description="more than one with a comma between")
    state: NoticeState
    at: datetime = Field(description="since when the state is so")
    attempts: int
    evidence: list[EvidenceAnswer] = Field(description="every state it was in, in order")


class NoticePage(Answer):
    notices: list[NoticeAnswer]
    next: str | None = Field(description="cursor of the next page; null on the last")


@router.get("/runs/{run_id}/notices", summary="List the messages of a run")
async def list_notices(
    run_id: UUID,
    tx: Read,
    who: Annotated[Principal, caller(Scope.ARRIVALS_READ)],
    state: NoticeState | None = None,
    cursor: Annotated[str | None, Query(max_length=paging.LONGEST)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> NoticePage:
    """What became of each, with the evidence for it; of one state if asked, page by page."""
    rows = await queries.page(tx, who.hub_id, run_id, state, cursor, limit + 1)
    notices = [_notice(row) for row in rows[:limit]]
    more = len(rows) > limit
    return NoticePage(
        notices=notices,
        next=paging.encode(notices[-1].at, notices[-1].notice_id) if more else None,
    )


def _notice(row: RowMapping) -> NoticeAnswer:
    evidence = [{"ref": None, "code": None, **said} for said in row["evidence"]]
    return NoticeAnswer.model_validate({**row, "evidence": evidence})


class BroadcastAnswer(Answer):
    reminder_id: UUID
    kind: ReminderKind
    channel: str
    language: str
    given_at: datetime
    until: datetime | None


class NoticeCount(Answer):
    kind: NoticeKind
    contact: str
    channel: str
    language: str
    state: NoticeState
    notices: int


class RunReminders(Answer):
    expected: int = Field(description="people on the manifest")
    unreachable: int = Field(description="of these, without an address")
    checked: int = Field(description="screenings of the run with at least one check")
    complete_222: int = Field(description="of these, with all of 2-2-2")
    broadcasts: list[BroadcastAnswer] = Field(description="reminders to the whole run")
    notices: list[NoticeCount]


@router.get(
    "/runs/{run_id}/reminders",
    summary="How a run was reminded",
    responses=documented(NotFound),
)
async def read_reminders(
    run_id: UUID, tx: Read, who: Annotated[Principal, caller(Scope.ARRIVALS_READ)]
) -> RunReminders:
    """Announcements to all, messages by address, channel, language and state, and 2-2-2."""
    found = await queries.of_run(tx, who.hub_id, run_id)
    return RunReminders(
        expected=found.expected,
        unreachable=found.unreachable,
        checked=found.checked,
        complete_222=found.complete,
        broadcasts=[BroadcastAnswer.model_validate(row) for row in found.broadcasts],
        notices=[NoticeCount.model_validate(row) for row in found.notices],
    )


class ReportedBy(StrEnum):
    """Whose word it is that a message was read."""

    TRAVELLER = "TRAVELLER"
    STAFF = "STAFF"


class DeliveryReceiptBody(Body):
    said_by: ReportedBy


class DeliveryReceiptAnswer(Answer):
    status: FactStatus


@router.put(
    "/notices/{notice_id}/receipt",
    summary="Say that a message was received",
    responses=documented(NotFound, Conflict, IdReused),
)
async def put_receipt(
    notice_id: UUID,
    body: DeliveryReceiptBody,
    tx: Tx,
    who: Annotated[Principal, caller(Scope.REMINDERS_WRITE)],
) -> DeliveryReceiptAnswer:
    """The traveller says so at the lane, or staff have seen it; once, and for good."""
    status = await orders.receive(tx, who, notice_id, body.said_by, clock.now())
    return DeliveryReceiptAnswer(status=status)


class ChannelAnswer(Answer):
    channel: str
    carries: list[Addressee] = Field(description="the addresses whose messages it takes")
    working: bool = Field(description="false while the last batch was not taken")
    counts: dict[NoticeState, int] = Field(description="messages of the last 24 hours")
    oldest_handed: datetime | None = Field(
        description="since when the first lies ready that nobody has taken"
    )
    failures: int = Field(description="batches in a row that failed")
    failing_since: datetime | None
    paused_until: datetime | None = Field(description="until then it is let alone")
    code: str | None = Field(description="a word for why")


class ChannelList(Answer):
    channels: list[ChannelAnswer]


@router.get("/channels", summary="How the channels of messages do")
async def list_channels(
    tx: Read, runtime: RuntimeDep, who: Annotated[Principal, caller(Scope.ARRIVALS_READ)]
) -> ChannelList:
    """Whether each takes messages, and what became of those of the last day."""
    ways = routing.of(runtime.settings)
    found = await queries.channels(tx, who.hub_id, ways.entries, clock.now())
    return ChannelList(
        channels=[
            ChannelAnswer(
                channel=one.channel,
                carries=ways.carried(one.channel),
                working=not one.health.failures,
                counts=one.counts,
                oldest_handed=one.oldest_handed,
                failures=one.health.failures,
                failing_since=one.health.since,
                paused_until=one.health.open_until,
                code=one.health.code,
            )
            for one in found
        ]
    )


class TextAnswer(Answer):
    kind: ReminderKind
    language: Language
    text: str


class TextList(Answer):
    texts: list[TextAnswer]


@router.get("/reminder-texts", summary="What to announce, show and say")
async def list_texts(tx: Read, who: Annotated[Principal, caller(Scope.LANES_READ)]) -> TextList:
    """The reminder in the hub (R2) in every language: for screens, loudspeakers, officers."""
    name, _ = await devices.hub(tx, who.hub_id)
    told = TextContext(name)
    return TextList(
        texts=[
            TextAnswer(
                kind=ReminderKind.R2,
                language=language,
                text=texts.written(ReminderKind.R2, [language], told),
            )
            for language in Language
        ]
    )
