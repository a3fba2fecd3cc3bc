"""When a state must have been left: the policy's figure, else the table's own."""

from datetime import datetime, timedelta
from typing import Final

from twinstile.platform.ops.state_machine import DeadlineAnchor
from twinstile.policy.types import HubPolicy
from twinstile.screening import machine
from twinstile.screening.types import ScreeningState

LATEST = timedelta(hours=24)
KEPT_BY_ORDER: Final = frozenset({ScreeningState.SECONDARY, ScreeningState.HELD})


def due(
    state: ScreeningState,
    policy: HubPolicy,
    at: datetime,
    *,
    departure: datetime | None = None,
    order_until: datetime | None = None,
) -> datetime | None:
    """The deadline of a state entered at that moment; None for an end.

    Waiting for a train lasts until it leaves, and nobody is kept by order beyond the order.
    """
    if state.terminal:
        return None
    deadline = machine.DEADLINES[state]
    before = deadline.default if deadline.anchor is DeadlineAnchor.DEPARTURE else timedelta(0)
    if departure is not None:
        return departure + before
    seconds = policy.parameters.deadline_seconds.get(state)
    if seconds is not None and deadline.anchor is DeadlineAnchor.ENTERED:
        moment = at + timedelta(seconds=seconds)
    else:
        moment = at + (
            deadline.default if deadline.anchor is DeadlineAnchor.ENTERED else LATEST
        )
    if state in KEPT_BY_ORDER and order_until is not None and order_until > at:
        return min(moment, order_until)
    return moment
