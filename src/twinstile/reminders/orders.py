"""Ordering notices: for everybody of a run who can be reached, or for one of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from uuid_utils.compat import uuid7

from twinstile.arrivals import manifests
from twinstile.identity import contacts
from twinstile.identity.types import ContactKind
from twinstile.platform.db.database import Reading, Transaction, as_json
from twinstile.platform.http.problems import (
    Conflict,
    FieldFault,
    IdReused,
    InvalidInput,
    NotFound,
)
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal
from twinstile.platform.security.hub_modes import HubMode
from twinstile.reminders import delivery_receipts, texts
from twinstile.reminders.routing import Channels
from twinstile.reminders.types import DeliveryOutcome
from twinstile.screening.bodies import FactStatus
from twinstile.screening.tables import Notice, NoticeOrder
from twinstile.screening.types import Addressee, NoticeKind, NoticeState
from twinstile.screening.words import Language

ORDERED: Final = "notices.ordered"
RECEIVED: Final = "notice.received"


@dataclass(frozen=True, slots=True)
class ReminderOrder:
    """That people of a run be reminded; `entry_id`: of one of them, by the carrier's key."""

    order_id: UUID
    run_id: UUID
    kind: NoticeKind
    entry_id: str | None


@dataclass(frozen=True, slots=True)
class OrderResult:
    """What an order led to: messages to be sent, and people nobody can reach."""

    status: FactStatus
    notices: int
    unreachable: int


@dataclass(frozen=True, slots=True)
class Hand:
    """By whom, or by the clock, and at which hub, something is ordered."""

    hub_id: str
    mode: HubMode
    language: Language
    """The hub's, for those whose language nobody told."""
    channels: Channels
    device_id: UUID | None = None
    operator_id: UUID | None = None


# Somebody has one message of a kind on a run, whoever orders it how often. What failed is tried
# again by the next order; what may have been sent only by one that names the person.
_ENTER = """
INSERT INTO notice (hub_id, notice_id, order_id, run_id, kind, person_id, contact, channel,
                    language, state, at, attempts, due_at, evidence)
SELECT $1, n.notice_id, $2, $3, $4, n.person_id, n.contact, n.channel, n.language, 'WAITING',
       $5, 0, $5, '[]'
FROM jsonb_to_recordset($6::jsonb) AS n(
    notice_id uuid, person_id uuid, contact text, channel text, language text)
ORDER BY n.person_id
ON CONFLICT (hub_id, run_id, person_id, kind) DO UPDATE SET
    order_id = excluded.order_id, contact = excluded.contact, channel = excluded.channel,
    language = excluded.language, state = 'WAITING', at = excluded.at, attempts = 0,
    due_at = excluded.due_at, batch_id = NULL
WHERE notice.state = ANY($7::text[])
RETURNING 1
"""
_AGAIN: Final = (NoticeState.FAILED, NoticeState.WITHDRAWN)


async def order(
    tx: Transaction, hand: Hand, request: ReminderOrder, at: datetime
) -> OrderResult:
    """Order notices of a run; the same order again changes nothing.

    Raises `NotFound` for an unknown run, `InvalidInput` for somebody who is not expected on it,
    `Conflict` when it has arrived or is closed, `IdReused`.
    """
    due = await manifests.run_due(tx, hand.hub_id, request.run_id)
    expected = await manifests.expected_travellers(tx, hand.hub_id, request.run_id)
    people = {
        person_id
        for entry_id, person_id in expected.items()
        if request.entry_id in {None, entry_id}
    }
    reachable = await contacts.reachable(tx, hand.hub_id, request.run_id)
    status = await _note(tx, hand, request, at)
    if status is FactStatus.STORED:
        if due.closed or at >= due.arrival:
            raise Conflict("The run has arrived or does not come: nobody is reminded of it.")
        if request.entry_id is not None and not people:
            raise InvalidInput(errors=[FieldFault("/entry_id", "unknown-value")])
        again = _AGAIN if request.entry_id is None else (*_AGAIN, NoticeState.UNKNOWN)
        met = {one: how for one, how in reachable.items() if one in people}
        await _enter(tx, hand, request, list(_to_people(hand, met)), again, at)
        await _announce(tx, hand, request, len(met), at)
    counted = await tx.sql.execute(
        select(func.count()).where(
            Notice.hub_id == hand.hub_id,
            Notice.run_id == request.run_id,
            Notice.order_id == request.order_id,
        )
    )
    return OrderResult(status, counted.scalar_one(), len(people - reachable.keys()))


async def order_by_clock(
    tx: Transaction, hand: Hand, request: ReminderOrder, people: Collection[UUID], at: datetime
) -> int:
    """Order for those of these people who can be reached and have no message yet; how many.

    Who was withdrawn and has come back is among them; what failed is not tried again unasked.
    """
    reachable = await contacts.reachable(tx, hand.hub_id, request.run_id)
    met = {one: how for one, how in reachable.items() if one in people}
    rows = [*_to_people(hand, met), *(_on_board(hand, request) if people else ())]
    count = await _enter(tx, hand, request, rows, (NoticeState.WITHDRAWN,), at)
    if count:
        await _note(tx, hand, request, at)
        await _announce(tx, hand, request, count, at)
    return count


def _to_people(
    hand: Hand, reachable: Mapping[UUID, tuple[ContactKind, list[str]]]
) -> Iterator[dict[str, object]]:
    for person_id, (kind, languages) in reachable.items():
        yield {
            "notice_id": uuid7(),
            "person_id": person_id,
            "contact": kind,
            "channel": hand.channels.route(Addressee(kind), hand.mode),
            "language": ",".join(texts.chosen(languages, hand.language)),
        }


def _on_board(hand: Hand, request: ReminderOrder) -> Iterator[dict[str, object]]:
    """The list for whoever announces on the run, where there is a channel to them."""
    channel = hand.channels.route(Addressee.ON_BOARD, hand.mode)
    if channel is not None:
        yield {
            "notice_id": uuid7(),
            "person_id": request.run_id,
            "contact": Addressee.ON_BOARD,
            "channel": channel,
            "language": ",".join(texts.chosen((), hand.language)),
        }


async def _enter(
    tx: Transaction,
    hand: Hand,
    request: ReminderOrder,
    rows: Sequence[Mapping[str, object]],
    again: Collection[NoticeState],
    at: datetime,
) -> int:
    """Enter messages, each in place of one that is in a state of `again`; how many."""
    if not rows:
        return 0
    place = (hand.hub_id, request.order_id, request.run_id, request.kind.value, at)
    return len(await tx.raw.fetch(_ENTER, *place, as_json(rows), sorted(again)))


async def _note(
    tx: Transaction, hand: Hand, request: ReminderOrder, at: datetime
) -> FactStatus:
    entered = await tx.sql.execute(
        upsert(NoticeOrder)
        .values(
            hub_id=hand.hub_id,
            order_id=request.order_id,
            run_id=request.run_id,
            kind=request.kind.value,
            entry_id=request.entry_id,
            ordered_at=at,
            device_id=hand.device_id,
            operator_id=hand.operator_id,
        )
        .on_conflict_do_nothing()
        .returning(NoticeOrder.order_id)
    )
    if entered.one_or_none() is not None:
        return FactStatus.STORED
    found = await tx.sql.execute(
        select(NoticeOrder.run_id, NoticeOrder.kind, NoticeOrder.entry_id).where(
            NoticeOrder.hub_id == hand.hub_id, NoticeOrder.order_id == request.order_id
        )
    )
    if tuple(found.one()) != (request.run_id, request.kind.value, request.entry_id):
        raise IdReused
    return FactStatus.DUPLICATE


async def _announce(
    tx: Transaction, hand: Hand, request: ReminderOrder, notices: int, at: datetime
) -> None:
    body: dict[str, object] = {
        "order": str(request.order_id),
        "kind": request.kind.value,
        "reachable": notices,
    }
    happening = Event(
        hand.hub_id, ORDERED, request.run_id, at, body, hand.device_id, hand.operator_id
    )
    await events.append(tx, [happening])


async def receive(
    tx: Transaction, who: Principal, notice_id: UUID, said_by: str, at: datetime
) -> FactStatus:
    """Note that a message was read, as the traveller or somebody of the staff says.

    Said again by the same it is a duplicate. Raises `NotFound`, `Conflict` for a message that
    was never given out, `IdReused` when the other one said so before.
    """
    settled = await delivery_receipts.settle(
        tx, who.hub_id, {notice_id: DeliveryOutcome(NoticeState.RECEIVED, code=said_by)}, at
    )
    if settled:
        body: dict[str, object] = {"notice": str(notice_id), "said_by": said_by}
        await events.append(
            tx,
            [
                Event(
                    who.hub_id,
                    RECEIVED,
                    settled[0].run_id,
                    at,
                    body,
                    who.device_id,
                    who.operator_id,
                )
            ],
        )
        return FactStatus.STORED
    state, code = await _last_word(tx, who.hub_id, notice_id)
    if state is not NoticeState.RECEIVED:
        raise Conflict("This message was not given out: nobody can have received it.")
    if code != said_by:
        raise IdReused
    return FactStatus.DUPLICATE


async def _last_word(
    tx: Reading, hub_id: str, notice_id: UUID
) -> tuple[NoticeState, object | None]:
    found = await tx.sql.execute(
        select(Notice.state, Notice.evidence).where(
            Notice.hub_id == hub_id, Notice.notice_id == notice_id
        )
    )
    row = found.one_or_none()
    if row is None:
        raise NotFound("There is no such message.")
    state, evidence = row
    return NoticeState(state), evidence[-1].get("code") if evidence else None
