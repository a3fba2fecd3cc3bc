"""Take in a tablet's backlog: every fact is judged by itself, and none is dropped.

A fact that cannot be accepted is kept aside, encrypted, with the reason; the tablet may forget
it then, and its neighbours never notice. Everything of one batch is in one transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import TypeVar, cast
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from twinstile.platform.db.database import Transaction, unavailability
from twinstile.platform.http.problem_handlers import faults
from twinstile.platform.http.problems import (
    FieldFault,
    IdReused,
    Internal,
    InvalidInput,
    Problem,
)
from twinstile.platform.keys.data_keys import KeyDestroyed, KeyUnavailable
from twinstile.platform.ops import observability
from twinstile.platform.security import devices, offline_shifts, shifts
from twinstile.platform.security.auth import Principal
from twinstile.platform.security.offline_shifts import OfflineShiftClaim
from twinstile.platform.security.shifts import ShiftRecord
from twinstile.policy import versions
from twinstile.policy.versions import Policies
from twinstile.screening import (
    attribution,
    checks,
    intake,
    quarantine,
    reminders_and_services,
    transitions,
)
from twinstile.screening.bodies import (
    CheckFact,
    Counter,
    FactBody,
    FactKind,
    FactStatus,
    ReminderBody,
    ServiceBody,
    TransitionBody,
)
from twinstile.screening.facts import GateCheck
from twinstile.screening.intake import Receiver
from twinstile.screening.offline_bodies import ShiftBody
from twinstile.screening.reminders_and_services import ReminderFact, ServiceFact
from twinstile.screening.steps import StepContext, StepRequest
from twinstile.screening.visit import RecordedCheck

MOST_FAILED = 8
"""Facts of a batch that an error of ours may meet: where more do, or all, none is to blame."""
T = TypeVar("T")
_ID = TypeAdapter(UUID)
_COUNTER: TypeAdapter[int] = TypeAdapter(Counter)
_BODIES: Mapping[FactKind, type[BaseModel]] = {
    FactKind.CHECK: CheckFact,
    FactKind.REMINDER: ReminderBody,
    FactKind.SERVICE: ServiceBody,
    FactKind.TRANSITION: TransitionBody,
    FactKind.SHIFT: ShiftBody,
}


@dataclass(frozen=True, slots=True)
class ItemResult:
    """What became of one item."""

    id: UUID | None
    status: FactStatus
    problem: Problem | None = None
    recorded: RecordedCheck | None = None


@dataclass(frozen=True, slots=True)
class _Fact:
    """An item that reads well, with who made it."""

    place: int
    kind: FactKind
    id: UUID
    counter: int
    body: BaseModel
    receiver: Receiver
    sent_at: datetime
    """By the device's clock as it ran when the fact was made."""


async def receive(
    tx: Transaction,
    receiver: Receiver,
    policies: Policies,
    items: Sequence[object],
    sent_at: datetime,
) -> list[ItemResult]:
    """Take every item in, in order; the device's counters are noted at the end."""
    envelopes = [_envelope(item) for item in items]
    oldest = receiver.at - await _replayed(tx, receiver, policies)
    taken: dict[int, ItemResult] = {}
    for place, envelope in enumerate(envelopes):
        if isinstance(envelope, FactBody) and envelope.kind is FactKind.SHIFT:
            taken[place] = await _claim(tx, envelope, receiver, sent_at, oldest)
    crew = await _crew(tx, receiver.who, envelopes)
    facts: list[_Fact] = []
    for place, envelope in enumerate(envelopes):
        if place in taken:
            continue
        if isinstance(envelope, Problem):
            claimed = _claimed(items[place], "id", _ID)
            taken[place] = ItemResult(claimed, FactStatus.QUARANTINED, envelope)
            continue
        try:
            fact = _fact(place, envelope, crew, receiver, sent_at)
            _require_recent(fact.body, receiver.at - fact.sent_at, oldest)
            facts.append(fact)
        except Problem as problem:
            taken[place] = ItemResult(envelope.id, FactStatus.QUARANTINED, problem)
    taken |= await _stored(tx, facts, policies)
    done = [taken[place] for place in range(len(items))]
    await _conclude(tx, receiver, items, done)
    return done


async def _stored(
    tx: Transaction, facts: Sequence[_Fact], policies: Policies
) -> dict[int, ItemResult]:
    """Store what reads well; what became of each, by its place. Raises what may pass."""
    taken: dict[int, ItemResult] = {}
    failed: list[Exception] = []
    for (kind, *_), group in groupby(facts, key=_hand):
        stored = await _store_apart(tx, kind, list(group), policies, failed)
        taken |= {fact.place: outcome for fact, outcome in stored}
    if failed and len(failed) == len(facts):
        raise failed[0]
    for error in failed:
        observability.log.error("fact kept aside", error=observability.error_kind(error))
    return taken


async def _conclude(
    tx: Transaction, receiver: Receiver, items: Sequence[object], done: Sequence[ItemResult]
) -> None:
    """Keep aside what was not accepted, and note which counters have come."""
    for item, outcome in zip(items, done, strict=True):
        if outcome.problem is not None:
            await quarantine.keep(tx, receiver, item, outcome.id, outcome.problem)
    claimed = (_claimed(item, "counter", _COUNTER) for item in items)
    counters = [counter for counter in claimed if counter]
    if counters:
        await devices.note_counters(
            tx, receiver.who.hub_id, receiver.who.device_id, counters, receiver.at
        )


async def _replayed(tx: Transaction, receiver: Receiver, policies: Policies) -> timedelta:
    """How old a fact may be that is handed over now, by the policy in force now."""
    hub_id = receiver.who.hub_id
    policy = await policies.get(tx, hub_id, await versions.in_force(tx, hub_id, receiver.at))
    return timedelta(hours=policy.parameters.replay_hours)


def _require_recent(body: BaseModel, offset: timedelta, oldest: datetime) -> None:
    """Raises `InvalidInput` for a fact that is handed over too late to count by itself.

    Whoever opens it can mend and send it: a person has then looked at it.
    """
    made = attribution.made_at(body)
    if made < oldest - offset:
        field = next(name for name, value in body if value == made)
        raise InvalidInput(errors=[FieldFault(f"/body/{field}", "too-old")])


async def _claim(
    tx: Transaction,
    envelope: FactBody,
    receiver: Receiver,
    sent_at: datetime,
    oldest: datetime,
) -> ItemResult:
    """A shift that began without a network, recorded before the facts made in it."""
    try:
        fact = _fact(0, envelope, {}, receiver, sent_at)
        _require_recent(fact.body, receiver.at - fact.sent_at, oldest)
        said = cast("ShiftBody", fact.body)
        began = intake.corrected(said.started_at, fact.sent_at, receiver.at)
        ended = said.ended_at and intake.corrected(said.ended_at, fact.sent_at, receiver.at)
        try:
            new = await offline_shifts.claim(
                tx,
                receiver.who,
                OfflineShiftClaim(fact.id, said.login, began, ended),
                receiver.at,
            )
        except InvalidInput as problem:
            return _refused(fact, problem)
    except Problem as problem:
        return ItemResult(envelope.id, FactStatus.QUARANTINED, problem)
    return ItemResult(envelope.id, FactStatus.STORED if new else FactStatus.DUPLICATE)


async def _crew(
    tx: Transaction, who: Principal, envelopes: Sequence[FactBody | Problem]
) -> dict[UUID, ShiftRecord]:
    """The shifts these facts name, as far as they were worked on this device."""
    named = {e.shift_id for e in envelopes if isinstance(e, FactBody) and e.shift_id}
    known = await shifts.read_shifts(tx, who.hub_id, who.device_id, named)
    claimed = await offline_shifts.read_offline_shifts(
        tx, who.hub_id, who.device_id, named - known.keys()
    )
    return known | claimed


def _hand(fact: _Fact) -> tuple[FactKind, UUID | None, UUID | None]:
    """What facts written together share: their kind, and who is the actor in the records."""
    who = fact.receiver.who
    return fact.kind, who.operator_id, who.shift_id


def _envelope(item: object) -> FactBody | Problem:
    try:
        return FactBody.model_validate(item)
    except ValidationError as error:
        return InvalidInput(errors=faults(error.errors(include_url=False)))


def _claimed(item: object, name: str, kind: TypeAdapter[T]) -> T | None:
    """A member of an item that is otherwise unreadable: kept whole, it is not missing."""
    members = cast("dict[str, object]", item) if isinstance(item, dict) else {}
    try:
        return kind.validate_python(members.get(name))
    except ValidationError:
        return None


def _fact(
    place: int,
    envelope: FactBody,
    shifts: Mapping[UUID, ShiftRecord],
    receiver: Receiver,
    sent_at: datetime,
) -> _Fact:
    try:
        body = _BODIES[envelope.kind].model_validate(envelope.body)
    except ValidationError as error:
        found = faults(error.errors(include_url=False))
        raise InvalidInput(errors=_in_body(found)) from None
    if envelope.clock_offset_ms is not None:
        sent_at = receiver.at - timedelta(milliseconds=envelope.clock_offset_ms)
    hand = attribution.hand(envelope.shift_id, body, shifts, receiver, sent_at)
    return _Fact(place, envelope.kind, envelope.id, envelope.counter, body, hand, sent_at)


def _refused(fact: _Fact, problem: Problem) -> ItemResult:
    """An item whose body is at fault, told from the item's root."""
    if problem.errors:
        problem = type(problem)(errors=_in_body(problem.errors))
    return ItemResult(fact.id, FactStatus.QUARANTINED, problem)


def _in_body(faults: Iterable[FieldFault]) -> list[FieldFault]:
    return [FieldFault(f"/body{fault.pointer}", fault.code) for fault in faults]


async def _store_apart(
    tx: Transaction,
    kind: FactKind,
    facts: Sequence[_Fact],
    policies: Policies,
    failed: list[Exception],
) -> list[tuple[_Fact, ItemResult]]:
    """Store facts of one hand; where that fails by an error of ours, each half by itself.

    In the end the one that cannot be stored is kept aside: a tablet that sent it again and
    again would never hand over those behind it. Its error is added to `failed`; one too many
    is raised, for it is no matter of a fact.
    """
    try:
        async with tx.sql.begin_nested():
            return await _store(tx, kind, facts, policies)
    except (Problem, KeyDestroyed, KeyUnavailable):
        raise
    except Exception as error:
        if unavailability(error) is not None or len(failed) >= MOST_FAILED:
            raise
        if len(facts) == 1:
            failed.append(error)
            return [(facts[0], ItemResult(facts[0].id, FactStatus.QUARANTINED, Internal()))]
    half = len(facts) // 2
    return [
        *await _store_apart(tx, kind, facts[:half], policies, failed),
        *await _store_apart(tx, kind, facts[half:], policies, failed),
    ]


async def _store(
    tx: Transaction,
    kind: FactKind,
    facts: Sequence[_Fact],
    policies: Policies,
) -> list[tuple[_Fact, ItemResult]]:
    if kind is FactKind.CHECK:
        return await _store_checks(tx, facts, policies)
    outcomes: list[tuple[_Fact, ItemResult]] = []
    for fact in facts:
        try:
            status = await _store_act(tx, fact, policies)
            outcomes.append((fact, ItemResult(fact.id, status)))
        except Problem as problem:
            if problem.retryable:
                raise
            outcomes.append((fact, _refused(fact, problem)))
    return outcomes


async def _store_checks(
    tx: Transaction, facts: Sequence[_Fact], policies: Policies
) -> list[tuple[_Fact, ItemResult]]:
    outcomes: list[tuple[_Fact, ItemResult]] = []
    readable: list[tuple[_Fact, GateCheck]] = []
    for fact in facts:
        match fact.body:
            case CheckFact() as body:
                try:
                    check = intake.check(
                        body, fact.id, fact.counter, fact.sent_at, fact.receiver
                    )
                    readable.append((fact, check))
                except InvalidInput as problem:
                    outcomes.append((fact, _refused(fact, problem)))
            case _:
                raise TypeError(type(fact.body).__name__)
    receiver = facts[0].receiver
    stand = checks.RecordingContext(
        receiver.who.hub_id, receiver.keys, policies, receiver.zone, receiver.at
    )
    recorded = await checks.record(tx, stand, [check for _, check in readable])
    for (fact, _), done in zip(readable, recorded, strict=True):
        if done.reused:
            outcomes.append((fact, ItemResult(fact.id, FactStatus.QUARANTINED, IdReused())))
        else:
            outcomes.append((fact, ItemResult(fact.id, done.status, None, done)))
    return outcomes


async def _store_act(tx: Transaction, fact: _Fact, policies: Policies) -> FactStatus:
    receiver = fact.receiver
    match fact.body:
        case ReminderBody() as body:
            given = ReminderFact(fact.id, **dict(body))
            return await reminders_and_services.remind(
                tx, policies, receiver.who, given, receiver.at
            )
        case ServiceBody() as body:
            return await reminders_and_services.serve(
                tx, receiver.who, ServiceFact(fact.id, **dict(body)), receiver.at
            )
        case TransitionBody() as body:
            desk = StepContext(
                receiver.who, receiver.keys, policies, receiver.zone, receiver.at
            )
            status, _ = await transitions.take(tx, desk, StepRequest(fact.id, **dict(body)))
            return status
        case _:
            raise TypeError(type(fact.body).__name__)
