"""How a case moves: the table of `stages` applied to events and dispositions. Pure."""

from datetime import datetime
from typing import Final

from twinstile.cases.stages import MACHINE
from twinstile.cases.types import CaseEvent, CaseState, Disposition
from twinstile.platform.ops.state_machine import Anchor, Cause, IllegalTransition

__all__ = [
    "DEADLINES",
    "HUMAN_EVENTS",
    "SENT",
    "START",
    "SYSTEM_EVENTS",
    "TERMINAL",
    "IllegalTransition",
    "dispose",
    "due",
    "edges",
    "step",
    "timer",
    "walk",
]

START: Final = MACHINE.start
TERMINAL: Final = frozenset(CaseState) - frozenset(MACHINE.stages)
HUMAN_EVENTS: Final = MACHINE.roles()
SYSTEM_EVENTS: Final = frozenset(
    event for event, triggers in MACHINE.triggers.items() if Cause.SYSTEM in triggers
)
DEADLINES: Final = {state: stage.deadline for state, stage in MACHINE.stages.items()}
_UNSENT: Final = {START} | {
    after
    for event, after in MACHINE.edges(START).items()
    if event not in {CaseEvent.DISPOSE, CaseEvent.EMERGENCY}
}
SENT: Final = frozenset(CaseState) - _UNSENT
"""States that no case comes to unless a disposition says where it was sent."""

edges = MACHINE.edges
step = MACHINE.step
timer = MACHINE.timer
walk = MACHINE.walk


def due(state: CaseState, since: datetime, expected: datetime | None = None) -> datetime | None:
    """When a case that is in `state` since then is overdue; None for an end.

    A transfer counts from when its arrival is expected, or where nobody said when that is,
    from its departure.
    """
    deadline = DEADLINES.get(state)
    if deadline is None:
        return None
    anchored = deadline.anchor is Anchor.EXPECTED_ARRIVAL
    return (expected if anchored and expected else since) + deadline.default


def dispose(state: CaseState, disposition: Disposition) -> tuple[CaseEvent, ...]:
    """Name the events by which a medic's disposition moves a case in `state`.

    An emergency leaves before anybody is asked, and somebody released has no receiver to wait
    for. The path of a closed case is illegal, `walk` says so.
    """
    first = state is CaseState.ASSESSING
    if first and disposition is Disposition.EMERGENCY_CARE:
        return (CaseEvent.EMERGENCY,)
    sent = CaseEvent.DISPOSE if first else CaseEvent.REDISPOSE
    if disposition is Disposition.RELEASED:
        return (sent, CaseEvent.EXCLUDED)
    return (sent,)
