"""Cards that lead somebody from a lane to the desk, so that nobody types who they are again.

The desk prints cards with a random text; a lane scans one and gives it to the person in front.
It says nothing of anybody and opens nothing to who finds it: only staff learn which passage it
was given for, and no name. A card is used again for the next person; the last one counts.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final
from uuid import UUID, uuid5

from pydantic import BeforeValidator, Field, StringConstraints
from sqlalchemy import RowMapping, select

from twinstile.platform import events
from twinstile.platform.db import Reading, Transaction
from twinstile.platform.errors import (
    FieldFault,
    Forbidden,
    IdReused,
    InvalidInput,
    NotFound,
    TransitionRefused,
)
from twinstile.platform.events import Happening
from twinstile.platform.fields import Body, Moment, plain
from twinstile.screening import transitions
from twinstile.screening.steps import Desk, Step
from twinstile.screening.tables import Check, Screening
from twinstile.screening.types import ScreeningEvent, ScreeningState

GIVEN: Final = "card.given"
PATTERN: Final = r"^TWH1[A-Z2-7]{16}$"
"""A card as scanned: 80 random bits in base32."""
LASTS: Final = timedelta(hours=12)
_CARDS: Final = UUID("6b0c3b0e-3c52-4b0e-9a53-5d3d0e6f2f11")
_LANE: Final = frozenset({ScreeningState.PRESENTED, ScreeningState.VERIFYING})

CardCode = Annotated[
    str, StringConstraints(pattern=PATTERN, strict=True), BeforeValidator(plain)
]


class Place(StrEnum):
    """Where somebody is sent with a card."""

    DESK = "DESK"
    NURSE = "NURSE"


class CardBody(Body):
    """A card was given to the person of a check."""

    card: CardCode = Field(examples=["TWH1ABCDEFGHIJKLMNOP"])
    check_id: UUID = Field(description="the check they were seen in")
    to: Place
    given_at: Moment


@dataclass(frozen=True, slots=True)
class Given:
    """The same as a fact."""

    given_id: UUID
    card: str
    check_id: UUID
    to: Place
    given_at: datetime


async def give(tx: Transaction, desk: Desk, given: Given) -> bool:
    """Record that a card was given; false when it was recorded already.

    Who is sent to the desk waits there for help, if whoever sends them may say so: nobody
    abandons them by the clock of the lane. Raises `InvalidInput` for an unknown check,
    `IdReused` for other content.
    """
    who = desk.who
    subject = uuid5(_CARDS, given.card)
    told: dict[str, object] = {
        "check_id": str(given.check_id),
        "to": given.to.value,
        "given_at": given.given_at.isoformat(),
    }
    earlier = await events.find(tx, who.hub_id, given.given_id)
    if earlier is None:
        screening_id, state = await _passage_of(tx, who.hub_id, given.check_id)
        body = told | {"screening_id": str(screening_id)}
        hand = (who.device_id, who.operator_id, given.given_id)
        happening = Happening(who.hub_id, GIVEN, subject, desk.at, body, *hand)
        if await events.append_once(tx, happening):
            if given.to is Place.DESK and state in _LANE:
                await _help(tx, desk, given, screening_id)
            return True
        earlier = await events.find(tx, who.hub_id, given.given_id)  # sent at this very moment
    if earlier is None or (earlier.kind, earlier.subject_id) != (GIVEN, subject):
        raise IdReused
    if told != {name: earlier.body.get(name) for name in told}:
        raise IdReused
    return False


async def _passage_of(tx: Reading, hub_id: str, check_id: UUID) -> tuple[UUID, ScreeningState]:
    """The passage of a check, and its state. Raises `InvalidInput` for an unknown one."""
    found = await tx.sql.execute(
        select(Check.screening_id, Screening.state)
        .join(
            Screening,
            (Screening.hub_id == Check.hub_id) & (Screening.screening_id == Check.screening_id),
        )
        .where(Check.hub_id == hub_id, Check.id == check_id)
    )
    row = found.one_or_none()
    if row is None:
        raise InvalidInput(errors=[FieldFault("/check_id", "unknown-value")])
    screening_id, state = row
    return screening_id, ScreeningState(state)


async def _help(tx: Transaction, desk: Desk, given: Given, screening_id: UUID) -> None:
    event = ScreeningEvent.ASSIST_NEEDED
    step = Step(uuid5(given.given_id, event), screening_id, event, desk.at, "sent to the desk")
    try:
        async with tx.sql.begin_nested():
            await transitions.take(tx, desk, step)
    except (Forbidden, TransitionRefused):
        return  # nobody was on shift, or the passage has gone on since


_PASSAGE = (
    Screening.screening_id,
    Screening.state,
    Screening.checkpoint,
    Screening.opened_at,
)


async def carried(tx: Reading, hub_id: str, card: str, at: datetime) -> RowMapping:
    """The open passage a card was given for last, within `LASTS`. Raises `NotFound`."""
    given = await events.of_subject(tx, hub_id, uuid5(_CARDS, card), [GIVEN], 1)
    if given and at - given[0].at < LASTS:
        found = await tx.sql.execute(
            select(*_PASSAGE).where(
                Screening.hub_id == hub_id,
                Screening.screening_id == UUID(str(given[0].body["screening_id"])),
                Screening.closed_at.is_(None),
            )
        )
        row = found.mappings().one_or_none()
        if row is not None:
            return row
    raise NotFound("Nobody carries this card.")
