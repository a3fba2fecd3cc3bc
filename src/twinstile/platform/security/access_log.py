"""The access log: who looked at whom, when and what for; written before the data leave.

A row is appended in the transaction of the reading, on the primary, and that transaction
commits before the answer is sent: what could not be recorded is not shown. Rows tell pseudonyms
and the names of fields, never values. The service may add rows and read them, and no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import Field
from pydantic.config import JsonDict
from sqlalchemy import delete, insert, select, tuple_
from uuid_utils.compat import uuid7

from twinstile.platform.db.database import Transaction
from twinstile.platform.db.tables import Access
from twinstile.platform.http.field_types import Body, Line
from twinstile.platform.http.problems import FieldFault, InvalidInput, PurposeRequired
from twinstile.platform.ledger import events
from twinstile.platform.ledger.events import Event
from twinstile.platform.security.auth import Principal

KEPT_FOR = timedelta(days=3 * 365)
"""How long a row is kept; it holds random ids only, so it outlives the identities."""
FORGOTTEN_AT_ONCE = 5000
EMERGENCY = "access.emergency"

IDENTIFIED: JsonDict = {"x-identified": True}
"""Marks a member of an answer, in the contract, that says who somebody is, masked or whole."""


class Action(StrEnum):
    """What was done with data about people."""

    MASKED_READ = "MASKED_READ"
    """A name or number was shown in part."""
    REVEAL = "REVEAL"
    """A name or number was shown whole."""
    LOOK_UP = "LOOK_UP"
    """Somebody was looked for by the number of a document."""
    EXPORT = "EXPORT"
    IDENTIFIED_EXPORT = "IDENTIFIED_EXPORT"
    """Names and numbers were taken out for an authority, after a second person agreed."""
    DISCLOSURE = "DISCLOSURE"
    """Data went to a partner."""
    QUARANTINE_READ = "QUARANTINE_READ"
    """A fact that was kept aside was opened, with whatever it says."""
    NOTICE = "NOTICE"
    """Addresses went to a channel, to send a message to each."""


class Purpose(StrEnum):
    """What data about people are read for. A closed list: other reasons do not count."""

    TREATMENT = "TREATMENT"
    HANDOVER = "HANDOVER"
    """To the ambulance, hospital or authority that takes the patient over."""
    FOLLOW_UP = "FOLLOW_UP"
    IDENTIFICATION = "IDENTIFICATION"
    """The person is here and their passage is to be found."""
    SUBJECT_REQUEST = "SUBJECT_REQUEST"
    """The person asks what is stored of them, or for a correction."""
    DATA_QUALITY = "DATA_QUALITY"
    """To mend what arrived damaged."""
    INVESTIGATION = "INVESTIGATION"
    """Of an outbreak, by epidemiologists."""
    LEGAL_DUTY = "LEGAL_DUTY"
    """Reports and disclosures the law or an agreement asks for."""
    REMINDER = "REMINDER"
    """Of the journey, to the traveller or whoever answers for them."""
    EMERGENCY = "EMERGENCY"
    """Life or limb: needs a reason in words, and supervisors are told."""


PURPOSES: Mapping[Action, frozenset[Purpose]] = {
    Action.MASKED_READ: frozenset(),
    Action.REVEAL: frozenset(
        {
            Purpose.TREATMENT,
            Purpose.HANDOVER,
            Purpose.FOLLOW_UP,
            Purpose.SUBJECT_REQUEST,
            Purpose.LEGAL_DUTY,
            Purpose.EMERGENCY,
        }
    ),
    Action.LOOK_UP: frozenset(
        {
            Purpose.IDENTIFICATION,
            Purpose.TREATMENT,
            Purpose.SUBJECT_REQUEST,
            Purpose.EMERGENCY,
        }
    ),
    Action.EXPORT: frozenset({Purpose.INVESTIGATION, Purpose.LEGAL_DUTY, Purpose.DATA_QUALITY}),
    Action.IDENTIFIED_EXPORT: frozenset({Purpose.INVESTIGATION, Purpose.LEGAL_DUTY}),
    Action.DISCLOSURE: frozenset(
        {Purpose.HANDOVER, Purpose.FOLLOW_UP, Purpose.INVESTIGATION, Purpose.LEGAL_DUTY}
    ),
    Action.QUARANTINE_READ: frozenset({Purpose.DATA_QUALITY, Purpose.SUBJECT_REQUEST}),
    Action.NOTICE: frozenset({Purpose.REMINDER}),
}
"""What each action may be for."""


Wanted = Annotated[
    Purpose | None,
    Field(
        description="without one that fits: 403 `purpose-required`",
        examples=["SUBJECT_REQUEST"],
    ),
]


class Why(Body):
    """Why data about people are wanted: a request for them, or part of it."""

    purpose: Wanted = None
    reason: Line | None = Field(
        default=None, description="in words, without personal data; EMERGENCY needs one"
    )


def stated(action: Action, purpose: Purpose | None, reason: str | None = None) -> Purpose:
    """The purpose, if the action may be for it.

    Raises `PurposeRequired`, or `InvalidInput` for an emergency without a reason.
    """
    if purpose is None or purpose not in PURPOSES[action]:
        raise PurposeRequired(f"Purposes that fit: {', '.join(sorted(PURPOSES[action]))}.")
    if purpose is Purpose.EMERGENCY and reason is None:
        raise InvalidInput(errors=[FieldFault("/reason", "missing")])
    return purpose


def logged(action: Action) -> dict[str, object]:
    """Marks an operation, in the contract (`openapi_extra`), that leaves a row."""
    return {"x-access-log": action.value}


class AccessOutcome(StrEnum):
    """What came of it."""

    SHOWN = "SHOWN"
    NOTHING = "NOTHING"
    """Nobody and nothing was found."""
    REFUSED = "REFUSED"
    """A quota was used up."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who reads: an operator on shift, or a partner; neither is the service itself."""

    hub_id: str
    operator_id: UUID | None = None
    partner_id: str | None = None
    device_id: UUID | None = None
    shift_id: UUID | None = None
    roles: Sequence[str] = ()


def actor(who: Principal) -> Actor:
    """The caller of a route as the log names them."""
    return Actor(
        who.hub_id,
        operator_id=who.operator_id,
        device_id=who.device_id,
        shift_id=who.shift_id,
        roles=sorted(who.roles),
    )


@dataclass(frozen=True, slots=True)
class AccessEntry:
    """One reading: of whom (`subject_id`, a random id), which fields, of how many rows.

    `purpose` is None only for what is masked; `reason` is free text without personal data.
    """

    action: Action
    purpose: Purpose | None
    fields: Sequence[str]
    rows: int = 1
    subject_id: UUID | None = None
    reason: str | None = None
    outcome: AccessOutcome = AccessOutcome.SHOWN


async def record(tx: Transaction, by: Actor, look: AccessEntry, at: datetime) -> UUID:
    """Append one row and give its id; the data may leave once `tx` is committed.

    An emergency is announced, too: whoever supervises hears of each.
    """
    (access_id,) = await record_all(tx, by, [look], at)
    if look.purpose is Purpose.EMERGENCY:
        event = Event(
            by.hub_id,
            EMERGENCY,
            look.subject_id or access_id,
            at,
            {"access_id": str(access_id), "action": look.action.value},
            by.device_id,
            by.operator_id,
        )
        await events.append(tx, [event])
    return access_id


async def record_all(
    tx: Transaction, by: Actor, looks: Sequence[AccessEntry], at: datetime
) -> list[UUID]:
    """Append rows of one reading of many, none of them an emergency; their ids, in order."""
    ids = [uuid7() for _ in looks]
    rows = [
        {
            "hub_id": by.hub_id,
            "access_id": access_id,
            "at": at,
            "operator_id": by.operator_id,
            "partner_id": by.partner_id,
            "device_id": by.device_id,
            "shift_id": by.shift_id,
            "roles": list(by.roles),
            "action": look.action.value,
            "purpose": look.purpose.value if look.purpose else None,
            "reason": look.reason,
            "subject_id": look.subject_id,
            "fields": list(look.fields),
            "rows": look.rows,
            "outcome": look.outcome.value,
        }
        for access_id, look in zip(ids, looks, strict=True)
    ]
    if rows:
        await tx.sql.execute(insert(Access), rows)
    return ids


async def forget(tx: Transaction, now: datetime) -> int:
    """Delete rows older than `KEPT_FOR`, of all hubs, a batch; how many.

    Only the tables' owner may.
    """
    place = (Access.hub_id, Access.access_id)
    old = select(*place).where(Access.at < now - KEPT_FOR).limit(FORGOTTEN_AT_ONCE)
    gone = await tx.sql.execute(delete(Access).where(tuple_(*place).in_(old)))
    return gone.rowcount
