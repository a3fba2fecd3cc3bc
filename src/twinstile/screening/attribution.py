"""In whose name a fact of a batch is recorded.

A tablet hands over what was made on it, often after the shift's end, and names the shift. The
name counts only for a fact of that shift's own time; a medic's steps need that medic present.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel

from twinstile.platform.http.problems import FieldFault, InvalidInput
from twinstile.platform.security.auth import Principal
from twinstile.platform.security.roles import Role
from twinstile.platform.security.shifts import ShiftRecord
from twinstile.screening import machine
from twinstile.screening.bodies import (
    CheckFact,
    ReminderBody,
    ServiceBody,
    TransitionBody,
)
from twinstile.screening.intake import Receiver
from twinstile.screening.offline_bodies import ShiftBody

CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a fact's corrected moment may lie outside the shift it names."""

_MEDIC_ONLY = frozenset({Role.MEDIC})


def hand(
    shift_id: UUID | None,
    body: BaseModel,
    shifts: Mapping[UUID, ShiftRecord],
    receiver: Receiver,
    sent_at: datetime,
) -> Receiver:
    """The receiver as the person who made the fact; unchanged where no shift is named.

    Raises `InvalidInput` at `/shift_id`: `unknown-value` for no shift of this device,
    `out-of-range` for a fact of another time, `needs-live-shift` for a medic's step without
    that medic's living token.
    """
    if shift_id is not None and shift_id not in shifts:
        raise InvalidInput(errors=[FieldFault("/shift_id", "unknown-value")])
    if _is_clinical(body):
        _require_live(shift_id, receiver.who)
    if shift_id is None:
        return receiver
    return _in_shift(shift_id, shifts[shift_id], body, receiver, sent_at)


def _is_clinical(body: BaseModel) -> bool:
    """Whether only a medic may do this; among such steps are those that end a suspicion."""
    match body:
        case TransitionBody(event=event):
            return machine.HUMAN_EVENTS.get(event) == _MEDIC_ONLY
        case _:
            return False


def _require_live(named: UUID | None, who: Principal) -> None:
    """Refuse a medic's step without that medic's living shift token.

    A shift's id is no secret: whoever holds the tablet's own token could name it.
    """
    if who.shift_id is None or named not in {None, who.shift_id}:
        raise InvalidInput(errors=[FieldFault("/shift_id", "needs-live-shift")])


def _in_shift(
    shift_id: UUID, worked: ShiftRecord, body: BaseModel, receiver: Receiver, sent_at: datetime
) -> Receiver:
    """The receiver in the name of the shift's operator, if the fact is of that shift's time.

    The fact's moment is put right by how far the device's clock was off at sending.
    """
    moment = made_at(body) + (receiver.at - sent_at)
    if not worked.covers(moment, CLOCK_TOLERANCE):
        raise InvalidInput(errors=[FieldFault("/shift_id", "out-of-range")])
    who = replace(
        receiver.who, operator_id=worked.operator_id, shift_id=shift_id, roles=worked.roles
    )
    return replace(receiver, who=who)


def made_at(body: BaseModel) -> datetime:
    """When a fact was made, by the device's clock."""
    match body:
        case CheckFact(observed_at=moment):
            return moment
        case ReminderBody(given_at=moment) | ServiceBody(given_at=moment):
            return moment
        case TransitionBody(at=moment) | ShiftBody(started_at=moment):
            return moment
        case _:
            raise TypeError(type(body).__name__)
