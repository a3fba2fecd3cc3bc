"""The breaker before partners: it opens on time, tries one call at a time, and closes again."""

import datetime as dt
import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from twinstile.platform.http.circuit_breaker import (
    FIRST_WAIT,
    IN_A_ROW,
    LONGEST_WAIT,
    WINDOW,
    Breaker,
    BreakerState,
)

START = dt.datetime(2026, 11, 28, 8, tzinfo=dt.UTC)
CHANCES = st.floats(0, 1)


def after(ends: str, breaker: Breaker | None = None) -> Breaker:
    """The breaker after calls that ended so: `x` failed, `.` did not."""
    breaker = breaker or Breaker()
    for end in ends:
        breaker = breaker.asked(START)
        breaker = breaker.failed(START, 0.5) if end == "x" else breaker.succeeded()
    return breaker


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ("xxxx", BreakerState.CLOSED),
        ("xxxxx", BreakerState.OPEN),
        ("xxxx.xxxx", BreakerState.CLOSED),
        ("x." * 9 + "x", BreakerState.CLOSED),
        ("x." * 9 + ".x", BreakerState.OPEN),
        ("x." * 9 + "..x", BreakerState.CLOSED),
        ("." * 100 + "x.x.x.x.x.x.x.x.x.", BreakerState.CLOSED),
        ("." * 100 + "x.x.x.x.x.x.x.x.x.x", BreakerState.OPEN),
    ],
)
def test_it_opens_after_five_failures_in_a_row_or_ten_of_twenty(
    ends: str, state: BreakerState
) -> None:
    assert after(ends).state is state


def test_waits_double_from_thirty_seconds_to_ten_minutes() -> None:
    breaker, now, waits = after("xxxxx"), START, list[float]()
    for _ in range(8):
        assert breaker.again_at is not None
        waits.append((breaker.again_at - now).total_seconds())
        now = breaker.again_at
        assert breaker.allows(now)
        breaker = breaker.asked(now).failed(now, 0.5)
    assert waits == [30, 60, 120, 240, 480, 600, 600, 600]


def test_one_call_tries_and_its_success_closes() -> None:
    now = START + FIRST_WAIT
    breaker = after("xxxxx")
    assert not breaker.allows(now - dt.timedelta(milliseconds=1))
    trying = breaker.asked(now)
    assert trying.state is BreakerState.TRYING
    assert not trying.allows(now)
    assert trying.succeeded() == Breaker()


def test_a_call_that_tries_and_is_never_heard_of_does_not_close_the_way_for_ever() -> None:
    trying = after("xxxxx").asked(START + FIRST_WAIT)
    assert trying.allows(START + 2 * FIRST_WAIT)


def test_answers_from_before_it_opened_change_nothing() -> None:
    breaker = after("xxxxx")
    assert breaker.succeeded() == breaker == breaker.failed(START, 0.5)


@given(chance=CHANCES, back=st.timedeltas(dt.timedelta(hours=1), dt.timedelta(days=3650)))
def test_a_clock_that_is_set_back_does_not_lengthen_the_wait(
    chance: float, back: dt.timedelta
) -> None:
    breaker = Breaker()
    for _ in range(IN_A_ROW):
        breaker = breaker.failed(START, chance)
    assert not breaker.allows(START)
    assert breaker.allows(START - back)


class Partner(RuleBasedStateMachine):
    """A partner up or down, callers at any pace, calls that end late or never."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = START
        self.out = 0
        self.failures = 0
        self.open_calls: list[dt.datetime] = []

    @rule(seconds=st.floats(0, 900))
    def wait(self, seconds: float) -> None:
        if self.out and self.breaker.state is BreakerState.CLOSED:
            seconds = min(seconds, 1)  # calls end well within the first wait
        self.now += dt.timedelta(seconds=seconds)

    @rule()
    def call(self) -> None:
        if not self.breaker.allows(self.now):
            return
        if self.breaker.state is not BreakerState.CLOSED:
            self.open_calls.append(self.now)
            self.out = 0
        self.breaker = self.breaker.asked(self.now)
        self.out += 1

    @precondition(lambda self: self.out)
    @rule(chance=CHANCES)
    def fail(self, chance: float) -> None:
        self.out -= 1
        before = self.breaker.state
        self.breaker = self.breaker.failed(self.now, chance)
        self.failures = self.failures + 1 if before is BreakerState.CLOSED else 0
        if self.failures >= IN_A_ROW:
            assert self.breaker.state is BreakerState.OPEN
        if self.breaker.state is BreakerState.OPEN:
            self.failures = 0

    @precondition(lambda self: self.out)
    @rule()
    def succeed(self) -> None:
        self.out -= 1
        before = self.breaker.state
        self.breaker = self.breaker.succeeded()
        self.failures = 0
        assert (self.breaker.state is BreakerState.OPEN) == (before is BreakerState.OPEN)
        if self.breaker.state is BreakerState.CLOSED:
            self.open_calls.clear()

    @invariant()
    def a_partner_that_is_down_is_asked_once_in_thirty_seconds(self) -> None:
        times = self.open_calls
        assert all(b - a >= FIRST_WAIT for a, b in itertools.pairwise(times))

    @invariant()
    def nobody_is_given_up_for_good(self) -> None:
        assert self.breaker.allows(self.now + LONGEST_WAIT * 1.2)
        assert len(self.breaker.recent) <= WINDOW


TestPartner = Partner.TestCase


def test_a_dead_partner_gets_few_calls_however_many_would_call() -> None:
    random.seed(7)
    breaker, calls = Breaker(), 0
    for tenth in range(36_000):
        now = START + dt.timedelta(seconds=tenth / 10)
        if breaker.allows(now):
            calls += 1
            breaker = breaker.asked(now).failed(now, random.random())
    assert calls <= IN_A_ROW + 12
