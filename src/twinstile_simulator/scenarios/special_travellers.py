"""Who must be seen on any day: a table of special travellers.

A line is a kind of traveller with a script; where many need the same, the script has a name.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from twinstile_simulator import documents
from twinstile_simulator.credentials import presentations
from twinstile_simulator.credentials.presentations import CERTIFICATE, Condition, Presentation
from twinstile_simulator.protocol import State
from twinstile_simulator.scenarios.scripts import (
    DISPOSITION,
    IDENTIFICATION,
    OVERRIDE,
    DepartmentReport,
    Desk,
    GroupArrival,
    GroupMember,
    Period,
    Script,
    ScriptAction,
    ScriptedTraveller,
    TravellerGroup,
    begin_visit,
    by_clock,
    check,
    step,
)

_HOT, _EAR_HOT = ({"value": 38.5, "method": m} for m in ("WALK_THROUGH", "EAR"))
_CHILD = date(2018, 5, 4)
_LOW_RISK: Mapping[str, object] = {
    "credential": {"status": "UNAVAILABLE"},
    "declaration": {"contact": "NO"},
    "itinerary": {"source": "CARD", "areas": [{"code": "3201"}]},
}
_RISK_AREA = {"source": "DECLARATION", "areas": [{"code": documents.RISK_AREA}]}
_LISTED_AREA = {"source": "DECLARATION", "areas": [{"code": documents.LISTED_AREA}]}
_SAMPLED = {"kind": "PCR", "result": "NEGATIVE", "sampled_at": timedelta(hours=-10)}

_CLEARED = check(Desk.LANE, State.CLEARED)
_RECHECKED = step(Desk.SECONDARY, "recheck_normal", State.CLEARED)
_SENT_TO_SECONDARY = (check(Desk.LANE, State.SECONDARY), _RECHECKED)
_ASSISTED = check(
    Desk.ASSISTED,
    State.CLEARED,
    assistance=True,
    temperature=None,
    credential={"status": "GREEN", "kind": "DECLARATION"},
    declaration={"contact": "NO"},
)
_UNMEASURED = check(Desk.LANE, State.PRESENTED, temperature=None)


def _refuse(desk: Desk, alternative: str) -> Script:
    refusal = {"refused": "TEMPERATURE", "alternatives": [alternative], "witness": "desk 4"}
    return (
        check(desk, State.PRESENTED, temperature=None),
        step(desk, "refuse", State.REFUSAL, **refusal),
    )


_REFUSES = _refuse(Desk.LANE, "OTHER_DEVICE")
_RETURNS = (
    *_REFUSES,
    step(
        Desk.LANE,
        "return_chosen",
        State.RETURN_PENDING,
        consent=True,
        departure=timedelta(hours=2),
    ),
)
_LAWFUL_ORDER: Mapping[str, object] = {
    "authority": "station police",
    "legal_basis": "CN-IDPCL-39",
    "until": timedelta(hours=2),
}
_CUSTODY = {"authority": "station police", "acknowledgement": "P-9"}
_LAST_SEEN = {"last_lane": "exit-secondary", "last_seen_at": timedelta(0)}
_AT_RISK = {"matched": "AUTHORITY_LIST", "receiver": "district CDC"}
_DISCRETION = {"event": "recheck_normal_conditions", "ground": "RULE_UNFIT"}
_DEFERRED = check(Desk.LANE, State.DEFERRED, **_LOW_RISK)
_HELD = (
    check(Desk.LANE, State.SECONDARY, temperature=_HOT),
    check(Desk.SECONDARY, State.HELD, temperature=_EAR_HOT),
)


def _send_to(code: str) -> ScriptAction:
    return step(Desk.SECONDARY, DISPOSITION, State.HELD, code=code)


def _transit(departure: timedelta) -> ScriptAction:
    content: Mapping[str, object] = {"departure": departure, "zone": "transit"}
    return step(Desk.LANE, "transit_declared", State.TRANSIT_HELD, **content)


_SCRIPTS: Mapping[str, Script] = {
    "no phone": (
        check(Desk.LANE, State.ASSISTED, credential={"status": "NOT_PRESENTED"}),
        _ASSISTED,
    ),
    "crew": (check(Desk.LANE, State.CLEARED, category="CREW", test=_SAMPLED, credential=None),),
    "starred itinerary": (
        check(
            Desk.LANE,
            State.CLEARED_CONDITIONAL,
            itinerary={"source": "CARD", "starred": True},
        ),
    ),
    "from an area, before noon": (check(Desk.LANE, State.CLEARED, itinerary=_RISK_AREA),),
    "refused, then consented": (*_REFUSES, _CLEARED),
    "refused, returned": (
        *_RETURNS,
        step(Desk.LANE, "boarded", State.RETURNED, seen_by="escort 3"),
    ),
    "refused, changed mind": (
        *_RETURNS,
        step(Desk.LANE, "changed_mind", State.SECONDARY),
        check(Desk.SECONDARY, State.CLEARED),
    ),
    "refused, under lawful order": (
        *_REFUSES,
        step(Desk.COMMANDER, "lawful_order", State.SECONDARY, **_LAWFUL_ORDER),
        check(Desk.SECONDARY, State.CLEARED),
    ),
    "refused, in custody": (
        *_REFUSES,
        step(Desk.SUPERVISOR, "custody", State.HANDED_OVER, **_CUSTODY),
    ),
    "refused, boarding denied": (
        *_refuse(Desk.DEPARTURES, "NONE_FITS"),
        step(Desk.SUPERVISOR, "deny_boarding", State.DENIED, witness="desk 9"),
    ),
    "absconded": (
        check(Desk.LANE, State.SECONDARY, identity="MISMATCH"),
        step(Desk.LANE, "absconded", State.ABANDONED, **_LAST_SEEN),
    ),
    "deferred, closed by data": (
        _DEFERRED,
        step(Desk.EPIDEMIOLOGIST, "matched_clear", State.CLEARED, matched="TEST_RESULT"),
    ),
    "deferred, found at risk": (
        _DEFERRED,
        step(Desk.EPIDEMIOLOGIST, "matched_risk", State.HANDED_OVER, **_AT_RISK),
    ),
    "came again": (_CLEARED, begin_visit(_CLEARED)),
    "second alarm, one case": (
        *_HELD,
        _send_to("DESIGNATED_HOSPITAL"),
        step(Desk.SECONDARY, "handover_ack", State.HANDED_OVER, receiver="First Hospital"),
        begin_visit(_HELD[0]),
        _HELD[1],
    ),
    "checked in error": (_UNMEASURED, step(Desk.SUPERVISOR, "void", State.VOID)),
}
"""Those who come alone in the morning, with a resident ID."""
_AFTERNOON: Mapping[str, Script] = {
    "from an area, after noon": (
        check(Desk.LANE, State.SECONDARY, itinerary=_RISK_AREA),
        _RECHECKED,
    ),
    "from an area, listed by health": (
        check(Desk.LANE, State.SECONDARY, itinerary=_LISTED_AREA),
        _RECHECKED,
    ),
    "from an area, discretion used": (
        check(Desk.LANE, State.SECONDARY, itinerary=_RISK_AREA),
        step(Desk.SUPERVISOR, OVERRIDE, State.CLEARED_CONDITIONAL, **_DISCRETION),
    ),
    "deferred, unresolved": (_DEFERRED, by_clock(State.DEFERRED_UNRESOLVED)),
    "came again, code and reading reused": (
        _CLEARED,
        begin_visit(check(Desk.LANE, State.CLEARED, temperature=None, credential=None)),
    ),
}
_EXPECTED: Mapping[str, tuple[Script, Period]] = {
    "transit, boarded": (
        (
            _transit(timedelta(hours=3)),
            step(Desk.LANE, "connection_boarded", State.CLEARED_TRANSIT, seen_by="gate 7"),
        ),
        Period.MORNING,
    ),
    "transit, chose the exit": (
        (
            _transit(timedelta(hours=3)),
            step(Desk.LANE, "exit_chosen", State.PRESENTED),
            _CLEARED,
        ),
        Period.MORNING,
    ),
    "transit, missed": (
        (_transit(timedelta(minutes=5)), by_clock(State.PRESENTED), _CLEARED),
        Period.AFTERNOON,
    ),
    "entered in error": ((step(Desk.SUPERVISOR, "void", State.VOID),), Period.MORNING),
}
"""On the manifest of a train of their own."""
_REPORTED: Mapping[str, tuple[DepartmentReport, Script, Period]] = {
    kind: (report, _SENT_TO_SECONDARY if stopped else (_CLEARED,), period)
    for kind, report, stopped, period in (
        ("looked for by the police", DepartmentReport.POLICE_CHECK, True, Period.MORNING),
        ("to be stopped for the police", DepartmentReport.POLICE_STOP, True, Period.MORNING),
        ("looked for no more", DepartmentReport.POLICE_LIFTED, False, Period.MORNING),
        (
            "looked for, told after an outage",
            DepartmentReport.POLICE_LATE,
            True,
            Period.AFTERNOON,
        ),
        ("document reported lost", DepartmentReport.DOCUMENT_LOST, True, Period.MORNING),
        ("document found again", DepartmentReport.DOCUMENT_FOUND, False, Period.MORNING),
        ("red to the health department", DepartmentReport.HEALTH_RED, True, Period.AFTERNOON),
        (
            "green to the health department",
            DepartmentReport.HEALTH_GREEN,
            False,
            Period.AFTERNOON,
        ),
        ("close contact, says health", DepartmentReport.CLOSE_CONTACT, True, Period.AFTERNOON),
    )
}
_FAMILY = (
    GroupMember((_CLEARED,), role="GUARDIAN"),
    GroupMember((*_HELD, _send_to("FEVER_CLINIC")), documents.child_id, _CHILD, "MINOR"),
    GroupMember(_SENT_TO_SECONDARY, role="MEMBER"),
)
_PUPIL = GroupMember(
    (check(Desk.LANE, State.CLEARED, credential=None),), documents.child_id, _CHILD, "MINOR"
)
_INFANT = check(Desk.LANE, State.CLEARED, category="INFANT", identity=None, credential=None)
_UNCONSCIOUS = check(
    Desk.LANE,
    State.HELD,
    emergency="UNCONSCIOUS",
    temperature=None,
    credential=None,
    identity=None,
)
_NAMED_LATER = (
    _UNCONSCIOUS,
    _send_to("EMERGENCY_CARE"),
    step(Desk.SECONDARY, IDENTIFICATION, State.HELD, how="PAPERS_FOUND"),
)


def _groups() -> Iterator[TravellerGroup]:
    for kind, papers in documents.GUEST_PAPERS.items():
        yield TravellerGroup(kind, (GroupMember((_CLEARED,), papers),), looked_up=True)
    for period, table in ((Period.MORNING, _SCRIPTS), (Period.AFTERNOON, _AFTERNOON)):
        for kind, script in table.items():
            yield TravellerGroup(kind, (GroupMember(script),), period=period)
    for kind, (script, period) in _EXPECTED.items():
        yield TravellerGroup(kind, (GroupMember(script),), period=period, expected=True)
    for kind, (report, script, period) in _REPORTED.items():
        yield TravellerGroup(kind, (GroupMember(script),), period=period, report=report)
    yield TravellerGroup("family, one member ill", _FAMILY)
    pupils = (GroupMember((_CLEARED,), role="GUARDIAN"), *[_PUPIL] * 12)
    yield TravellerGroup("school class", pupils, batched=True)
    yield TravellerGroup("infant", (GroupMember((_INFANT,), documents.no_papers),))
    patient = GroupMember(_NAMED_LATER)
    yield TravellerGroup("unconscious, named later", (patient,), looked_up=True)
    for period, presented in (
        (Period.BEFORE_OPENING, presentations.BEFORE_OPENING),
        (Period.MORNING, presentations.MORNING),
        (Period.AFTERNOON, presentations.AFTERNOON),
        (Period.PROVIDER_OUTAGE, presentations.PROVIDER_OUTAGE),
        (Period.AFTER_OUTAGE, presentations.AFTER_OUTAGE),
    ):
        for one in presented:
            yield _present(one, period)


_STATES = {"GREEN": State.CLEARED, "NOT_FOUND": State.ASSISTED}
_REST: Mapping[State, Script] = {
    State.CLEARED: (),
    State.ASSISTED: (_ASSISTED,),
    State.SECONDARY: (_RECHECKED,),
}


def _present(one: Presentation, period: Period) -> TravellerGroup:
    """Somebody who presents a credential, with the way it leads to."""
    certificate = one.source == CERTIFICATE
    kind = "CERTIFICATE" if certificate else "HEALTH_CODE"
    state = _STATES.get(one.status, State.SECONDARY)
    credential = {"status": "PENDING", "kind": kind}
    script = (check(Desk.LANE, state, credential=credential, presented=one), *_REST[state])
    papers, name = (
        (documents.eriksson, "Eriksson, Anna") if certificate else (documents.guest_id, "张伟")
    )
    often = one.how is Condition.VALID and not period.under_new_policy
    return TravellerGroup(
        f"showing {one.source}" if certificate else f"showing a code of {one.source}",
        (GroupMember(script, papers, name=name),),
        per_1000=2.0 if often else 0,
        period=period,
    )


GROUPS: tuple[TravellerGroup, ...] = tuple(_groups())
"""Everybody who must be seen; the names are printed."""


def invite(travellers: int) -> tuple[GroupArrival, ...]:
    """Invite the special travellers of a day of so many travellers."""
    arrivals: list[GroupArrival] = []
    serial = 0
    for group in GROUPS:
        for _ in range(max(1, round(group.per_1000 * travellers / 1000))):
            come: list[ScriptedTraveller] = []
            for one in group.members:
                serial += 1
                come.append(ScriptedTraveller(f"guest-{serial:03d}", one, one.papers(serial)))
            arrivals.append(GroupArrival(group, tuple(come)))
    return tuple(arrivals)
