"""The screening machine as one literal table: states, ways out, deadlines and who may move it.

Everything else about the machine is derived from this table, in `machine` and in the flow chart
of docs/state-machines.md. Tests hold over it: every open state has a timer and a way to an end,
ends have no way out, surge mode releases nobody who is held or refuses, and nobody held is
cleared without a medic.

A traveller who stands on no manifest starts in EXPECTED too and leaves it in the same instant
by `present`, so a screening has one beginning and the fold needs no second start. The order of
the ways out means nothing to the machine.
"""

from datetime import timedelta
from typing import Final

from twinstile.platform.ops.state_machine import (
    Deadline,
    DeadlineAnchor,
    Machine,
    Stage,
    TransitionCause,
)
from twinstile.platform.security.roles import Role
from twinstile.screening.types import ScreeningEvent, ScreeningState

_S = ScreeningState
_E = ScreeningEvent
_STAFF = frozenset({Role.SCREENER, Role.ASSISTANT, Role.MEDIC, Role.SUPERVISOR})

MACHINE: Final = Machine(
    start=_S.EXPECTED,
    stages={
        _S.EXPECTED: Stage(
            deadline=Deadline(timedelta(minutes=60), DeadlineAnchor.ARRIVAL),
            edges={
                _E.PRESENT: _S.PRESENTED,
                _E.TRANSIT_DECLARED: _S.TRANSIT_HELD,
                _E.RUN_CLOSED: _S.NO_SHOW,
                _E.VOID: _S.VOID,
                _E.FUSE_BYPASS: _S.DEFERRED,
            },
        ),
        _S.PRESENTED: Stage(
            deadline=Deadline(timedelta(seconds=120)),
            edges={
                _E.EVIDENCE_COMPLETE: _S.VERIFYING,
                _E.ALARM: _S.SECONDARY,
                _E.ASSIST_NEEDED: _S.ASSISTED,
                _E.REFUSE: _S.REFUSAL,
                _E.FUSE_RELEASE: _S.DEFERRED,
                _E.TIMEOUT: _S.ABANDONED,
                _E.VOID: _S.VOID,
            },
        ),
        _S.ASSISTED: Stage(
            deadline=Deadline(timedelta(minutes=10)),
            edges={
                _E.EVIDENCE_COMPLETE: _S.VERIFYING,
                _E.ALARM: _S.SECONDARY,
                _E.TIMEOUT: _S.SECONDARY,
                _E.REFUSE: _S.REFUSAL,
                _E.FUSE_RELEASE: _S.DEFERRED,
            },
        ),
        _S.VERIFYING: Stage(
            deadline=Deadline(timedelta(seconds=20)),
            edges={
                _E.PASS: _S.CLEARED,
                _E.PASS_WITH_CONDITIONS: _S.CLEARED_CONDITIONAL,
                _E.TRANSIT_OK: _S.CLEARED_TRANSIT,
                _E.PROVIDER_UNAVAILABLE_LOW_RISK: _S.DEFERRED,
                _E.FUSE_RELEASE: _S.DEFERRED,
                _E.FLAG: _S.SECONDARY,
                _E.PROVIDER_UNAVAILABLE: _S.SECONDARY,
                _E.TIMEOUT: _S.SECONDARY,
                _E.ASSIST_NEEDED: _S.ASSISTED,
            },
        ),
        _S.SECONDARY: Stage(
            deadline=Deadline(timedelta(minutes=15)),
            edges={
                _E.RECHECK_NORMAL: _S.CLEARED,
                _E.RECHECK_NORMAL_CONDITIONS: _S.CLEARED_CONDITIONAL,
                _E.TRANSIT_OK: _S.CLEARED_TRANSIT,
                _E.CONFIRMED_ABNORMAL: _S.HELD,
                _E.TIMEOUT: _S.HELD,
                _E.REFUSE: _S.REFUSAL,
                _E.ABSCONDED: _S.ABANDONED,
                _E.DENY_BOARDING: _S.DENIED,
                _E.POLICY_RETURN: _S.RETURN_PENDING,
                _E.FUSE_RELEASE: _S.DEFERRED,
            },
        ),
        _S.HELD: Stage(
            deadline=Deadline(timedelta(minutes=60)),
            edges={
                _E.NOT_A_CASE: _S.CLEARED_CONDITIONAL,
                _E.HANDOVER_ACK: _S.HANDED_OVER,
                _E.ABSCONDED: _S.ABANDONED,
                _E.TIMEOUT: _S.HELD,
                _E.POLICY_RETURN: _S.RETURN_PENDING,
            },
        ),
        _S.REFUSAL: Stage(
            deadline=Deadline(timedelta(minutes=30)),
            edges={
                _E.CONSENT: _S.PRESENTED,
                _E.LAWFUL_ORDER: _S.SECONDARY,
                _E.RETURN_CHOSEN: _S.RETURN_PENDING,
                _E.DENY_BOARDING: _S.DENIED,
                _E.CUSTODY: _S.HANDED_OVER,
                _E.TIMEOUT: _S.REFUSAL,
            },
        ),
        _S.RETURN_PENDING: Stage(
            deadline=Deadline(timedelta(hours=6)),
            edges={
                _E.TIMEOUT: _S.HELD,
                _E.CHANGED_MIND: _S.SECONDARY,
                _E.BOARDED: _S.RETURNED,
            },
        ),
        _S.TRANSIT_HELD: Stage(
            deadline=Deadline(timedelta(minutes=-10), DeadlineAnchor.DEPARTURE),
            edges={
                _E.EXIT_CHOSEN: _S.PRESENTED,
                _E.MISSED: _S.PRESENTED,
                _E.ALARM: _S.SECONDARY,
                _E.CONNECTION_BOARDED: _S.CLEARED_TRANSIT,
            },
        ),
        _S.DEFERRED: Stage(
            deadline=Deadline(timedelta(hours=24)),
            edges={
                _E.MATCHED_CLEAR: _S.CLEARED,
                _E.MATCHED_CONDITIONS: _S.CLEARED_CONDITIONAL,
                _E.TIMEOUT: _S.DEFERRED_UNRESOLVED,
                _E.MATCHED_RISK: _S.HANDED_OVER,
                _E.REENTER: _S.PRESENTED,
            },
        ),
    },
    triggers={
        _E.PRESENT: frozenset({TransitionCause.SYSTEM}),
        _E.TRANSIT_DECLARED: frozenset({TransitionCause.SYSTEM, Role.SCREENER, Role.ASSISTANT}),
        _E.FUSE_BYPASS: frozenset({TransitionCause.SYSTEM}),
        _E.RUN_CLOSED: frozenset({TransitionCause.TIMER, TransitionCause.SYSTEM}),
        _E.VOID: frozenset({TransitionCause.SYSTEM, Role.SUPERVISOR}),
        _E.EVIDENCE_COMPLETE: frozenset({TransitionCause.POLICY}),
        _E.ASSIST_NEEDED: frozenset({TransitionCause.POLICY}) | _STAFF,
        _E.ALARM: frozenset({TransitionCause.POLICY}) | _STAFF,
        _E.REFUSE: _STAFF,
        # On a surge order in force, and nobody of a guard class: `transitions`.
        _E.FUSE_RELEASE: _STAFF,
        _E.TIMEOUT: frozenset({TransitionCause.TIMER}),
        _E.PASS: frozenset({TransitionCause.POLICY}),
        _E.PASS_WITH_CONDITIONS: frozenset({TransitionCause.POLICY}),
        _E.FLAG: frozenset({TransitionCause.POLICY}) | _STAFF,
        _E.PROVIDER_UNAVAILABLE: frozenset({TransitionCause.SYSTEM}) | _STAFF,
        _E.PROVIDER_UNAVAILABLE_LOW_RISK: frozenset({TransitionCause.POLICY}),
        _E.TRANSIT_OK: frozenset({Role.MEDIC}),
        _E.RECHECK_NORMAL: frozenset({TransitionCause.POLICY, Role.MEDIC}),
        _E.RECHECK_NORMAL_CONDITIONS: frozenset({TransitionCause.POLICY, Role.MEDIC}),
        _E.CONFIRMED_ABNORMAL: frozenset({TransitionCause.POLICY, Role.MEDIC}),
        # Not a supervisor's: it also leaves HELD, and the return may yet be called off.
        _E.POLICY_RETURN: frozenset({Role.MEDIC}),
        _E.DENY_BOARDING: frozenset({Role.SUPERVISOR}),
        _E.ABSCONDED: _STAFF,
        _E.HANDOVER_ACK: frozenset({TransitionCause.SYSTEM, Role.MEDIC}),
        _E.NOT_A_CASE: frozenset({Role.MEDIC}),
        _E.CONSENT: frozenset({TransitionCause.POLICY}) | _STAFF,
        _E.LAWFUL_ORDER: frozenset({Role.SUPERVISOR, Role.DUTY_COMMANDER}),
        _E.RETURN_CHOSEN: _STAFF,
        _E.CUSTODY: frozenset({Role.SUPERVISOR, Role.DUTY_COMMANDER}),
        _E.BOARDED: frozenset({TransitionCause.SYSTEM}) | _STAFF,
        _E.CHANGED_MIND: frozenset({TransitionCause.POLICY}) | _STAFF,
        _E.CONNECTION_BOARDED: frozenset({TransitionCause.SYSTEM}) | _STAFF,
        _E.EXIT_CHOSEN: frozenset({TransitionCause.SYSTEM}) | _STAFF,
        _E.MISSED: frozenset({TransitionCause.TIMER}),
        _E.MATCHED_CLEAR: frozenset({TransitionCause.SYSTEM, Role.EPIDEMIOLOGIST}),
        _E.MATCHED_CONDITIONS: frozenset({TransitionCause.SYSTEM, Role.EPIDEMIOLOGIST}),
        _E.MATCHED_RISK: frozenset({TransitionCause.SYSTEM, Role.EPIDEMIOLOGIST}),
        _E.REENTER: frozenset({TransitionCause.POLICY}) | _STAFF,
    },
)
