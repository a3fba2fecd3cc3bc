"""The case table and everything derived from it."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.cases import machine
from twinstile.cases.disposition_requirements import REQUIREMENTS
from twinstile.cases.machine import MACHINE
from twinstile.cases.types import CaseEvent, CaseState, Disposition
from twinstile.platform.ops.state_machine import TransitionCause
from twinstile.platform.security.roles import Role

OPEN = sorted(MACHINE.stages)
S, E = CaseState, CaseEvent


def _reachable(start: CaseState, *, without: frozenset[CaseEvent] = frozenset()):
    seen, todo = {start}, [start]
    while todo:
        for event, after in machine.edges(todo.pop()).items():
            if event not in without and after not in seen:
                seen.add(after)
                todo.append(after)
    return seen


def test_the_table_has_five_open_states_nine_ends_and_forty_eight_ways():
    assert (len(OPEN), len(machine.TERMINAL)) == (5, 9)
    assert sum(len(machine.edges(state)) for state in CaseState) == 48


def test_the_ends_named_by_the_words_are_the_ends_of_the_table():
    assert {state for state in CaseState if state.terminal} == machine.TERMINAL


def test_every_state_is_reachable_from_the_start():
    assert _reachable(machine.START) == set(CaseState)


@pytest.mark.parametrize("state", OPEN)
def test_every_open_state_can_still_end_for_better_or_worse(state: CaseState):
    assert _reachable(state) >= {S.CLOSED_LOST, S.CLOSED_DECEASED, S.CLOSED_RECOVERED}


@pytest.mark.parametrize("state", OPEN)
def test_silence_escalates_and_never_closes_or_moves_a_case(state: CaseState):
    timers = [e for e in machine.edges(state) if TransitionCause.TIMER in MACHINE.triggers[e]]
    assert timers == [machine.timer(state)] == [E.TIMEOUT]
    assert machine.step(state, E.TIMEOUT) is state
    assert state in machine.DEADLINES


def test_every_event_is_used_and_says_who_may_send_it():
    used = {event for state in CaseState for event in machine.edges(state)}
    assert used == set(CaseEvent) == set(MACHINE.triggers)
    assert all(MACHINE.triggers.values())


def test_no_rule_moves_a_case():
    assert not any(TransitionCause.POLICY in by for by in MACHINE.triggers.values())


def test_only_a_medic_says_that_it_was_nothing():
    medical = frozenset(
        event for event, by in MACHINE.triggers.items() if by == frozenset({Role.MEDIC})
    )
    nothing = {S.CLOSED_NOT_FEVER, S.CLOSED_EXCLUDED}
    assert not _reachable(machine.START, without=medical) & nothing


@given(st.lists(st.sampled_from(CaseEvent), max_size=30))
def test_a_random_walk_takes_only_ways_of_the_table(events: list[CaseEvent]):
    state = machine.START
    for event in events:
        if event in machine.edges(state):
            state = machine.step(state, event)
        else:
            with pytest.raises(machine.IllegalTransition):
                machine.step(state, event)


@pytest.mark.parametrize(("state", "disposition"), list(product(OPEN, Disposition)))
def test_a_medic_may_send_an_open_case_anywhere(state: CaseState, disposition: Disposition):
    path = machine.walk(state, machine.dispose(state, disposition))
    assert all(Role.MEDIC in MACHINE.triggers[step.event] for step in path)
    ends = path[-1].after
    assert ends.terminal == (disposition is Disposition.RELEASED)


def test_an_emergency_leaves_at_once():
    path = machine.walk(
        machine.START, machine.dispose(machine.START, Disposition.EMERGENCY_CARE)
    )
    assert path[-1].after is S.IN_TRANSFER


@pytest.mark.parametrize("state", sorted(machine.TERMINAL))
def test_a_closed_case_is_not_sent_anywhere(state: CaseState):
    with pytest.raises(machine.IllegalTransition):
        machine.walk(state, machine.dispose(state, Disposition.FEVER_CLINIC))


@pytest.mark.parametrize("disposition", Disposition)
def test_every_disposition_can_be_acknowledged_and_then_closed_as_it_is_meant_to(
    disposition: Disposition,
):
    terms = REQUIREMENTS[disposition]
    after = machine.step(S.DISPOSED, terms.acknowledged_by)
    if not after.terminal:
        assert terms.closes_by <= set(machine.edges(after))


def test_only_a_persuaded_return_needs_consent_and_only_a_release_needs_no_receiver():
    assert [d for d in Disposition if REQUIREMENTS[d].needs_consent] == [
        Disposition.PERSUADED_RETURN
    ]
    assert [d for d in Disposition if not REQUIREMENTS[d].needs_receiver] == [
        Disposition.RELEASED
    ]
