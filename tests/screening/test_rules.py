"""Decisions on evidence: what no combination of evidence may ever bring about."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from twinstile.credentials.types import CredentialStatus
from twinstile.policy import documents
from twinstile.screening import rules
from twinstile.screening.decision_context import DecisionContext
from twinstile.screening.evidence import Evidence
from twinstile.screening.readings import tenths
from twinstile.screening.types import Outcome, ScreeningState, TemperatureMethod, Verdict

POLICY = documents.compile_document(documents.pack("cn-hub"))
THRESHOLD = POLICY.parameters.threshold_tenths
MOMENT = datetime(2022, 4, 12, 4, tzinfo=UTC)

readings = st.tuples(
    st.integers(300, 450),
    st.sampled_from(list(TemperatureMethod)),
    st.none() | st.integers(0, 20),
)
evidence = st.builds(
    Evidence,
    readings=st.lists(readings, max_size=6).map(tuple),
    credential=st.sampled_from([*CredentialStatus, "NONE"]),
    identity=st.sampled_from(["MATCH", "MISMATCH", "NOT_CHECKED", "NONE"]),
    illness=st.booleans(),
)
at_a_lane = st.sampled_from(
    [ScreeningState.EXPECTED, ScreeningState.PRESENTED, ScreeningState.ASSISTED]
)
anywhere = st.sampled_from(list(ScreeningState))
PLAIN = Evidence(
    readings=((365, TemperatureMethod.WALK_THROUGH, None),),
    credential="GREEN",
    identity="MATCH",
)


def decide(
    state: ScreeningState, seen: Evidence, *, prior_hold: bool = False
) -> rules.Decision:
    around = DecisionContext(MOMENT, MOMENT.date(), prior_hold=prior_hold)
    return rules.decide(state, seen, around, POLICY)


@given(at_a_lane, evidence)
def test_nobody_passes_without_a_green_credential_a_match_and_a_normal_reading(
    state: ScreeningState, seen: Evidence
) -> None:
    decision = decide(state, seen)
    if decision.verdict is Verdict.PASS:
        assert seen.credential == "GREEN"
        assert seen.identity == "MATCH"
        assert not seen.illness
        assert seen.readings[-1][0] < THRESHOLD
        assert decision.reasons == ()


@given(at_a_lane, evidence)
def test_two_methods_at_the_threshold_hold_whatever_else_is_seen(
    state: ScreeningState, seen: Evidence
) -> None:
    fever = tuple((THRESHOLD, m, None) for m in (TemperatureMethod.EAR, TemperatureMethod.ORAL))
    decision = decide(state, replace(seen, readings=(*seen.readings, *fever)))
    assert decision.outcome is Outcome.HOLD
    assert decision.state is ScreeningState.HELD


@given(anywhere, evidence, st.booleans())
def test_every_decision_that_does_not_pass_says_why(
    state: ScreeningState, seen: Evidence, prior_hold: bool
) -> None:
    decision = decide(state, seen, prior_hold=prior_hold)
    assert (decision.outcome is Outcome.PASS) == (decision.reasons == ())


@given(at_a_lane, st.sampled_from(["NOT_FOUND", "UNAVAILABLE", "NOT_PRESENTED", "STALE"]))
def test_no_missing_code_alone_stops_anybody(state: ScreeningState, status: str) -> None:
    decision = decide(state, replace(PLAIN, credential=status))
    assert decision.verdict in {Verdict.CHECK, Verdict.UNKNOWN}


@given(at_a_lane, evidence)
def test_more_heat_never_lowers_caution(state: ScreeningState, seen: Evidence) -> None:
    warmer = replace(seen, readings=tuple((t + 5, m, e) for t, m, e in seen.readings))
    if all(t >= POLICY.parameters.invalid_below_tenths for t, _, _ in seen.readings):
        assert decide(state, warmer).outcome >= decide(state, seen).outcome


@given(evidence)
def test_nothing_a_check_brings_moves_somebody_held(seen: Evidence) -> None:
    decision = decide(ScreeningState.HELD, seen)
    assert (decision.state, decision.path) == (ScreeningState.HELD, ())
    assert decision.verdict is Verdict.STOP


def test_fahrenheit_is_converted_at_the_edge() -> None:
    assert tenths(98.6, "F") == 370
    assert tenths(100.4, "F") == 380
    assert tenths(36.65, "C") in {366, 367}
