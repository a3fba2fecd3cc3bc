"""State machines as literal tables, and all that can be derived from one.

A room writes its table once; moves, deadlines, permissions and the flow chart are read from
it, so none of them can contradict another. The invariants every table must keep (no dead end,
no silent wait, nothing unreachable) are tests over the table, see `tests/screening`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from twinstile.platform.security.roles import Role

State = TypeVar("State", bound=StrEnum)
Event = TypeVar("Event", bound=StrEnum)


class TransitionCause(StrEnum):
    """What moves a machine without a person deciding."""

    SYSTEM = "system"  # a capture, a feed, a partner's message, the hub's mode
    POLICY = "policy"  # a rule's conclusion on evidence
    TIMER = "timer"  # the deadline of the state


class DeadlineAnchor(StrEnum):
    """The moment a deadline counts from."""

    ENTERED = "entered"
    ARRIVAL = "arrival"  # of the run, actual before scheduled
    DEPARTURE = "departure"  # of the onward run
    EXPECTED_ARRIVAL = "expected_arrival"  # of a transfer at its receiver


Trigger: TypeAlias = TransitionCause | Role


@dataclass(frozen=True, slots=True)
class Deadline:
    """How long a state may last where the policy of the hub names no other figure for it."""

    default: timedelta
    anchor: DeadlineAnchor = DeadlineAnchor.ENTERED


@dataclass(frozen=True, slots=True)
class Stage(Generic[State, Event]):
    """One open state: until when, and every way out."""

    deadline: Deadline
    edges: Mapping[Event, State]


class Transition(NamedTuple, Generic[State, Event]):
    before: State
    event: Event
    after: State


class IllegalTransition(ValueError):
    """The table has no such edge; `state` and `event` are words, never personal data."""

    def __init__(self, state: StrEnum, event: StrEnum) -> None:
        super().__init__(f"{event} does not leave {state}")
        self.state: StrEnum = state
        self.event: StrEnum = event


@dataclass(frozen=True, slots=True)
class Machine(Generic[State, Event]):
    """A whole table: `stages` holds the open states only, whatever is not in it is terminal."""

    start: State
    stages: Mapping[State, Stage[State, Event]]
    triggers: Mapping[Event, frozenset[Trigger]]

    def edges(self, state: State) -> Mapping[Event, State]:
        """List every way out of `state`; nothing leaves a terminal one."""
        stage = self.stages.get(state)
        return stage.edges if stage else {}

    def step(self, state: State, event: Event) -> State:
        """Return the state after `event`; IllegalTransition where the table has no edge."""
        try:
            return self.edges(state)[event]
        except KeyError:
            raise IllegalTransition(state, event) from None

    def walk(
        self, state: State, events: Iterable[Event]
    ) -> tuple[Transition[State, Event], ...]:
        """Return the transitions of `events` in order; IllegalTransition if one has no edge."""
        path: list[Transition[State, Event]] = []
        for event in events:
            after = self.step(state, event)
            path.append(Transition(state, event, after))
            state = after
        return tuple(path)

    def roles(self) -> dict[Event, frozenset[Role]]:
        """Name the events a person may send, each with the duties that may send it."""
        human = {
            event: frozenset(trigger for trigger in triggers if isinstance(trigger, Role))
            for event, triggers in self.triggers.items()
        }
        return {event: roles for event, roles in human.items() if roles}

    def timer(self, state: State) -> Event | None:
        """Name the event that the state's deadline fires; None for a terminal state."""
        return next(
            (
                event
                for event in self.edges(state)
                if TransitionCause.TIMER in self.triggers[event]
            ),
            None,
        )


def mermaid(
    machine: Machine[State, Event],
    states: Mapping[State, str] | None = None,
    events: Mapping[Event, str] | None = None,
) -> str:
    """Return the table as a state diagram in Mermaid's language, with labels where given.

    In brackets stands who may send an event: duties of people, or what moves by itself.
    """
    lines = ["stateDiagram-v2"]
    if states:
        lines += [f"    {state}: {label}" for state, label in states.items()]
    lines.append(f"    [*] --> {machine.start}")
    ends: dict[State, None] = {}
    for state, stage in machine.stages.items():
        for event, after in stage.edges.items():
            label = events[event] if events else event.value
            by = ", ".join(sorted(machine.triggers[event]))
            lines.append(f"    {state} --> {after}: {label} ({by})")
            if after not in machine.stages:
                ends[after] = None
    lines += [f"    {state} --> [*]" for state in ends]
    return "\n".join(lines)
