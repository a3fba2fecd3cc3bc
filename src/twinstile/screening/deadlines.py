"""When a state must have been left: the policy's figure, else the table's own."""

from datetime import datetime, timedelta

from twinstile.platform.machine import Anchor
from twinstile.policy.types import HubPolicy
from twinstile.screening import machine
from twinstile.screening.types import ScreeningState

LATEST = timedelta(hours=24)


def due(state: ScreeningState, policy: HubPolicy, at: datetime) -> datetime | None:
    """The deadline of a state entered at that moment; None for an end."""
    if state.terminal:
        return None
    seconds = policy.parameters.deadline_seconds.get(state)
    if seconds is not None:
        return at + timedelta(seconds=seconds)
    deadline = machine.DEADLINES[state]
    # The moment another anchor names (an onward departure) is not known here.
    return at + (deadline.default if deadline.anchor is Anchor.ENTERED else LATEST)
