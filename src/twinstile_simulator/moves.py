"""How a script is written: the words in which `personas` says what is done about a guest."""

from dataclasses import replace

from twinstile_simulator.guests import CLOCK, Desk, Move
from twinstile_simulator.protocol import State

S = State
WELL = {"value": 36.6, "method": "WALK_THROUGH"}
GREEN = {"status": "GREEN"}


def check(desk: Desk, state: S, **parts: object) -> Move:
    """A check of somebody well, with these parts changed, or left out if None."""
    whole = {"temperature": WELL, "credential": GREEN, "identity": "MATCH"} | parts
    told = {name: part for name, part in whole.items() if part is not None}
    return Move(desk, state, told=told)


def again(move: Move) -> Move:
    """The same, with which another passage begins."""
    return replace(move, again=True)


def step(desk: Desk, word: str, state: S, **particulars: object) -> Move:
    """A step that no check brings."""
    return Move(desk, state, word, particulars)


def by_clock(state: S) -> Move:
    """Nobody does anything until a deadline of the service has passed."""
    return Move(Desk.SUPERVISOR, state, CLOCK)
