"""The published protocol of the pack `cn-hub`, read once more for the simulator.

These few lines share no code with the service. Threshold 37.3 °C; a first-pass device (error
band 0.3) alarms from 37.0; below 35.0 a reading is invalid and repeated; an alarm ends with a
contact reading below 37.3, or with two readings from 37.3 by different methods: a case.

Staff follow a fixed script until the protocol lets the traveller go, so each check of the day
is known in advance. It simplifies: a declaration is always accepted in place of a code, a
wrong colour or a mismatch always clears up at the second look, nobody refuses or absconds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

THRESHOLD = 373
FIRST_PASS_ALARM = 370
VALID_FROM = 350
CONTACT = ("EAR", "AXILLARY")
SECOND_LOOK = ("CONTACTLESS", *CONTACT)


class State(StrEnum):
    """Where a screening stands, in the service's words; `script` leads to five of them."""

    PRESENTED = "PRESENTED"
    ASSISTED = "ASSISTED"
    SECONDARY = "SECONDARY"
    HELD = "HELD"
    CLEARED = "CLEARED"
    CLEARED_CONDITIONAL = "CLEARED_CONDITIONAL"
    CLEARED_TRANSIT = "CLEARED_TRANSIT"
    REFUSAL = "REFUSAL"
    RETURN_PENDING = "RETURN_PENDING"
    RETURNED = "RETURNED"
    DENIED = "DENIED"
    TRANSIT_HELD = "TRANSIT_HELD"
    DEFERRED = "DEFERRED"
    DEFERRED_UNRESOLVED = "DEFERRED_UNRESOLVED"
    HANDED_OVER = "HANDED_OVER"
    ABANDONED = "ABANDONED"
    NO_SHOW = "NO_SHOW"
    VOID = "VOID"


class CheckPlace(StrEnum):
    """Where a check is taken: the person's own lane, or a desk."""

    LANE = "LANE"
    ASSISTED = "ASSISTED"
    SECONDARY = "SECONDARY"


@dataclass(frozen=True, slots=True)
class PlannedCheck:
    """One check to be sent and the state it must lead to. `tenths` are tenths of °C."""

    place: CheckPlace
    tenths: int | None = None
    method: str | None = None
    credential: str | None = None
    identity: str | None = None
    state: State = State.PRESENTED


Thermometer = Callable[[str], int]
"""Measures the person by a method, in tenths of °C."""


def state_after(steps: Sequence[PlannedCheck]) -> State:
    """Fold a person's checks, the lane's first, into the state the protocol prescribes."""
    readings = [
        (step.tenths, step.method)
        for step in steps
        if step.tenths is not None and step.tenths >= VALID_FROM
    ]
    contact = [tenths for tenths, method in readings if method in CONTACT]
    alarm = any(t >= FIRST_PASS_ALARM for t, method in readings if method not in CONTACT)
    if len({method for tenths, method in readings if tenths >= THRESHOLD}) > 1:
        return State.HELD
    if alarm and (not contact or contact[-1] >= THRESHOLD):
        return State.SECONDARY
    credential, identity = _newest(steps)
    if credential in {"YELLOW", "RED"} or identity == "MISMATCH":
        return State.SECONDARY
    if credential == "NOT_PRESENTED":
        return State.ASSISTED
    return State.CLEARED if readings else State.PRESENTED


def script(first: PlannedCheck, measure: Thermometer) -> tuple[PlannedCheck, ...]:
    """Take a person from the lane (`first`, not yet measured) to where staff let go."""
    steps: list[PlannedCheck] = []
    state = State.PRESENTED
    while True:
        match state:
            case State.PRESENTED:
                again = PlannedCheck(CheckPlace.LANE, method=first.method) if steps else first
                step = _measured(again, measure)
            case State.ASSISTED:
                step = PlannedCheck(CheckPlace.ASSISTED, credential="GREEN")
            case State.SECONDARY:
                step = _second_look(steps, measure)
            case _:
                return tuple(steps)
        state = state_after([*steps, step])
        steps.append(replace(step, state=state))


def _second_look(steps: Sequence[PlannedCheck], measure: Thermometer) -> PlannedCheck:
    """Settle what is open: the next method after an alarm, a fresh code, a second match."""
    credential, identity = _newest(steps)
    step = PlannedCheck(
        CheckPlace.SECONDARY,
        credential=None if credential == "GREEN" else "GREEN",
        identity=None if identity == "MATCH" else "MATCH",
    )
    if not any((lane.tenths or 0) >= FIRST_PASS_ALARM for lane in steps):
        return step
    tried = {earlier.method for earlier in steps if earlier.place is CheckPlace.SECONDARY}
    method = next(method for method in SECOND_LOOK if method not in tried)
    return _measured(replace(step, method=method), measure)


def _measured(step: PlannedCheck, measure: Thermometer) -> PlannedCheck:
    return replace(step, tenths=measure(step.method)) if step.method else step


def _newest(steps: Sequence[PlannedCheck]) -> tuple[str | None, str | None]:
    credential = [step.credential for step in steps if step.credential]
    identity = [step.identity for step in steps if step.identity]
    return credential[-1] if credential else None, identity[-1] if identity else None
