"""How a case moves: one literal table of states, ways out, deadlines and roles. Pure.

A state has one way out for each thing that its work can end with (assess, send, carry, treat,
follow), one for what can befall a patient anywhere (loss, death) and one for the clock. The
clock only escalates: silence about a patient is not information. A case is never suspected or
rechecked here: that is the screening's SECONDARY, so a case opens in ASSESSING.
"""

from datetime import datetime, timedelta
from typing import Final

from twinstile.cases.types import CaseEvent, CaseState, Disposition
from twinstile.platform.ops.state_machine import (
    Deadline,
    DeadlineAnchor,
    IllegalTransition,
    Machine,
    Stage,
    TransitionCause,
)
from twinstile.platform.security.roles import Role

_S = CaseState
_E = CaseEvent
_DUTY = frozenset({Role.MEDIC, Role.EPIDEMIOLOGIST, Role.SUPERVISOR})

MACHINE: Final = Machine(
    start=_S.ASSESSING,
    stages={
        _S.ASSESSING: Stage(
            deadline=Deadline(timedelta(minutes=30)),
            edges={
                _E.DISPOSE: _S.DISPOSED,
                _E.EMERGENCY: _S.IN_TRANSFER,
                _E.NOT_FEVER: _S.CLOSED_NOT_FEVER,
                _E.EXCLUDED: _S.CLOSED_EXCLUDED,
                _E.MERGED: _S.CLOSED_MERGED,
                _E.LOST: _S.CLOSED_LOST,
                _E.DIED: _S.CLOSED_DECEASED,
                _E.TIMEOUT: _S.ASSESSING,
            },
        ),
        _S.DISPOSED: Stage(
            deadline=Deadline(timedelta(minutes=10)),
            edges={
                _E.DISPATCHED: _S.IN_TRANSFER,
                # Some travel by themselves: the receiver's word is the first one heard.
                _E.ADMITTED: _S.IN_CARE,
                _E.TAKEN_UP: _S.FOLLOWING_UP,
                _E.REDISPOSE: _S.DISPOSED,
                _E.EXCLUDED: _S.CLOSED_EXCLUDED,
                _E.TRANSFERRED: _S.CLOSED_TRANSFERRED,
                _E.MERGED: _S.CLOSED_MERGED,
                _E.LOST: _S.CLOSED_LOST,
                _E.DIED: _S.CLOSED_DECEASED,
                _E.TIMEOUT: _S.DISPOSED,
            },
        ),
        _S.IN_TRANSFER: Stage(
            deadline=Deadline(timedelta(minutes=30), DeadlineAnchor.EXPECTED_ARRIVAL),
            edges={
                _E.ADMITTED: _S.IN_CARE,
                _E.TAKEN_UP: _S.FOLLOWING_UP,
                _E.DIVERTED: _S.IN_TRANSFER,
                _E.REDISPOSE: _S.DISPOSED,
                _E.TRANSFERRED: _S.CLOSED_TRANSFERRED,
                _E.MERGED: _S.CLOSED_MERGED,
                _E.LOST: _S.CLOSED_LOST,
                _E.DIED: _S.CLOSED_DECEASED,
                _E.TIMEOUT: _S.IN_TRANSFER,
            },
        ),
        _S.IN_CARE: Stage(
            deadline=Deadline(timedelta(hours=24)),
            edges={
                _E.DISCHARGED: _S.FOLLOWING_UP,
                _E.REDISPOSE: _S.DISPOSED,
                _E.EXCLUDED: _S.CLOSED_EXCLUDED,
                _E.CONFIRMED: _S.CLOSED_CONFIRMED,
                _E.RECOVERED: _S.CLOSED_RECOVERED,
                _E.TRANSFERRED: _S.CLOSED_TRANSFERRED,
                _E.MERGED: _S.CLOSED_MERGED,
                _E.LOST: _S.CLOSED_LOST,
                _E.DIED: _S.CLOSED_DECEASED,
                _E.TIMEOUT: _S.IN_CARE,
            },
        ),
        _S.FOLLOWING_UP: Stage(
            deadline=Deadline(timedelta(hours=24)),
            edges={
                _E.NEW_SYMPTOMS: _S.ASSESSING,
                _E.REDISPOSE: _S.DISPOSED,
                _E.EXCLUDED: _S.CLOSED_EXCLUDED,
                _E.CONFIRMED: _S.CLOSED_CONFIRMED,
                _E.RECOVERED: _S.CLOSED_RECOVERED,
                _E.RETURNED: _S.CLOSED_RETURNED,
                _E.TRANSFERRED: _S.CLOSED_TRANSFERRED,
                _E.MERGED: _S.CLOSED_MERGED,
                _E.LOST: _S.CLOSED_LOST,
                _E.DIED: _S.CLOSED_DECEASED,
                _E.TIMEOUT: _S.FOLLOWING_UP,
            },
        ),
    },
    triggers={
        _E.DISPOSE: frozenset({Role.MEDIC}),
        _E.REDISPOSE: frozenset({Role.MEDIC}),
        _E.EMERGENCY: frozenset({Role.MEDIC, Role.SUPERVISOR, Role.SCREENER, Role.ASSISTANT}),
        _E.DISPATCHED: frozenset({TransitionCause.SYSTEM, Role.MEDIC, Role.SUPERVISOR}),
        _E.DIVERTED: frozenset({TransitionCause.SYSTEM, Role.MEDIC, Role.SUPERVISOR}),
        _E.ADMITTED: frozenset({TransitionCause.SYSTEM}) | _DUTY,
        _E.TAKEN_UP: frozenset({TransitionCause.SYSTEM}) | _DUTY,
        _E.DISCHARGED: frozenset({TransitionCause.SYSTEM, Role.MEDIC, Role.EPIDEMIOLOGIST}),
        _E.NEW_SYMPTOMS: frozenset({TransitionCause.SYSTEM, Role.MEDIC, Role.EPIDEMIOLOGIST}),
        _E.NOT_FEVER: frozenset({Role.MEDIC}),
        _E.EXCLUDED: frozenset({Role.MEDIC}),
        _E.CONFIRMED: frozenset({Role.MEDIC, Role.EPIDEMIOLOGIST}),
        _E.RECOVERED: frozenset({Role.MEDIC, Role.EPIDEMIOLOGIST}),
        _E.RETURNED: frozenset({TransitionCause.SYSTEM}) | _DUTY,
        _E.TRANSFERRED: frozenset({TransitionCause.SYSTEM}) | _DUTY,
        _E.LOST: _DUTY,
        _E.DIED: frozenset({TransitionCause.SYSTEM, Role.MEDIC, Role.EPIDEMIOLOGIST}),
        # by what shows that two cases are one person's, and never by hand
        _E.MERGED: frozenset({TransitionCause.SYSTEM}),
        _E.TIMEOUT: frozenset({TransitionCause.TIMER}),
    },
)


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
    event for event, triggers in MACHINE.triggers.items() if TransitionCause.SYSTEM in triggers
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
    anchored = deadline.anchor is DeadlineAnchor.EXPECTED_ARRIVAL
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
