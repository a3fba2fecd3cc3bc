"""The case machine as one literal table: states, ways out, deadlines and who may move it.

How the ways were derived: one for each thing that the work in a state can end with (assess,
send, carry, treat, follow), then one per state for what can befall a patient anywhere (loss,
death) and one for the clock. The clock only escalates; it never closes a case and never moves
one on, because silence about a patient is not information. A case is never suspected or
rechecked here: that is the screening's SECONDARY, so a case opens in ASSESSING.
"""

from datetime import timedelta
from typing import Final

from twinstile.cases.types import CaseEvent, CaseState
from twinstile.platform.ops.state_machine import Anchor, Cause, Deadline, Machine, Stage
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
            deadline=Deadline(timedelta(minutes=30), Anchor.EXPECTED_ARRIVAL),
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
        _E.DISPATCHED: frozenset({Cause.SYSTEM, Role.MEDIC, Role.SUPERVISOR}),
        _E.DIVERTED: frozenset({Cause.SYSTEM, Role.MEDIC, Role.SUPERVISOR}),
        _E.ADMITTED: frozenset({Cause.SYSTEM}) | _DUTY,
        _E.TAKEN_UP: frozenset({Cause.SYSTEM}) | _DUTY,
        _E.DISCHARGED: frozenset({Cause.SYSTEM, Role.MEDIC, Role.EPIDEMIOLOGIST}),
        _E.NEW_SYMPTOMS: frozenset({Cause.SYSTEM, Role.MEDIC, Role.EPIDEMIOLOGIST}),
        _E.NOT_FEVER: frozenset({Role.MEDIC}),
        _E.EXCLUDED: frozenset({Role.MEDIC}),
        _E.CONFIRMED: frozenset({Role.MEDIC, Role.EPIDEMIOLOGIST}),
        _E.RECOVERED: frozenset({Role.MEDIC, Role.EPIDEMIOLOGIST}),
        _E.RETURNED: frozenset({Cause.SYSTEM}) | _DUTY,
        _E.TRANSFERRED: frozenset({Cause.SYSTEM}) | _DUTY,
        _E.LOST: _DUTY,
        _E.DIED: frozenset({Cause.SYSTEM, Role.MEDIC, Role.EPIDEMIOLOGIST}),
        # by what shows that two cases are one person's, and never by hand
        _E.MERGED: frozenset({Cause.SYSTEM}),
        _E.TIMEOUT: frozenset({Cause.TIMER}),
    },
)
