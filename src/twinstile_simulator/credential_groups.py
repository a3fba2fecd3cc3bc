"""The travellers who present a credential, each with the way it leads to."""

from collections.abc import Iterator

from twinstile_simulator.credentials import presentations
from twinstile_simulator.credentials.presentations import CERTIFICATE, Condition, Presentation
from twinstile_simulator.documents import eriksson, guest_id
from twinstile_simulator.guests import Desk, Group, Member, Script, Turn
from twinstile_simulator.moves import S, check, step

VALID_PER_1000 = 2.0
"""How many of 1,000 travellers present a valid one."""
_STATES = {"GREEN": S.CLEARED, "NOT_FOUND": S.ASSISTED}
_AT_DESK = step(Desk.SECONDARY, "recheck_normal", S.CLEARED)
_ASSISTED = check(
    Desk.ASSISTED,
    S.CLEARED,
    assistance=True,
    temperature=None,
    credential={"status": "GREEN", "kind": "DECLARATION"},
    declaration={"contact": "NO"},
)
_REST = {S.CLEARED: (), S.ASSISTED: (_ASSISTED,), S.SECONDARY: (_AT_DESK,)}


def _script(one: Presentation) -> Script:
    state = _STATES.get(one.status, S.SECONDARY)
    kind = "CERTIFICATE" if one.source == CERTIFICATE else "HEALTH_CODE"
    first = check(Desk.LANE, state, credential={"status": "PENDING", "kind": kind}, shown=one)
    return (first, *_REST[state])


def _group(one: Presentation, turn: Turn | None, *, afternoon: bool) -> Group:
    certificate = one.source == CERTIFICATE
    papers, name = (eriksson, "Eriksson, Anna") if certificate else (guest_id, "张伟")
    often = one.how is Condition.VALID and not afternoon
    return Group(
        f"showing {one.source}" if certificate else f"showing a code of {one.source}",
        (Member(_script(one), papers, name=name),),
        per_1000=VALID_PER_1000 if often else 0,
        afternoon=afternoon,
        turn=turn,
    )


def _groups() -> Iterator[Group]:
    for row, turn, afternoon in (
        (presentations.MORNING, None, False),
        (presentations.AFTERNOON, None, True),
        (presentations.BEFORE_OPENING, Turn.BEFORE, False),
        (presentations.PROVIDER_OUTAGE, Turn.AWAY, True),
        (presentations.AFTER_OUTAGE, Turn.AFTER, True),
    ):
        for one in row:
            yield _group(one, turn, afternoon=afternoon)


GROUPS: tuple[Group, ...] = tuple(_groups())
