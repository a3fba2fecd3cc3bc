"""The screening table and everything derived from it."""

from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstile.platform.ops.state_machine import TransitionCause
from twinstile.platform.security.roles import Role
from twinstile.screening import machine
from twinstile.screening.stages import MACHINE
from twinstile.screening.types import (
    Completeness,
    GuardClass,
    Outcome,
    Reason,
    ReleaseFacts,
    ReminderKind,
    ScreeningEvent,
    ScreeningState,
    ServiceKind,
    Verdict,
    VerificationKind,
)

OPEN = sorted(MACHINE.stages)
S, E = ScreeningState, ScreeningEvent
EVERY_OUTCOME = list(product(ScreeningState, Outcome))
CLEARED = {S.CLEARED, S.CLEARED_CONDITIONAL, S.CLEARED_TRANSIT}


def _reachable(start: ScreeningState, *, without: frozenset[ScreeningEvent] = frozenset()):
    seen, todo = {start}, [start]
    while todo:
        for event, after in machine.edges(todo.pop()).items():
            if event not in without and after not in seen:
                seen.add(after)
                todo.append(after)
    return seen


def _all_edges() -> Iterator[tuple[ScreeningState, ScreeningEvent, ScreeningState]]:
    for state in ScreeningState:
        for event, after in machine.edges(state).items():
            yield state, event, after


def test_the_table_has_twenty_states_of_which_ten_are_ends_and_fifty_nine_ways():
    assert len(ScreeningState) == 20
    assert len(machine.TERMINAL) == 10
    assert len(list(_all_edges())) == 59


def test_the_ends_named_by_the_words_are_the_ends_of_the_table():
    assert {state for state in ScreeningState if state.terminal} == machine.TERMINAL
    assert all(not machine.edges(state) for state in machine.TERMINAL)


def test_every_state_is_reachable_from_the_start():
    assert _reachable(machine.START) == set(ScreeningState)


@pytest.mark.parametrize("state", OPEN)
def test_every_open_state_can_still_end(state: ScreeningState):
    assert _reachable(state) & machine.TERMINAL


@pytest.mark.parametrize("state", OPEN)
def test_every_open_state_is_left_or_escalated_by_exactly_one_timer(state: ScreeningState):
    timers = [e for e in machine.edges(state) if TransitionCause.TIMER in MACHINE.triggers[e]]
    assert timers == [machine.timer(state)]
    assert state in machine.DEADLINES


def test_every_event_is_used_and_says_who_may_send_it():
    used = {event for _, event, _ in _all_edges()}
    assert used == set(ScreeningEvent) == set(MACHINE.triggers)
    assert all(MACHINE.triggers.values())


def test_surge_mode_has_no_way_out_of_a_hold_or_a_refusal():
    fuse = {E.FUSE_BYPASS, E.FUSE_RELEASE}
    assert not fuse & (set(machine.edges(S.HELD)) | set(machine.edges(S.REFUSAL)))
    assert E.FUSE_BYPASS not in machine.HUMAN_EVENTS


def test_nobody_held_is_cleared_or_deferred_unless_a_medic_says_so():
    medical = frozenset(
        event for event, by in MACHINE.triggers.items() if by == frozenset({Role.MEDIC})
    )
    assert not _reachable(S.HELD, without=medical) & (CLEARED | {S.DEFERRED})
    assert _reachable(S.HELD) >= {S.CLEARED_CONDITIONAL}


def test_not_knowing_a_credential_never_leads_to_denial_by_itself():
    human = frozenset(event for event, by in MACHINE.triggers.items() if by <= frozenset(Role))
    assert S.DENIED not in _reachable(S.ASSISTED, without=human)


@given(st.lists(st.sampled_from(ScreeningEvent), max_size=30))
def test_a_random_walk_takes_only_ways_of_the_table(events: list[ScreeningEvent]):
    state = machine.START
    for event in events:
        if event in machine.edges(state):
            state = machine.step(state, event)
        else:
            with pytest.raises(machine.IllegalTransition) as refused:
                machine.step(state, event)
            assert (refused.value.state, refused.value.event) == (state, event)
        assert state in _reachable(machine.START)


def test_a_walk_that_takes_one_wrong_way_moves_nothing():
    with pytest.raises(machine.IllegalTransition):
        machine.walk(S.PRESENTED, [E.ALARM, E.NOT_A_CASE])


@pytest.mark.parametrize(("state", "outcome"), EVERY_OUTCOME)
def test_an_outcome_moves_a_screening_only_by_ways_that_policy_may_take(
    state: ScreeningState, outcome: Outcome
):
    path = machine.walk(state, machine.route(state, outcome))
    automatic = {TransitionCause.POLICY, TransitionCause.SYSTEM}
    assert all(MACHINE.triggers[step.event] & automatic for step in path)


@given(st.lists(st.sampled_from(Outcome), max_size=12))
def test_once_held_no_outcome_of_policy_frees(outcomes: list[Outcome]):
    state = S.HELD
    for outcome in outcomes:
        decision = machine.conclude(state, outcome, (), "v1")
        assert decision.verdict is Verdict.STOP
        state = decision.state
    assert state is S.HELD


@given(st.lists(st.sampled_from(Outcome), max_size=12))
def test_a_hold_anywhere_on_the_way_keeps_an_open_passage_from_being_cleared(
    outcomes: list[Outcome],
):
    state = machine.START
    for outcome in outcomes:
        state = machine.conclude(state, outcome, (), "v1").state
        if outcome is Outcome.HOLD and not state.terminal:
            assert state is S.HELD


@pytest.mark.parametrize(("state", "outcome"), EVERY_OUTCOME)
def test_green_is_shown_only_to_somebody_cleared_by_an_outcome_that_passes(
    state: ScreeningState, outcome: Outcome
):
    decision = machine.conclude(state, outcome, (), "v1")
    if decision.verdict is Verdict.PASS:
        assert decision.state in CLEARED
        assert outcome in {Outcome.PASS, Outcome.PASS_WITH_CONDITIONS}


ROUTES = [
    (S.EXPECTED, Outcome.PASS, [E.PRESENT, E.EVIDENCE_COMPLETE, E.PASS], S.CLEARED),
    (S.PRESENTED, Outcome.PASS, [E.EVIDENCE_COMPLETE, E.PASS], S.CLEARED),
    (S.PRESENTED, Outcome.REPEAT, [], S.PRESENTED),
    (S.PRESENTED, Outcome.ASSIST, [E.ASSIST_NEEDED], S.ASSISTED),
    (S.PRESENTED, Outcome.SECONDARY, [E.ALARM], S.SECONDARY),
    (S.PRESENTED, Outcome.RETURN, [E.ALARM], S.SECONDARY),
    (S.PRESENTED, Outcome.HOLD, [E.ALARM, E.CONFIRMED_ABNORMAL], S.HELD),
    (S.PRESENTED, Outcome.WAIT, [E.EVIDENCE_COMPLETE], S.VERIFYING),
    (
        S.ASSISTED,
        Outcome.DEFER,
        [E.EVIDENCE_COMPLETE, E.PROVIDER_UNAVAILABLE_LOW_RISK],
        S.DEFERRED,
    ),
    (S.VERIFYING, Outcome.WAIT, [], S.VERIFYING),
    (S.VERIFYING, Outcome.DEFER, [E.PROVIDER_UNAVAILABLE_LOW_RISK], S.DEFERRED),
    (S.SECONDARY, Outcome.WAIT, [], S.SECONDARY),
    (S.SECONDARY, Outcome.DEFER, [], S.SECONDARY),
    (S.HELD, Outcome.DEFER, [], S.HELD),
    (S.DEFERRED, Outcome.DEFER, [], S.DEFERRED),
    (S.DEFERRED, Outcome.WAIT, [E.REENTER, E.EVIDENCE_COMPLETE], S.VERIFYING),
    (S.VERIFYING, Outcome.SECONDARY, [E.FLAG], S.SECONDARY),
    (S.SECONDARY, Outcome.PASS, [E.RECHECK_NORMAL], S.CLEARED),
    (S.SECONDARY, Outcome.HOLD, [E.CONFIRMED_ABNORMAL], S.HELD),
    (S.REFUSAL, Outcome.REPEAT, [], S.REFUSAL),
    (S.REFUSAL, Outcome.PASS, [E.CONSENT, E.EVIDENCE_COMPLETE, E.PASS], S.CLEARED),
    (S.RETURN_PENDING, Outcome.PASS, [], S.RETURN_PENDING),
    (S.RETURN_PENDING, Outcome.HOLD, [E.CHANGED_MIND, E.CONFIRMED_ABNORMAL], S.HELD),
    (S.TRANSIT_HELD, Outcome.PASS, [], S.TRANSIT_HELD),
    (S.DEFERRED, Outcome.SECONDARY, [E.REENTER, E.ALARM], S.SECONDARY),
    (S.CLEARED, Outcome.HOLD, [], S.CLEARED),
]


@pytest.mark.parametrize(("state", "outcome", "events", "after"), ROUTES)
def test_an_outcome_takes_its_named_way(
    state: ScreeningState,
    outcome: Outcome,
    events: list[ScreeningEvent],
    after: ScreeningState,
):
    reasons = (Reason("temperature-1", "above-threshold"),)
    decision = machine.conclude(state, outcome, reasons, "hub-2022-12@3")
    assert [step.event for step in decision.path] == events
    assert decision.state is after
    assert (decision.reasons, decision.policy_version) == (reasons, "hub-2022-12@3")


def test_words_of_caution_compare_by_caution_and_not_by_alphabet():
    assert list(Outcome) == sorted(Outcome)
    assert max(Outcome.HOLD, Outcome.PASS, Outcome.SECONDARY) is Outcome.HOLD
    assert Verdict.PASS < Verdict.UNKNOWN < Verdict.CHECK <= Verdict.STOP
    assert Verdict.STOP >= Verdict.STOP > Verdict.CHECK
    with pytest.raises(ValueError, match="HOLD"):
        assert Verdict.PASS < Outcome.HOLD


CALM = ReleaseFacts(
    highest_tenths=365,
    threshold_tenths=373,
    red=False,
    authority_hit=False,
    open_case=False,
    severely_ill=False,
)


@given(
    highest=st.none() | st.integers(300, 450),
    threshold=st.integers(365, 385),
    flags=st.tuples(*[st.booleans()] * 4),
)
def test_surge_mode_names_every_reason_that_forbids_release(
    highest: int | None, threshold: int, flags: tuple[bool, bool, bool, bool]
):
    named = set(machine.release_forbidden(ReleaseFacts(highest, threshold, *flags)))
    hot = highest is not None and highest >= threshold
    assert (GuardClass.READING in named) == hot
    assert len(named) == hot + sum(flags)


def test_somebody_without_any_sign_may_be_released_even_when_not_measured():
    assert machine.release_forbidden(CALM) == ()


R, V, K = set(ReminderKind), VerificationKind, set(ServiceKind)
COMPLETE = [
    (R, {V.CREDENTIAL, V.TEMPERATURE, V.IDENTITY}, K, Completeness(2, 2, 2, True)),
    (R, {V.CREDENTIAL, V.IDENTITY}, K, Completeness(2, 1, 2, False)),
    (R, {V.CREDENTIAL, V.TEMPERATURE, V.RECHECK}, K, Completeness(2, 1, 2, False)),
    ({ReminderKind.R2}, {V.IDENTITY}, set(), Completeness(1, 1, 0, False)),
    (set(), set(), set(), Completeness(0, 0, 0, False)),
]


@pytest.mark.parametrize(("reminders", "verifications", "services", "expected"), COMPLETE)
def test_a_screening_is_complete_with_two_of_each_and_a_recheck_is_no_verification(
    reminders: set[ReminderKind],
    verifications: set[VerificationKind],
    services: set[ServiceKind],
    expected: Completeness,
):
    assert machine.completeness(reminders, verifications, services) == expected


def test_a_hub_may_ask_for_less_than_two_of_each():
    assert machine.completeness(set(), {V.IDENTITY}, set(), required=(0, 1, 0)).complete
